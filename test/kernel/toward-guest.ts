/** What a guest must not hear: the classes T of the threats, with more variants than the corpus has. */
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
  icmp6,
  ip4,
  ip6,
  lla,
  llc,
  ndBody,
  options,
  ROUTER_ALERT,
  raBody,
  snap,
  solicited,
  TYPE,
  tcp,
  udp,
  udp6,
  V,
  X,
} from './frames.ts';
import { UNREADABLE_TOWARD_GUEST } from './unreadable.ts';
import type { TestFrame, Who } from './verdict.ts';

function unheard(reason: string | undefined, sender: Who, name: string, hex: string): TestFrame {
  return { name, sender, direction: 'to-guest', expect: 'drop', reason, hex };
}

const STRANGER = '00:16:3e:00:00:77';
const from4 = (dst: string, h: Ip4, payload: Buffer = udp(9, 9), src = G): string =>
  frame(dst, src.mac, TYPE.ip, ip4({ src: src.ip, dst: A.ip, ...h }, payload));
const from6 = (dst: string, h: Ip6, payload: Buffer = udp(9, 9), src = G): string =>
  frame(dst, src.mac, TYPE.ip6, ip6({ src: src.ip6, dst: A.ip6, ...h }, payload));
const nd6 = (type: number, body: Buffer, h: Ip6, dst: string): string => {
  const ends = { src: G.ip6, dst: A.ip6, hops: 255, next: 58, ...h };
  return frame(dst, G.mac, TYPE.ip6, ip6(ends, icmp6(ends, type, 0, body)));
};
const poison = arp({ op: 2, sha: G.mac, spa: G.ip, tha: A.mac, tpa: A.ip });
const foreign = { op: 2, message: 2, chaddr: V.mac, yiaddr: V.ip };

/** What stands before UDP: its name, the next header of IPv6, and how. */
const WRAPPED: readonly (readonly [string, number, (inside: Buffer) => Buffer])[] = [
  ['destination options', 60, (inside) => options(17, inside)],
  ['hop-by-hop options', 0, (inside) => options(17, inside)],
  ['an atomic fragment header', 44, (inside) => fragment6(17, inside)],
  ['two of them', 0, (inside) => options(60, options(17, inside))],
];

