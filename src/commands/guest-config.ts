import { Failure, oneLine, shown } from '../errors.ts';
import { type GuestFormat, guestText } from '../guest/format.ts';
import { type Gateways, type GuestNetwork, type GuestVif, guestNetwork } from '../guest/guest-network.ts';
import type { Host } from '../host.ts';
import { contains, type Family, type IpPrefix, isHost, LINK_LOCAL, parsePrefix } from '../net/ip-prefix.ts';
import { parseVifName } from '../net/vif-name.ts';
import { withAddresses } from '../policy/address-change.ts';
import type { Policy } from '../policy/policy.ts';
import { resolvePolicy } from '../policy/resolve-policy.ts';
import { bridgeIfAny } from '../port/bridge.ts';
import { firstName } from '../port/device-owner.ts';
import { neighbourhood } from '../port/neighbourhood.ts';
import { guestNames } from '../vif/guest-ports.ts';
import { isAssignment } from '../xen/hotplug-call.ts';
import { parseHotplugEvent } from '../xen/hotplug-event.ts';
import { parseIdentity, type VifIdentity } from '../xen/vif-identity.ts';
import type { Answer } from './policy.ts';
import { identityNamed, recordNamed } from './reapply.ts';

const AT = 'the command line';

/**
 * What `--gateway` says: one address of each family, in any order.
 *
 * @throws Failure `input`
 */
export function parseGateways(words: readonly string[]): Gateways {
  const gateways: Partial<Record<Family, IpPrefix>> = {};
  for (const word of words.flatMap((one) => one.split(/[\s,]+/)).filter((one) => one !== '')) {
    const gateway = parsePrefix(word);
    if (gateway === undefined || !isHost(gateway)) {
      throw new Failure('input', `${shown(word)} is not the address of a gateway`, {
        at: '--gateway',
        hint: 'one address of each family, like --gateway 192.0.2.1 --gateway fe80::1',
      });
    }
    if (gateways[gateway.family] !== undefined) {
      throw new Failure('input', `two gateways of IPv${gateway.family}`, { at: '--gateway', hint: 'name one of them' });
    }
    gateways[gateway.family] = gateway;
  }
  return gateways;
}

/** What goes into a guest, for programs. */
export interface ShownGuestConfig extends GuestNetwork {
  readonly format: string;
  /** The same in the words of one. */
  readonly text: string;
}

/** What goes into a guest, for one program, or all of it as data. */
export function guestConfig(vifs: readonly GuestVif[], format: GuestFormat): Answer {
  const network = guestNetwork(vifs, AT);
  const json: ShownGuestConfig = { format, ...network, text: guestText(network, format) };
  return { text: json.text, json, status: 0 };
}

/**
 * Vifs that are described by hand. Each begins with its `vif=`; of one alone the order is no matter.
 *
 * @param now ISO 8601
 * @throws Failure `input`
 */
export function guestVifsByHand(
  policy: Policy,
  words: readonly string[],
  gateways: Gateways,
  now: string,
): readonly GuestVif[] {
  const stray = words.find((word) => !isAssignment(word));
  if (stray !== undefined) {
    throw new Failure('input', `${shown(stray)} is no name=value`, {
      at: AT,
      hint: 'either the name of a vif or a guest, or vif=vif1.0 mac=... ip=...; several vifs one behind the other',
    });
  }
  return groupsOf(words).map((given) => {
    const event = parseHotplugEvent('online', given, {});
    if (event === undefined) throw new Failure('input', 'a vif is meant, not a tap', { at: AT });
    const vif = parseIdentity({ device: event.device, type: event.type }, event.given, AT);
    const routed = given.includes('mode=route');
    return guestVif({ policy, now: () => now }, vif, vif.bridge, { routed, gateways });
  });
}

function groupsOf(words: readonly string[]): readonly (readonly string[])[] {
  const starts = words.flatMap((word, at) => (word.startsWith('vif=') ? [at] : []));
  if (starts.length < 2) return [words];
  if (starts[0] !== 0) {
    throw new Failure('input', `${shown(words[0] ?? '')} is of no vif`, {
      at: AT,
      hint: 'of several vifs each begins with its vif=',
    });
  }
  return starts.map((start, at) => words.slice(start, starts[at + 1]));
}

