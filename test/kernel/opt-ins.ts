/**
 * What the words of `allow` open, frame by frame: who has the word may send (or hear) it, who has not may not. And what
 * each of them does not open: the same with a source that is not its own.
 */
import {
  A,
  ALL,
  type Content,
  frame,
  G,
  groupMac,
  type Ip4,
  type Ip6,
  icmp6,
  igmp,
  ip4,
  ip6,
  mldBody,
  mldOptions,
  ROUTER_ALERT,
  TYPE,
  udp,
  V,
} from './frames.ts';
import type { TestFrame, Who } from './verdict.ts';

/** A frame that a word of `allow` opens. */
export interface Opened {
  readonly word: string;
  readonly name: string;
  /** Why it is dropped without the word. */
  readonly reason: string;
  readonly hex: string;
  /** Who sends it: A itself unless told; from others it is on its way to A. */
  readonly sender?: Who;
}

/** What a word must not open. */
export interface Forged extends Opened {
  /** Why it is dropped even with the word; `reason` is the one without it. */
  readonly still: string;
}

const v4 = (h: Ip4, payload: Content, dst = G.mac, src = A.mac): string => frame(dst, src, TYPE.ip, ip4(h, payload));
const to4 = (group: string, h: Ip4, payload: Content): string => v4({ dst: group, ...h }, payload, groupMac(group));
const v6 = (h: Ip6, payload: Content, dst = G.mac, src = A.mac): string => frame(dst, src, TYPE.ip6, ip6(h, payload));
const to6 = (group: string, h: Ip6, payload: Content): string =>
  v6({ src: A.local, dst: group, ...h }, payload, groupMac(group));
const mld = (type: number, group: string, h: Ip6 = {}): string => {
  const ends = { src: A.local, dst: group, hops: 1, next: 0, ...h };
  return to6(group, ends, mldOptions(icmp6(ends, type, 0, type === 130 ? mldBody('::') : Buffer.alloc(4))));
};
const BODY = Buffer.alloc(40);

