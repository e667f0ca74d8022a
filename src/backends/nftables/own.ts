import { LIMIT_KINDS, type LimitKind } from '../../filter/frame-limits.ts';
import type { OwnTerms } from '../../filter/own-terms.ts';
import type { Direction } from '../../filter/reasons.ts';
import {
  type Field,
  OWN_FLAGS,
  type OwnAddress,
  type OwnFlag,
  type OwnMac,
  type OwnValue,
} from '../../filter/stage.ts';
import { contains, parsePrefix } from '../../net/ip-prefix.ts';
import { guestGroup, indexOfGroup } from '../../port/guest-group.ts';
import { RULE_DIRECTIONS, type RuleDirection } from '../../rules/rule.ts';
import { addressHex, nftBare, nftName, RA_OPTIONS } from './fields.ts';
import { INDEX_HASH, indexHash } from './index-hash.ts';
import { programChain } from './program-names.ts';

/**
 * What vifs own, as elements of sets that all vifs share. Every key begins with the interface group that is the
 * port's own (src/port/guest-group.ts): a new device never inherits, and the elements of one that is gone are inert.
 *
 * Elements and nothing else: one more vif then costs the same at any number of them (measured with 4000 vifs: 3 ms of
 * CPU time for one nft run, against 121 with chains of its own for each vif, which nft lists and the kernel validates).
 */

/** How a port is named in the sets: its interface group, as a number. */
export type PortKey = string;

export function keyOf(ifindex: number | undefined): PortKey {
  return String(guestGroup(ifindex));
}

/** The port a frame is judged for: where it came in, or where it is about to leave. */
export const PORT: Readonly<Record<Direction, string>> = { 'from-guest': 'iifgroup', 'to-guest': 'oifgroup' };

/** The same by its name: ports that nobody has configured have no group of their own. */
export const NAME: Readonly<Record<Direction, string>> = { 'from-guest': 'iifname', 'to-guest': 'oifname' };

/** Ports by what they are. */
export const FLAG_SETS = OWN_FLAGS.map(flagSet);

/** nft 1.1.7 takes this name for a word of its own, and cannot list a set that is called so. */
export function flagSet(flag: OwnFlag): string {
  return flag === 'tunnels' ? 'tunnel-ends' : flag;
}

/** The names of sets that learning needs besides. */
export const LEARNING = {
  servers: 'dhcp-servers',
  anyServer: 'any-dhcp-server',
  most: 'limit-learn',
  /** What was learned: ports and addresses, as plain bits. */
  learned: 'learned',
  /** What was learned, and given back or not: it costs no budget when it comes again. */
  counted: 'learned-before',
} as const;

/** What `learned` holds, as nft declares it. */
export const LEARNED_TYPE = 'typeof iifgroup . @nh,96,32';

/** A set, and the key that finds a vif's elements in it. */
interface OwnSet {
  readonly name: string;
  /** As nft declares it. Intervals are a type of set of their own (net/netfilter/nft_set_pipapo.c). */
  readonly type: string;
  /** What it holds of a vif. */
  readonly elements: (port: PortKey, terms: OwnTerms) => string[];
  /** How many that are, found without writing them: for who looks at thousands of vifs. */
  readonly size: (terms: OwnTerms) => number;
}

function ownSet(
  name: string,
  type: string,
  values: (values: OwnTerms['values']) => readonly string[],
  write: (value: string) => string = (value) => value,
): OwnSet {
  return {
    name,
    type,
    elements: (port, terms) => values(terms.values).map((value) => `${port} . ${write(value)}`),
    size: (terms) => distinct(values(terms.values)),
  };
}

/** Most have none of it, or a few. */
function distinct(values: readonly string[]): number {
  if (values.length < 2) return values.length;
  if (values.length === 2) return values[0] === values[1] ? 1 : 2;
  return new Set(values).size;
}

/**
 * The most that the sets of ordinary traffic can hold. A set with a size is a plain hash table in the kernel, one
 * without a table that grows, and each look into that costs 25 to 40 ns more (measured). They take 9 MB of memory, and
 * the maps of programs a megabyte each, where somebody has some.
 */
