/** What an ordinary guest sends, and what an ordinary network sends to it: all of it has to arrive. */
import { CHATTER } from './chatter.ts';
import {
  A,
  ALL,
  arp,
  dhcp,
  dhcp6,
  fragment6,
  frame,
  G,
  groupMac,
  H,
  type Ip4,
  type Ip6,
  icmp,
  icmp6,
  igmp,
  ip4,
  ip6,
  lla,
  mld2Body,
  mldBody,
  mldOptions,
  NONCE,
  ndBody,
  OVERRIDE,
  options,
  ROUTER,
  ROUTER_ALERT,
  raBody,
  SOLICITED,
  solicited,
  TYPE,
  tcp,
  udp,
  udp6,
  V,
} from './frames.ts';
import { OWN_ERRORS } from './icmp-errors.ts';
import { ANSWERS_TO_PROBES } from './own-address.ts';
import { NO_SIDE_DOORS } from './protocols.ts';
import { READABLE_TOWARD_GUEST } from './unreadable.ts';
import type { TestFrame, Who } from './verdict.ts';

function sent(name: string, hex: string): TestFrame {
  return { name, sender: 'A', direction: 'from-guest', expect: 'pass', hex };
}

function heard(sender: Who, name: string, hex: string): TestFrame {
  return { name, sender, direction: 'to-guest', expect: 'pass', hex };
}

const v4 = (dst: string, packet: Buffer, src = A.mac): string => frame(dst, src, TYPE.ip, packet);
const v6 = (dst: string, packet: Buffer, src = A.mac): string => frame(dst, src, TYPE.ip6, packet);

function icmp6Frame(type: number, body: Buffer | string, h: Ip6, dst: string, src = A.mac): string {
  return v6(dst, ip6({ next: 58, ...h }, icmp6(h, type, 0, body)), src);
}

function nd(type: number, body: Buffer, h: Ip6, dst?: string, src = A.mac): string {
  const to = dst ?? groupMac(h.dst ?? 'ff02::1');
  return icmp6Frame(type, body, { hops: 255, ...h }, to, src);
}

function mld(type: number, group: string, body: Buffer, h: Ip6 = {}, src = A.mac): string {
  const ends = { src: A.local, dst: group, next: 0, hops: 1, ...h };
  return v6(groupMac(ends.dst), ip6(ends, mldOptions(icmp6(ends, type, 0, body))), src);
}

const multicast = (group: string, h: Ip4, payload: Buffer): string =>
  v4(groupMac(group), ip4({ dst: group, ...h }, payload));
const toAll = (h: Ip4, payload: Buffer): string => v4(ALL, ip4({ dst: '255.255.255.255', ...h }, payload));
const report = solicited(A.ip6);

