import type { Managed } from '../backends/choice.ts';
import type { Device } from '../effects/sysfs.ts';
import { Failure } from '../errors.ts';
import { namesGateways } from '../filter/gateways.ts';
import { optInTerms } from '../filter/opt-ins.ts';
import { buildPlan } from '../filter/plan.ts';
import { distinctPrefixes } from '../net/address-list.ts';
import { addressIn, contains, type IpPrefix, isHost, LINK_LOCAL, overlaps, sizeOf } from '../net/ip-prefix.ts';
import { withAddresses } from '../policy/address-change.ts';
import type { HeldPolicy } from '../policy/policy.ts';
import { resolvePolicy } from '../policy/resolve-policy.ts';
import { guestGroup } from '../port/guest-group.ts';
import type { RouteSetup } from '../port/route-setup.ts';
import { wishPort } from '../port/wished-port.ts';
import { deviceFinder } from '../state/present-devices.ts';
import type { VifRecord } from '../state/records.ts';
import type { HotplugEvent } from '../xen/hotplug-event.ts';
import type { VifIdentity } from '../xen/vif-identity.ts';
import type { Identified, Prepared } from './prepare.ts';
import type { Uplink, Way } from './uplink.ts';

/** All that is known of a routed vif before anything is changed. */
export interface PreparedRoute extends Prepared {
  readonly route: RouteSetup;
  /** For people. */
  readonly routeNotes: readonly string[];
}

/** As stock has them: the emulated NIC wins, until the guest unplugs it (xen 3683290fc0). */
const METRIC = { tap: 1, vif: 2 } as const;
/** So many addresses of one block are answered for at the uplink. */
const MOST_PROXIES = 256;

/**
 * Who it is, and what this host is to do for it.
 *
 * @param device undefined in a dry run on a machine without that device
 * @throws Failure `input` for what a routed vif cannot have, `missing` for a host that cannot route for it
 */
export function planRoute(
  host: Pick<Managed, 'policy' | 'now' | 'rules' | 'state' | 'readDevice' | 'deviceNames' | 'bootId'>,
  who: Identified,
  event: HotplugEvent,
  uplink: Uplink,
  device: Device | undefined,
): PreparedRoute {
  if (!host.rules.routes) {
    throw new Failure('input', `${host.rules.name} cannot filter a vif that is on no bridge`, {
      at: 'backend of the policy',
      hint: 'use backend = nftables, or vif-bridge for this vif',
    });
  }
  const policy = resolvePolicy(host.policy, { ...who.vif, bridge: undefined }, host.now());
  const vif = withAddresses(who.vif, policy);
  refuseWhatBridgesHave(vif, policy);
  refuseHostsOwn(host, vif, uplink);
  const filter = buildPlan(vif, policy, []);
  const { ipv4, ipv6 } = routesOf(vif, policy);
  const main = vif.mainIp ?? uplink.addresses.find(({ family }) => family === 4)?.text;
  if (ipv4.length > 0 && main === undefined && uplink.mtu !== undefined) {
    throw new Failure('missing', `${uplink.name} has no IPv4 address, and ${vif.device} has`, {
      at: 'gatewaydev',
      hint: 'the guest needs one as its router: name another device, or main_ip= by hand',
    });
  }
  const own = [...ipv4, ...ipv6];
  const { proxies, notes } = proxiesOf(own, uplink, policy);
  const others = sharers(host, vif.device, own);
  const foreign = foreignWays(own, uplink, [device, ...others.map(({ record }) => record)]);
  const metric = freeMetric(host, vif, [...others.map((one) => one.metric), ...foreign.map((way) => way.metric)]);
  const mtu = vif.mtu ?? uplink.mtu ?? 0;
  const names = {
    device: vif.device,
    name: vif.name,
    group: guestGroup(device?.ifindex),
    rename: vif.name !== vif.device && device?.name !== vif.name,
    mtu,
  };
  return {
    ...who,
    vif,
    event,
    bridge: uplink.name,
    subnetBroadcasts: [],
    policy,
    plan: filter,
    setup: wishPort({ ...names, bridge: uplink.name, macs: filter.macs, binding: 'unpinned' }),
    port: {
      device: vif.device,
      name: vif.name,
      bridge: uplink.name,
      ifindex: device?.ifindex,
      ingress: false,
      routed: own.map(({ text }) => text),
    },
    route: {
      ...names,
      mac: vif.mac,
      uplink: uplink.name,
      uplinkIndex: uplink.ifindex,
      main,
      ipv4,
      ipv6,
      metric,
      pinned: policy.neighbours === 'pinned',
      proxies,
      foreignProxies: [],
      foreignNeighbours: [],
      // Of two ports of one NIC only one has the route, and both talk.
      strict: !vif.hvm,
    },
    routeNotes: [...notes, ...foreign.map((way) => foreignNote(host, way, metric))],
  };
}