const PORTS = 65_536;
const ADDRESSES = 131_072;

/** Where ports are led to: their rules, and their filters of libvirt's. */
export type ProgramMap = 'ruled' | 'filtered';

export function programMapName(map: ProgramMap, direction: RuleDirection): string {
  return `${map}-${direction}`;
}

function programMap(
  map: ProgramMap,
  direction: RuleDirection,
  digestOf: (terms: OwnTerms) => string | undefined,
): OwnSet {
  return {
    name: programMapName(map, direction),
    type: 'type devgroup : verdict',
    elements: (port, terms) => {
      const digest = digestOf(terms);
      return digest === undefined ? [] : [`${port} : goto ${programChain(digest, direction)}`];
    },
    size: (terms) => (digestOf(terms) === undefined ? 0 : 1),
  };
}

const isBlock = (address: string): boolean => address.includes('/');
const NONE: readonly string[] = [];
// Nearly every vif has no block at all.
const hosts = (addresses: readonly string[] = []): readonly string[] =>
  addresses.some(isBlock) ? addresses.filter((address) => !isBlock(address)) : addresses;
const blocks = (addresses: readonly string[] = []): readonly string[] =>
  addresses.some(isBlock) ? addresses.filter(isBlock) : NONE;
/**
 * Pairs of MAC and address that a vif may have in one set: what asks for both together is quick, and for a guest of
 * many MACs it would be very many. Beyond, its addresses stand where blocks do, and the MAC is asked for alone.
 */
const MOST_PAIRS = 1024;

function inPairs(macs: readonly string[] = [], addresses: readonly string[] = []): boolean {
  return macs.length * hosts(addresses).length <= MOST_PAIRS;
}

/** What is looked up as blocks: none of them may overlap another one. */
function intervals(macs: readonly string[] = [], addresses: readonly string[] = []): readonly string[] {
  if (inPairs(macs, addresses)) return blocks(addresses);
  const wide = blocks(addresses).flatMap((block) => parsePrefix(block) ?? []);
  const isInside = (address: string): boolean => {
    const prefix = parsePrefix(address);
    return prefix !== undefined && wide.some((block) => contains(block, prefix));
  };
  return [...blocks(addresses), ...hosts(addresses).filter((address) => !isInside(address))];
}

// A record of another version of this program may lack a kind of value.
const each = (values: readonly string[] = []): readonly string[] => values;

/**
 * Raw sets are for fields that nft reads as plain bits. A MAC in the key saves asking for it alone: in ordinary traffic
 * MAC and address are one question. `ports` tells a port of ours whatever group or name somebody has given it.
 */