/**
 * The vif of this name, or all vifs of the guest of this name.
 *
 * @throws Failure `missing` if there is neither
 */
export async function guestVifsNamed(host: Host, name: string, gateways: Gateways): Promise<readonly GuestVif[]> {
  const devices = isVif(host, name) ? [name] : await devicesOf(host, name);
  const vifs: GuestVif[] = [];
  for (const device of devices) {
    const { event, who } = await identityNamed(host, device);
    if (event.routed === true) {
      const main = parsePrefix(recordNamed(host, device)?.routed?.main ?? '');
      const own = main === undefined ? {} : { 4: main };
      vifs.push(guestVif(host, who.vif, undefined, { routed: true, gateways: { ...own, ...gateways } }));
      continue;
    }
    const bridge = bridgeIfAny(who.vif.bridge, host.readDevice, host.deviceNames)?.name;
    vifs.push(
      guestVif(host, who.vif, bridge ?? who.vif.bridge, {
        routed: false,
        gateways: { ...(bridge === undefined ? {} : gatewaysOn(host, bridge)), ...gateways },
      }),
    );
  }
  return vifs;
}

function isVif(host: Host, name: string): boolean {
  return parseVifName(name) !== undefined || recordNamed(host, name) !== undefined;
}

/** By the name that Xen has for the guest, or its number; the taps of emulated NICs are the same NICs. */
async function devicesOf(host: Host, guest: string): Promise<readonly string[]> {
  const known = new Map(
    [
      ...host.state.devices(),
      ...host.deviceNames().flatMap((name) => {
        const device = host.readDevice(name);
        return (device && firstName(device)) ?? [];
      }),
    ].flatMap((device) => {
      const vif = parseVifName(device);
      return vif === undefined || vif.emulated ? [] : [[device, vif] as const];
    }),
  );
  const names = await guestNames(
    host,
    [...known.values()].map(({ domid }) => domid),
  );
  const isIts = (device: string, domid: number): boolean =>
    names.get(domid) === guest || String(domid) === guest || host.state.readVif(device)?.values.guest === guest;
  const own = [...known].filter(([device, { domid }]) => isIts(device, domid));
  if (own.length === 0) {
    throw new Failure('missing', `there is no vif and no guest ${oneLine(guest)}`, {
      hint: 'vif-bridge status lists them; by hand: vif-bridge guest-config vif=vif1.0 mac=... ip=...',
    });
  }
  const domids = new Set(own.map(([, { domid }]) => domid));
  if (domids.size > 1) {
    throw new Failure('input', `${domids.size} guests are called ${oneLine(guest)}`, {
      at: AT,
      hint: `say which: ${[...domids].join(', ')}`,
    });
  }
  return own.sort(([, a], [, b]) => a.devid - b.devid).map(([device]) => device);
}

/** The routers that this host itself uses on a bridge: one of each family, or nobody knows which. */
function gatewaysOn(host: Host, bridge: string): Gateways {
  const { gateways } = neighbourhood(host.netTable, bridge);
  const of = (family: Family): IpPrefix | undefined => {
    const [first, ...more] = gateways.filter(
      (one) => one.family === family && (family === 4 || !contains(LINK_LOCAL, one)),
    );
    return more.length === 0 ? first : undefined;
  };
  const [ipv4, ipv6] = [of(4), of(6)];
  return { ...(ipv4 === undefined ? {} : { 4: ipv4 }), ...(ipv6 === undefined ? {} : { 6: ipv6 }) };
}

function guestVif(
  { policy, now }: Pick<Host, 'policy' | 'now'>,
  identity: VifIdentity,
  bridge: string | undefined,
  more: Pick<GuestVif, 'routed' | 'gateways'>,
): GuestVif {
  const { ip } = resolvePolicy(policy, { ...identity, bridge }, now());
  const { device, mac, addresses } = withAddresses(identity, { ip });
  return { device, mac, addresses, ...more };
}
