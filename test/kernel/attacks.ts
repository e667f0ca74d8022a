/**
 * What a hostile guest sends: the classes of attack with more variants than the corpus has. A sends, nobody may
 * receive.
 */
import {
  A,
  ALL,
  ah,
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
  llc,
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
  routing6,
  SOLICITED,
  snap,
  solicited,
  TYPE,
  tcp,
  udp,
  udp6,
  V,
  X,
} from './frames.ts';
import { FORGED_ERRORS } from './icmp-errors.ts';
import { SIDE_DOORS } from './protocols.ts';
import { UNREADABLE } from './unreadable.ts';
import type { TestFrame } from './verdict.ts';

function attack(reason: string | undefined, name: string, hex: string): TestFrame {
  return { name, sender: 'A', direction: 'from-guest', expect: 'drop', reason, hex };
}

const v4 = (dst: string, packet: Buffer, src = A.mac): string => frame(dst, src, TYPE.ip, packet);
const v6 = (dst: string, packet: Buffer, src = A.mac): string => frame(dst, src, TYPE.ip6, packet);
const plain4 = (h: Ip4): Buffer => ip4(h, udp(9, 9));
const plain6 = (h: Ip6): Buffer => ip6(h, udp6(h, 9, 9));

const spoofedArp = arp({ op: 2, spa: G.ip, tha: V.mac, tpa: V.ip });
const LLDP = '01:80:c2:00:00:0e';
const LACP = '01:80:c2:00:00:02';
const EAPOL = '01:80:c2:00:00:03';

/**
 * E, and F01 to F09: the source address. The groups 01:80:c2:00:00:0x are where a bridge learns without asking a
 * filter.
 */
const SOURCE: TestFrame[] = [
  attack('mac-src', 'an ordinary frame from the gateway MAC', v4(V.mac, plain4({ dst: V.ip }), G.mac)),
  attack('mac-src', 'a broadcast from the gateway MAC', v4(ALL, plain4({ dst: '255.255.255.255' }), G.mac)),
  attack('mac-src', 'ARP from the victim MAC', frame(ALL, V.mac, TYPE.arp, arp({ sha: V.mac, spa: V.ip, tpa: G.ip }))),
  attack('mac-src', 'a frame from nobody', v4(G.mac, plain4({}), X.mac)),
  attack('mac-src', 'an unknown type from the victim MAC', frame(ALL, V.mac, 0x88b5, '00'.repeat(46))),
  attack('mac-src', 'a tagged frame from the victim MAC', frame(ALL, V.mac, [TYPE.vlan, 0, TYPE.arp], spoofedArp)),
  attack(
    'mac-src',
    "the MAC of dom0's side of the vif",
    v4(ALL, plain4({ dst: '255.255.255.255' }), 'fe:ff:ff:ff:ff:ff'),
  ),
  attack(
    'mac-src',
    'DHCP from a foreign MAC that asks for itself',
    v4(ALL, ip4({ src: '0.0.0.0', dst: '255.255.255.255' }, udp(68, 67, dhcp({ chaddr: X.mac }))), X.mac),
  ),
  attack('mac-src', 'a MAC that is like the own one but for the last bit', v4(G.mac, plain4({}), '00:16:3e:00:00:00')),
  // A bridge refuses these before any filter (net/bridge/br_input.c: is_valid_ether_addr).
  attack(undefined, 'a group address as source', v4(G.mac, plain4({}), '01:16:3e:00:00:01')),
  attack(undefined, 'broadcast as source', v4(G.mac, plain4({}), ALL)),
  attack(undefined, 'zeros as source', v4(G.mac, plain4({}), '00:00:00:00:00:00')),
  ...[
    ['LLDP', LLDP, 0x88cc],
    ['LACP', LACP, 0x8809],
    ['EAPOL', EAPOL, 0x888e],
    ['an unknown protocol', '01:80:c2:00:00:0f', 0x88b5],
    ['a pause frame', '01:80:c2:00:00:01', 0x8808],
    ['MVRP', '01:80:c2:00:00:0d', 0x88f5],
  ].flatMap(([name, dst, type]) =>
    (
      [
        ['the victim', V.mac],
        ['the gateway', G.mac],
        ['the bridge', H.mac],
        ['nobody', X.mac],
      ] as const
    ).map(([whose, src]) =>
      attack(undefined, `${name} from ${whose}`, frame(String(dst), src, Number(type), '00'.repeat(46))),
    ),
  ),
  ...[LLDP, LACP, EAPOL, '01:80:c2:00:00:05', '01:80:c2:00:00:0a'].map((dst) =>
    attack(undefined, `an own frame to ${dst}`, frame(dst, A.mac, 0x88cc, '00'.repeat(46))),
  ),
  attack('llc', 'a superior BPDU with the own source', llc('01:80:c2:00:00:00', A.mac, `424203${'00'.repeat(35)}`)),
  attack('llc', 'a PVST+ BPDU', llc('01:00:0c:cc:cc:cd', A.mac, snap('00000c', 0x010b, '00'.repeat(40)))),
  attack('llc', 'IS-IS', llc('01:80:c2:00:00:14', A.mac, `fefe03${'00'.repeat(40)}`)),
];

/** V and S: tags and lengths. */
const WRAPPED: TestFrame[] = [
  ...[
    ['a priority tag', [TYPE.vlan, 0x0000]],
    ['a priority tag with priority 7', [TYPE.vlan, 0xe000]],
    ['VLAN 1', [TYPE.vlan, 1]],
    ['VLAN 100', [TYPE.vlan, 100]],
    ['VLAN 4095', [TYPE.vlan, 4095]],
    ['802.1ad VLAN 0', [TYPE.qinq, 0]],
    ['802.1ad VLAN 100', [TYPE.qinq, 100]],
    ['8100 in 8100', [TYPE.vlan, 0, TYPE.vlan, 0]],
    ['8100 in 88a8', [TYPE.qinq, 0, TYPE.vlan, 0]],
    ['88a8 in 8100', [TYPE.vlan, 0, TYPE.qinq, 0]],
    ['88a8 in 88a8', [TYPE.qinq, 0, TYPE.qinq, 0]],
    ['three tags', [TYPE.vlan, 0, TYPE.vlan, 0, TYPE.vlan, 0]],
  ].flatMap(([name, tags]) => [
    attack('vlan', `poisoned ARP behind ${name}`, frame(V.mac, A.mac, [...(tags as number[]), TYPE.arp], spoofedArp)),
    attack('vlan', `an own packet behind ${name}`, frame(G.mac, A.mac, [...(tags as number[]), TYPE.ip], plain4({}))),
  ]),
  attack('vlan', 'own IPv6 behind a priority tag', frame(G.mac, A.mac, [TYPE.vlan, 0, TYPE.ip6], plain6({}))),
  attack(
    'vlan',
    'SNAP behind two tags',
    frame(V.mac, A.mac, [TYPE.vlan, 0, TYPE.vlan, 0, 36], snap('000000', TYPE.arp, spoofedArp)),
  ),
  attack(undefined, 'a tag and nothing more', frame(V.mac, A.mac, [TYPE.vlan, 0], '')),
  ...[0x9200, 0x9300].map((type) =>
    attack(
      'ethertype',
      `poisoned ARP behind tag type ${type.toString(16)}`,
      frame(V.mac, A.mac, [type, 0, TYPE.arp], spoofedArp),
    ),
  ),
  attack('llc', 'IPv6 in SNAP', llc(V.mac, A.mac, snap('000000', TYPE.ip6, plain6({ src: V.ip6 })))),
  attack('llc', 'a router advertisement in SNAP', llc('33:33:00:00:00:01', A.mac, snap('000000', TYPE.ip6, ra()))),
  attack(
    'llc',
    'a tag in SNAP',
    llc(V.mac, A.mac, snap('000000', TYPE.vlan, Buffer.concat([Buffer.from('00000806', 'hex'), spoofedArp]))),
  ),
  attack('llc', 'own ARP in SNAP', llc(ALL, A.mac, snap('000000', TYPE.arp, arp({})))),
  attack('llc', 'VTP', llc('01:00:0c:cc:cc:cc', A.mac, snap('00000c', 0x2003, '00'.repeat(40)))),
  attack('llc', 'raw 802.3 of NetWare', llc(ALL, A.mac, `ffff${'00'.repeat(40)}`)),
  attack('llc', 'a length of 0', frame(V.mac, A.mac, 0, spoofedArp)),
  attack('llc', 'the greatest length, 1535', frame(V.mac, A.mac, 0x05ff, spoofedArp)),
  attack('llc', 'a length that lies', frame(V.mac, A.mac, 0x0100, snap('000000', TYPE.arp, spoofedArp))),
  ...[
    ['MPLS multicast', 0x8848],
    ['PPPoE discovery', 0x8863],
    ['ATA over Ethernet', 0x88a2],
    ['LLDP to a unicast address', 0x88cc],
    ['EAPOL to a unicast address', 0x888e],
    ['MACsec', 0x88e5],
    ['PTP', 0x88f7],
    ['provider backbone bridging', 0x88e7],
    ['FCoE initialization', 0x8914],
    ['RoCE', 0x8915],
    ['TRILL', 0x22f3],
    ['IPX', 0x8137],
    ['AppleTalk ARP', 0x80f3],
    ['DEC MOP', 0x6001],
    ['Profinet', 0x8892],
    ['Ethernet OAM', 0x8902],
    ['batman-adv', 0x4305],
    ['Wake-on-LAN', 0x0842],
    ['an experiment', 0x88b5],
    ['the first type there is', 0x0600],
    ['the last type there is', 0xffff],
  ].flatMap(([name, type]) => [
    attack('ethertype', `${name}`, frame(V.mac, A.mac, Number(type), '00'.repeat(46))),
    attack('ethertype', `${name} to all`, frame(ALL, A.mac, Number(type), '00'.repeat(46))),
  ]),
];