export const SETS = {
  mac: ownSet('own-mac', `type devgroup . ether_addr; size ${PORTS}`, ({ mac }) => each(mac)),
  extra: ownSet('own-extra-mac', 'type devgroup . ether_addr', ({ extra }) => each(extra)),
  gateway: ownSet('own-gateway', 'type devgroup . ether_addr', ({ gateway }) => each(gateway)),
  gateway4: ownSet('own-gateway-ip', 'typeof iifgroup . @nh,96,32', ({ gateway4 }) => each(gateway4), bits),
  gatewayGroups: ownSet('own-gateway-groups', 'type devgroup . ipv6_addr', ({ gatewayGroups }) => each(gatewayGroups)),
  macRaw: ownSet(
    'own-mac-raw',
    'typeof iifgroup . @th,288,48',
    ({ mac }) => each(mac),
    (mac) => `0x${mac.replaceAll(':', '')}`,
  ),
  ip: ownSet('own-ip', `type devgroup . ether_addr . ipv4_addr; size ${ADDRESSES}`, ({ mac, ip }) =>
    withMac(mac, hosts(ip)),
  ),
  ipRaw: ownSet('own-ip-raw', 'typeof iifgroup . @nh,96,32', ({ ip }) => hosts(ip), bits),
  ipBlock: ownSet(
    'own-ip-block',
    'typeof iifgroup . @nh,96,32; flags interval',
    ({ mac, ip }) => intervals(mac, ip),
    range,
  ),
  ip6: ownSet('own-ip6', `type devgroup . ether_addr . ipv6_addr; size ${ADDRESSES}`, ({ mac, ip6 }) =>
    withMac(mac, hosts(ip6)),
  ),
  ip6Raw: ownSet('own-ip6-raw', 'typeof iifgroup . @nh,64,128', ({ ip6 }) => hosts(ip6), bits),
  ip6Block: ownSet(
    'own-ip6-block',
    'typeof iifgroup . @nh,64,128; flags interval',
    ({ mac, ip6 }) => intervals(mac, ip6),
    range,
  ),
  solicited: ownSet('own-solicited', 'type devgroup . ipv6_addr', ({ solicited }) => hosts(solicited)),
  solicitedBlock: ownSet(
    'own-solicited-block',
    'typeof iifgroup . @nh,64,128; flags interval',
    ({ solicited }) => blocks(solicited),
    range,
  ),
  broadcast: ownSet('own-broadcast', 'type devgroup . ipv4_addr', ({ broadcast }) => each(broadcast)),
  sole: ownSet('own-sole', `typeof iifgroup . @nh,96,32; size ${ADDRESSES}`, ({ sole }) => each(sole), bits),
  sole6: ownSet('own-sole6', `typeof iifgroup . @nh,64,128; size ${ADDRESSES}`, ({ sole6 }) => each(sole6), bits),
  route: ownSet('own-route', 'typeof iifgroup . @nh,96,32; flags interval', ({ route }) => each(route), range),
  route6: ownSet('own-route6', 'typeof iifgroup . @nh,64,128; flags interval', ({ route6 }) => each(route6), range),
  ethertype: ownSet('own-ethertype', 'type devgroup . ether_type', ({ ethertype }) => each(ethertype)),
  protocol: ownSet('own-protocol', 'type devgroup . inet_proto', ({ protocol }) => each(protocol)),
  vlan: ownSet('own-vlan', 'typeof iifgroup . vlan id; flags interval', ({ vlan }) => each(vlan)),
  ruledIn: programMap('ruled', 'in', ({ program }) => program),
  ruledOut: programMap('ruled', 'out', ({ program }) => program),
  filteredIn: programMap('filtered', 'in', ({ filter }) => filter),
  filteredOut: programMap('filtered', 'out', ({ filter }) => filter),
  ports: {
    name: 'ports',
    type: `${INDEX_HASH.type}; size ${PORTS}`,
    elements: (port) => [indexHash(indexOfGroup(Number(port)) ?? 0)],
    size: () => 1,
  },
} as const satisfies Readonly<Record<string, OwnSet>>;

/** Where a port of ours is found by its interface index. */
export const PORTS_SET = SETS.ports.name;

/**
 * The limit of each port is part of its element, and looking there counts (kernel 5.7, nft_set_elem_update_expr): any
 * guest may have another one, and no frame of one guest makes an element for it. What the set itself says only holds
 * for elements that say nothing, which none of ours is. A re-apply adds an element that is there, and so gives nobody
 * a new burst.
 */
const LIMIT_SETS: readonly OwnSet[] = LIMIT_KINDS.map((kind) => ({
  name: limitSet(kind),
  type: 'type devgroup; limit rate over 1/second burst 5 packets',
  elements: (port, { limits }) => {
    const limit = limits?.[kind];
    return limit === undefined ? [] : [`${port} limit rate over ${limit.rate}/second burst ${limit.burst} packets`];
  },
  size: ({ limits }) => (limits?.[kind] === undefined ? 0 : 1),
}));

/** Where the limits of one kind are. */
function limitSet(kind: LimitKind): string {
  return `limit-${kind}`;
}

/** "It sends more of these than it may." */
export function overLimit(direction: Direction, kind: LimitKind): string {
  return `${PORT[direction]} @${limitSet(kind)}`;
}

