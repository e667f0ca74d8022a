/** Frames of a guest that speaks with its gateways only, and to it. */
import {
  A,
  ALL,
  arp,
  dhcp,
  dhcp6,
  frame,
  G,
  groupMac,
  H,
  type Ip6,
  icmp6,
  igmp,
  ip4,
  ip6,
  lla,
  mld2Body,
  mldOptions,
  ndBody,
  OVERRIDE,
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

/** What ebtables must be allowed to miss, so that as much passes as with nftables. */
export const GAPS: Readonly<Record<string, string>> = {
  nftables: '',
  ebtables:
    '[defaults]\nbackend = ebtables\nebtables_gaps = ip-form ip-opt igmp-type ip6-form ip6-ext nd-ext nd-form nd-lla nd-target mld-form dhcp-form dhcp-chaddr dhcp-foreign dhcp6-form icmp-quote\n',
};
export const NAMED = `[mac ${A.mac}]\ngateways = ${G.ip} ${G.ip6} ${G.mac}\n`;

type Ends = { readonly src?: string; readonly dst?: string };
const u4 = (mac: string, dst: string, src = A.ip): string => frame(mac, A.mac, TYPE.ip, ip4({ src, dst }, udp(9, 9)));
const u6 = (mac: string, ends: Ends): string => {
  const both = { src: A.ip6, dst: G.ip6, ...ends };
  return frame(mac, A.mac, TYPE.ip6, ip6(both, udp6(both, 9, 9)));
};
const by4 = (from: { mac: string; ip: string }, dst = A.mac): string =>
  frame(dst, from.mac, TYPE.ip, ip4({ src: from.ip, dst: A.ip }, udp(9, 9)));
const asks = (tpa: string, spa = A.ip, mac = ALL): string =>
  frame(mac, A.mac, TYPE.arp, arp({ op: 1, sha: A.mac, spa, tpa }));
const nd = (h: Ip6, type: number, body: Buffer | string, mac: string, from = A.mac): string => {
  const ends = { hops: 255, next: 58, ...h };
  return frame(mac, from, TYPE.ip6, ip6(ends, icmp6(ends, type, 0, body)));
};
const ns = (target: string, src = A.ip6): string => {
  const dst = solicited(target);
  return nd({ src, dst }, 135, ndBody(target, src === '::' ? '' : lla(1, A.mac)), groupMac(dst));
};
const v6group = (dst: string, ends: Ends, payload: Buffer, h: Ip6 = {}): string =>
  frame(groupMac(dst), A.mac, TYPE.ip6, ip6({ src: A.local, dst, ...ends, ...h }, payload));

const from = (expect: 'pass' | 'drop', name: string, hex: string, reason?: string): TestFrame => ({
  name,
  sender: 'A',
  direction: 'from-guest',
  expect,
  reason: reason ?? (expect === 'drop' ? 'gateway' : undefined),
  hex,
});
const to = (expect: 'pass' | 'drop', name: string, hex: string, sender: Who = 'G', reason = 'gateway'): TestFrame => ({
  name,
  sender,
  direction: 'to-guest',
  expect,
  reason: expect === 'drop' ? reason : undefined,
  hex,
});

const DISCOVER = frame(
  ALL,
  A.mac,
  TYPE.ip,
  ip4({ src: '0.0.0.0', dst: '255.255.255.255' }, udp(68, 67, dhcp({ chaddr: A.mac }))),
);
const SOLICIT_ENDS = { src: A.local, dst: 'ff02::1:2' };
const REPORT_ENDS = { src: A.local, dst: 'ff02::16', hops: 1, next: 0 };

export const FROM: readonly TestFrame[] = [
  from('pass', 'IPv4 to the gateway', u4(G.mac, G.ip)),
  from('pass', 'IPv4 to far away by the gateway', u4(G.mac, '203.0.113.5')),
  from('pass', 'IPv4 to the neighbour, by the gateway', u4(G.mac, V.ip)),
  from('pass', 'TCP', frame(G.mac, A.mac, TYPE.ip, ip4({ src: A.ip, dst: G.ip, protocol: 6 }, tcp(9, 9)))),
  from('pass', 'IPv6 to the gateway', u6(G.mac, {})),
  from('drop', 'IPv4 to the neighbour', u4(V.mac, V.ip)),
  from(
    'drop',
    'TCP to the neighbour',
    frame(V.mac, A.mac, TYPE.ip, ip4({ src: A.ip, dst: V.ip, protocol: 6 }, tcp(9, 9))),
  ),
  from('drop', 'IPv4 to the host', u4(H.mac, H.ip)),
  from('drop', 'IPv4 of the gateway in a frame for the neighbour', u4(V.mac, G.ip)),
  from('drop', 'IPv6 to the neighbour', u6(V.mac, { dst: V.ip6 })),
  from('drop', 'a broadcast', frame(ALL, A.mac, TYPE.ip, ip4({ src: A.ip, dst: '255.255.255.255' }, udp(9, 9)))),
  from(
    'drop',
    'multicast',
    frame(groupMac('224.0.0.251'), A.mac, TYPE.ip, ip4({ src: A.ip, dst: '224.0.0.251', ttl: 1 }, udp(5353, 5353))),
  ),
  from('drop', 'IPv6 multicast', v6group('ff02::fb', {}, udp6({ src: A.local, dst: 'ff02::fb' }, 5353, 5353))),
  from(
    'drop',
    'an IGMP report',
    frame(
      groupMac('239.1.1.1'),
      A.mac,
      TYPE.ip,
      ip4({ src: A.ip, dst: '239.1.1.1', protocol: 2, ttl: 1, options: ROUTER_ALERT }, igmp(0x16, '239.1.1.1')),
    ),
  ),
  from('pass', 'ARP for the gateway', asks(G.ip)),
  from('pass', 'ARP to the gateway alone', asks(G.ip, A.ip, G.mac)),
  from('pass', 'it announces itself', asks(A.ip)),
  from('pass', 'it probes for its address', asks(A.ip, '0.0.0.0')),
  from('drop', 'ARP for the neighbour', asks(V.ip)),
  from(
    'drop',
    'an ARP reply to the neighbour',
    frame(V.mac, A.mac, TYPE.arp, arp({ op: 2, sha: A.mac, spa: A.ip, tha: V.mac, tpa: V.ip })),
  ),
  from('drop', 'ARP in the name of the gateway', asks(G.ip, G.ip), 'arp-spa'),
  from(
    'pass',
    'its place after a migration',
    frame(ALL, A.mac, TYPE.rarp, arp({ op: 3, sha: A.mac, spa: '0.0.0.0', tha: A.mac, tpa: '0.0.0.0' })),
  ),
  from('pass', 'neighbour solicitation for the gateway', ns(G.ip6)),
  from('pass', 'the same for its link-local address', ns(G.local, A.local)),
  from('drop', 'neighbour solicitation for the neighbour', ns(V.ip6)),
  from('pass', 'duplicate address detection', ns(A.ip6, '::')),
  from('drop', "duplicate address detection for the neighbour's", ns(V.ip6, '::'), 'nd-target'),
  from(
    'pass',
    'router solicitation',
    nd({ src: A.local, dst: 'ff02::2' }, 133, Buffer.concat([Buffer.alloc(4), lla(1, A.mac)]), groupMac('ff02::2')),
  ),
  from(
    'pass',
    'it advertises itself',
    nd({ src: A.ip6, dst: 'ff02::1' }, 136, ndBody(A.ip6, lla(2, A.mac), OVERRIDE), groupMac('ff02::1')),
  ),
  from(
    'pass',
    'MLD',
    frame(
      groupMac('ff02::16'),
      A.mac,
      TYPE.ip6,
      ip6(REPORT_ENDS, mldOptions(icmp6({ ...REPORT_ENDS, next: 58 }, 143, 0, mld2Body(solicited(A.ip6))))),
    ),
  ),
  from('pass', 'it asks for an address by DHCP', DISCOVER),
  from(
    'pass',
    'and by DHCPv6',
    frame(groupMac('ff02::1:2'), A.mac, TYPE.ip6, ip6(SOLICIT_ENDS, udp6(SOLICIT_ENDS, 546, 547, dhcp6(1)))),
  ),
  from(
    'drop',
    'a frame with another source',
    frame(G.mac, X.mac, TYPE.ip, ip4({ src: A.ip, dst: G.ip }, udp(9, 9))),
    'mac-src',
  ),
  from('drop', 'IPv4 of another to the gateway', u4(G.mac, G.ip, V.ip), 'ip-src'),
];

const OFFER = frame(
  A.mac,
  X.mac,
  TYPE.ip,
  ip4({ src: X.ip, dst: A.ip }, udp(67, 68, dhcp({ op: 2, message: 2, chaddr: A.mac, yiaddr: A.ip }))),
);
export const TO: readonly TestFrame[] = [
  to('pass', 'IPv4 of the gateway', by4(G)),
  to('pass', 'of far away, by the gateway', by4({ mac: G.mac, ip: '203.0.113.5' })),
  to('drop', 'of another station', by4(X)),
  to('drop', 'of another station in the name of the gateway', by4({ mac: X.mac, ip: G.ip })),
  to(
    'drop',
    'TCP of another station',
    frame(A.mac, X.mac, TYPE.ip, ip4({ src: X.ip, dst: A.ip, protocol: 6 }, tcp(9, 9))),
  ),
  to('drop', 'of the neighbour', by4(V), 'V'),
  to('pass', 'the gateway asks for it', frame(ALL, G.mac, TYPE.arp, arp({ op: 1, sha: G.mac, spa: G.ip, tpa: A.ip }))),
  to(
    'drop',
    'another station asks for it',
    frame(ALL, X.mac, TYPE.arp, arp({ op: 1, sha: X.mac, spa: X.ip, tpa: A.ip })),
  ),
  to(
    'drop',
    'another station says it is the gateway',
    frame(ALL, X.mac, TYPE.arp, arp({ op: 2, sha: X.mac, spa: G.ip, tpa: G.ip })),
  ),
  to(
    'pass',
    'router advertisement of the gateway',
    nd({ src: G.local, dst: 'ff02::1' }, 134, raBody(G.mac), groupMac('ff02::1'), G.mac),
  ),
  to(
    'drop',
    'router advertisement of another station',
    nd({ src: X.local, dst: 'ff02::1' }, 134, raBody(X.mac), groupMac('ff02::1'), X.mac),
  ),
  to(
    'drop',
    'a broadcast of another station',
    frame(ALL, X.mac, TYPE.ip, ip4({ src: X.ip, dst: '255.255.255.255' }, udp(9, 9))),
  ),
  to('pass', 'what a DHCP server answers', OFFER),
];