export const TOWARD_GUEST: readonly TestFrame[] = [
  ...UNREADABLE_TOWARD_GUEST,
  unheard('not-for-me', 'G', 'unicast to a MAC that nobody has', from4(STRANGER, {})),
  unheard('not-for-me', 'G', 'the same with the address of the guest in it', from4(STRANGER, { dst: A.ip })),
  unheard('not-for-me', 'G', 'flooded IPv6', from6(STRANGER, {})),
  unheard('not-for-me', 'G', 'flooded ARP', frame(STRANGER, G.mac, TYPE.arp, poison)),
  unheard('not-for-me', 'H', 'what dom0 itself floods', from4(STRANGER, {}, undefined, H)),
  unheard('not-for-me', 'V', "another guest's flooded frame", from4(STRANGER, { dst: '10.0.0.77' }, undefined, V)),
  unheard('not-for-me', 'G', "a MAC that differs from the guest's in one bit", from4('00:16:3e:00:00:03', {})),

  unheard(
    'hairpin',
    'G',
    'its own broadcast coming back',
    frame(ALL, A.mac, TYPE.ip, ip4({ dst: '255.255.255.255' }, udp(9, 9))),
  ),
  unheard('hairpin', 'G', 'ARP that bears its own MAC', frame(ALL, A.mac, TYPE.arp, arp({ spa: A.ip, tpa: A.ip }))),
  unheard('hairpin', 'G', 'unicast from itself to itself', frame(A.mac, A.mac, TYPE.ip, ip4({ dst: A.ip }, udp(9, 9)))),

  ...[
    ['priority tag', [TYPE.vlan, 0]],
    ['VLAN 100', [TYPE.vlan, 100]],
    ['802.1ad VLAN 0', [TYPE.qinq, 0]],
    ['802.1ad VLAN 100', [TYPE.qinq, 100]],
    ['two tags', [TYPE.vlan, 0, TYPE.vlan, 0]],
    ['802.1ad and 802.1Q', [TYPE.qinq, 0, TYPE.vlan, 0]],
    ['802.1Q and 802.1ad', [TYPE.vlan, 0, TYPE.qinq, 0]],
  ].flatMap(([name, tags]) => [
    unheard('vlan', 'G', `ARP behind ${name}`, frame(A.mac, G.mac, [...(tags as number[]), TYPE.arp], poison)),
    unheard(
      'vlan',
      'G',
      `a packet behind ${name}`,
      frame(A.mac, G.mac, [...(tags as number[]), TYPE.ip], ip4({ src: G.ip, dst: A.ip }, udp(9, 9))),
    ),
    unheard(
      'vlan',
      'G',
      `a broadcast behind ${name}`,
      frame(ALL, G.mac, [...(tags as number[]), TYPE.arp], arp({ sha: G.mac, spa: G.ip, tpa: A.ip })),
    ),
  ]),
  unheard('llc', 'G', 'ARP in SNAP', llc(A.mac, G.mac, snap('000000', TYPE.arp, poison))),
  unheard('llc', 'G', 'ARP in 802.1H', llc(A.mac, G.mac, snap('0000f8', TYPE.arp, poison))),
  unheard('llc', 'G', 'a BPDU', llc('01:80:c2:00:00:00', G.mac, `424203${'00'.repeat(35)}`)),
  unheard('llc', 'G', 'IS-IS', llc('01:80:c2:00:00:14', G.mac, `fefe03${'00'.repeat(40)}`)),
  unheard('llc', 'H', 'SNAP by dom0', llc(A.mac, H.mac, snap('000000', TYPE.arp, poison))),
  ...(
    [
      ['LLDP', '01:80:c2:00:00:0e', 0x88cc],
      ['EAPOL', '01:80:c2:00:00:03', 0x888e],
      ['LACP', '01:80:c2:00:00:02', 0x8809],
    ] as const
  ).flatMap(([name, dst, type]) => [
    unheard(undefined, 'G', `${name} of the uplink`, frame(dst, G.mac, type, '00'.repeat(46))),
    unheard(undefined, 'H', `${name} of dom0`, frame(dst, H.mac, type, '00'.repeat(46))),
  ]),
  ...[0x88cc, 0x888e, 0x8863, 0x8847, 0x88a2, 0x9000, 0x88e5, 0x9100].flatMap((type) => [
    unheard('ethertype', 'G', `type ${type.toString(16)} to its MAC`, frame(A.mac, G.mac, type, '00'.repeat(46))),
    unheard('ethertype', 'G', `type ${type.toString(16)} to all`, frame(ALL, G.mac, type, '00'.repeat(46))),
  ]),
  unheard(
    'rarp',
    'G',
    "another host's RARP announcement",
    frame(ALL, G.mac, TYPE.rarp, arp({ op: 3, sha: G.mac, spa: '0.0.0.0', tha: G.mac, tpa: '0.0.0.0' })),
  ),
  unheard(
    'rarp',
    'G',
    'a RARP answer',
    frame(A.mac, G.mac, TYPE.rarp, arp({ op: 4, sha: G.mac, spa: G.ip, tha: A.mac, tpa: '10.0.0.66' })),
  ),

  unheard(
    'arp-foreign',
    'G',
    'a unicast ARP request for another address',
    frame(A.mac, G.mac, TYPE.arp, arp({ sha: G.mac, spa: G.ip, tpa: V.ip })),
  ),
  unheard(
    'arp-foreign',
    'G',
    'a unicast ARP reply to another address',
    frame(A.mac, G.mac, TYPE.arp, arp({ op: 2, sha: G.mac, spa: G.ip, tha: V.mac, tpa: V.ip })),
  ),
  unheard(
    'arp-foreign',
    'G',
    'an ARP probe for another address',
    frame(ALL, G.mac, TYPE.arp, arp({ sha: G.mac, spa: '0.0.0.0', tpa: V.ip })),
  ),
  unheard(
    'arp-form',
    'G',
    'ARP with hardware type 6',
    frame(A.mac, G.mac, TYPE.arp, arp({ op: 2, hrd: 6, sha: G.mac, spa: G.ip, tpa: A.ip })),
  ),
  unheard(
    'arp-form',
    'G',
    'ARP with hardware length 7',
    frame(ALL, G.mac, TYPE.arp, arp({ op: 2, hln: 7, sha: G.mac, spa: G.ip, tpa: A.ip })),
  ),
  unheard(
    'arp-op',
    'G',
    'ARP operation 8',
    frame(A.mac, G.mac, TYPE.arp, arp({ op: 8, sha: G.mac, spa: G.ip, tpa: A.ip })),
  ),
  unheard(
    'arp-op',
    'G',
    'ARP operation 9 to all',
    frame(ALL, G.mac, TYPE.arp, arp({ op: 9, sha: G.mac, spa: G.ip, tpa: A.ip })),
  ),
  unheard(
    'l2l3-mismatch',
    'G',
    'ARP to a group',
    frame('01:00:5e:00:00:01', G.mac, TYPE.arp, arp({ sha: G.mac, spa: G.ip, tpa: A.ip })),
  ),
  unheard('arp-foreign', 'G', 'ARP that is cut off', frame(A.mac, G.mac, TYPE.arp, poison.subarray(0, 20))),

  unheard('ip-dst', 'G', "another guest's address with its MAC", from4(A.mac, { dst: V.ip })),
  unheard('ip-dst', 'G', 'an address of the Internet with its MAC', from4(A.mac, { dst: '8.8.8.8' }, tcp(1, 2))),
  unheard('ip-dst', 'G', 'the subnet broadcast with its MAC', from4(A.mac, { dst: '10.0.0.255' })),
  unheard('ip-dst', 'G', '0.0.0.0 with its MAC', from4(A.mac, { dst: '0.0.0.0' })),
  unheard('ip-dst', 'G', '127.0.0.1 with its MAC', from4(A.mac, { dst: '127.0.0.1' })),
  unheard(
    'ip-dst',
    'V',
    'a packet of another guest that uses it as a router',
    from4(A.mac, { dst: '8.8.8.8' }, undefined, V),
  ),
  unheard('ip-dst', 'H', 'a packet of dom0 for another address', from4(A.mac, { dst: V.ip }, undefined, H)),
  unheard(
    'ip-form',
    'G',
    'IPv6 in a frame of IPv4',
    frame(A.mac, G.mac, TYPE.ip, ip6({ src: G.ip6, dst: A.ip6 }, udp(9, 9))),
  ),
  unheard('ip-form', 'G', 'a header length of 4', from4(A.mac, { versionIhl: 0x44 })),
  unheard('l2l3-mismatch', 'G', 'multicast with its MAC', from4(A.mac, { dst: '224.0.0.251' })),
  unheard('l2l3-mismatch', 'G', 'limited broadcast with its MAC', from4(A.mac, { dst: '255.255.255.255' })),
  unheard('l2l3-mismatch', 'G', 'its address in a broadcast frame', from4(ALL, {})),
  unheard('l2l3-mismatch', 'G', 'its address in a multicast frame', from4('01:00:5e:00:00:01', {})),
  unheard(
    'l2l3-mismatch',
    'V',
    'its address in a multicast frame of another guest',
    from4('01:00:5e:00:00:01', {}, undefined, V),
  ),
  unheard('l2l3-mismatch', 'G', 'multicast in a broadcast frame', from4(ALL, { dst: '224.0.0.251' })),
  unheard('l2l3-mismatch', 'G', 'the broadcast of another subnet', from4(ALL, { dst: '10.0.1.255' })),
  unheard('l2l3-mismatch', 'G', "another guest's address in a broadcast frame", from4(ALL, { dst: V.ip })),

  unheard(
    'dhcp-foreign',
    'V',
    "another guest's DHCP request",
    frame(
      ALL,
      V.mac,
      TYPE.ip,
      ip4({ src: '0.0.0.0', dst: '255.255.255.255' }, udp(68, 67, dhcp({ message: 3, chaddr: V.mac }))),
    ),
  ),
  unheard(
    'dhcp-foreign',
    'G',
    'a DHCP request by a host of the uplink',
    from4(ALL, { src: '0.0.0.0', dst: '255.255.255.255' }, udp(68, 67, dhcp({ chaddr: X.mac }))),
  ),
  unheard('dhcp-foreign', 'G', 'a DHCP request to its MAC', from4(A.mac, {}, udp(68, 67, dhcp({ chaddr: X.mac })))),
  unheard(
    'dhcp-foreign',
    'G',
    'a DHCP acknowledgement for another client',
    from4(ALL, { dst: '255.255.255.255' }, udp(67, 68, dhcp({ ...foreign, message: 5 }))),
  ),
  unheard(
    'dhcp-foreign',
    'G',
    'a DHCP answer for another client with its MAC',
    from4(A.mac, {}, udp(67, 68, dhcp(foreign))),
  ),
  unheard(
    'dhcp-foreign',
    'G',
    'a DHCP answer for another client, from another port',
    from4(ALL, { dst: '255.255.255.255' }, udp(1067, 68, dhcp(foreign))),
  ),
  unheard(
    'dhcp-foreign',
    'G',
    'a DHCP answer that is a request',
    from4(ALL, { dst: '255.255.255.255' }, udp(67, 68, dhcp({ op: 1 }))),
  ),
  unheard(
    'dhcp-foreign',
    'G',
    'a DHCP answer to the subnet for another client',
    from4(ALL, { dst: '10.0.0.255' }, udp(67, 68, dhcp(foreign))),
  ),
  unheard(
    'dhcp-foreign',
    'G',
    'a DHCP answer that is cut off',
    from4(ALL, { dst: '255.255.255.255' }, udp(67, 68, dhcp({ op: 2 }).subarray(0, 20))),
  ),
  unheard(
    'ip-dst',
    'G',
    'a DHCP answer for it that gives another address',
    from4(A.mac, { dst: '10.0.0.66' }, udp(67, 68, dhcp({ op: 2, message: 2, yiaddr: '10.0.0.66' }))),
  ),

  unheard('ip6-dst', 'G', "another guest's IPv6 address with its MAC", from6(A.mac, { dst: V.ip6 })),
  unheard('ip6-dst', 'G', 'an IPv6 address of the Internet with its MAC', from6(A.mac, { dst: '2001:db8::1' })),
  unheard('ip6-dst', 'G', 'another link-local address with its MAC', from6(A.mac, { src: G.local, dst: V.local })),
  unheard('ip6-dst', 'G', 'another address of its /64 with its MAC', from6(A.mac, { dst: 'fd00::12' })),
  unheard(
    'ip6-form',
    'G',
    'IPv4 in a frame of IPv6',
    frame(A.mac, G.mac, TYPE.ip6, ip4({ src: G.ip, dst: A.ip }, Buffer.alloc(30))),
  ),
  unheard('l2l3-mismatch', 'G', 'an IPv6 group with its MAC', from6(A.mac, { dst: 'ff02::1' })),
  unheard('l2l3-mismatch', 'G', 'its IPv6 address in a broadcast frame', from6(ALL, {})),
  unheard('l2l3-mismatch', 'G', 'its IPv6 address in a group frame', from6('33:33:00:00:00:01', {})),
  unheard('l2l3-mismatch', 'G', 'an IPv6 group in a broadcast frame', from6(ALL, { dst: 'ff02::1' })),
  unheard(
    'l2l3-mismatch',
    'G',
    'an IPv6 group in a frame of an IPv4 group',
    from6('01:00:5e:00:00:01', { dst: 'ff02::1' }),
  ),
  unheard(
    'nd-foreign',
    'G',
    'a solicitation for another guest',
    nd6(135, ndBody(V.ip6, lla(1, G.mac)), { dst: solicited(V.ip6) }, groupMac(solicited(V.ip6))),
  ),
  unheard(
    'nd-foreign',
    'G',
    'duplicate address detection of another address',
    nd6(135, ndBody(X.ip6), { src: '::', dst: solicited(X.ip6) }, groupMac(solicited(X.ip6))),
  ),
  unheard(
    'nd-foreign',
    'G',
    'anything to a foreign solicited-node group',
    from6(groupMac(solicited(X.ip6)), { dst: solicited(X.ip6) }),
  ),
  unheard(
    'dhcp-foreign',
    'V',
    "another guest's DHCPv6 solicit",
    frame(
      groupMac('ff02::1:2'),
      V.mac,
      TYPE.ip6,
      ip6({ src: V.local, dst: 'ff02::1:2' }, udp6({ src: V.local, dst: 'ff02::1:2' }, 546, 547, dhcp6(1))),
    ),
  ),
  unheard(
    'dhcp-foreign',
    'G',
    'DHCPv6 to all clients',
    from6(groupMac('ff02::1'), { src: G.local, dst: 'ff02::1' }, udp(547, 546, dhcp6(7))),
  ),
  unheard('dhcp-foreign', 'G', 'a DHCPv6 request to its address', from6(A.mac, {}, udp(546, 547, dhcp6(1)))),
  ...WRAPPED.flatMap(([name, next, wrap]) => [
    unheard(
      'dhcp-foreign',
      'G',
      `a DHCPv6 solicit behind ${name}`,
      from6(groupMac('ff02::1:2'), { dst: 'ff02::1:2', next }, wrap(udp(546, 547, dhcp6(1)))),
    ),
    unheard(
      'dhcp-foreign',
      'G',
      `a DHCPv6 answer to all behind ${name}`,
      from6(groupMac('ff02::1'), { src: G.local, dst: 'ff02::1', next }, wrap(udp(547, 546, dhcp6(7)))),
    ),
    unheard(
      'dhcp-foreign',
      'G',
      `a DHCPv6 request to its address behind ${name}`,
      from6(A.mac, { next }, wrap(udp(546, 547, dhcp6(1)))),
    ),
  ]),
  unheard(
    'dhcp-foreign',
    'G',
    'a DHCP request behind IPv4 options',
    from4(ALL, { src: '0.0.0.0', dst: '255.255.255.255', options: ROUTER_ALERT }, udp(68, 67, dhcp({ chaddr: X.mac }))),
  ),
  ...(
    [
      ['a neighbour advertisement to all', 136, ndBody(G.ip6, lla(2, G.mac)), 'ff02::1'],
      ['a redirect to all', 137, ndBody(G.ip6), 'ff02::1'],
      ['a router advertisement to the routers', 134, raBody(G.mac), 'ff02::2'],
    ] as const
  ).map(([name, type, body, dst]) =>
    unheard('l2l3-mismatch', 'G', `${name}, with its MAC`, nd6(type, body, { src: G.local, dst }, A.mac)),
  ),
];