export const OPENED: readonly Opened[] = [
  {
    word: 'vrrp',
    name: 'VRRP to its group',
    reason: 'fhrp',
    hex: to4('224.0.0.18', { protocol: 112, ttl: 255 }, BODY),
  },
  { word: 'vrrp', name: 'VRRP to one peer', reason: 'fhrp', hex: v4({ protocol: 112, ttl: 255 }, BODY) },
  {
    word: 'vrrp6',
    name: 'VRRP over IPv6 to its group',
    reason: 'fhrp',
    hex: to6('ff02::12', { next: 112, hops: 255 }, BODY),
  },
  { word: 'vrrp6', name: 'VRRP over IPv6 to one peer', reason: 'fhrp', hex: v6({ next: 112, hops: 255 }, BODY) },
  { word: 'carp', name: 'CARP', reason: 'fhrp', hex: to4('224.0.0.18', { protocol: 112, ttl: 255 }, BODY) },
  { word: 'carp', name: 'CARP over IPv6', reason: 'fhrp', hex: to6('ff02::12', { next: 112, hops: 255 }, BODY) },
  { word: 'carp', name: 'pfsync', reason: 'fhrp', hex: to4('224.0.0.240', { protocol: 240, ttl: 255 }, BODY) },
  ...[1985, 2029, 3222].flatMap((port): Opened[] => [
    {
      word: 'hsrp',
      name: `UDP ${port} to all routers`,
      reason: 'fhrp',
      hex: to4('224.0.0.102', { ttl: 1 }, udp(port, port)),
    },
    { word: 'hsrp', name: `UDP ${port} between two`, reason: 'fhrp', hex: v4({}, udp(port, port)) },
    { word: 'hsrp', name: `UDP ${port} over IPv6`, reason: 'fhrp', hex: to6('ff02::66', {}, udp(port, port)) },
  ]),
  { word: 'routing', name: 'OSPF', reason: 'routing', hex: to4('224.0.0.5', { protocol: 89, ttl: 1 }, BODY) },
  { word: 'routing', name: 'OSPF to one router', reason: 'routing', hex: v4({ protocol: 89, ttl: 1 }, BODY) },
  {
    word: 'routing',
    name: 'a fragment of OSPF',
    reason: 'routing',
    hex: v4({ protocol: 89, ttl: 1, offset: 10 }, BODY),
  },
  { word: 'routing', name: 'OSPFv3', reason: 'routing', hex: to6('ff02::5', { next: 89, hops: 1 }, BODY) },
  { word: 'routing', name: 'PIM', reason: 'routing', hex: to4('224.0.0.13', { protocol: 103, ttl: 1 }, BODY) },
  { word: 'routing', name: 'EIGRP', reason: 'routing', hex: to4('224.0.0.10', { protocol: 88, ttl: 2 }, BODY) },
  { word: 'routing', name: 'RIP', reason: 'routing', hex: to4('224.0.0.9', { ttl: 1 }, udp(520, 520, '02020000')) },
  { word: 'routing', name: 'RIPng', reason: 'routing', hex: to6('ff02::9', { hops: 255 }, udp(521, 521, '02010000')) },
  { word: 'routing', name: 'LDP', reason: 'routing', hex: to4('224.0.0.2', { ttl: 1 }, udp(646, 646)) },
  { word: 'routing', name: 'Babel', reason: 'routing', hex: to6('ff02::1:6', {}, udp(6696, 6696)) },
  {
    word: 'routing',
    name: 'DVMRP',
    reason: 'routing',
    hex: to4('224.0.0.4', { protocol: 2, ttl: 1 }, igmp(0x13, '0.0.0.0')),
  },
  {
    word: 'igmp-querier',
    name: 'an IGMP query',
    reason: 'igmp-query',
    hex: to4('224.0.0.1', { protocol: 2, ttl: 1, options: ROUTER_ALERT }, igmp(0x11, '0.0.0.0')),
  },
  {
    word: 'igmp-querier',
    name: 'a multicast router advertisement',
    reason: 'mrd',
    hex: to4('224.0.0.106', { protocol: 2, ttl: 1, options: ROUTER_ALERT }, igmp(0x30, '0.0.0.0')),
  },
  { word: 'igmp-querier', name: 'an MLD query', reason: 'mld-query', hex: mld(130, 'ff02::1') },
  {
    word: 'igmp-querier',
    name: 'a multicast router advertisement over IPv6',
    reason: 'mrd',
    hex: mld(151, 'ff02::6a'),
  },
  ...[4, 41, 94, 97, 115, 137].flatMap((protocol): Opened[] => [
    { word: 'tunnels', name: `protocol ${protocol}`, reason: 'tunnel', hex: v4({ protocol }, BODY) },
    {
      word: 'tunnels',
      name: `a fragment of protocol ${protocol}`,
      reason: 'tunnel',
      hex: v4({ protocol, offset: 10 }, BODY),
    },
    { word: 'tunnels', name: `protocol ${protocol} over IPv6`, reason: 'tunnel', hex: v6({ next: protocol }, BODY) },
  ]),
  ...(
    [
      ['to one station', G.mac],
      ['to all', ALL],
    ] as const
  ).map(
    ([name, dst]): Opened => ({
      word: 'ethertype:0x88e5',
      name: `MACsec ${name}`,
      reason: 'ethertype',
      hex: frame(dst, A.mac, 0x88e5, BODY),
    }),
  ),
  ...(
    [
      ['to it', A.mac],
      ['to all', ALL],
    ] as const
  ).map(
    ([name, dst]): Opened => ({
      word: 'ethertype:0x88e5',
      name: `MACsec of another ${name}`,
      reason: 'ethertype',
      hex: frame(dst, G.mac, 0x88e5, BODY),
      sender: 'G',
    }),
  ),
];

const forged4 = { src: V.ip } as const;
const forged6 = { src: V.ip6 } as const;