/** L, and what O says has to work by default. */
const SENT: TestFrame[] = [
  sent('an ARP request', frame(ALL, A.mac, TYPE.arp, arp({ tpa: G.ip }))),
  sent('a unicast ARP request (reachability)', frame(V.mac, A.mac, TYPE.arp, arp({ tha: V.mac }))),
  sent('an ARP reply to dom0', frame(H.mac, A.mac, TYPE.arp, arp({ op: 2, tha: H.mac, tpa: H.ip }))),
  sent('a gratuitous ARP reply', frame(ALL, A.mac, TYPE.arp, arp({ op: 2, tpa: A.ip, tha: ALL }))),
  sent(
    'ARP padded to 60 bytes',
    frame(G.mac, A.mac, TYPE.arp, Buffer.concat([arp({ op: 2, tpa: G.ip, tha: G.mac }), Buffer.alloc(18)])),
  ),
  sent('an ARP request with a target MAC of all ones', frame(ALL, A.mac, TYPE.arp, arp({ tha: ALL, tpa: G.ip }))),
  sent(
    'an ARP probe with nonsense as target MAC',
    frame(ALL, A.mac, TYPE.arp, arp({ spa: '0.0.0.0', tha: ALL, tpa: A.ip })),
  ),

  sent('a TCP SYN', v4(G.mac, ip4({ protocol: 6 }, tcp(40000, 443)))),
  sent('TCP to port 67', v4(G.mac, ip4({ protocol: 6 }, tcp(40000, 67)))),
  sent('a ping', v4(G.mac, ip4({ protocol: 1 }, icmp(8)))),
  sent('a ping to another guest', v4(V.mac, ip4({ dst: V.ip, protocol: 1 }, icmp(8)))),
  sent('a ping to dom0', v4(H.mac, ip4({ dst: H.ip, protocol: 1 }, icmp(8)))),
  sent('an answer to a ping', v4(G.mac, ip4({ protocol: 1 }, icmp(0)))),
  sent('an ICMP timestamp', v4(G.mac, ip4({ protocol: 1 }, icmp(13, 0, Buffer.alloc(16))))),
  sent('the first fragment of a ping', v4(G.mac, ip4({ protocol: 1, more: true }, icmp(8, 0, Buffer.alloc(1000))))),
  sent('the last fragment of a ping', v4(G.mac, ip4({ protocol: 1, offset: 126 }, Buffer.alloc(100)))),
  sent('the first fragment of UDP', v4(G.mac, ip4({ more: true }, udp(9, 9, Buffer.alloc(992), 2000)))),
  sent('a middle fragment of UDP', v4(G.mac, ip4({ more: true, offset: 125 }, Buffer.alloc(800)))),
  sent('SCTP', v4(G.mac, ip4({ protocol: 132 }, Buffer.alloc(24)))),
  sent('an authentication header', v4(G.mac, ip4({ protocol: 51 }, Buffer.alloc(24)))),
  sent('VXLAN', v4(G.mac, ip4({}, udp(40000, 4789, Buffer.alloc(50))))),
  sent('WireGuard', v4(G.mac, ip4({}, udp(51820, 51820, Buffer.alloc(50))))),
  sent('DNS with a client port that HSRP uses as well', v4(G.mac, ip4({}, udp(1985, 53, Buffer.alloc(20))))),
  sent('an answer to a client whose port HSRP uses as well', v4(G.mac, ip4({}, udp(53, 1985, Buffer.alloc(20))))),
  sent('a packet to the Internet', v4(G.mac, ip4({ dst: '8.8.8.8' }, udp(9, 9)))),
  sent("a packet to another subnet's broadcast, for its router", v4(G.mac, ip4({ dst: '192.0.2.255' }, udp(9, 9)))),
  sent(
    'a packet with differentiated services and ECN',
    v4(
      G.mac,
      (() => {
        const packet = ip4({}, udp(9, 9));
        packet[1] = 0xb9;
        return packet;
      })(),
    ),
  ),
  sent('a packet with hop limit 1 (traceroute)', v4(G.mac, ip4({ ttl: 1 }, udp(40000, 33434)))),
  sent('a packet of 1500 bytes', v4(G.mac, ip4({}, udp(9, 9, Buffer.alloc(1472))))),
  sent('a packet padded to 60 bytes', v4(G.mac, Buffer.concat([ip4({}, udp(9, 9)), Buffer.alloc(17)]))),
  sent('an empty UDP packet', v4(G.mac, ip4({}, udp(9, 9, '')))),
  sent('limited broadcast', toAll({}, udp(9, 9))),
  sent('a broadcast of NetBIOS to the subnet', v4(ALL, ip4({ dst: '10.0.0.255' }, udp(137, 137)))),
  sent('multicast DNS', multicast('224.0.0.251', { ttl: 255 }, udp(5353, 5353))),
  sent('LLMNR', multicast('224.0.0.252', { ttl: 1 }, udp(40000, 5355))),
  sent('SSDP', multicast('239.255.255.250', {}, udp(40000, 1900))),
  sent('NTP multicast', multicast('224.0.1.1', {}, udp(123, 123))),
  sent('a group whose address has the 24th bit set', multicast('239.129.1.1', {}, udp(9, 9))),
  sent(
    'an IGMPv2 report',
    multicast('239.1.1.1', { protocol: 2, ttl: 1, options: ROUTER_ALERT }, igmp(0x16, '239.1.1.1')),
  ),
  sent('an IGMPv1 report', multicast('239.1.1.1', { protocol: 2, ttl: 1 }, igmp(0x12, '239.1.1.1'))),
  sent(
    'an IGMPv3 report',
    multicast('224.0.0.22', { protocol: 2, ttl: 1, options: ROUTER_ALERT }, igmp(0x22, '239.1.1.1')),
  ),
  sent(
    'an IGMP leave',
    multicast('224.0.0.2', { protocol: 2, ttl: 1, options: ROUTER_ALERT }, igmp(0x17, '239.1.1.1')),
  ),
  sent(
    'an IGMPv2 report without router alert',
    multicast('239.1.1.1', { protocol: 2, ttl: 1 }, igmp(0x16, '239.1.1.1')),
  ),
  ...(
    [
      ['an IGMPv1 report', 0x12, '239.1.1.1'],
      ['an IGMPv2 report', 0x16, '239.1.1.1'],
      ['an IGMPv3 report', 0x22, '224.0.0.22'],
      ['an IGMP leave', 0x17, '224.0.0.2'],
    ] as const
  ).map(([name, type, dst]) =>
    sent(
      `${name} before it has an address`,
      multicast(dst, { src: '0.0.0.0', protocol: 2, ttl: 1, options: ROUTER_ALERT }, igmp(type, '239.1.1.1')),
    ),
  ),
  sent('a DHCP discover', toAll({ src: '0.0.0.0' }, udp(68, 67, dhcp({})))),
  sent('a DHCP request', toAll({ src: '0.0.0.0' }, udp(68, 67, dhcp({ message: 3 })))),
  sent('a DHCP decline', toAll({ src: '0.0.0.0' }, udp(68, 67, dhcp({ message: 4 })))),
  sent(
    'a DHCP request from the own address to all (rebinding)',
    toAll({}, udp(68, 67, dhcp({ message: 3, ciaddr: A.ip }))),
  ),
  sent('a DHCP inform', toAll({}, udp(68, 67, dhcp({ message: 8, ciaddr: A.ip })))),
  sent('a DHCP release', v4(G.mac, ip4({}, udp(68, 67, dhcp({ message: 7, ciaddr: A.ip }))))),

  sent('a UDP packet over IPv6', v6(G.mac, ip6({}, udp6({}, 9, 9)))),
  sent('a TCP SYN over IPv6', v6(G.mac, ip6({ next: 6 }, tcp(40000, 443)))),
  sent(
    'a packet from the link-local address',
    v6(V.mac, ip6({ src: A.local, dst: V.local }, udp6({ src: A.local, dst: V.local }, 9, 9))),
  ),
  sent('a ping over IPv6', icmp6Frame(128, '00010001', { src: A.ip6, dst: G.ip6 }, G.mac)),
  sent('an answer to a ping over IPv6', icmp6Frame(129, '00010001', { src: A.ip6, dst: G.ip6 }, G.mac)),
  sent('a ping to all nodes', icmp6Frame(128, '00010001', { src: A.local, dst: 'ff02::1' }, groupMac('ff02::1'))),
  sent(
    'the first fragment of a ping over IPv6',
    v6(G.mac, ip6({ next: 44 }, fragment6(58, icmp6({}, 128, 0, Buffer.alloc(1200)), 0, true))),
  ),
  sent('an atomic fragment of UDP', v6(G.mac, ip6({ next: 44 }, fragment6(17, udp6({}, 9, 9))))),
  sent('a later fragment of UDP over IPv6', v6(G.mac, ip6({ next: 44 }, fragment6(17, Buffer.alloc(400), 1200)))),
  sent('a fragment of TCP over IPv6', v6(G.mac, ip6({ next: 44 }, fragment6(6, tcp(1, 2), 0, true)))),
  sent('a fragment of ESP over IPv6', v6(G.mac, ip6({ next: 44 }, fragment6(50, Buffer.alloc(64), 0, true)))),
  sent('SCTP over IPv6', v6(G.mac, ip6({ next: 132 }, Buffer.alloc(24)))),
  sent('GRE over IPv6', v6(G.mac, ip6({ next: 47 }, Buffer.alloc(24)))),
  sent(
    'a packet with a flow label',
    v6(
      G.mac,
      (() => {
        const packet = ip6({}, udp6({}, 9, 9));
        packet.writeUInt32BE(0x6bf12345, 0);
        return packet;
      })(),
    ),
  ),
  sent('a neighbour solicitation', nd(135, ndBody(G.ip6, lla(1, A.mac)), { src: A.ip6, dst: solicited(G.ip6) })),
  sent(
    'a neighbour solicitation from the link-local address',
    nd(135, ndBody(G.ip6, lla(1, A.mac)), { src: A.local, dst: solicited(G.ip6) }),
  ),
  sent(
    'a unicast neighbour solicitation (reachability)',
    nd(135, ndBody(V.ip6, lla(1, A.mac)), { src: A.ip6, dst: V.ip6 }, V.mac),
  ),
  sent('a unicast neighbour solicitation without SLLA', nd(135, ndBody(V.ip6), { src: A.ip6, dst: V.ip6 }, V.mac)),
  sent(
    'a neighbour advertisement',
    nd(136, ndBody(A.ip6, lla(2, A.mac), SOLICITED | OVERRIDE), { src: A.ip6, dst: V.ip6 }, V.mac),
  ),
  sent(
    'a neighbour advertisement of the link-local address',
    nd(136, ndBody(A.local, lla(2, A.mac), SOLICITED | OVERRIDE), { src: A.local, dst: V.local }, V.mac),
  ),
  ...[ROUTER, ROUTER | SOLICITED, ROUTER | OVERRIDE, ROUTER | SOLICITED | OVERRIDE].map((flags) =>
    sent(
      `a neighbour advertisement of a guest that forwards (Docker, WireGuard), flags ${flags}`,
      nd(136, ndBody(A.ip6, lla(2, A.mac), flags), { src: A.ip6, dst: V.ip6 }, V.mac),
    ),
  ),
  sent(
    'an unsolicited neighbour advertisement of a guest that forwards',
    nd(136, ndBody(A.ip6, lla(2, A.mac), ROUTER | OVERRIDE), { src: A.ip6, dst: 'ff02::1' }),
  ),
  sent(
    'an answer to duplicate address detection',
    nd(136, ndBody(A.ip6, lla(2, A.mac), OVERRIDE), { src: A.ip6, dst: 'ff02::1' }),
  ),
  sent('duplicate address detection of the global address', nd(135, ndBody(A.ip6), { src: '::', dst: report })),
  sent('the same with a nonce', nd(135, ndBody(A.ip6, NONCE), { src: '::', dst: report })),
  sent(
    'duplicate address detection of the link-local address',
    nd(135, ndBody(A.local), { src: '::', dst: solicited(A.local) }),
  ),
  sent('a router solicitation without option', nd(133, Buffer.alloc(4), { src: A.local, dst: 'ff02::2' })),
  sent('a router solicitation from ::', nd(133, Buffer.alloc(4), { src: '::', dst: 'ff02::2' })),
  sent(
    'a router solicitation from the global address',
    nd(133, Buffer.concat([Buffer.alloc(4), lla(1, A.mac)]), { src: A.ip6, dst: 'ff02::2' }),
  ),
  sent('an MLDv1 report', mld(131, report, mldBody(report))),
  sent('an MLDv1 report from ::', mld(131, report, mldBody(report), { src: '::' })),
  ...['fe80::5c1b:9cff:fe31:77a2', 'fe80::1'].flatMap((src) => [
    sent(`an MLDv1 report from ${src} (Windows, NetworkManager)`, mld(131, report, mldBody(report), { src })),
    sent(`an MLDv2 report from ${src}`, mld(143, 'ff02::16', mld2Body(report), { src })),
  ]),
  sent('an MLDv1 done', mld(132, 'ff02::2', mldBody(report))),
  sent('an MLDv2 report', mld(143, 'ff02::16', mld2Body(report))),
  sent(
    'an MLDv2 report with padding before router alert',
    (() => {
      const ends = { src: A.local, dst: 'ff02::16', next: 0, hops: 1 };
      return v6(groupMac(ends.dst), ip6(ends, options(58, icmp6(ends, 143, 0, mld2Body(report)), '010005020000')));
    })(),
  ),
  sent(
    'an MLDv2 report of illumos, with two Pad1',
    (() => {
      const ends = { src: A.local, dst: 'ff02::16', next: 0, hops: 1 };
      return v6(groupMac(ends.dst), ip6(ends, options(58, icmp6(ends, 143, 0, mld2Body(report)), '050200000000')));
    })(),
  ),
  sent(
    'DHCPv6 that registers an address (RFC 9686)',
    v6(groupMac('ff02::1:2'), ip6({ dst: 'ff02::1:2' }, udp6({ dst: 'ff02::1:2' }, 546, 547, dhcp6(36)))),
  ),
  ...[1, 3, 4, 5, 6, 8, 9, 11].map((type) =>
    sent(
      `DHCPv6 message ${type}`,
      v6(
        groupMac('ff02::1:2'),
        ip6({ src: A.local, dst: 'ff02::1:2' }, udp6({ src: A.local, dst: 'ff02::1:2' }, 546, 547, dhcp6(type))),
      ),
    ),
  ),
  sent('DHCPv6 to one server', v6(G.mac, ip6({}, udp6({}, 546, 547, dhcp6(5))))),
  sent(
    'multicast DNS from the global address',
    v6(groupMac('ff02::fb'), ip6({ dst: 'ff02::fb', hops: 255 }, udp6({ dst: 'ff02::fb' }, 5353, 5353))),
  ),
  sent(
    'a node information query',
    icmp6Frame(128, Buffer.alloc(4), { src: A.ip6, dst: 'ff02::1' }, groupMac('ff02::1')),
  ),
];

