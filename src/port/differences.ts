import { vlansIn, vlanText, vlanTexts } from '../net/vlan-range.ts';
import type { SeenAddress, SeenBridgePort, SeenEntry, SeenLink, SeenVlans } from './seen-port.ts';
import { type BridgePort, KERNEL_DEFAULTS, type PortFlags, type WishedPort } from './wished-port.ts';

/** One thing of a port that is not as it is to be. */
export interface Difference {
  /** As ip-link(8) and bridge(8) call it: `learning`, `master`, `fdb`. */
  readonly what: string;
  readonly wished: string;
  /** `not told`: the kernel or the program is too old to tell. */
  readonly found: string;
  /** True if somebody is less protected; false if only the guest is served worse, or people are misled. */
  readonly security: boolean;
}

/** What the kernel says of one port, and what is around it. */
export interface SeenPort {
  readonly link: SeenLink;
  /** The bridge that the port is to be on; undefined if there is none. */
  readonly bridge: SeenLink | undefined;
  /** At least those of that bridge. */
  readonly entries: readonly SeenEntry[];
  /** At least those of the port; undefined: nobody has asked. */
  readonly vlans?: readonly SeenVlans[] | undefined;
  /** Of the port: seen-port.ts, SeenBridgeLink. */
  readonly maxGroups: number | undefined;
  /** At least those of the port. */
  readonly addresses: readonly SeenAddress[];
  /** False if /proc/sys/net/ipv6/conf/NAME/disable_ipv6 is 1, and where the kernel has no IPv6. */
  readonly ipv6: boolean;
}

/**
 * All in which a port differs from what it is to be. Settings of the bridge port are compared on the right bridge only:
 * on another one the port has them anew from the kernel.
 */
export function differences(wished: WishedPort, seen: SeenPort): Difference[] {
  return [
    ...Object.values(COMPARE).flatMap((compare) => compare(wished, seen)),
    ...(seen.link.master === wished.bridge ? flagDifferences(wished, { ...seen.link.port, ...seen }) : []),
  ];
}

/** The same of its flags as a port of its bridge alone. */
export function flagDifferences(wished: WishedPort, flags: SeenFlags): Difference[] {
  return Object.values(COMPARE_FLAGS).flatMap((compare) => compare(wished, flags));
}

export type SeenFlags = Partial<SeenBridgePort> & Pick<SeenPort, 'maxGroups'>;

type Compare = (wished: WishedPort, seen: SeenPort) => readonly Difference[];

/** Not what is left out: that is no setting, but what the settings follow from, or how they come about. */
export type Setting = Exclude<keyof WishedPort, 'device' | 'rename' | 'binding' | 'macs' | 'flags' | 'trunk'>;

type Flag = keyof BridgePort | 'backup';

/** By flag. */
const COMPARE_FLAGS: Readonly<Record<Flag, (wished: WishedPort, seen: SeenFlags) => readonly Difference[]>> = {
  learning: ({ learning }, seen) => same('learning', learning, seen.learning, !learning),
  // A kernel that has no locked ports has locked none by mistake.
  locked: ({ locked }, seen) => same('locked', locked, seen.locked ?? (locked ? undefined : false), locked),
  rootBlock: ({ rootBlock }, seen) =>
    rootBlock === undefined ? [] : same('root_block', rootBlock, seen.rootBlock, true),
  backup: ({ backup }, seen) => (backup === undefined ? [] : same('backup_port', backup, seen.backup ?? 'none', false)),
  maxGroups: ({ maxGroups }, seen) =>
    maxGroups === undefined || seen.maxGroups === undefined
      ? []
      : same('mcast_max_groups', maxGroups, seen.maxGroups, true),
  hairpin: ({ hairpin }, seen) => flagOf('hairpin', hairpin, seen.hairpin),
  isolated: ({ isolated }, seen) => flagOf('isolated', isolated, seen.isolated),
  flood: ({ flood }, seen) => flagOf('flood', flood, seen.flood),
  mcastFlood: ({ mcastFlood }, seen) => kept('mcast_flood', mcastFlood, seen.mcastFlood),
  bcastFlood: ({ bcastFlood }, seen) => kept('bcast_flood', bcastFlood, seen.bcastFlood),
};