/** A: ARP and RARP. */
const ARP: TestFrame[] = [
  attack(
    'arp-spa',
    'a gratuitous reply for the gateway',
    frame(ALL, A.mac, TYPE.arp, arp({ op: 2, spa: G.ip, tpa: G.ip, tha: ALL })),
  ),
  attack('arp-spa', 'a request with the victim as sender', frame(ALL, A.mac, TYPE.arp, arp({ spa: V.ip, tpa: G.ip }))),
  attack('arp-spa', 'a gratuitous request for the victim', frame(ALL, A.mac, TYPE.arp, arp({ spa: V.ip, tpa: V.ip }))),
  attack(
    'arp-spa',
    'a reply to dom0 in the name of the gateway',
    frame(H.mac, A.mac, TYPE.arp, arp({ op: 2, spa: G.ip, tha: H.mac, tpa: H.ip })),
  ),
  attack(
    'arp-spa',
    'a request in the name of the network address',
    frame(ALL, A.mac, TYPE.arp, arp({ spa: '10.0.0.0', tpa: V.ip })),
  ),
  attack(
    'arp-spa',
    'a request in the name of the broadcast address',
    frame(ALL, A.mac, TYPE.arp, arp({ spa: '255.255.255.255', tpa: V.ip })),
  ),
  attack('arp-probe', 'a probe for the gateway', frame(ALL, A.mac, TYPE.arp, arp({ spa: '0.0.0.0', tpa: G.ip }))),
  attack(
    'arp-probe',
    'a unicast probe for the victim',
    frame(V.mac, A.mac, TYPE.arp, arp({ spa: '0.0.0.0', tpa: V.ip })),
  ),
  attack('arp-probe', 'a reply from 0.0.0.0', frame(ALL, A.mac, TYPE.arp, arp({ op: 2, spa: '0.0.0.0', tpa: A.ip }))),
  attack('arp-sha', 'own address with the victim MAC', frame(ALL, A.mac, TYPE.arp, arp({ sha: V.mac }))),
  attack(
    'arp-sha',
    'own address with a group MAC',
    frame(ALL, A.mac, TYPE.arp, arp({ op: 2, sha: '01:00:5e:00:00:01' })),
  ),
  attack(
    'arp-sha',
    'own address with zeros as MAC',
    frame(ALL, A.mac, TYPE.arp, arp({ op: 2, sha: '00:00:00:00:00:00' })),
  ),
  attack(
    'arp-sha',
    'own reply with the gateway MAC',
    frame(V.mac, A.mac, TYPE.arp, arp({ op: 2, sha: G.mac, tha: V.mac })),
  ),
  attack(
    'arp-sha',
    'the gateway with its own MAC',
    frame(V.mac, A.mac, TYPE.arp, arp({ op: 2, sha: G.mac, spa: G.ip, tha: V.mac })),
  ),
  ...[0, 3, 4, 7, 9, 10, 0xff, 0x0101, 0xffff].map((op) =>
    attack('arp-op', `operation ${op}`, frame(ALL, A.mac, TYPE.arp, arp({ op }))),
  ),
  ...[0, 2, 7, 15, 32, 0xffff].map((hrd) =>
    attack('arp-form', `hardware type ${hrd}`, frame(V.mac, A.mac, TYPE.arp, arp({ op: 2, hrd, spa: G.ip }))),
  ),
  ...[0, 8, 16].map((hln) => attack('arp-form', `hardware length ${hln}`, frame(V.mac, A.mac, TYPE.arp, arp({ hln })))),
  ...[0, 3, 16].map((pln) => attack('arp-form', `protocol length ${pln}`, frame(V.mac, A.mac, TYPE.arp, arp({ pln })))),
  attack('arp-form', 'protocol type 0806', frame(V.mac, A.mac, TYPE.arp, arp({ pro: 0x0806, spa: G.ip }))),
  attack('arp-spa', 'nothing behind the header', frame(ALL, A.mac, TYPE.arp, '')),
  attack('arp-spa', 'a body that ends behind the operation', frame(ALL, A.mac, TYPE.arp, arp({}).subarray(0, 8))),
  attack(
    'arp-spa',
    'a body that ends before the sender address',
    frame(ALL, A.mac, TYPE.arp, arp({ spa: G.ip }).subarray(0, 14)),
  ),
  attack(
    'arp-spa',
    'a body that ends within the sender address',
    frame(ALL, A.mac, TYPE.arp, arp({ spa: A.ip }).subarray(0, 16)),
  ),
  attack(
    'arp-probe',
    'a probe that ends before its target',
    frame(ALL, A.mac, TYPE.arp, arp({ spa: '0.0.0.0', tpa: A.ip }).subarray(0, 24)),
  ),
  attack('l2l3-mismatch', 'ARP to a group', frame('01:00:5e:00:00:01', A.mac, TYPE.arp, arp({}))),
  attack('l2l3-mismatch', 'ARP to all nodes of IPv6', frame('33:33:00:00:00:01', A.mac, TYPE.arp, arp({}))),
  attack(
    'rarp',
    'a request on behalf of the victim',
    frame(ALL, A.mac, TYPE.rarp, arp({ op: 3, spa: '0.0.0.0', tha: V.mac, tpa: '0.0.0.0' })),
  ),
  attack(
    'rarp',
    'an announcement of the victim MAC',
    frame(ALL, A.mac, TYPE.rarp, arp({ op: 3, sha: V.mac, spa: '0.0.0.0', tha: V.mac, tpa: '0.0.0.0' })),
  ),
  attack(
    'rarp',
    'an announcement to one station',
    frame(V.mac, A.mac, TYPE.rarp, arp({ op: 3, spa: '0.0.0.0', tha: A.mac, tpa: '0.0.0.0' })),
  ),
  attack(
    'rarp',
    'an announcement with an address',
    frame(ALL, A.mac, TYPE.rarp, arp({ op: 3, spa: A.ip, tha: A.mac, tpa: '0.0.0.0' })),
  ),
  attack(
    'rarp',
    'an announcement that gives an address',
    frame(ALL, A.mac, TYPE.rarp, arp({ op: 3, spa: '0.0.0.0', tha: A.mac, tpa: V.ip })),
  ),
  attack('rarp', 'a reply to all', frame(ALL, A.mac, TYPE.rarp, arp({ op: 4, tha: V.mac, tpa: '10.0.0.66' }))),
  attack('rarp', 'ARP in the name of the gateway, as RARP', frame(V.mac, A.mac, TYPE.rarp, spoofedArp)),
  attack('rarp', 'dynamic RARP', frame(ALL, A.mac, TYPE.rarp, arp({ op: 5 }))),
  attack(
    'rarp',
    'an announcement that is cut off',
    frame(ALL, A.mac, TYPE.rarp, arp({ op: 3, spa: '0.0.0.0', tha: A.mac, tpa: '0.0.0.0' }).subarray(0, 24)),
  ),
];

