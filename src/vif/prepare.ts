import type { FilterPort } from '../backends/backend.ts';
import type { Managed } from '../backends/choice.ts';
import { readGuestName } from '../effects/guest-names.ts';
import type { Device } from '../effects/sysfs.ts';
import { readDirectory, type XenstoreKeys } from '../effects/xenstore.ts';
import { Failure } from '../errors.ts';
import type { Gateways } from '../filter/gateways.ts';
import { isObserved } from '../filter/own-terms.ts';
import { buildPlan, type FilterPlan, isUnbound } from '../filter/plan.ts';
import type { Host } from '../host.ts';
import type { MacAddress } from '../net/mac-address.ts';
import { withAddresses } from '../policy/address-change.ts';
import type { HeldPolicy } from '../policy/policy.ts';
import { asksForGuests, resolvePolicy } from '../policy/resolve-policy.ts';
import { bridgeBroadcasts, bridgeIfAny, chooseBridge } from '../port/bridge.ts';
import { guestGroup } from '../port/guest-group.ts';
import {
  bindingAlone,
  heldMacs,
  learnsUnseen,
  type PortFlags,
  type WishedPort,
  wishPort,
} from '../port/wished-port.ts';
import { deviceFinder, type FindDevice } from '../state/present-devices.ts';
import { macsOf, type VifRecord } from '../state/records.ts';
import type { HotplugEvent } from '../xen/hotplug-event.ts';
import { type IdentityValues, parseIdentity, type VifIdentity } from '../xen/vif-identity.ts';
import { knownGateways } from './known-gateways.ts';
import { checkVlans } from './vlans.ts';

/** Everything that is known before anything is changed. Every command starts from it, so a dry run cannot drift. */
export interface Prepared {
  readonly event: HotplugEvent;
  readonly vif: VifIdentity;
  /** The raw values the identity was parsed from, for the state. */
  readonly values: IdentityValues;
  readonly bridge: string;
  readonly subnetBroadcasts: readonly string[];
  /** What the policy says of it now. */
  readonly policy: HeldPolicy;
  readonly plan: FilterPlan;
  readonly setup: WishedPort;
  readonly port: FilterPort;
  /** xenstore's backend keys; undefined when run by hand. */
  readonly keys: XenstoreKeys | undefined;
}

/** Who it is about. */
export interface Identified {
  readonly vif: VifIdentity;
  readonly values: IdentityValues;
  readonly keys: XenstoreKeys | undefined;
}

/**
 * Who is this about? From xenstore if Xen called, where arguments and environment never decide about the filter; from
 * arguments and environment if an admin did.
 *
 * @throws Failure `input` for values that cannot be accepted, `missing` if Xen has no such vif
 */
export async function identify(host: Pick<Host, 'run' | 'policy'>, event: HotplugEvent): Promise<Identified> {
  const { xenbus } = event;
  if (xenbus === undefined) return identified(event, undefined, undefined);
  const [keys, guest] = await Promise.all([
    readDirectory(host.run, xenbus.path),
    asksForGuests(host.policy) ? readGuestName(host.run, xenbus.domid) : undefined,
  ]);
  return identified(event, keys, guest);
}

/**
 * The same with what was read before.
 *
 * @param keys of the backend directory; undefined if it is not there
 * @param guest its name; undefined where the policy does not ask for it
 */
export function identified(event: HotplugEvent, keys: XenstoreKeys | undefined, guest: string | undefined): Identified {
  const { device, type, xenbus } = event;
  if (xenbus === undefined) {
    return {
      vif: parseIdentity({ device, type }, event.given, 'the command line'),
      values: event.given,
      keys: undefined,
    };
  }
  if (keys === undefined) {
    throw new Failure('missing', `xenstore has no ${xenbus.path}`, { hint: `Xen does not know ${device} (any more)` });
  }
  const values: IdentityValues = {
    mac: keys.get('mac'),
    ip: keys.get('ip'),
    // xend may leave the bridge to the script's arguments; it says where to join, not what to let through.
    bridge: keys.get('bridge') ?? event.given.bridge,
    vifname: keys.get('vifname'),
    mtu: keys.get('mtu'),
    vlan: keys.get('vlan'),
    nicType: keys.get('type'),
    // xl-network-configuration(5); `netdev` is the name it had before 4.2.
    ...(event.routed === true ? { gatewaydev: keys.get('gatewaydev') ?? keys.get('netdev') } : {}),
    guest,
  };
  return { vif: parseIdentity({ device, type }, values, xenbus.path), values, keys };
}