/** By setting, so that one that is added to WishedPort does not compile before it is compared. */
const COMPARE: Readonly<Record<Exclude<Setting, Flag>, Compare>> = {
  // ebtables knows the port by its name, and so does a chain at the device (kernel 6.18 detaches it on a rename).
  name: ({ name }, { link }) => same('name', name, link.name, true),
  alias: ({ alias }, { link }) => (alias === undefined ? [] : same('alias', alias, link.alias ?? 'none', false)),
  up: (_, { link }) => same('state', 'up', link.up ? 'up' : 'down', false),
  // nft's rules know the port by it.
  group: ({ group }, { link }) => same('group', String(group), link.group, true),
  mtu: ({ mtu }, { link }) => (mtu === 0 ? [] : same('mtu', mtu, link.mtu, false)),
  address: ({ address }, { link }) => same('address', address, link.address, false),
  // A kernel without IPv6 does not tell, and makes no address.
  addrgenmode: ({ addrgenmode }, { link }) =>
    link.addrgenmode === undefined ? [] : same('addrgenmode', addrgenmode, link.addrgenmode, true),
  addresses: (_, { link, addresses }) => {
    const found = addresses.filter(({ device }) => device === link.name).map(({ text }) => text);
    return same('addresses', 'none', found.join(' ') || 'none', true);
  },
  ipv6: ({ ipv6 }, seen) => same('ipv6', ipv6, seen.ipv6, true),
  // On another bridge it talks to whom it must not; on none to nobody.
  bridge: ({ bridge }, { link }) => same('master', bridge, link.master ?? 'none', link.master !== undefined),
  // Where we do not need it others may.
  quietLinkLocal: onBridge(({ quietLinkLocal }, { bridge }) =>
    quietLinkLocal ? same('no_linklocal_learn', true, bridge?.noLinkLocalLearn, true) : [],
  ),
  vlan: onBridge((wished, { link, vlans }) => (vlans === undefined ? [] : vlanDifferences(wished, link.name, vlans))),
  entries: onBridge(({ entries, bridge, learning }, { link, entries: known }) =>
    entries.flatMap(({ mac }) => {
      // One for each VLAN of a bridge that filters VLANs.
      const found = known.filter((entry) => entry.bridge === bridge && entry.mac === mac);
      const held = found.filter((entry) => isPinned(entry) && entry.port === link.name);
      const strange = found.filter((entry) => !held.includes(entry));
      if (held.length > 0 && strange.length === 0) return [];
      const text = found.map((entry) => `${stateOf(entry)} at ${entry.port}${vlanOf(entry)}`).join(', ') || 'none';
      // In a VLAN that came later: the guest is reached, but whoever is not filtered may take its address there.
      const later =
        held.length > 0 && learning && strange.every((entry) => isLearned(entry) && entry.port === link.name);
      return same('fdb', `${mac} static sticky at ${link.name}`, `${mac} ${text}`, !later);
    }),
  ),
  stations: onBridge(({ stations, entries, bridge }, { link, entries: known }) => {
    if (stations === 'anybody') return [];
    const mine = known.filter((entry) => entry.bridge === bridge && entry.port === link.name);
    return mine.flatMap((entry) => {
      const own = stations.some((mac) => mac === entry.mac);
      // Compared as an entry.
      if (own && entries.some(({ mac }) => mac === entry.mac)) return [];
      // The port's own address, which the bridge enters by itself (net/bridge/br_if.c: br_add_if).
      if (entry.state === 'permanent' && entry.mac === link.address) return [];
      if (own && isLearned(entry)) return [];
      // A pin on one of the ports that share a MAC keeps the frames of the others from them, and is nobody else's loss.
      return same('fdb', own ? `${entry.mac} learned` : 'no other entry', `${entry.mac} ${stateOf(entry)}`, !own);
    });
  }),
};

/**
 * The same of the VLANs of a port. Where none is said of frames without a tag, the port is in those that its admin puts
 * it in, and of frames with a tag only those are missed that it is to have: the rules let no other pass.
 *
 * @param all at least those of the port
 */
export function vlanDifferences(
  { vlan, trunk }: Pick<WishedPort, 'vlan' | 'trunk'>,
  name: string,
  all: readonly SeenVlans[],
): Difference[] {
  const rows = all.filter(({ port }) => port === name);
  const texts = (some: readonly SeenVlans[]): string => {
    const each = some.flatMap(({ first, last }) => vlansIn([vlanText([first, last])]));
    return vlanTexts(each).join(' ') || 'none';
  };
  const tagged = rows.filter(({ untagged }) => !untagged);
  const found = new Set(tagged.flatMap(({ first, last }) => vlansIn([vlanText([first, last])])));
  // What comes in without a tag is in it, and what is in it leaves without one.
  const alone =
    vlan === undefined
      ? []
      : same('pvid', String(vlan), texts(rows.filter(({ pvid, untagged }) => pvid || untagged)), true);
  const wanted = vlansIn(trunk);
  const right = wanted.every((one) => found.has(one)) && (vlan === undefined || found.size === wanted.length);
  return [...alone, ...(right ? [] : same('tagged', trunk.join(' ') || 'none', texts(tagged), false))];
}

/** A comparison of what a port has only on a bridge. */
function onBridge(
  compare: (wished: WishedPort, seen: SeenPort & { readonly port: Partial<SeenBridgePort> }) => readonly Difference[],
): Compare {
  return (wished, seen) =>
    seen.link.master === wished.bridge ? compare(wished, { ...seen, port: seen.link.port ?? {} }) : [];
}

/** What the kernel does not tell it has not got, and nobody can have changed it. */
function kept(what: string, wished: boolean, found: boolean | undefined): Difference[] {
  return found === undefined ? [] : same(what, wished, found, false);
}

/** One that the policy may set: who is to be isolated and is not is open to others. */
function flagOf(what: keyof PortFlags, wished: boolean, found: boolean | undefined): Difference[] {
  const demanded = wished !== KERNEL_DEFAULTS[what];
  return demanded ? same(what, wished, found, what !== 'hairpin') : kept(what, wished, found);
}

type Value = string | number | boolean | undefined;

function same<T extends Value>(what: string, wished: T, found: T | undefined, security: boolean): Difference[] {
  return found === wished ? [] : [{ what, wished: textOf(wished), found: textOf(found), security }];
}

function textOf(value: Value): string {
  if (value === undefined) return 'not told';
  return typeof value === 'boolean' ? (value ? 'on' : 'off') : String(value);
}

function isPinned(entry: SeenEntry): boolean {
  return entry.state === 'static' && entry.flags.includes('sticky');
}

/** Of a station that talked lately, and of one that has not for a while (net/bridge/br_fdb.c: fdb_to_nud). */
const LEARNED: readonly string[] = ['', 'stale'];

function isLearned({ state }: SeenEntry): boolean {
  return LEARNED.includes(state);
}

function stateOf(entry: SeenEntry): string {
  return [isLearned(entry) ? 'learned' : entry.state, ...entry.flags].join(' ');
}

function vlanOf({ vlan }: SeenEntry): string {
  return vlan === undefined ? '' : ` in VLAN ${vlan}`;
}