const toVictim = (protocol: number, payload: Buffer, more: Ip4 = {}): string =>
  v4(V.mac, ip4({ dst: V.ip, protocol, ...more }, payload));
const toGroup = (group: string, h: Ip4, payload: Buffer): string =>
  v4(groupMac(group), ip4({ dst: group, ...h }, payload));
const dhcpFrom = (h: Ip4, sport: number, dport: number, message: Buffer, dst = ALL): string =>
  v4(dst, ip4({ dst: '255.255.255.255', ...h }, udp(sport, dport, message)));

/** I: IPv4. */
const IPV4: TestFrame[] = [
  attack('ip-src', 'TCP in the name of the victim', v4(G.mac, ip4({ src: V.ip, protocol: 6 }, tcp(1024, 80)))),
  attack(
    'ip-src',
    'a TCP segment of a connection of the victim',
    v4(G.mac, ip4({ src: V.ip, protocol: 6 }, tcp(22, 40000, 0x10))),
  ),
  attack('ip-src', 'a ping in the name of the victim', v4(G.mac, ip4({ src: V.ip, protocol: 1 }, icmp(8)))),
  attack('ip-src', 'an ICMP error in the name of the gateway', toVictim(1, icmp(3, 4), { src: G.ip })),
  attack('ip-src', 'a packet in the name of dom0', v4(V.mac, plain4({ src: H.ip, dst: V.ip }))),
  attack('ip-src', 'a packet in the name of nobody', v4(V.mac, plain4({ src: '10.0.0.12', dst: V.ip }))),
  attack('ip-src', 'a packet from 127.0.0.1', v4(V.mac, plain4({ src: '127.0.0.1', dst: V.ip }))),
  attack('ip-src', 'a packet from a group', v4(V.mac, plain4({ src: '224.0.0.1', dst: V.ip }))),
  attack('ip-src', 'a packet from 255.255.255.255', v4(V.mac, plain4({ src: '255.255.255.255', dst: V.ip }))),
  attack('ip-src', 'a packet from the subnet broadcast', v4(V.mac, plain4({ src: '10.0.0.255', dst: V.ip }))),
  attack('ip-src', 'a packet from link-local', v4(V.mac, plain4({ src: '169.254.1.1', dst: V.ip }))),
  attack('ip-src', 'ESP in the name of the victim', v4(G.mac, ip4({ src: V.ip, protocol: 50 }, Buffer.alloc(24)))),
  attack('ip-src', 'GRE in the name of the victim', v4(G.mac, ip4({ src: V.ip, protocol: 47 }, Buffer.alloc(24)))),
  attack(
    'ip-protocol',
    'an unknown protocol in the name of the victim',
    v4(G.mac, ip4({ src: V.ip, protocol: 253 }, Buffer.alloc(24))),
  ),
  attack('ip-src', 'a first fragment in the name of the victim', v4(G.mac, ip4({ src: V.ip, more: true }, udp(9, 9)))),
  attack('ip-src', 'a broadcast in the name of the gateway', v4(ALL, plain4({ src: G.ip, dst: '255.255.255.255' }))),
  attack('ip-src', 'multicast DNS in the name of the victim', toGroup('224.0.0.251', { src: V.ip }, udp(5353, 5353))),
  attack(
    'ip-src',
    'an IGMP report in the name of the victim',
    toGroup('239.1.1.1', { src: V.ip, protocol: 2, ttl: 1, options: ROUTER_ALERT }, igmp(0x16, '239.1.1.1')),
  ),
  attack(
    'ip-src',
    'an IGMP leave in the name of the victim',
    toGroup('224.0.0.2', { src: V.ip, protocol: 2, ttl: 1, options: ROUTER_ALERT }, igmp(0x17, '239.1.1.1')),
  ),
  attack('ip-src', 'TCP from 0.0.0.0', v4(V.mac, ip4({ src: '0.0.0.0', dst: V.ip, protocol: 6 }, tcp(1, 2)))),
  attack(
    'ip-src',
    'a broadcast from 0.0.0.0 to no DHCP port',
    v4(ALL, plain4({ src: '0.0.0.0', dst: '255.255.255.255' })),
  ),
  ...[0x40, 0x41, 0x44, 0x15, 0x25, 0x35, 0x55, 0x75, 0x85, 0xf5, 0x00, 0xff].map((versionIhl) =>
    attack(
      'ip-form',
      `version and header length ${versionIhl.toString(16)}`,
      v4(G.mac, ip4({ versionIhl }, udp(9, 9))),
    ),
  ),
  attack('ip-form', 'IPv6 in a frame of IPv4', v4(G.mac, plain6({ src: V.ip6 }))),
  attack('ip-form', 'UDP that is shorter than its header', v4(G.mac, ip4({}, '0009'))),
  attack('ip-form', 'a UDP length of 0', v4(G.mac, ip4({}, udp(9, 9, '78', 0)))),
  attack('ip-form', 'a UDP length of 7', v4(G.mac, ip4({}, udp(9, 9, '78', 7)))),
  attack('ip-form', 'a total length beyond the frame', v4(G.mac, ip4({ totalLength: 1000 }, udp(9, 9)))),
  attack('ip-form', 'a total length below the header', v4(G.mac, ip4({ totalLength: 19 }, udp(9, 9)))),
  attack('ip-form', 'a total length of 0', v4(G.mac, ip4({ totalLength: 0 }, udp(9, 9)))),
  attack('ip-opt', 'strict source route', v4(G.mac, ip4({ options: '8907040a00000200' }, udp(9, 9)))),
  attack('ip-opt', 'record route', v4(G.mac, ip4({ options: '0707040000000000' }, udp(9, 9)))),
  attack('ip-opt', 'timestamp', v4(G.mac, ip4({ options: '4408050000000000' }, udp(9, 9)))),
  attack('ip-opt', 'security', v4(G.mac, ip4({ options: '820b0000000000000000000000'.slice(0, 24) }, udp(9, 9)))),
  attack('ip-opt', 'router alert on UDP', v4(G.mac, ip4({ options: ROUTER_ALERT }, udp(9, 9)))),
  attack(
    'ip-opt',
    'source route on an IGMP report',
    toGroup('239.1.1.1', { protocol: 2, ttl: 1, options: '8307040a00000200' }, igmp(0x16, '239.1.1.1')),
  ),
  attack('ip-opt', 'ten words of padding', v4(G.mac, ip4({ options: '01'.repeat(40) }, udp(9, 9)))),
  attack('ip-opt', 'options that are not there', v4(G.mac, ip4({ versionIhl: 0x4f, totalLength: 29 }, udp(9, 9)))),
  attack(
    'icmp-redirect',
    'a network redirect',
    toVictim(1, icmp(5, 0, Buffer.concat([Buffer.from('0a00000b', 'hex'), plain4({ src: V.ip })]))),
  ),
  attack(
    'icmp-redirect',
    'a redirect to dom0',
    v4(
      H.mac,
      ip4(
        { dst: H.ip, protocol: 1 },
        icmp(5, 1, Buffer.concat([Buffer.from('0a00000b', 'hex'), plain4({ src: H.ip })])),
      ),
    ),
  ),
  attack('icmp-redirect', 'the first fragment of a redirect', toVictim(1, icmp(5, 1), { more: true })),
  attack(
    'icmp-router',
    'ICMP router advertisement',
    toGroup('224.0.0.1', { protocol: 1, ttl: 1 }, icmp(9, 0, '01020708' + '0a00000b00000000')),
  ),
  attack(
    'icmp-router',
    'ICMP router advertisement to all',
    v4(ALL, ip4({ dst: '255.255.255.255', protocol: 1 }, icmp(9, 0, '01020708' + '0a00000b00000000'))),
  ),
  ...[4, 15, 17, 18, 30, 37, 40, 255].map((type) => attack('icmp-type', `ICMP type ${type}`, toVictim(1, icmp(type)))),
  ...[
    ['broadcast frame, multicast packet', ALL, '224.0.0.251'],
    ['multicast frame, broadcast packet', '01:00:5e:00:00:01', '255.255.255.255'],
    ['multicast frame, unicast packet', '01:00:5e:00:00:fb', V.ip],
    ['IPv6 multicast frame, unicast packet', '33:33:00:00:00:01', V.ip],
    ['IPv6 multicast frame, multicast packet', '33:33:00:00:00:01', '224.0.0.1'],
    ['unicast frame, multicast packet', V.mac, '224.0.0.251'],
    ['unicast frame, limited broadcast', V.mac, '255.255.255.255'],
    ['unicast frame, subnet broadcast', V.mac, '10.0.0.255'],
    ['multicast frame, subnet broadcast', '01:00:5e:00:00:01', '10.0.0.255'],
    ['broadcast frame, broadcast of another subnet', ALL, '10.0.1.255'],
    ['broadcast frame, network address', ALL, '10.0.0.0'],
    ['broadcast frame, unicast packet to dom0', ALL, H.ip],
    ['broadcast frame, reserved address', ALL, '240.0.0.1'],
    ['unicast frame, reserved address', V.mac, '240.0.0.1'],
    ['a group that is none of IP', '01:00:5e:80:00:01', '224.0.0.1'],
    ['a group of the bridge', '01:80:c2:00:00:21', '224.0.0.1'],
  ].map(([name, dst, ip]) => attack('l2l3-mismatch', `${name}`, v4(String(dst), plain4({ dst: String(ip) })))),
  attack('l2l3-mismatch', 'a TCP connection in broadcast frames', v4(ALL, ip4({ dst: V.ip, protocol: 6 }, tcp(1, 2)))),

  attack('dhcp-server', 'a DHCP offer', dhcpFrom({}, 67, 68, dhcp({ op: 2, message: 2, chaddr: V.mac, yiaddr: V.ip }))),
  attack(
    'dhcp-server',
    'a DHCP acknowledgement to one station',
    dhcpFrom({ dst: V.ip }, 67, 68, dhcp({ op: 2, message: 5, chaddr: V.mac, yiaddr: V.ip }), V.mac),
  ),
  attack('dhcp-server', 'a DHCP refusal', dhcpFrom({}, 67, 68, dhcp({ op: 2, message: 6, chaddr: V.mac }))),
  attack('dhcp-server', 'a DHCP answer from port 68', dhcpFrom({}, 68, 68, dhcp({ op: 2, message: 5, chaddr: V.mac }))),
  attack(
    'dhcp-server',
    'a DHCP answer in the name of the gateway',
    dhcpFrom({ src: G.ip }, 67, 68, dhcp({ op: 2, message: 2, chaddr: V.mac })),
  ),
  attack(
    'dhcp-server',
    'the first fragment of a DHCP answer',
    dhcpFrom({ more: true }, 67, 68, dhcp({ op: 2, message: 2, chaddr: V.mac })),
  ),
  attack('dhcp-server', 'a DHCP answer for itself', dhcpFrom({}, 67, 68, dhcp({ op: 2, message: 2 }))),
  attack(
    'dhcp-server',
    'a DHCP answer from 0.0.0.0',
    dhcpFrom({ src: '0.0.0.0' }, 67, 68, dhcp({ op: 2, message: 2 })),
  ),
  attack(
    'dhcp-chaddr',
    'a request in the name of the victim',
    dhcpFrom({ src: '0.0.0.0' }, 68, 67, dhcp({ message: 3, chaddr: V.mac })),
  ),
  attack(
    'dhcp-chaddr',
    "a decline of the victim's lease",
    dhcpFrom({ src: '0.0.0.0' }, 68, 67, dhcp({ message: 4, chaddr: V.mac })),
  ),
  attack(
    'dhcp-chaddr',
    "a release of the victim's address with the own MAC",
    dhcpFrom({ dst: G.ip }, 68, 67, dhcp({ message: 7, ciaddr: V.ip }), G.mac),
  ),
  attack(
    'dhcp-chaddr',
    'an inform with a foreign MAC',
    dhcpFrom({}, 68, 67, dhcp({ message: 8, ciaddr: A.ip, chaddr: X.mac })),
  ),
  attack(
    'dhcp-chaddr',
    'a renewal for a foreign address',
    dhcpFrom({ dst: G.ip }, 68, 67, dhcp({ message: 3, ciaddr: V.ip }), G.mac),
  ),
  attack(
    'dhcp-chaddr',
    "a rebinding of another's address from 0.0.0.0",
    dhcpFrom({ src: '0.0.0.0' }, 68, 67, dhcp({ message: 3, ciaddr: V.ip })),
  ),
  attack(
    'ip-src',
    'a rebinding from 0.0.0.0 to one server',
    dhcpFrom({ src: '0.0.0.0', dst: G.ip }, 68, 67, dhcp({ message: 3, ciaddr: A.ip }), G.mac),
  ),
  attack('ip-src', 'a discover from a foreign address', dhcpFrom({ src: V.ip }, 68, 67, dhcp({}))),
  attack(
    'ip-src',
    'a discover from 0.0.0.0 to one station',
    dhcpFrom({ src: '0.0.0.0', dst: G.ip }, 68, 67, dhcp({}), G.mac),
  ),
  attack('dhcp-form', 'a request that says it is relayed', dhcpFrom({}, 67, 67, dhcp({ giaddr: A.ip }))),
  attack('dhcp-form', 'a client with a relay address', dhcpFrom({ src: '0.0.0.0' }, 68, 67, dhcp({ giaddr: A.ip }))),
  attack('dhcp-form', 'a request from another port', dhcpFrom({ src: '0.0.0.0' }, 1068, 67, dhcp({}))),
  attack('dhcp-form', 'a fragment of a request', dhcpFrom({ src: '0.0.0.0', more: true }, 68, 67, dhcp({}))),
  attack('dhcp-form', 'an answer sent to the server port', dhcpFrom({}, 68, 67, dhcp({ op: 2 }))),
  attack(
    'dhcp-form',
    'a request for another kind of hardware',
    dhcpFrom({ src: '0.0.0.0' }, 68, 67, dhcp({ htype: 6 })),
  ),
  attack('dhcp-form', 'a hardware length of 16', dhcpFrom({ src: '0.0.0.0' }, 68, 67, dhcp({ hlen: 16 }))),
  attack(
    'dhcp-chaddr',
    'a request that is cut off before its relay address',
    dhcpFrom({ src: '0.0.0.0' }, 68, 67, dhcp({}).subarray(0, 3)),
  ),
  attack(
    'dhcp-chaddr',
    'a request that is cut off before its MAC',
    dhcpFrom({ src: '0.0.0.0' }, 68, 67, dhcp({}).subarray(0, 28)),
  ),
  attack(
    'ip-src',
    'something else from 0.0.0.0 to port 67',
    v4(ALL, ip4({ src: '0.0.0.0', dst: '255.255.255.255', protocol: 6 }, tcp(68, 67))),
  ),

  attack(
    'igmp-query',
    'an IGMP general query without router alert',
    toGroup('224.0.0.1', { protocol: 2, ttl: 1 }, igmp(0x11, '0.0.0.0')),
  ),
  attack(
    'igmp-query',
    'an IGMP query for a group',
    toGroup('239.1.1.1', { protocol: 2, ttl: 1, options: ROUTER_ALERT }, igmp(0x11, '239.1.1.1')),
  ),
  attack(
    'igmp-query',
    'an IGMP query from 0.0.0.0',
    toGroup('224.0.0.1', { src: '0.0.0.0', protocol: 2, ttl: 1, options: ROUTER_ALERT }, igmp(0x11, '0.0.0.0')),
  ),
  attack(
    'ip-src',
    'an IGMP report from 0.0.0.0 to one station',
    toVictim(2, igmp(0x16, '239.1.1.1'), { src: '0.0.0.0' }),
  ),
  attack(
    'ip-src',
    'an IGMP report from 0.0.0.0 to all',
    v4(ALL, ip4({ src: '0.0.0.0', dst: '255.255.255.255', protocol: 2 }, igmp(0x16, '239.1.1.1'))),
  ),
  attack('igmp-query', 'an IGMP query to one station', toVictim(2, igmp(0x11, '0.0.0.0'), { ttl: 1 })),
  attack(
    'igmp-query',
    'an IGMP query from 0.0.0.0',
    toGroup('224.0.0.1', { src: '0.0.0.0', protocol: 2, ttl: 1, options: ROUTER_ALERT }, igmp(0x11, '0.0.0.0')),
  ),
  attack(
    'mrd',
    'a multicast router advertisement',
    toGroup('224.0.0.106', { protocol: 2, ttl: 1, options: ROUTER_ALERT }, igmp(0x30, '0.0.0.0')),
  ),
  attack('routing', 'DVMRP', toGroup('224.0.0.4', { protocol: 2, ttl: 1 }, igmp(0x13, '0.0.0.0'))),
  attack('routing', 'PIM version 1', toGroup('224.0.0.2', { protocol: 2, ttl: 1 }, igmp(0x14, '0.0.0.0'))),
  attack('igmp-type', 'an unknown IGMP type', toGroup('224.0.0.2', { protocol: 2, ttl: 1 }, igmp(0x1e, '0.0.0.0'))),
  attack(
    'igmp-type',
    'a fragment of IGMP',
    toGroup('224.0.0.1', { protocol: 2, ttl: 1, more: true }, igmp(0x11, '0.0.0.0')),
  ),
  ...[
    [4, 'tunnel', 'IP in IP'],
    [41, 'tunnel', '6in4'],
    [94, 'tunnel', 'IP within IP'],
    [97, 'tunnel', 'EtherIP'],
    [115, 'tunnel', 'L2TPv3'],
    [137, 'tunnel', 'MPLS in IP'],
    [88, 'routing', 'EIGRP'],
    [89, 'routing', 'OSPF'],
    [103, 'routing', 'PIM'],
    [9, 'routing', 'IGRP'],
    [8, 'routing', 'EGP'],
    [124, 'routing', 'IS-IS over IP'],
    [112, 'fhrp', 'VRRP or CARP'],
    [240, 'fhrp', 'pfsync'],
  ].flatMap(([protocol, reason, name]) => [
    attack(String(reason), `${name} to the gateway`, v4(G.mac, ip4({ protocol: Number(protocol) }, Buffer.alloc(40)))),
    attack(
      String(reason),
      `${name} to a group`,
      toGroup('224.0.0.18', { protocol: Number(protocol), ttl: 255 }, Buffer.alloc(40)),
    ),
    attack(
      String(reason),
      `a fragment of ${name}`,
      v4(G.mac, ip4({ protocol: Number(protocol), offset: 10 }, Buffer.alloc(40))),
    ),
  ]),
  attack(
    'tunnel',
    '6in4 with an IPv6 packet of the victim in it',
    v4(G.mac, ip4({ protocol: 41 }, plain6({ src: V.ip6 }))),
  ),
  attack('fhrp', 'HSRP version 2', toGroup('224.0.0.102', { ttl: 1 }, udp(1985, 1985, '00'.repeat(20)))),
  attack('fhrp', 'GLBP', toGroup('224.0.0.102', { ttl: 1 }, udp(3222, 3222, '00'.repeat(20)))),
  attack('routing', 'RIP version 2', toGroup('224.0.0.9', { ttl: 1 }, udp(520, 520, '02020000'))),
  attack('routing', 'RIP version 1', v4(ALL, ip4({ dst: '255.255.255.255' }, udp(520, 520, '02010000')))),
  attack('routing', 'RIP to the subnet', v4(ALL, ip4({ dst: '10.0.0.255' }, udp(520, 520, '02010000')))),
  attack('routing', 'RIP to one router', v4(G.mac, ip4({}, udp(520, 520, '02020000')))),
  attack('routing', 'LDP', toGroup('224.0.0.2', { ttl: 1 }, udp(646, 646, '00'.repeat(20)))),
  attack('routing', 'OLSR', v4(ALL, ip4({ dst: '255.255.255.255' }, udp(698, 698, '00'.repeat(20))))),
  attack('routing', 'Babel', toGroup('224.0.0.111', { ttl: 1 }, udp(6696, 6696, '00'.repeat(20)))),
];