/** What vifs that learn need; see learning.ts. */
const LEARNING_SETS: readonly OwnSet[] = [
  {
    name: LEARNING.servers,
    type: 'typeof iifgroup . @nh,96,32',
    elements: (port, { learning }) => (learning?.servers ?? []).map((server) => `${port} . ${bits(server)}`),
    size: ({ learning }) => learning?.servers.length ?? 0,
  },
  {
    name: LEARNING.anyServer,
    type: 'type devgroup',
    elements: (port, { learning }) => (learning?.servers.length === 0 ? [port] : []),
    size: ({ learning }) => (learning?.servers.length === 0 ? 1 : 0),
  },
  {
    name: LEARNING.most,
    type: 'type devgroup; limit rate over 1/second burst 5 packets',
    elements: (port, { learning }) =>
      learning === undefined ? [] : [`${port} limit rate over ${learning.most}/day burst ${learning.most} packets`],
    size: ({ learning }) => (learning === undefined ? 0 : 1),
  },
];

/** All sets but those of flags, in the order in which they are declared. */
const OWN_SETS: readonly OwnSet[] = [...Object.values(SETS), ...LIMIT_SETS, ...LEARNING_SETS];

/** Every set of what vifs own, and the maps. */
export const OWN_NAMES: readonly { readonly name: string; readonly kind: 'set' | 'map' }[] = [
  ...FLAG_SETS.map((name) => ({ name, kind: 'set' as const })),
  ...OWN_SETS.map(({ name, type }) => ({ name, kind: kindOf(type) })),
];

/** How the keys of these sets are declared, by their names. */
export const KEY_TYPES: ReadonlyMap<string, string> = new Map([
  ...OWN_SETS.map(({ name, type }): [string, string] => [name, type]),
  [LEARNING.learned, LEARNED_TYPE],
]);

/** A set of intervals is of another kind in the kernel (net/netfilter/nft_set_pipapo.c). */
export function isOfIntervals(set: string): boolean {
  return KEY_TYPES.get(set)?.includes('flags interval') === true;
}

/**
 * All of them as nft declares them.
 *
 * @param led the maps that somebody has something in
 */
export function declareOwn(led: readonly ProgramMap[]): string[] {
  const sized = new Set(led.flatMap((map) => RULE_DIRECTIONS.map((direction) => programMapName(map, direction))));
  return [
    ...FLAG_SETS.map((name) => `set ${name} { type devgroup; }`),
    ...OWN_SETS.map(
      ({ name, type }) => `${kindOf(type)} ${name} { ${type};${sized.has(name) ? ` size ${PORTS};` : ''} }`,
    ),
  ];
}

/** No map is asked as a set: older kernels take that for a mistake (6.1, measured). */
function kindOf(type: string): 'set' | 'map' {
  return type.endsWith(' : verdict') ? 'map' : 'set';
}

/** Where blocks of each kind are looked up. */
const BLOCK_SET: Readonly<Record<OwnAddress, string>> = {
  ip: SETS.ipBlock.name,
  ip6: SETS.ip6Block.name,
  solicited: SETS.solicitedBlock.name,
};

/**
 * Fields that stand beside the MAC of their owner in a frame, and that MAC. Not those of ARP, whose names ask for the
 * ether type (fields.ts).
 */
const MAC_BESIDE: Readonly<Partial<Record<Field, Field>>> = {
  'ip saddr': 'ether saddr',
  'ip6 saddr': 'ether saddr',
  'ip daddr': 'ether daddr',
  'ip6 daddr': 'ether daddr',
};

/**
 * "Is it an own one?" as alternatives: if one of them matches, it is.
 *
 * An address is one of those assigned, or in a block, or the vif may use any; where some vif learns, or was learned.
 *
 * @param learning some vif learns
 */
export function ownAlternatives(direction: Direction, field: Field, own: OwnValue, learning = false): string[] {
  if (own === 'mac' || own === 'extra' || own === 'gateway') return [ownMac(direction, field, own)];
  if (own === 'broadcast' || own === 'gatewayGroups' || own === 'ethertype' || own === 'protocol' || own === 'vlan') {
    return [`${PORT[direction]} . ${nftName(field)} @${SETS[own].name}`];
  }
  if (own === 'sole' || own === 'sole6' || own === 'route' || own === 'route6' || own === 'gateway4')
    return [`${PORT[direction]} . ${nftBare(field)} @${SETS[own].name}`];
  const { single, block, any } = ownAddress(direction, field, own);
  return [single, block, any, ...(learning && own === 'ip' ? [learnedAddress(direction, field)] : [])];
}