const fromG4 = (dst: string, h: Ip4, payload: Buffer, src = G): string =>
  v4(dst, ip4({ src: src.ip, dst: A.ip, ...h }, payload), src.mac);
const fromG6 = (dst: string, h: Ip6, payload: Buffer, src = G): string =>
  v6(dst, ip6({ src: src.ip6, dst: A.ip6, ...h }, payload), src.mac);
const answer = { op: 2, message: 2, yiaddr: A.ip };

/** R. */
const HEARD: TestFrame[] = [
  heard('G', 'UDP over IPv6', fromG6(A.mac, {}, udp6({ src: G.ip6, dst: A.ip6 }, 9, 9))),
  heard('G', 'TCP', fromG4(A.mac, { protocol: 6 }, tcp(443, 40000, 0x12))),
  heard('V', 'a ping by another guest', v4(A.mac, ip4({ src: V.ip, dst: A.ip, protocol: 1 }, icmp(8)), V.mac)),
  heard(
    'V',
    'a ping by another guest over IPv6',
    icmp6Frame(128, '00010001', { src: V.ip6, dst: A.ip6 }, A.mac, V.mac),
  ),
  heard('H', 'a packet of dom0', fromG4(A.mac, {}, udp(9, 9), H)),
  heard('H', 'a packet of dom0 over IPv6', fromG6(A.mac, {}, udp6({ src: H.ip6, dst: A.ip6 }, 9, 9), H)),
  heard('H', 'an ARP request of dom0', frame(ALL, H.mac, TYPE.arp, arp({ sha: H.mac, spa: H.ip, tpa: A.ip }))),
  heard('G', 'a first fragment', fromG4(A.mac, { more: true }, udp(9, 9, Buffer.alloc(800), 2000))),
  heard('G', 'a later fragment', fromG4(A.mac, { offset: 100 }, Buffer.alloc(800))),
  heard('G', 'a fragment over IPv6', fromG6(A.mac, { next: 44 }, fragment6(17, Buffer.alloc(64), 1200))),
  heard(
    'G',
    'IPv6 with destination options',
    fromG6(A.mac, { next: 60 }, options(17, udp6({ src: G.ip6, dst: A.ip6 }, 9, 9))),
  ),
  heard('G', 'IPv4 with options', fromG4(A.mac, { options: ROUTER_ALERT }, udp(9, 9))),
  heard('G', 'GRE', fromG4(A.mac, { protocol: 47 }, Buffer.alloc(24))),
  heard('G', '6in4', fromG4(A.mac, { protocol: 41 }, Buffer.alloc(60))),
  heard('G', 'an ICMP redirect by the gateway', fromG4(A.mac, { protocol: 1 }, icmp(5, 1, Buffer.alloc(32)))),
  heard('G', 'packet too big', icmp6Frame(2, Buffer.alloc(60), { src: '2001:db8::1', dst: A.ip6 }, A.mac, G.mac)),
  heard('G', 'an ARP request', frame(ALL, G.mac, TYPE.arp, arp({ sha: G.mac, spa: G.ip, tpa: A.ip }))),
  heard(
    'G',
    'a unicast ARP request',
    frame(A.mac, G.mac, TYPE.arp, arp({ sha: G.mac, spa: G.ip, tha: A.mac, tpa: A.ip })),
  ),
  heard(
    'G',
    'an ARP reply',
    frame(A.mac, G.mac, TYPE.arp, arp({ op: 2, sha: G.mac, spa: G.ip, tha: A.mac, tpa: A.ip })),
  ),
  heard(
    'G',
    'an ARP reply padded to 60 bytes',
    frame(
      A.mac,
      G.mac,
      TYPE.arp,
      Buffer.concat([arp({ op: 2, sha: G.mac, spa: G.ip, tha: A.mac, tpa: A.ip }), Buffer.alloc(18)]),
    ),
  ),
  heard(
    'G',
    'the answer to its own ARP probe',
    frame(A.mac, G.mac, TYPE.arp, arp({ op: 2, sha: G.mac, spa: A.ip, tha: A.mac, tpa: '0.0.0.0' })),
  ),
  heard(
    'G',
    'an ARP probe for its address',
    frame(ALL, G.mac, TYPE.arp, arp({ sha: G.mac, spa: '0.0.0.0', tpa: A.ip })),
  ),
  heard(
    'V',
    'a gratuitous ARP reply of another guest',
    frame(ALL, V.mac, TYPE.arp, arp({ op: 2, sha: V.mac, spa: V.ip, tha: ALL, tpa: V.ip })),
  ),
  heard('G', 'a DHCP offer to one station', fromG4(A.mac, {}, udp(67, 68, dhcp(answer)))),
  heard(
    'G',
    'a DHCP offer to one station with a broadcast address',
    fromG4(A.mac, { dst: '255.255.255.255' }, udp(67, 68, dhcp(answer))),
  ),
  heard('G', 'a DHCP offer to all', fromG4(ALL, { dst: '255.255.255.255' }, udp(67, 68, dhcp(answer)))),
  heard(
    'G',
    'a DHCP acknowledgement to all',
    fromG4(ALL, { dst: '255.255.255.255' }, udp(67, 68, dhcp({ ...answer, message: 5 }))),
  ),
  heard(
    'G',
    'a DHCP acknowledgement of a renewal',
    fromG4(A.mac, {}, udp(67, 68, dhcp({ ...answer, message: 5, ciaddr: A.ip }))),
  ),
  heard(
    'G',
    'a DHCP refusal to all',
    fromG4(ALL, { dst: '255.255.255.255' }, udp(67, 68, dhcp({ op: 2, message: 6 }))),
  ),
  heard('G', 'a relayed DHCP answer', fromG4(A.mac, {}, udp(67, 68, dhcp({ ...answer, giaddr: G.ip })))),
  heard('G', 'a broadcast', fromG4(ALL, { dst: '255.255.255.255' }, udp(9, 9))),
  heard('G', 'a broadcast to the subnet', fromG4(ALL, { dst: '10.0.0.255' }, udp(9, 9))),
  heard('G', 'multicast', fromG4(groupMac('239.1.1.1'), { dst: '239.1.1.1' }, udp(9, 9))),
  heard(
    'G',
    'an IGMP query for a group',
    fromG4(
      groupMac('239.1.1.1'),
      { dst: '239.1.1.1', protocol: 2, ttl: 1, options: ROUTER_ALERT },
      igmp(0x11, '239.1.1.1'),
    ),
  ),
  heard(
    'V',
    "another guest's IGMP report",
    fromG4(
      groupMac('239.1.1.1'),
      { dst: '239.1.1.1', protocol: 2, ttl: 1, options: ROUTER_ALERT },
      igmp(0x16, '239.1.1.1'),
      V,
    ),
  ),
  heard(
    'G',
    'VRRP of the gateways',
    fromG4(groupMac('224.0.0.18'), { dst: '224.0.0.18', protocol: 112, ttl: 255 }, Buffer.alloc(20)),
  ),
  heard(
    'G',
    'a neighbour solicitation',
    nd(135, ndBody(A.ip6, lla(1, G.mac)), { src: G.ip6, dst: solicited(A.ip6) }, undefined, G.mac),
  ),
  heard(
    'G',
    'a neighbour solicitation for its link-local address',
    nd(135, ndBody(A.local, lla(1, G.mac)), { src: G.local, dst: solicited(A.local) }, undefined, G.mac),
  ),
  heard(
    'G',
    'a unicast neighbour solicitation',
    nd(135, ndBody(A.ip6, lla(1, G.mac)), { src: G.ip6, dst: A.ip6 }, A.mac, G.mac),
  ),
  heard(
    'G',
    'duplicate address detection of its address by another host',
    nd(135, ndBody(A.ip6), { src: '::', dst: solicited(A.ip6) }, undefined, G.mac),
  ),
  heard(
    'V',
    'a neighbour advertisement of another guest',
    nd(136, ndBody(V.ip6, lla(2, V.mac), SOLICITED | OVERRIDE), { src: V.ip6, dst: A.ip6 }, A.mac, V.mac),
  ),
  heard(
    'V',
    'an unsolicited neighbour advertisement of another guest',
    nd(136, ndBody(V.ip6, lla(2, V.mac), OVERRIDE), { src: V.ip6, dst: 'ff02::1' }, undefined, V.mac),
  ),
  heard(
    'G',
    'an advertisement as a router',
    nd(
      136,
      ndBody(G.local, lla(2, G.mac), ROUTER | SOLICITED | OVERRIDE),
      { src: G.local, dst: A.local },
      A.mac,
      G.mac,
    ),
  ),
  heard(
    'G',
    'a router advertisement to it alone',
    nd(134, raBody(G.mac), { src: G.local, dst: A.local }, A.mac, G.mac),
  ),
  heard(
    'G',
    'a router advertisement to all, to it alone (RFC 6085, RFC 8273)',
    nd(134, raBody(G.mac), { src: G.local, dst: 'ff02::1' }, A.mac, G.mac),
  ),
  heard(
    'G',
    'an ND redirect by the gateway',
    nd(137, Buffer.concat([ndBody(G.local), Buffer.alloc(16)]), { src: G.local, dst: A.ip6 }, A.mac, G.mac),
  ),
  heard(
    'G',
    'a DHCPv6 reply',
    fromG6(A.mac, { src: G.local, dst: A.local }, udp6({ src: G.local, dst: A.local }, 547, 546, dhcp6(7))),
  ),
  heard(
    'G',
    'an MLD query for a group',
    mld(130, 'ff02::fb', mldBody('ff02::fb'), { src: G.local, dst: 'ff02::fb' }, G.mac),
  ),
  heard(
    'V',
    "another guest's multicast DNS over IPv6",
    v6(
      groupMac('ff02::fb'),
      ip6({ src: V.local, dst: 'ff02::fb' }, udp6({ src: V.local, dst: 'ff02::fb' }, 5353, 5353)),
      V.mac,
    ),
  ),
  heard(
    'V',
    "another guest's router solicitation",
    nd(133, Buffer.alloc(4), { src: V.local, dst: 'ff02::2' }, undefined, V.mac),
  ),
];

export const LEGITIMATE: readonly TestFrame[] = [
  ...SENT,
  ...OWN_ERRORS,
  ...NO_SIDE_DOORS,
  ...READABLE_TOWARD_GUEST,
  ...ANSWERS_TO_PROBES,
  ...HEARD,
  ...CHATTER,
];