export const FORGED: readonly Forged[] = [
  ...(
    [
      ['vrrp', 'VRRP', 'fhrp', { protocol: 112, ttl: 255 }, '224.0.0.18'],
      ['carp', 'CARP', 'fhrp', { protocol: 112, ttl: 255 }, '224.0.0.18'],
      ['carp', 'pfsync', 'fhrp', { protocol: 240 }, '224.0.0.240'],
      ['routing', 'OSPF', 'routing', { protocol: 89 }, '224.0.0.5'],
      ['tunnels', 'IP in IP', 'tunnel', { protocol: 4 }, '224.0.0.5'],
    ] as const
  ).map(
    ([word, name, reason, h, group]): Forged => ({
      word,
      name: `${name} in the name of the victim`,
      reason,
      still: 'ip-src',
      hex: to4(group, { ...h, ...forged4 }, BODY),
    }),
  ),
  {
    word: 'hsrp',
    name: 'HSRP in the name of the victim',
    reason: 'fhrp',
    still: 'ip-src',
    hex: to4('224.0.0.2', forged4, udp(1985, 1985)),
  },
  {
    word: 'routing',
    name: 'RIP in the name of the victim',
    reason: 'routing',
    still: 'ip-src',
    hex: to4('224.0.0.9', forged4, udp(520, 520)),
  },
  {
    word: 'igmp-querier',
    name: 'an IGMP query in the name of the victim',
    reason: 'igmp-query',
    still: 'ip-src',
    hex: to4('224.0.0.1', { protocol: 2, ttl: 1, ...forged4 }, igmp(0x11, '0.0.0.0')),
  },
  {
    word: 'igmp-querier',
    name: 'an MLD query in the name of the victim',
    reason: 'mld-query',
    still: 'ip6-src',
    hex: mld(130, 'ff02::1', { src: V.local }),
  },
  {
    word: 'igmp-querier',
    name: 'an MLD query that routers would forward',
    reason: 'mld-query',
    still: 'mld-form',
    hex: mld(130, 'ff02::1', { hops: 64 }),
  },
  {
    word: 'igmp-querier',
    name: 'an MLD query without router alert',
    reason: 'mld-query',
    still: 'mld-query',
    hex: (() => {
      const ends = { src: A.local, dst: 'ff02::1', hops: 1, next: 58 };
      return to6('ff02::1', ends, icmp6(ends, 130, 0, mldBody('::')));
    })(),
  },
  {
    word: 'vrrp6',
    name: 'VRRP over IPv6 in the name of the victim',
    reason: 'fhrp',
    still: 'ip6-src',
    hex: to6('ff02::12', { next: 112, hops: 255, ...forged6 }, BODY),
  },
  {
    word: 'vrrp',
    name: 'VRRP to all',
    reason: 'fhrp',
    still: 'fhrp',
    hex: to4('255.255.255.255', { protocol: 112 }, BODY),
  },
  {
    word: 'vrrp',
    name: 'VRRP to another group',
    reason: 'fhrp',
    still: 'fhrp',
    hex: to4('224.0.0.5', { protocol: 112 }, BODY),
  },
  {
    word: 'vrrp',
    name: 'VRRP in the frame of another group',
    reason: 'fhrp',
    still: 'fhrp',
    hex: v4({ dst: '224.0.0.18', protocol: 112 }, BODY, '01:00:5e:00:00:05'),
  },
  { word: 'vrrp', name: 'pfsync', reason: 'fhrp', still: 'fhrp', hex: to4('224.0.0.240', { protocol: 240 }, BODY) },
  { word: 'vrrp', name: 'VRRP over IPv6', reason: 'fhrp', still: 'fhrp', hex: to6('ff02::12', { next: 112 }, BODY) },
  {
    word: 'ethertype:0x88e5',
    name: 'another ether type',
    reason: 'ethertype',
    still: 'ethertype',
    hex: frame(G.mac, A.mac, 0x88b5, BODY),
  },
  {
    word: 'ethertype:0x88e5',
    name: 'MACsec with the MAC of the victim',
    reason: 'mac-src',
    still: 'mac-src',
    hex: frame(G.mac, V.mac, 0x88e5, BODY),
  },
  {
    word: 'ethertype:0x88e5',
    name: 'MACsec to a group of the link',
    reason: 'ethertype',
    still: 'ethertype',
    hex: frame('01:80:c2:00:00:00', A.mac, 0x88e5, BODY),
  },
  {
    word: 'ethertype:0x88e5',
    name: 'MACsec behind a tag',
    reason: 'vlan',
    still: 'vlan',
    hex: frame(G.mac, A.mac, [TYPE.vlan, 5, 0x88e5], BODY),
  },
];

function testFrame({ word, name, hex, sender = 'A' }: Opened): Omit<TestFrame, 'expect'> {
  return { name: `${word}: ${name}`, sender, direction: sender === 'A' ? 'from-guest' : 'to-guest', hex };
}

/** What becomes of these frames if A has all these words, and only what is not forged may pass. */
export const WITH_THE_WORD: readonly TestFrame[] = [
  ...OPENED.map((one): TestFrame => ({ ...testFrame(one), expect: 'pass' })),
];

/** The same of a forged frame, if A has the word and no other. */
export function forgedOf(word: string): TestFrame[] {
  return FORGED.filter((one) => one.word === word).map((one) => ({
    ...testFrame(one),
    expect: 'drop',
    reason: one.still,
  }));
}

/** And if A has no word at all. */
export const WITHOUT_A_WORD: readonly TestFrame[] = [...OPENED, ...FORGED].map((one) => ({
  ...testFrame(one),
  expect: 'drop',
  reason: one.reason,
}));

export const WORDS: readonly string[] = [...new Set(OPENED.map(({ word }) => word))];