/** Raw values, less what is undefined, so that they survive JSON unchanged. */
export function definedValues(values: IdentityValues): IdentityValues {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined));
}

/**
 * The pure middle: identity, bridge and the vif's policy to plan and port set-up.
 *
 * @param bridge undefined in a dry run on a machine without that bridge
 * @param device undefined in a dry run on a machine without that device
 */
export function plan(
  who: Identified,
  event: HotplugEvent,
  facts: {
    readonly bridge: Device | undefined;
    readonly device: Device | undefined;
    readonly subnetBroadcasts: readonly string[];
    /** Another port has one of these MACs. */
    readonly hasTwin: (macs: readonly MacAddress[]) => boolean;
    readonly policy: HeldPolicy;
    readonly rules: Pick<Managed['rules'], 'name' | 'dropsAtDevice' | 'mostMacs' | 'learns' | 'seesBehindTags'>;
    readonly uplink: string | undefined;
    /** MACs that this host knows of the gateways of the vif. */
    readonly gatewayMacs: (gateways: Gateways) => readonly MacAddress[];
  },
): Prepared {
  const vif = withAddresses(who.vif, facts.policy);
  const bridge = facts.bridge?.name ?? vif.bridge ?? 'xenbr0';
  const filter = buildPlan(vif, facts.policy, facts.subnetBroadcasts, facts.gatewayMacs(facts.policy.gateways));
  checkVlans(vif, filter, facts.bridge, facts.policy, facts.rules);
  const ofBridge = filter.macs.find((mac) => mac === facts.bridge?.mac);
  if (ofBridge !== undefined) {
    throw new Failure('input', `${ofBridge} is the MAC address of the bridge ${bridge}`, {
      at: ofBridge === vif.mac ? 'mac' : 'extra_macs of the policy',
      hint: 'give the guest an address of its own',
    });
  }
  if (filter.macs.length > facts.rules.mostMacs) {
    throw new Failure('input', `${filter.macs.length} MAC addresses are too many for ${facts.rules.name}`, {
      at: 'extra_macs of the policy',
      hint: `it takes ${facts.rules.mostMacs} at most: it has no sets, and compares one by one; nftables takes more`,
    });
  }
  if (filter.terms.learning !== undefined && !facts.rules.learns) {
    throw new Failure('input', `${facts.rules.name} cannot learn addresses`, {
      at: 'learn of the policy',
      hint: 'write its addresses as ip=, or use backend = nftables',
    });
  }
  const alone = bindingAlone(filter.macs, facts.bridge?.vlanFiltering);
  const held = heldMacs(filter.macs);
  const binding = isUnbound(filter) ? 'unpinned' : vif.hvm || facts.hasTwin(held) ? 'shared' : alone;
  const stp = facts.bridge?.stp === true;
  // Of who is observed frames of STP are counted there, where that can be.
  const ingress = isObserved(filter.terms)
    ? stp && facts.rules.dropsAtDevice(facts.bridge)
    : learnsUnseen(binding) || (binding === 'pinned' && stp);
  return {
    ...who,
    vif,
    event,
    bridge,
    subnetBroadcasts: facts.subnetBroadcasts,
    policy: facts.policy,
    plan: filter,
    setup: wishPort({
      device: vif.device,
      name: vif.name,
      group: guestGroup(facts.device?.ifindex),
      bridge,
      macs: filter.macs,
      mtu: vif.mtu ?? facts.bridge?.mtu ?? 0,
      rename: vif.name !== vif.device && facts.device?.name !== vif.name,
      binding,
      quietLinkLocal: ingress && !facts.rules.dropsAtDevice(facts.bridge),
      backup: facts.uplink,
      vlan: vif.vlan,
      trunk: filter.terms.values.vlan,
      flags: portFlags(facts.policy, isObserved(filter.terms)),
    }),
    port: {
      device: vif.device,
      name: vif.name,
      bridge,
      ifindex: facts.device?.ifindex,
      ingress,
    },
  };
}