function ra(h: Ip6 = {}): Buffer {
  const ends = { src: A.local, dst: 'ff02::1', next: 58, hops: 255, ...h };
  return ip6(ends, icmp6(ends, 134, 0, raBody(A.mac)));
}

/** An ICMPv6 message, wrapped in whatever `wrap` puts around it. */
function nd(
  type: number,
  body: Buffer,
  h: Ip6 = {},
  dst?: string,
  wrap?: (message: Buffer) => [number, Buffer],
  code = 0,
): string {
  const ends = { src: A.ip6, dst: V.ip6, hops: 255, ...h };
  const message = icmp6(ends, type, code, body);
  const [next, payload] = wrap?.(message) ?? [58, message];
  const to = ends.dst.startsWith('ff') ? groupMac(ends.dst) : V.mac;
  return v6(dst ?? to, ip6({ ...ends, next }, payload));
}

const HIDDEN: readonly (readonly [string, (message: Buffer) => [number, Buffer]])[] = [
  ['hop-by-hop options', (m) => [0, options(58, m)]],
  ['destination options', (m) => [60, options(58, m)]],
  ['two destination options headers', (m) => [60, options(60, options(58, m))]],
  ['hop-by-hop and destination options', (m) => [0, options(60, options(58, m))]],
  ['an atomic fragment', (m) => [44, fragment6(58, m)]],
  ['a first fragment', (m) => [44, fragment6(58, m, 0, true)]],
  ['a routing header', (m) => [43, routing6(58, 0, V.ip6, m)]],
  ['a segment routing header', (m) => [43, routing6(58, 4, V.ip6, m)]],
  ['a fragment and destination options', (m) => [44, fragment6(60, options(58, m))]],
  [
    'an authentication header',
    (m) => [51, Buffer.concat([Buffer.from('3a04000000000001', 'hex'), Buffer.alloc(16), m])],
  ],
  ['a mobility header', (m) => [135, options(58, m)]],
  ['a shim6 header', (m) => [140, options(58, m)]],
  ['an experimental header', (m) => [253, options(58, m)]],
  ['router alert', (m) => [0, mldOptions(m)]],
];