function refuseWhatBridgesHave(vif: VifIdentity, policy: HeldPolicy): void {
  const refuse = (what: string, at: string, hint: string): Failure =>
    new Failure('input', `${what}, and ${vif.device} is a routed vif`, { at, hint });
  if (vif.vlan !== undefined) {
    throw refuse(`vlan=${vif.vlan} is set`, 'vlan', 'VLANs are of bridges: gatewaydev= names the device of one');
  }
  const { vlan } = optInTerms(policy.allow).lists;
  if (vlan.length > 0) {
    throw refuse(`vlan:${vlan.join(' vlan:')} is allowed`, 'allow of the policy', 'VLANs are of bridges');
  }
  if (policy.isolated === 'yes') {
    throw refuse('isolated = yes', 'isolated of the policy', 'rules say whom it may reach (docs/rules.md)');
  }
  if (namesGateways(policy.gateways)) {
    throw refuse('gateways are set', 'gateways of the policy', 'it speaks with this host alone, which routes for it');
  }
  if (policy.hairpin === 'on') {
    throw refuse('hairpin = on', 'hairpin of the policy', 'what it sends to itself is routed, and needs no hairpin');
  }
  if (policy.learn !== 'off') {
    throw refuse('learn = dhcp', 'learn of the policy', 'routes are made of addresses that are known: write ip=');
  }
}

function refuseHostsOwn(host: DeviceNames, { addresses, device }: VifIdentity, uplink: Uplink): void {
  for (const one of [...addresses.ipv4, ...addresses.ipv6]) {
    const kept = uplink.ways.find((way) => way.kept !== undefined && way.to === one.text);
    const onUplink = uplink.addresses.some((address) => address.text === one.text);
    if (kept === undefined && !onUplink) continue;
    const what =
      kept?.kept === 'broadcast' ? 'the broadcast address of a network of this host' : 'an address of this host';
    const where = onUplink ? uplink.name : nameOf(host, kept?.ifindex);
    throw new Failure('input', `${one.text} is ${what}, on ${where}`, {
      at: `ip of ${device}`,
      hint: 'a guest has addresses of its own',
    });
  }
}

type DeviceNames = Pick<Managed, 'readDevice' | 'deviceNames'>;

function nameOf({ readDevice, deviceNames }: DeviceNames, ifindex: number | undefined): string {
  return deviceNames().find((name) => readDevice(name)?.ifindex === ifindex) ?? 'a device that is gone';
}

/** Routes to these very addresses and blocks that no vif of ours has. */
function foreignWays(
  own: readonly IpPrefix[],
  { ways }: Uplink,
  ours: readonly (Device | VifRecord | undefined)[],
): Way[] {
  const texts = new Set(own.map(({ text }) => text));
  const known = new Set(ours.map((one) => one?.ifindex));
  return ways.filter(({ to, kept, ifindex }) => kept === undefined && texts.has(to) && !known.has(ifindex));
}