/** What the policy says of the port. Of who is observed nothing is kept that no counter would tell of. */
export function portFlags({ isolated, flood, hairpin }: HeldPolicy, observed: boolean): Partial<PortFlags> {
  return {
    ...(isolated === 'yes' && !observed ? { isolated: true } : {}),
    ...(flood === 'no' && !observed ? { flood: false } : {}),
    ...(hairpin === 'on' ? { hairpin: true } : {}),
  };
}

/**
 * The whole way for a command that changes something: everything must be there.
 *
 * @param hasTwin another port has one of its MACs
 */
export function prepareIdentified(
  host: Pick<
    Managed,
    'readDevice' | 'deviceNames' | 'uplinkOf' | 'netTable' | 'policy' | 'rules' | 'state' | 'bootId' | 'now'
  >,
  event: HotplugEvent,
  device: Device,
  who: Identified,
  hasTwin: (macs: readonly MacAddress[]) => boolean = (macs) => twins(host, who.vif, macs).length > 0,
): Prepared {
  const bridge = chooseBridge(who.vif.bridge, host.readDevice, host.deviceNames);
  return plan(who, event, {
    bridge,
    device,
    subnetBroadcasts: bridgeBroadcasts(host.netTable('route'), bridge.name),
    hasTwin,
    policy: resolvePolicy(host.policy, { ...who.vif, bridge: bridge.name }, host.now()),
    rules: host.rules,
    uplink: host.uplinkOf(bridge.name),
    gatewayMacs: (gateways) => knownGateways(host, gateways, bridge.name, event.device),
  });
}

/** For `--dry-run`: what is not there is left out, nothing is needed. */
export async function prepareDry(host: Managed, event: HotplugEvent): Promise<Prepared> {
  const who = await identify(host, event);
  const bridge = bridgeIfAny(who.vif.bridge, host.readDevice, host.deviceNames);
  return plan(who, event, {
    bridge,
    device: host.readDevice(who.vif.name) ?? host.readDevice(who.vif.device),
    subnetBroadcasts: bridge === undefined ? [] : bridgeBroadcasts(host.netTable('route'), bridge.name),
    hasTwin: (macs) => twins(host, who.vif, macs).length > 0,
    policy: resolvePolicy(host.policy, { ...who.vif, bridge: bridge?.name ?? who.vif.bridge }, host.now()),
    rules: host.rules,
    uplink: bridge && host.uplinkOf(bridge.name),
    gatewayMacs: (gateways) => knownGateways(host, gateways, bridge?.name, event.device),
  });
}

/**
 * Other live ports of ours with one of these MACs: an HVM NIC's other half, a stub domain's, a localhost migration's;
 * or another guest's, to which a MAC may move.
 */
export function twins(
  host: Pick<Host, 'state' | 'readDevice' | 'deviceNames' | 'bootId'>,
  { device: own }: Pick<VifIdentity, 'device'>,
  macs: readonly string[],
  find: FindDevice = deviceFinder(host),
): VifRecord[] {
  return [...new Set(macs.flatMap((mac) => host.state.devicesWithMac(mac)))]
    .filter((device) => device !== own)
    .flatMap((device) => host.state.readVif(device) ?? [])
    .filter((record) => record.routed === undefined && heldMacs(macsOf(record)).some((mac) => macs.includes(mac)))
    .flatMap((record) => {
      const device = find(record);
      return device === undefined ? [] : [{ ...record, name: device.name }];
    });
}