const naOf = (target: string, mac: string, flags = SOLICITED | OVERRIDE): Buffer => ndBody(target, lla(2, mac), flags);
const MLD_GROUP = 'ff02::1:ff00:2';

function mld(type: number, group: string, h: Ip6 = {}, body?: Buffer): string {
  const ends = { src: A.local, dst: group, hops: 1, next: 0, ...h };
  return v6(groupMac(ends.dst ?? group), ip6(ends, mldOptions(icmp6(ends, type, 0, body ?? mldBody(group)))));
}

/** X: IPv6, ND, MLD, DHCPv6. */
const IPV6: TestFrame[] = [
  attack('ip6-src', 'TCP in the name of the victim', v6(G.mac, ip6({ src: V.ip6, next: 6 }, tcp(1, 2)))),
  attack(
    'ip6-src',
    'a ping in the name of the victim',
    nd(128, Buffer.from('00010001', 'hex'), { src: V.ip6, dst: G.ip6, hops: 64 }, G.mac),
  ),
  attack('ip6-src', 'a packet in the name of the gateway', v6(V.mac, plain6({ src: G.ip6, dst: V.ip6 }))),
  attack(
    'ip6-src',
    "a packet in the name of the gateway's link-local address",
    v6(V.mac, plain6({ src: G.local, dst: V.local })),
  ),
  attack('ip6-src', 'a packet from another address of the own /64', v6(V.mac, plain6({ src: 'fd00::12', dst: V.ip6 }))),
  attack('ip6-src', 'a packet from another link-local address', v6(V.mac, plain6({ src: 'fe80::1', dst: V.local }))),
  attack('ip6-src', 'a packet from ::1', v6(V.mac, plain6({ src: '::1', dst: V.ip6 }))),
  attack('ip6-src', 'a packet from a group', v6(V.mac, plain6({ src: 'ff02::1', dst: V.ip6 }))),
  attack('ip6-src', 'a packet from a mapped IPv4 address', v6(V.mac, plain6({ src: '::ffff:10.0.0.2', dst: V.ip6 }))),
  attack('ip6-src', 'a packet from 6to4', v6(V.mac, plain6({ src: '2002:a00:2::1', dst: V.ip6 }))),
  attack('ip6-src', 'ESP in the name of the victim', v6(G.mac, ip6({ src: V.ip6, next: 50 }, Buffer.alloc(24)))),
  attack(
    'ip6-src',
    'a fragment in the name of the victim',
    v6(G.mac, ip6({ src: V.ip6, next: 44 }, fragment6(17, udp(9, 9), 0, true))),
  ),
  attack(
    'ip6-src',
    'a later fragment in the name of the victim',
    v6(G.mac, ip6({ src: V.ip6, next: 44 }, fragment6(17, Buffer.alloc(16), 64))),
  ),
  attack(
    'ip6-src',
    'multicast DNS in the name of the victim',
    v6(groupMac('ff02::fb'), ip6({ src: V.local, dst: 'ff02::fb' }, udp(5353, 5353))),
  ),
  attack('ip6-src', 'TCP from ::', v6(V.mac, ip6({ src: '::', dst: V.ip6, next: 6 }, tcp(1, 2)))),
  attack('ip6-src', 'ESP from ::', v6(V.mac, ip6({ src: '::', dst: V.ip6, next: 50 }, Buffer.alloc(24)))),
  attack('ip6-src', 'a ping from ::', nd(128, Buffer.from('00010001', 'hex'), { src: '::', hops: 64 })),
  attack('ip6-src', 'an ICMPv6 error from ::', nd(1, Buffer.alloc(12), { src: '::', hops: 64 })),
  attack(
    'ip6-src',
    'a fragment from ::',
    v6(V.mac, ip6({ src: '::', dst: V.ip6, next: 44 }, fragment6(17, Buffer.alloc(16), 64))),
  ),
  attack(
    'ip6-src',
    'DHCPv6 from ::',
    v6(groupMac('ff02::1:2'), ip6({ src: '::', dst: 'ff02::1:2' }, udp(546, 547, dhcp6(1)))),
  ),
  ...[0, 4, 5, 7, 15].map((version) =>
    attack('ip6-form', `version ${version}`, v6(G.mac, ip6({ version }, udp(9, 9)))),
  ),
  attack('ip6-form', 'IPv4 in a frame of IPv6', v6(G.mac, plain4({ src: V.ip }))),
  attack('ip6-ext', 'a header that is cut off at once', v6(G.mac, Buffer.alloc(0))),
  attack('ip6-form', 'UDP that is shorter than its header', v6(G.mac, ip6({}, '0009'))),
  ...[
    ['broadcast frame', ALL, V.ip6],
    ['broadcast frame, group packet', ALL, 'ff02::1'],
    ['group frame, unicast packet', '33:33:00:00:00:01', V.ip6],
    ['IPv4 group frame', '01:00:5e:00:00:01', 'ff02::1'],
    ['unicast frame, group packet', V.mac, 'ff02::1'],
  ].map(([name, dst, ip]) => attack('l2l3-mismatch', `IPv6: ${name}`, v6(String(dst), plain6({ dst: String(ip) })))),

  attack('ra', 'a router advertisement to one station', v6(V.mac, ra({ dst: V.local }))),
  attack('ra', 'a router advertisement from the global address', v6(groupMac('ff02::1'), ra({ src: A.ip6 }))),
  attack('ra', 'a router advertisement in the name of the gateway', v6(groupMac('ff02::1'), ra({ src: G.local }))),
  attack('ra', 'a router advertisement from ::', v6(groupMac('ff02::1'), ra({ src: '::' }))),
  attack('ra', 'a router advertisement with hop limit 64', v6(groupMac('ff02::1'), ra({ hops: 64 }))),
  attack(
    'ra',
    'the end of a router (lifetime 0)',
    nd(134, Buffer.from('400000000000000000000000', 'hex'), { src: A.local, dst: 'ff02::1' }),
  ),
  ...HIDDEN.map(([name, wrap]) =>
    attack(
      undefined,
      `a router advertisement behind ${name}`,
      nd(134, raBody(A.mac), { src: A.local, dst: 'ff02::1' }, undefined, wrap),
    ),
  ),
  ...HIDDEN.map(([name, wrap]) =>
    attack(
      undefined,
      `an advertisement of the gateway behind ${name}`,
      nd(136, naOf(G.ip6, A.mac), {}, undefined, wrap),
    ),
  ),
  ...HIDDEN.map(([name, wrap]) =>
    attack(undefined, `an own advertisement behind ${name}`, nd(136, naOf(A.ip6, A.mac), {}, undefined, wrap)),
  ),
  ...HIDDEN.map(([name, wrap]) =>
    attack(
      undefined,
      `a solicitation with a foreign MAC behind ${name}`,
      nd(135, ndBody(V.ip6, lla(1, G.mac)), {}, undefined, wrap),
    ),
  ),
  ...HIDDEN.map(([name, wrap]) =>
    attack(undefined, `a redirect behind ${name}`, nd(137, ndBody(G.ip6), {}, undefined, wrap)),
  ),
  // Not behind an authentication header: who takes it from there shares a key with the guest.
  ...HIDDEN.filter(([name]) => name !== 'an authentication header').map(([name, wrap]) =>
    attack(
      undefined,
      `DHCPv6 of a server behind ${name.replace('ICMPv6', 'UDP')}`,
      nd(0, Buffer.alloc(0), { src: A.local, dst: V.local, hops: 64 }, undefined, (m) => {
        const [next, bytes] = wrap(m);
        // The innermost next header is UDP's, and UDP to a client's port is what it holds.
        const hex = bytes.toString('hex').slice(0, -m.length * 2);
        const at = hex.lastIndexOf('3a');
        const inside = Buffer.from(`${hex.slice(0, at)}11${hex.slice(at + 2)}`, 'hex');
        return [next, Buffer.concat([inside, udp(547, 546, dhcp6(2))])];
      }),
    ),
  ),
  attack(
    'ip6-ext',
    'a router advertisement in a later fragment behind options',
    nd(134, raBody(A.mac), { src: A.local, dst: 'ff02::1' }, undefined, (m) => [44, fragment6(60, m, 8)]),
  ),

  attack('nd-target', 'an advertisement of the gateway', nd(136, naOf(G.ip6, A.mac))),
  attack(
    'nd-target',
    'an advertisement of the gateway to all',
    nd(136, naOf(G.ip6, A.mac, OVERRIDE), { dst: 'ff02::1' }),
  ),
  attack(
    'nd-target',
    "an advertisement of the gateway's link-local address",
    nd(136, naOf(G.local, A.mac), { src: A.local }),
  ),
  attack(
    'nd-target',
    'an advertisement of the victim to the gateway',
    nd(136, naOf(V.ip6, A.mac), { dst: G.ip6 }, G.mac),
  ),
  attack('nd-target', 'an advertisement of a group', nd(136, naOf('ff02::1', A.mac))),
  attack('nd-target', 'an advertisement of ::', nd(136, naOf('::', A.mac))),
  attack('nd-target', 'an advertisement of a neighbour in the own /64', nd(136, naOf('fd00::12', A.mac))),
  attack('nd-lla', 'an own advertisement with the victim MAC', nd(136, naOf(A.ip6, V.mac))),
  attack('nd-lla', 'an own advertisement with broadcast as MAC', nd(136, naOf(A.ip6, ALL))),
  attack('nd-lla', 'an advertisement of the gateway with its own MAC', nd(136, naOf(G.ip6, G.mac))),
  attack(
    'nd-lla',
    'an own advertisement with two MACs',
    nd(136, ndBody(A.ip6, Buffer.concat([lla(2, A.mac), lla(2, X.mac)]), OVERRIDE)),
  ),
  attack('nd-lla', 'an own advertisement with SLLA in place of TLLA', nd(136, ndBody(A.ip6, lla(1, A.mac), OVERRIDE))),
  attack(
    'nd-lla',
    'an own advertisement with an option of length 2',
    nd(136, ndBody(A.ip6, Buffer.concat([Buffer.from('0202', 'hex'), Buffer.alloc(14)]), OVERRIDE)),
  ),
  attack(
    'nd-lla',
    'an own advertisement with an option of length 0',
    nd(136, ndBody(A.ip6, '0200000000000000', OVERRIDE)),
  ),
  attack('nd-lla', 'an own advertisement with half an option', nd(136, ndBody(A.ip6, '0201aabb', OVERRIDE))),
  attack('nd-lla', 'an own advertisement that is cut off within its target', nd(136, ndBody(A.ip6).subarray(0, 12))),
  attack(
    'nd-lla',
    'an advertisement whose length hides its option',
    (() => {
      const ends = { src: A.ip6, dst: V.ip6, hops: 255, next: 58 };
      const message = icmp6(ends, 136, 0, naOf(A.ip6, X.mac));
      return v6(V.mac, ip6({ ...ends, length: 28 }, message));
    })(),
  ),
  attack('nd-form', 'an own advertisement with hop limit 64', nd(136, naOf(A.ip6, A.mac), { hops: 64 })),
  attack('nd-form', 'an advertisement of the gateway with hop limit 254', nd(136, naOf(G.ip6, A.mac), { hops: 254 })),
  attack('nd-form', 'an own advertisement with code 1', nd(136, naOf(A.ip6, A.mac), {}, undefined, undefined, 1)),
  attack(
    'nd-target',
    'an advertisement of the gateway as a router',
    nd(136, naOf(G.ip6, A.mac, ROUTER | SOLICITED | OVERRIDE)),
  ),
  attack('ip6-src', 'an own advertisement from the victim', nd(136, naOf(A.ip6, A.mac), { src: V.ip6 })),
  attack('ip6-src', 'an own advertisement from ::', nd(136, naOf(A.ip6, A.mac), { src: '::', dst: 'ff02::1' })),
  attack(
    'nd-lla',
    'a solicitation with the gateway MAC',
    nd(135, ndBody(V.ip6, lla(1, G.mac)), { dst: solicited(V.ip6) }),
  ),
  attack('nd-lla', 'a unicast solicitation with a foreign MAC', nd(135, ndBody(V.ip6, lla(1, X.mac)))),
  attack(
    'nd-lla',
    'a solicitation with TLLA in place of SLLA',
    nd(135, ndBody(V.ip6, lla(2, A.mac)), { dst: solicited(V.ip6) }),
  ),
  attack(
    'nd-lla',
    'a solicitation with nonce and foreign MAC',
    nd(135, ndBody(V.ip6, Buffer.concat([Buffer.from(NONCE, 'hex'), lla(1, X.mac)])), { dst: solicited(V.ip6) }),
  ),
  attack(
    'nd-lla',
    'a solicitation with two MACs',
    nd(135, ndBody(V.ip6, Buffer.concat([lla(1, A.mac), lla(1, X.mac)])), { dst: solicited(V.ip6) }),
  ),
  attack(
    'nd-lla',
    'a solicitation that is cut off before its target',
    nd(135, Buffer.alloc(4), { dst: solicited(V.ip6) }),
  ),
  attack(
    'ip6-src',
    'a solicitation in the name of the gateway',
    nd(135, ndBody(V.ip6, lla(1, A.mac)), { src: G.ip6, dst: solicited(V.ip6) }),
  ),
  attack(
    'ip6-src',
    "a solicitation in the name of the gateway's link-local address",
    nd(135, ndBody(V.ip6, lla(1, A.mac)), { src: G.local, dst: solicited(V.ip6) }),
  ),
  attack(
    'nd-form',
    'a solicitation with hop limit 1',
    nd(135, ndBody(V.ip6, lla(1, A.mac)), { dst: solicited(V.ip6), hops: 1 }),
  ),
  attack(
    'nd-form',
    'a solicitation with code 7',
    nd(135, ndBody(V.ip6, lla(1, A.mac)), { dst: solicited(V.ip6) }, undefined, undefined, 7),
  ),
  attack(
    'nd-target',
    'duplicate address detection for the victim',
    nd(135, ndBody(V.ip6), { src: '::', dst: solicited(V.ip6) }),
  ),
  attack(
    'nd-target',
    "duplicate address detection for the victim's link-local address",
    nd(135, ndBody(V.local), { src: '::', dst: solicited(V.local) }),
  ),
  attack(
    'nd-target',
    'duplicate address detection for the gateway, with nonce',
    nd(135, ndBody(G.ip6, NONCE), { src: '::', dst: solicited(G.ip6) }),
  ),
  attack(
    'nd-target',
    'duplicate address detection with SLLA',
    nd(135, ndBody(A.ip6, lla(1, A.mac)), { src: '::', dst: solicited(A.ip6) }),
  ),
  attack('nd-form', 'duplicate address detection to all nodes', nd(135, ndBody(A.ip6), { src: '::', dst: 'ff02::1' })),
  attack('nd-form', 'duplicate address detection to one station', nd(135, ndBody(A.ip6), { src: '::' })),
  attack(
    'nd-redirect',
    'an ND redirect',
    nd(137, Buffer.concat([ndBody(A.local), Buffer.from('20010db8000000000000000000000001', 'hex')]), { src: A.local }),
  ),
  attack(
    'nd-redirect',
    'an ND redirect in the name of the gateway',
    nd(137, Buffer.concat([ndBody(A.local), Buffer.from('20010db8000000000000000000000001', 'hex')]), { src: G.local }),
  ),
  attack(
    'nd-lla',
    'a router solicitation with the victim MAC',
    nd(133, Buffer.concat([Buffer.alloc(4), lla(1, V.mac)]), { src: A.local, dst: 'ff02::2' }),
  ),
  attack(
    'nd-lla',
    'a router solicitation from :: with a MAC',
    nd(133, Buffer.concat([Buffer.alloc(4), lla(1, A.mac)]), { src: '::', dst: 'ff02::2' }),
  ),
  attack(
    'nd-form',
    'a router solicitation with hop limit 64',
    nd(133, Buffer.alloc(4), { src: A.local, dst: 'ff02::2', hops: 64 }),
  ),
  attack(
    'ip6-src',
    'a router solicitation in the name of the victim',
    nd(133, Buffer.alloc(4), { src: V.local, dst: 'ff02::2' }),
  ),

  attack('ip6-ext', 'mobility', v6(G.mac, ip6({ next: 135 }, '3b00050000000000'))),
  attack('ip6-ext', 'segment routing', v6(G.mac, ip6({ next: 43 }, routing6(17, 4, V.ip6, udp(9, 9))))),
  attack('ip6-ext', 'routing header type 2', v6(G.mac, ip6({ next: 43 }, routing6(17, 2, V.ip6, udp(9, 9))))),
  attack('ip6-ext', 'destination options', v6(G.mac, ip6({ next: 60 }, options(17, udp(9, 9))))),
  attack('ip6-ext', 'hop-by-hop options', v6(G.mac, ip6({ next: 0 }, options(17, udp(9, 9))))),
  attack('ip6-ext', 'a jumbo payload', v6(G.mac, ip6({ next: 0, length: 0 }, options(17, udp(9, 9), 'c20400010000')))),
  attack('ip6-ext', 'hop-by-hop options behind an authentication header', v6(G.mac, ip6({ next: 51 }, ah(0)))),
  attack('ip6-ext', 'ICMPv6 behind an authentication header', v6(G.mac, ip6({ next: 51 }, ah(58)))),
  attack('ip6-ext', 'a fragment behind an authentication header', v6(G.mac, ip6({ next: 51 }, ah(44)))),
  attack('ip6-ext', 'two authentication headers', v6(G.mac, ip6({ next: 51 }, ah(51)))),
  attack('tunnel', 'IPv6 behind an authentication header', v6(G.mac, ip6({ next: 51 }, ah(41)))),
  attack('fhrp', 'VRRP behind an authentication header', v6(G.mac, ip6({ next: 51 }, ah(112)))),
  attack(
    'ip6-src',
    'an authentication header in the name of the victim',
    v6(G.mac, ip6({ src: V.ip6, next: 51 }, ah(6))),
  ),
  attack('ip6-src', 'an authentication header from ::', v6(G.mac, ip6({ src: '::', next: 51 }, ah(6)))),
  attack(
    'ip6-ext',
    'UDP behind the destination options of a GRE tunnel',
    v6(G.mac, ip6({ next: 60 }, options(17, udp(9, 9), '040104010100'))),
  ),
  attack(
    'ip6-src',
    'GRE with a limit in the name of the victim',
    v6(G.mac, ip6({ src: V.ip6, next: 60 }, options(47, Buffer.alloc(24), '040104010100'))),
  ),
  attack('ip6-ext', 'HIP', v6(G.mac, ip6({ next: 139 }, Buffer.alloc(40)))),
  attack('ip6-ext', 'nothing behind the header', v6(G.mac, ip6({ next: 59 }, ''))),
  attack('ip6-ext', 'an unknown next header', v6(G.mac, ip6({ next: 200 }, Buffer.alloc(40)))),
  attack(
    'ip6-ext',
    'eight destination options headers',
    v6(
      G.mac,
      ip6(
        { next: 60 },
        [0, 1, 2, 3, 4, 5, 6].reduce((inside) => options(60, inside), options(17, udp(9, 9))),
      ),
    ),
  ),
  attack('ip6-ext', 'a fragment of a fragment', v6(G.mac, ip6({ next: 44 }, fragment6(44, fragment6(17, udp(9, 9)))))),
  attack(
    'ip6-ext',
    'a fragment of a routing header',
    v6(G.mac, ip6({ next: 44 }, fragment6(43, routing6(17, 0, V.ip6, udp(9, 9))))),
  ),
  ...[
    [4, 'tunnel', 'IPv4 in IPv6'],
    [41, 'tunnel', 'IPv6 in IPv6'],
    [115, 'tunnel', 'L2TPv3'],
    [88, 'routing', 'EIGRP'],
    [89, 'routing', 'OSPFv3'],
    [103, 'routing', 'PIM'],
    [112, 'fhrp', 'VRRPv3'],
  ].flatMap(([next, reason, name]) => [
    attack(String(reason), `${name} over IPv6`, v6(G.mac, ip6({ next: Number(next) }, Buffer.alloc(40)))),
    attack(
      String(reason),
      `${name} over IPv6 to a group`,
      v6(groupMac('ff02::12'), ip6({ src: A.local, dst: 'ff02::12', next: Number(next), hops: 255 }, Buffer.alloc(40))),
    ),
    attack(
      String(reason),
      `a fragment of ${name} over IPv6`,
      v6(G.mac, ip6({ next: 44 }, fragment6(Number(next), Buffer.alloc(16), 64))),
    ),
  ]),
  attack(
    'routing',
    'RIPng',
    v6(groupMac('ff02::9'), ip6({ src: A.local, dst: 'ff02::9', hops: 255 }, udp(521, 521, '02010000'))),
  ),
  attack(
    'routing',
    'Babel over IPv6',
    v6(groupMac('ff02::1:6'), ip6({ src: A.local, dst: 'ff02::1:6' }, udp(6696, 6696, '2a020000'))),
  ),
  attack(
    'fhrp',
    'HSRP over IPv6',
    v6(groupMac('ff02::66'), ip6({ src: A.local, dst: 'ff02::66', hops: 255 }, udp(2029, 2029, '00'.repeat(20)))),
  ),
  attack('routing', 'RPL', nd(155, Buffer.alloc(8), { src: A.local, dst: 'ff02::1a' })),

  attack('mld-query', 'an MLD query', mld(130, 'ff02::1', {}, mldBody('::'))),
  attack(
    'mld-query',
    'an MLDv2 query',
    mld(130, 'ff02::1', {}, Buffer.concat([mldBody('::'), Buffer.from('027d0000', 'hex')])),
  ),
  attack(
    'mld-query',
    'an MLD query without router alert',
    nd(130, mldBody('::'), { src: A.local, dst: 'ff02::1', hops: 1 }),
  ),
  attack('mld-query', 'an MLD query for a group', mld(130, MLD_GROUP)),
  attack('mld-query', 'an MLD query in the name of the gateway', mld(130, 'ff02::1', { src: G.local }, mldBody('::'))),
  attack('mrd', 'a multicast router termination', mld(153, 'ff02::6a', {}, Buffer.alloc(4))),
  attack('mrd', 'a multicast router solicitation', mld(152, 'ff02::2', {}, Buffer.alloc(4))),
  attack(
    'mrd',
    'a multicast router advertisement without router alert',
    nd(151, Buffer.alloc(4), { src: A.local, dst: 'ff02::6a', hops: 1 }),
  ),
  attack(
    'mld-form',
    'an MLD report without router alert',
    nd(131, mldBody(MLD_GROUP), { src: A.local, dst: MLD_GROUP, hops: 1 }),
  ),
  attack(
    'mld-form',
    'an MLDv2 report without router alert',
    nd(143, mld2Body(MLD_GROUP), { src: A.local, dst: 'ff02::16', hops: 1 }),
  ),
  attack('mld-form', 'an MLD report that routers would forward', mld(131, MLD_GROUP, { hops: 64 })),
  attack('mld-form', 'the same from any link-local address', mld(131, MLD_GROUP, { src: 'fe80::7', hops: 255 })),
  attack('mld-form', 'an MLD done that routers would forward', mld(132, 'ff02::2', { hops: 64 }, mldBody(MLD_GROUP))),
  ...[V.ip6, G.ip6, 'fe80:0:0:1::2', 'fec0::2', 'febf::2', '::1', 'ff02::1'].flatMap((src) => [
    attack('ip6-src', `an MLD report from ${src}`, mld(131, MLD_GROUP, { src })),
    attack('ip6-src', `an MLDv2 report from ${src}`, mld(143, 'ff02::16', { src }, mld2Body(MLD_GROUP))),
  ]),
  attack('ip6-src', 'an MLD done in the name of the victim', mld(132, 'ff02::2', { src: V.local }, mldBody(MLD_GROUP))),
  ...[100, 127, 138, 139, 140, 141, 142, 144, 147, 148, 149, 154, 158, 200, 255].map((type) =>
    attack('icmp6-type', `ICMPv6 type ${type}`, nd(type, Buffer.alloc(20), { hops: 255 })),
  ),
  attack(
    'dhcp6-server',
    'a DHCPv6 reply to all clients',
    v6(groupMac('ff02::1'), ip6({ src: A.local, dst: 'ff02::1' }, udp(547, 546, dhcp6(7)))),
  ),
  attack(
    'dhcp6-server',
    'a DHCPv6 answer from port 546',
    v6(V.mac, ip6({ src: A.local, dst: V.local }, udp(546, 546, dhcp6(2)))),
  ),
  attack(
    'dhcp6-server',
    'a fragment of a DHCPv6 answer',
    v6(V.mac, ip6({ src: A.local, dst: V.local, next: 44 }, fragment6(17, udp(547, 546, dhcp6(2)), 0, true))),
  ),
  ...[2, 7, 10, 12, 13, 0, 99].map((type) =>
    attack(
      'dhcp6-form',
      `DHCPv6 message ${type} to servers`,
      v6(groupMac('ff02::1:2'), ip6({ src: A.local, dst: 'ff02::1:2' }, udp(546, 547, dhcp6(type)))),
    ),
  ),
];

export const ATTACKS: readonly TestFrame[] = [
  ...SOURCE,
  ...WRAPPED,
  ...ARP,
  ...IPV4,
  ...FORGED_ERRORS,
  ...SIDE_DOORS,
  ...UNREADABLE,
  ...IPV6,
];