/** "It is an own MAC." */
export function ownMac(direction: Direction, field: Field, own: OwnMac = 'mac'): string {
  return `${PORT[direction]} . ${nftName(field)} @${macSet(field, own)}`;
}

/** The alternatives of an address one by one. Only `single` asks for the MAC that stands beside it. */
export function ownAddress(
  direction: Direction,
  field: Field,
  own: OwnAddress,
): { readonly single: string; readonly block: string; readonly any: string } {
  const port = PORT[direction];
  return {
    single: `${port} . ${singleKey(field, own)}`,
    block: `${port} . ${nftBare(field)} @${BLOCK_SET[own]}`,
    any: `${port} @any`,
  };
}

/** "It is one that it has learned." Its MAC is asked for besides, as with a block. */
export function learnedAddress(direction: Direction, field: Field): string {
  return `${PORT[direction]} . ${nftBare(field)} @${LEARNING.learned}`;
}

/** The rest of a key and the set of single addresses: with the MAC beside it where there is one. */
function singleKey(field: Field, own: OwnAddress): string {
  if (own === 'solicited') return `${nftName(field)} @${SETS.solicited.name}`;
  const { withMac, alone } =
    own === 'ip' ? { withMac: SETS.ip, alone: SETS.ipRaw } : { withMac: SETS.ip6, alone: SETS.ip6Raw };
  const beside = MAC_BESIDE[field];
  return beside === undefined
    ? `${nftBare(field)} @${alone.name}`
    : `${nftName(beside)} . ${nftName(field)} @${withMac.name}`;
}

/** "It is not an own MAC", as alternatives. */
export function notOwnMac(direction: Direction, field: Field, own: OwnMac): string[] {
  if (field === 'ra lladdr')
    return RA_OPTIONS.map(({ there, address }) => `${there} ${PORT[direction]} . ${address} != @${SETS.macRaw.name}`);
  return [`${PORT[direction]} . ${nftName(field)} != @${macSet(field, own)}`];
}

function macSet(field: Field, own: OwnMac): string {
  if (own !== 'mac') return SETS[own].name;
  return nftName(field).startsWith('@') ? SETS.macRaw.name : SETS.mac.name;
}

/** The set elements of a vif, as the kernel holds them: set name -> element texts. */
export type Elements = ReadonlyMap<string, readonly string[]>;

/** All elements that these terms put into the shared sets. */
export function elementsOf(port: PortKey, terms: OwnTerms): Elements {
  return new Map([
    ...OWN_FLAGS.map((flag): [string, string[]] => [flagSet(flag), terms.flags.includes(flag) ? [port] : []]),
    ...OWN_SETS.map((set): [string, string[]] => [set.name, set.elements(port, terms)]),
  ]);
}

/** How many elements of a vif each set is to hold; of those that are to hold any. */
export function* sizesOf(terms: OwnTerms): Generator<readonly [set: string, size: number]> {
  for (const flag of terms.flags) yield [flagSet(flag), 1];
  for (const set of OWN_SETS) {
    const size = set.size(terms);
    if (size > 0) yield [set.name, size];
  }
}

function withMac(macs: readonly string[] = [], addresses: readonly string[] = []): string[] {
  if (!inPairs(macs, addresses)) return [];
  return macs.flatMap((mac) => addresses.map((address) => `${mac} . ${address}`));
}

function bits(address: string): string {
  return `0x${addressHex(address)}`;
}

/** First and last address of a block, as numbers; or one address. */
function range(block: string): string {
  const [address = '', length] = block.split('/');
  const first = addressHex(address);
  if (length === undefined) return `0x${first}`;
  const hostBits = BigInt(first.length * 4 - Number(length));
  const last = BigInt(`0x${first}`) | ((1n << hostBits) - 1n);
  return `0x${first}-0x${last.toString(16).padStart(first.length, '0')}`;
}