function foreignNote(host: DeviceNames, { to, ifindex, metric, nowhere }: Way, own: number): string {
  const elsewhere = ifindex === undefined ? 'elsewhere' : `to ${nameOf(host, ifindex)}`;
  const where = nowhere === true ? 'to nowhere' : elsewhere;
  const other = `${to} is routed ${where} by another route of this host (metric ${metric}), which stays`;
  return `${other}; that of the guest has metric ${own}, and the smaller one holds`;
}

/** Link-local addresses are of the link itself. What the policy says is behind it is routed to it, too. */
function routesOf(
  { addresses }: VifIdentity,
  { routes }: HeldPolicy,
): { readonly ipv4: readonly IpPrefix[]; readonly ipv6: readonly IpPrefix[] } {
  const of = (family: 4 | 6): readonly IpPrefix[] => routes.filter((one) => one.family === family);
  const ipv6 = addresses.ipv6.filter((one) => !overlaps(one, LINK_LOCAL));
  return { ipv4: distinctPrefixes([...addresses.ipv4, ...of(4)]), ipv6: distinctPrefixes([...ipv6, ...of(6)]) };
}

function proxiesOf(
  own: readonly IpPrefix[],
  uplink: Uplink,
  policy: HeldPolicy,
): { readonly proxies: string[]; readonly notes: string[] } {
  if (policy.uplink === 'routed') return { proxies: [], notes: [] };
  const near = own.filter((one) => policy.uplink === 'proxy' || uplink.subnets.some((subnet) => contains(subnet, one)));
  const small = near.filter((one) => sizeOf(one) <= MOST_PROXIES);
  return {
    proxies: [
      ...new Set(
        small.flatMap((one) =>
          isHost(one) ? [one.text] : Array.from({ length: sizeOf(one) }, (_, at) => addressIn(one, at).text),
        ),
      ),
    ].filter((text) => !uplink.addresses.some((address) => address.text === text)),
    notes: near
      .filter((one) => !small.includes(one))
      .map(
        ({ text }) => `${text} is too large to answer for at ${uplink.name}: the network must route it to this host`,
      ),
  };
}

/**
 * Another port of its NIC, or of the same guest, has the same route; who has that of another guest is refused.
 *
 * @param taken by others
 */
function freeMetric(host: Pick<Managed, 'state'>, vif: VifIdentity, others: readonly number[]): number {
  const before = host.state.readVif(vif.device)?.routed?.metric;
  const taken = new Set(others);
  if (before !== undefined && !taken.has(before)) return before;
  let metric: number = METRIC[vif.type];
  while (taken.has(metric)) metric += 1;
  return metric;
}

/** Another routed vif, and the metric of its routes. */
interface Sharer {
  readonly record: VifRecord;
  readonly metric: number;
}

/** Other vifs that are there and have one of these addresses or blocks: by the index, whatever number there is. */
function sharers(
  host: Pick<Managed, 'state' | 'readDevice' | 'deviceNames' | 'bootId'>,
  device: string,
  own: readonly IpPrefix[],
): Sharer[] {
  const find = deviceFinder(host);
  const texts = new Set(own.map(({ text }) => text));
  const near = own.filter(isHost).map(({ text }) => text);
  const owners = host.state.addresses(near).flatMap(({ owner, address }) => (texts.has(address) ? owner : []));
  return [...new Set(owners)]
    .filter((owner) => owner !== device)
    .flatMap((owner) => host.state.readVif(owner) ?? [])
    .flatMap((record) =>
      record.routed !== undefined && find(record) !== undefined ? { record, metric: record.routed.metric } : [],
    );
}

/**
 * What is to be routed to it.
 *
 * @throws Failure `input` for what the policy cannot mean
 */
export function routedAddresses(host: Pick<Managed, 'policy' | 'now'>, { vif }: Pick<Identified, 'vif'>): IpPrefix[] {
  const policy = resolvePolicy(host.policy, { ...vif, bridge: undefined }, host.now());
  const { ipv4, ipv6 } = routesOf(withAddresses(vif, policy), policy);
  return [...ipv4, ...ipv6];
}
