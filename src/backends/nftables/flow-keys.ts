import type { Direction } from '../../filter/reasons.ts';
import { PORT } from './own.ts';

/**
 * How conversations are keyed in sets: by the guest's port and addresses as the guest sees them, so both directions
 * find one element.
 */

export const WITH_PORTS = ['tcp', 'udp', 'sctp', 'dccp', 'udplite'] as const;
export type WithPorts = (typeof WITH_PORTS)[number];
export type Ip = 'ip' | 'ip6';
export const FAMILIES: readonly Ip[] = ['ip', 'ip6'];

/** The first of several fragments (RFC 791 §3.2, RFC 8200 §4.5). */
export const FIRST: Readonly<Record<Ip, string>> = {
  ip: '@nh,48,16 & 0x3fff == 0x2000',
  ip6: 'frag more-fragments 1 frag frag-off 0',
};

/** No fragment at all; of IPv6 one whose header is followed by that of the protocol. */
export const WHOLE: Readonly<Record<'tcp' | 'udp', Readonly<Record<Ip, string>>>> = {
  tcp: { ip: '@nh,48,16 & 0x3fff == 0', ip6: 'ip6 nexthdr 6' },
  udp: { ip: '@nh,48,16 & 0x3fff == 0', ip6: 'ip6 nexthdr 17' },
};

/** Source, destination, and what stands for the protocol, as plain bits: errors carry them deeper in. */
export const RAW: Readonly<Record<Ip, readonly [source: string, destination: string, protocol: string]>> = {
  ip: ['@nh,96,32', '@nh,128,32', '@nh,72,8'],
  ip6: ['@nh,64,128', '@nh,192,128', '@nh,48,8'],
};
/** The packet that an error is about, behind 8 bytes of ICMP: its source, destination and protocol. */
const QUOTED: Readonly<Record<Ip, readonly [source: string, destination: string, protocol: string]>> = {
  ip: ['@th,160,32', '@th,192,32', '@th,136,8'],
  ip6: ['@th,128,128', '@th,256,128', '@th,112,8'],
};
export const ICMP: Readonly<
  Record<Ip, { readonly text: string; readonly echo: readonly [number, number]; readonly errors: string }>
> = {
  ip: { text: 'icmp', echo: [8, 0], errors: '{ 3, 11, 12 }' },
  ip6: { text: 'icmpv6', echo: [128, 129], errors: '{ 1, 2, 3, 4 }' },
};

/** The port, the guest's address, the other's: as `ip saddr` and the like. */
export function ownFirst(direction: Direction, family: Ip): string {
  const [own, other] = direction === 'from-guest' ? ['saddr', 'daddr'] : ['daddr', 'saddr'];
  return `${PORT[direction]} . ${family} ${own} . ${family} ${other}`;
}

export function flowKey(direction: Direction, family: Ip): string {
  const [own, other] = direction === 'from-guest' ? ['sport', 'dport'] : ['dport', 'sport'];
  return `${ownFirst(direction, family)} . th ${own} . th ${other}`;
}

/** With the identifier of the echo (RFC 792, RFC 4443 §4.1). */
export function echoKey(direction: Direction, family: Ip): string {
  return `${ownFirst(direction, family)} . ${ICMP[family].text} id`;
}

export function fragmentKey(direction: Direction, family: Ip): string {
  return `${ownFirst(direction, family)} . ${family === 'ip' ? 'ip id' : 'frag id'}`;
}

/** As plain bits, as the packet in an error is. */
export function pairKey(direction: Direction, family: Ip): string {
  const [source, destination, protocol] = RAW[family];
  const [own, other] = direction === 'from-guest' ? [source, destination] : [destination, source];
  return `${PORT[direction]} . ${own} . ${other} . ${protocol}`;
}

/** Of the packet that an error is about: to the guest it is one that the guest has sent. */
export function quotedKey(direction: Direction, family: Ip): string {
  const [source, destination, protocol] = QUOTED[family];
  const [own, other] = direction === 'from-guest' ? [destination, source] : [source, destination];
  return `${PORT[direction]} . ${own} . ${other} . ${protocol}`;
}

/** How a set of such keys is declared: those with ports, of echoes, of fragments, and of what has neither. */
export function typeOf(what: 'ports' | 'echo' | 'fragment' | 'other', family: Ip): string {
  const address = family === 'ip' ? 'ipv4_addr' : 'ipv6_addr';
  if (what === 'ports') return `type devgroup . ${address} . ${address} . inet_service . inet_service`;
  if (what === 'other') return `typeof iifgroup . ${RAW[family].join(' . ')}`;
  const id = what === 'echo' ? `${ICMP[family].text} id` : family === 'ip' ? 'ip id' : 'frag id';
  return `typeof iifgroup . ${family} saddr . ${family} daddr . ${id}`;
}

export const TIMED = (size: number, timeout: string): string =>
  `size ${size}; flags dynamic,timeout; timeout ${timeout}`;

export function chain(name: string, about: string, rules: readonly string[]): string[] {
  return [`  # ${about}`, `  chain ${name} {`, ...rules.map((rule) => `    ${rule}`), '  }', ''];
}

/**
 * Statements that note something for a time, where it may be given more later. nft lists how long an element lives in
 * all, and how much of that is left; the update of a rule changes what is left alone (nft_dynset.c), and nobody takes
 * back an element with more left than its whole (nf_tables_api.c: nft_add_set_elem, ERANGE; so to 6.18, measured). One
 * such element, and a file of `nft list ruleset` is refused as a whole, at a boot perhaps. So what is new is added with
 * the most it can have, and the rest of it is shortened.
 *
 * @param most the longest time that anything gives it
 */
export function note(set: string, key: string, time: string, most: string): string {
  return time === most
    ? `update @${set} { ${key} timeout ${time} }`
    : `add @${set} { ${key} timeout ${most} } update @${set} { ${key} timeout ${time} }`;
}
