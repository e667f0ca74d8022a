/**
 * What the words of `allow` open, frame by frame: who has the word may send (or hear) it, who has not may not. And what
 * each of them does not open: the same with a source that is not its own.
 */
import {
  A,
  ALL,
  arp,
  type Content,
  type Dhcp,
  dhcp,
  dhcp6,
  fragment6,
  frame,
  G,
  groupMac,
  type Ip4,
  type Ip6,
  icmp,
  icmp6,
  igmp,
  ip4,
  ip6,
  lla,
  mldBody,
  mldOptions,
  ndBody,
  options,
  ROUTER_ALERT,
  raBody,
  solicited,
  TYPE,
  tcp,
  udp,
  udp6,
  V,
  X,
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

const FIRST_OPENED: readonly Opened[] = [
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

/** Behind the router, and in front of it. */
const FAR = '198.51.100.7';
const FAR6 = '2001:db8:9::7';
const dhcp4 = (h: Ip4, sport: number, dport: number, message: Dhcp, dst = ALL): string =>
  v4({ dst: '255.255.255.255', ...h }, udp(sport, dport, dhcp(message)), dst);
const dhcpv6 = (h: Ip6, sport: number, dport: number, type: number, dst = V.mac): string => {
  const ends = { src: A.local, dst: V.local, ...h };
  return v6(ends, udp6(ends, sport, dport, dhcp6(type)), dst);
};
const advert = (h: Ip6 = {}, mac = A.mac, code = 0, wrap?: (message: Buffer) => Buffer): string => {
  const ends = { src: A.local, dst: 'ff02::1', next: 58, hops: 255, ...h };
  const message = icmp6(ends, 134, code, raBody(mac));
  return to6('ff02::1', { ...ends, ...(wrap === undefined ? {} : { next: 0 }) }, wrap?.(message) ?? message);
};
const OFFER = { op: 2, message: 2, chaddr: V.mac, yiaddr: V.ip } as const;
const RECORD_ROUTE = { options: '0707040000000000' } as const;
const error = (src: string, about: string): string =>
  v4({ src, protocol: 1 }, icmp(3, 4, Buffer.concat([Buffer.alloc(4), ip4({ src: G.ip, dst: about }, udp(9, 9))])));
const error6 = (src: string, about: string): string => {
  const ends = { src, dst: G.ip6, next: 58 };
  return v6(ends, icmp6(ends, 2, 0, Buffer.concat([Buffer.alloc(4), ip6({ src: G.ip6, dst: about }, udp(9, 9))])));
};
const echo6 = (src: string): string => {
  const ends = { src, dst: G.ip6, next: 58 };
  return v6(ends, icmp6(ends, 128, 0, '00010001'));
};

/** What a router hands on. */
function handedOn(word: string): Opened[] {
  const from = (name: string, reason: string, hex: string): Opened => ({ word, name, reason, hex });
  const to = (name: string, reason: string, hex: string): Opened => ({ word, name, reason, hex, sender: 'G' });
  return [
    from('TCP of another', 'ip-src', v4({ src: FAR, protocol: 6 }, tcp(1, 2))),
    from('UDP of another', 'ip-src', v4({ src: FAR }, udp(9, 9))),
    from('a later fragment of another', 'ip-src', v4({ src: FAR, offset: 10 }, BODY)),
    from('a ping of another', 'ip-src', v4({ src: FAR, protocol: 1 }, icmp(8))),
    from('an error about what it handed on', 'icmp-quote', error(A.ip, FAR)),
    from('an error of another', 'ip-src', error(FAR, FAR)),
    from('UDP of another over IPv6', 'ip6-src', v6({ src: FAR6 }, udp6({ src: FAR6 }, 9, 9))),
    from('a ping of another over IPv6', 'ip6-src', echo6(FAR6)),
    from('a later fragment of another over IPv6', 'ip6-src', v6({ src: FAR6, next: 44 }, fragment6(17, BODY, 64))),
    from('an error over IPv6 about what it handed on', 'icmp-quote', error6(A.ip6, FAR6)),
    from('an error of another over IPv6', 'ip6-src', error6(FAR6, FAR6)),
    to('a packet for another', 'ip-dst', frame(A.mac, G.mac, TYPE.ip, ip4({ src: G.ip, dst: FAR }, udp(9, 9)))),
    to(
      'a packet for another over IPv6',
      'ip6-dst',
      frame(A.mac, G.mac, TYPE.ip6, ip6({ src: G.ip6, dst: FAR6 }, udp(9, 9))),
    ),
  ];
}

/** What a router speaks for itself only from its own addresses, and what it never hands on. */
function notHandedOn(word: string): Forged[] {
  const still = (name: string, reason: string, hex: string, sender?: Who): Forged => ({
    word,
    name,
    reason,
    still: reason,
    hex,
    ...(sender === undefined ? {} : { sender }),
  });
  const solicit = (src: string): string => {
    const ends = { src, dst: solicited(V.ip6), hops: 255, next: 58 };
    return to6(ends.dst, ends, icmp6(ends, 135, 0, ndBody(V.ip6, lla(1, A.mac))));
  };
  const naOf = (target: string): string => {
    const ends = { src: A.ip6, dst: G.ip6, hops: 255, next: 58 };
    return v6(ends, icmp6(ends, 136, 0, ndBody(target, lla(2, A.mac), 0x60)));
  };
  return [
    still('ARP for another', 'arp-spa', frame(ALL, A.mac, TYPE.arp, arp({ op: 2, spa: FAR, tpa: FAR }))),
    still('a solicitation in the name of another', 'ip6-src', solicit(FAR6)),
    still('a solicitation in the name of the victim', 'ip6-src', solicit(V.ip6)),
    still('an advertisement of another', 'nd-target', naOf(FAR6)),
    still(
      'an IGMP report of another',
      'ip-src',
      to4('239.1.1.1', { src: FAR, protocol: 2, ttl: 1 }, igmp(0x16, '239.1.1.1')),
    ),
    still('a broadcast of another', 'ip-src', v4({ src: FAR, dst: '255.255.255.255' }, udp(9, 9), ALL)),
    still('multicast of a link by another', 'ip-src', to4('224.0.0.251', { src: FAR }, udp(5353, 5353))),
    still('a source of a link', 'ip-src', v4({ src: '169.254.1.1' }, udp(9, 9))),
    still('a source of a link over IPv6', 'ip6-src', v6({ src: V.local }, udp6({ src: V.local }, 9, 9))),
    still('multicast of a link over IPv6 by another', 'ip6-src', to6('ff02::fb', { src: FAR6 }, udp(5353, 5353))),
    still('a discover of another', 'ip-src', dhcp4({ src: FAR }, 68, 67, {})),
    still('loopback', 'ip-src', v4({ src: '127.0.0.1' }, udp(9, 9))),
    still('0.0.0.0', 'ip-src', v4({ src: '0.0.0.0', protocol: 6 }, tcp(1, 2))),
    still('OSPF of another', 'routing', v4({ src: FAR, protocol: 89 }, BODY)),
    still('another MAC', 'mac-src', frame(G.mac, V.mac, TYPE.ip, ip4({ src: FAR }, udp(9, 9)))),
    still(
      'loopback to it',
      'ip-dst',
      frame(A.mac, G.mac, TYPE.ip, ip4({ src: G.ip, dst: '127.0.0.1' }, udp(9, 9))),
      'G',
    ),
    still(
      'a link-local address of others to it',
      'ip6-dst',
      frame(A.mac, G.mac, TYPE.ip6, ip6({ src: G.local, dst: V.local }, udp(9, 9))),
      'G',
    ),
    still(
      'what is for another MAC',
      'not-for-me',
      frame('00:16:3e:00:00:77', G.mac, TYPE.ip, ip4({ src: G.ip, dst: FAR }, udp(9, 9))),
      'G',
    ),
  ];
}

/** An advertisement with the link-layer address behind so many prefixes (RFC 4861 §4.6.2), as radvd writes it. */
const advertBehind = (prefixes: number, mac: string): string => {
  const ends = { src: A.local, dst: 'ff02::1', next: 58, hops: 255 };
  const prefix = '030440c0000151800000384000000000fd660000000000000000000000000000';
  const body = Buffer.concat([
    Buffer.from('400007080000000000000000', 'hex'),
    Buffer.from(prefix.repeat(prefixes), 'hex'),
    lla(1, mac),
  ]);
  return to6('ff02::1', ends, icmp6(ends, 134, 0, body));
};

const MORE_OPENED: readonly Opened[] = [
  { word: 'router-advertisement', name: 'a router advertisement', reason: 'ra', hex: advert() },
  {
    word: 'router-advertisement',
    name: 'its MAC behind seven prefixes',
    reason: 'ra',
    hex: advertBehind(7, A.mac),
  },
  { word: 'router', name: 'a router advertisement', reason: 'ra', hex: advert() },
  ...handedOn('forwarding'),
  ...handedOn('router'),
  { word: 'dhcp-server', name: 'an offer to all', reason: 'dhcp-server', hex: dhcp4({}, 67, 68, OFFER) },
  {
    word: 'dhcp-server',
    name: 'an offer to one',
    reason: 'dhcp-server',
    hex: dhcp4({ dst: V.ip }, 67, 68, OFFER, V.mac),
  },
  {
    word: 'dhcp-server',
    name: 'an answer to a relay',
    reason: 'dhcp-form',
    hex: dhcp4({ dst: G.ip }, 67, 67, { ...OFFER, giaddr: G.ip }, G.mac),
  },
  ...(['dhcp-server', 'dhcp-relay'] as const).flatMap((word): Opened[] => [
    {
      word,
      name: 'the request of another',
      reason: 'dhcp-foreign',
      sender: 'V',
      hex: frame(
        ALL,
        V.mac,
        TYPE.ip,
        ip4({ src: '0.0.0.0', dst: '255.255.255.255' }, udp(68, 67, dhcp({ chaddr: V.mac }))),
      ),
    },
    {
      word,
      name: 'a request to it',
      reason: 'dhcp-foreign',
      sender: 'G',
      hex: frame(
        A.mac,
        G.mac,
        TYPE.ip,
        ip4({ src: G.ip, dst: A.ip }, udp(67, 67, dhcp({ chaddr: X.mac, giaddr: G.ip }))),
      ),
    },
  ]),
  {
    word: 'dhcp-relay',
    name: 'a request handed on',
    reason: 'dhcp-form',
    hex: dhcp4({ dst: G.ip }, 67, 67, { chaddr: X.mac, giaddr: A.ip }, G.mac),
  },
  {
    word: 'dhcp-relay',
    name: 'an answer handed on',
    reason: 'dhcp-server',
    hex: dhcp4({}, 67, 68, { ...OFFER, giaddr: A.ip }),
  },
  { word: 'dhcp6-server', name: 'an advertisement', reason: 'dhcp6-server', hex: dhcpv6({}, 547, 546, 2) },
  { word: 'dhcp6-server', name: 'a reply', reason: 'dhcp6-server', hex: dhcpv6({}, 547, 546, 7) },
  {
    word: 'dhcp6-server',
    name: 'the solicit of another',
    reason: 'dhcp-foreign',
    sender: 'V',
    hex: frame(
      groupMac('ff02::1:2'),
      V.mac,
      TYPE.ip6,
      ip6({ src: V.local, dst: 'ff02::1:2' }, udp6({ src: V.local, dst: 'ff02::1:2' }, 546, 547, dhcp6(1))),
    ),
  },
  {
    word: 'dhcp6-server',
    name: 'a request to it',
    reason: 'dhcp-foreign',
    sender: 'G',
    hex: frame(A.mac, G.mac, TYPE.ip6, ip6({ src: G.ip6, dst: A.ip6 }, udp(546, 547, dhcp6(1)))),
  },
  { word: 'ip-options', name: 'record route', reason: 'ip-opt', hex: v4(RECORD_ROUTE, udp(9, 9)) },
  { word: 'ip-protocol', name: 'protocol 252', reason: 'ip-protocol', hex: v4({ protocol: 252 }, BODY) },
  {
    word: 'ip-protocol',
    name: 'a fragment of protocol 252',
    reason: 'ip-protocol',
    hex: v4({ protocol: 252, offset: 10 }, BODY),
  },
  { word: 'ip-protocol:253', name: 'protocol 253', reason: 'ip-protocol', hex: v4({ protocol: 253 }, BODY) },
];

const MORE_FORGED: readonly Forged[] = [
  ...notHandedOn('forwarding'),
  ...notHandedOn('router'),
  {
    word: 'router-advertisement',
    name: 'from the victim',
    reason: 'ra',
    still: 'ip6-src',
    hex: advert({ src: V.local }),
  },
  {
    word: 'router',
    name: 'an advertisement from the victim',
    reason: 'ra',
    still: 'ip6-src',
    hex: advert({ src: V.local }),
  },
  {
    word: 'router-advertisement',
    name: 'from no link-local address',
    reason: 'ra',
    still: 'ra',
    hex: advert({ src: A.ip6 }),
  },
  {
    word: 'router-advertisement',
    name: 'with hop limit 64',
    reason: 'ra',
    still: 'nd-form',
    hex: advert({ hops: 64 }),
  },
  { word: 'router-advertisement', name: 'with code 1', reason: 'ra', still: 'nd-form', hex: advert({}, A.mac, 1) },
  {
    word: 'router-advertisement',
    name: 'with the MAC of the victim',
    reason: 'ra',
    still: 'nd-lla',
    hex: advert({}, V.mac),
  },
  ...[1, 2, 7].map(
    (prefixes): Forged => ({
      word: 'router-advertisement',
      name: `with the MAC of the victim behind ${prefixes} prefixes`,
      reason: 'ra',
      still: 'nd-lla',
      hex: advertBehind(prefixes, V.mac),
    }),
  ),
  {
    word: 'router-advertisement',
    name: 'longer than anybody looks',
    reason: 'ra',
    still: 'nd-form',
    hex: advertBehind(8, A.mac),
  },
  {
    word: 'router-advertisement',
    name: 'behind options',
    reason: 'ra',
    still: 'ra',
    hex: advert({}, A.mac, 0, (m) => options(58, m)),
  },
  {
    word: 'dhcp-server',
    name: 'an offer in the name of the gateway',
    reason: 'dhcp-server',
    still: 'ip-src',
    hex: dhcp4({ src: G.ip }, 67, 68, OFFER),
  },
  {
    word: 'dhcp-server',
    name: 'an offer from port 68',
    reason: 'dhcp-server',
    still: 'dhcp-server',
    hex: dhcp4({}, 68, 68, OFFER),
  },
  {
    word: 'dhcp-server',
    name: 'a fragment of an offer',
    reason: 'dhcp-server',
    still: 'dhcp-form',
    hex: dhcp4({ more: true }, 67, 68, OFFER),
  },
  {
    word: 'dhcp-server',
    name: 'a request to clients',
    reason: 'dhcp-server',
    still: 'dhcp-form',
    hex: dhcp4({}, 67, 68, { ...OFFER, op: 1 }),
  },
  {
    word: 'dhcp-server',
    name: 'a request in the name of the victim',
    reason: 'dhcp-chaddr',
    still: 'dhcp-chaddr',
    hex: dhcp4({ src: '0.0.0.0' }, 68, 67, { chaddr: V.mac }),
  },
  {
    word: 'dhcp-server',
    name: 'a relayed request',
    reason: 'dhcp-form',
    still: 'dhcp-form',
    hex: dhcp4({ dst: G.ip }, 67, 67, { chaddr: X.mac, giaddr: A.ip }, G.mac),
  },
  {
    word: 'dhcp-relay',
    name: 'a request in the name of another relay',
    reason: 'dhcp-form',
    still: 'dhcp-form',
    hex: dhcp4({ dst: G.ip }, 67, 67, { chaddr: X.mac, giaddr: V.ip }, G.mac),
  },
  {
    word: 'dhcp-relay',
    name: 'an answer of its own',
    reason: 'dhcp-server',
    still: 'dhcp-form',
    hex: dhcp4({}, 67, 68, OFFER),
  },
  {
    word: 'dhcp-relay',
    name: 'an answer in the name of the gateway',
    reason: 'dhcp-server',
    still: 'ip-src',
    hex: dhcp4({ src: G.ip }, 67, 68, { ...OFFER, giaddr: A.ip }),
  },
  {
    word: 'dhcp6-server',
    name: 'an advertisement in the name of the gateway',
    reason: 'dhcp6-server',
    still: 'ip6-src',
    hex: dhcpv6({ src: G.local }, 547, 546, 2),
  },
  {
    word: 'dhcp6-server',
    name: 'an advertisement from the port of clients',
    reason: 'dhcp6-server',
    still: 'dhcp6-server',
    hex: dhcpv6({}, 546, 546, 2),
  },
  {
    word: 'dhcp6-server',
    name: 'a relayed message to clients',
    reason: 'dhcp6-server',
    still: 'dhcp6-form',
    hex: dhcpv6({}, 547, 546, 12),
  },
  {
    word: 'ip-options',
    name: 'record route in the name of the victim',
    reason: 'ip-opt',
    still: 'ip-src',
    hex: v4({ ...RECORD_ROUTE, src: V.ip }, udp(9, 9)),
  },
  {
    word: 'ip-options',
    name: 'record route in a frame to all',
    reason: 'ip-opt',
    still: 'ip-opt',
    hex: v4(RECORD_ROUTE, udp(9, 9), ALL),
  },
  {
    word: 'ip-options',
    name: 'a header that is too short',
    reason: 'ip-form',
    still: 'ip-form',
    hex: v4({ versionIhl: 0x44 }, udp(9, 9)),
  },
  {
    word: 'ip-protocol',
    name: 'protocol 252 in the name of the victim',
    reason: 'ip-protocol',
    still: 'ip-src',
    hex: v4({ src: V.ip, protocol: 252 }, BODY),
  },
  { word: 'ip-protocol', name: 'OSPF', reason: 'routing', still: 'routing', hex: v4({ protocol: 89 }, BODY) },
  {
    word: 'ip-protocol:253',
    name: 'protocol 251',
    reason: 'ip-protocol',
    still: 'ip-protocol',
    hex: v4({ protocol: 251 }, BODY),
  },
];

const forged4 = { src: V.ip } as const;
const forged6 = { src: V.ip6 } as const;

const FIRST_FORGED: readonly Forged[] = [
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

export const OPENED: readonly Opened[] = [...FIRST_OPENED, ...MORE_OPENED];
export const FORGED: readonly Forged[] = [...FIRST_FORGED, ...MORE_FORGED];

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

/** What words open, if A has none of them. */
export const OTHER_WORDS: readonly TestFrame[] = OPENED.map((one) => ({
  ...testFrame(one),
  expect: 'drop',
  reason: one.reason,
}));

/** And if A has no word at all. */
export const WITHOUT_A_WORD: readonly TestFrame[] = [...OPENED, ...FORGED].map((one) => ({
  ...testFrame(one),
  expect: 'drop',
  reason: one.reason,
}));

export const WORDS: readonly string[] = [...new Set(OPENED.map(({ word }) => word))];
