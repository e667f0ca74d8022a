/**
 * What guests of many kinds say by themselves, after the sources and manuals of their systems: at boot, with the
 * settings people make, with the software they run. All of it has to arrive.
 */
import {
  A,
  ALL,
  addressBytes,
  ah,
  arp,
  dhcp,
  frame,
  G,
  groupMac,
  type Ip4,
  type Ip6,
  icmp6,
  igmp,
  ip4,
  ip6,
  lla,
  mldOptions,
  NONCE,
  ndBody,
  OVERRIDE,
  options,
  ROUTER,
  ROUTER_ALERT,
  SOLICITED,
  solicited,
  TYPE,
  tcp,
  udp,
  udp6,
  V,
} from './frames.ts';
import type { TestFrame } from './verdict.ts';

/** What one kind of guest sends, by what it is. */
type Frames = Readonly<Record<string, string>>;

const v4 = (h: Ip4, payload: Buffer, dst = h.dst === undefined ? G.mac : groupMac(h.dst)): string =>
  frame(dst, A.mac, TYPE.ip, ip4(h, payload));
const v6 = (h: Ip6, payload: Buffer, dst = h.dst === undefined ? G.mac : groupMac(h.dst)): string =>
  frame(dst, A.mac, TYPE.ip6, ip6(h, payload));
const to4 = (dst: string, sport: number, dport: number, h: Ip4 = {}): string =>
  v4({ dst, ttl: 1, ...h }, udp(sport, dport, Buffer.alloc(40)));
const to6 = (dst: string, sport: number, dport: number, h: Ip6 = {}): string => {
  const ends = { src: A.local, dst, hops: 255, ...h };
  return v6(ends, udp6(ends, sport, dport, Buffer.alloc(40)));
};
const nd = (type: number, body: Buffer, h: Ip6, mac?: string): string => {
  const ends = { src: A.local, hops: 255, next: 58, ...h };
  return v6(ends, icmp6(ends, type, 0, body), mac);
};
const rs = (src: string, option = lla(1, A.mac)): string =>
  nd(133, Buffer.concat([Buffer.alloc(4), option]), { src, dst: 'ff02::2' });
const dad = (target: string, more = ''): string => nd(135, ndBody(target, more), { src: '::', dst: solicited(target) });
/** An MLDv2 report of several groups. */
const mldv2 = (groups: readonly string[], h: Ip6 = {}): string => {
  const ends = { src: A.local, dst: 'ff02::16', hops: 1, next: 0, ...h };
  const records = groups.map((group) => Buffer.concat([Buffer.from([4, 0, 0, 0]), addressBytes(group)]));
  const body = Buffer.concat([Buffer.from([0, 0, 0, groups.length]), ...records]);
  return v6(ends, mldOptions(icmp6(ends, 143, 0, body)));
};
const igmpv3 = (group: string): string =>
  v4({ dst: '224.0.0.22', protocol: 2, ttl: 1, options: ROUTER_ALERT }, igmp(0x22, group));
const arpToAll = (a: Parameters<typeof arp>[0]): string => frame(ALL, A.mac, TYPE.arp, arp(a));
const client = (message: number, d: Parameters<typeof dhcp>[0] = {}, h: Ip4 = {}, mac?: string): string =>
  v4({ src: '0.0.0.0', dst: '255.255.255.255', ...h }, udp(68, 67, dhcp({ message, ...d })), mac);
const mine = { ciaddr: A.ip };

/** RFC 2131 in the form of each client. A lease that nobody renews is rebound: systemd, NetworkManager from 0.0.0.0. */
const DHCP: Readonly<Record<string, Frames>> = {
  dhclient: {
    discover: client(1, {}, { ttl: 128 }),
    request: client(3, {}, { ttl: 128 }),
    renewing: client(3, mine, { src: A.ip, dst: G.ip }, G.mac),
    rebinding: client(3, mine, { src: A.ip }),
    decline: client(4),
    release: client(7, mine, { src: A.ip, dst: G.ip }, G.mac),
  },
  'systemd-networkd and NetworkManager': {
    discover: client(1),
    'request after a reboot': client(3),
    renewing: client(3, mine, { src: A.ip, dst: G.ip }, G.mac),
    rebinding: client(3, mine),
    release: client(7, mine, { src: A.ip, dst: G.ip }, G.mac),
  },
  udhcpc: {
    discover: client(1),
    'renewing by broadcast': client(3, mine, { src: A.ip }),
    'rebinding, before BusyBox 1.36': client(3, mine),
    release: client(7, mine, { src: A.ip, dst: G.ip }, G.mac),
  },
  'dhcpcd and Windows': {
    inform: client(8, mine, { src: A.ip }),
    'inform to the server': client(8, mine, { src: A.ip, dst: G.ip }, G.mac),
    'inform to the subnet': client(8, mine, { src: A.ip, dst: '10.0.0.255' }, ALL),
  },
  'a network boot': {
    discover: client(1),
    'request to the boot server': v4({}, udp(68, 4011, dhcp({ message: 3, ...mine }))),
    'a file by TFTP': v4({}, udp(2070, 69, Buffer.from('0001', 'hex'))),
  },
};

const SYSTEMS: Readonly<Record<string, Frames>> = {
  'Debian, booting': {
    'a report before it has an address': mldv2([solicited(A.local)], { src: '::' }),
    'duplicate address detection': dad(A.local, NONCE),
    'a router solicitation': rs(A.local),
    'an announcement': arpToAll({ tpa: A.ip }),
    'multicast DNS': to4('224.0.0.251', 5353, 5353, { ttl: 255 }),
    'multicast DNS over IPv6': to6('ff02::fb', 5353, 5353),
    'a report of its groups': mldv2([solicited(A.ip6), solicited(A.local), 'ff02::fb']),
    'an IGMPv3 report': igmpv3('224.0.0.251'),
  },
  'Linux with ndisc_notify, arp_notify and optimistic_dad': {
    'an unsolicited advertisement': nd(136, ndBody(A.ip6, lla(2, A.mac), OVERRIDE), { src: A.ip6, dst: 'ff02::1' }),
    'the same that overrides nothing': nd(136, ndBody(A.ip6, lla(2, A.mac)), { src: A.ip6, dst: 'ff02::1' }),
    'a gratuitous request': arpToAll({ tpa: A.ip }),
    'a question without its MAC': nd(135, ndBody(G.ip6), { src: A.ip6, dst: solicited(G.ip6) }),
    'a router solicitation without its MAC': rs(A.local, Buffer.alloc(0)),
  },
  'Alpine in a container host': {
    'multicast DNS': to4('224.0.0.251', 5353, 5353),
    'a probe of its address (udhcpc -a)': arpToAll({ spa: '0.0.0.0', tpa: A.ip }),
  },
  FreeBSD: {
    'a gratuitous request': arpToAll({ tpa: A.ip, tha: ALL }),
    'duplicate address detection': dad(A.ip6, NONCE),
    'a report from ::': mldv2([solicited(A.ip6)], { src: '::' }),
    'a router solicitation': rs(A.local),
    'a question from the global address': nd(135, ndBody(G.ip6, lla(1, A.mac)), { src: A.ip6, dst: solicited(G.ip6) }),
  },
  Windows: {
    'a probe': arpToAll({ spa: '0.0.0.0', tpa: A.ip }),
    'an announcement': arpToAll({ tpa: A.ip }),
    'the gateway it had before (DNA, RFC 4436)': frame(G.mac, A.mac, TYPE.arp, arp({ tha: G.mac, tpa: G.ip })),
    'an IGMPv3 report for LLMNR': igmpv3('224.0.0.252'),
    LLMNR: to4('224.0.0.252', 50000, 5355),
    'LLMNR over IPv6': to6('ff02::1:3', 50000, 5355, { hops: 1 }),
    'NetBIOS names': v4({ dst: '10.0.0.255', ttl: 128 }, udp(137, 137, Buffer.alloc(68)), ALL),
    'NetBIOS datagrams': v4({ dst: '10.0.0.255', ttl: 128 }, udp(138, 138, Buffer.alloc(200)), ALL),
    SSDP: to4('239.255.255.250', 50000, 1900),
    'SSDP over IPv6': to6('ff02::c', 50000, 1900, { hops: 1 }),
    'web services discovery': to4('239.255.255.250', 50000, 3702),
    'duplicate address detection without a nonce': dad(A.ip6),
    'a report of LLMNR': mldv2(['ff02::1:3', solicited(A.ip6)], { src: 'fe80::8d2f:6a01:1c9e:b7f4' }),
  },
  'a guest that forwards (Docker, libvirt, WireGuard)': {
    'an answer as a router': nd(
      136,
      ndBody(A.ip6, lla(2, A.mac), ROUTER | SOLICITED | OVERRIDE),
      { src: A.ip6, dst: G.ip6 },
      G.mac,
    ),
    'the groups of routers': mldv2(['ff02::2', 'ff05::2']),
    'VXLAN of an overlay network': v4({}, udp(40000, 4789, Buffer.alloc(100))),
    'gossip of a swarm': v4({}, udp(7946, 7946, Buffer.alloc(100))),
    'an encrypted overlay': v4({ protocol: 50 }, Buffer.alloc(100)),
    WireGuard: v4({}, udp(51820, 51820, Buffer.alloc(148))),
  },
  'a Kubernetes node': {
    'VXLAN of flannel': v4({}, udp(40000, 8472, Buffer.alloc(100))),
    'Geneve of OVN': v4({}, udp(40000, 6081, Buffer.alloc(100))),
    'WireGuard of Cilium': v4({}, udp(51871, 51871, Buffer.alloc(148))),
    'BGP of Calico or MetalLB': v4({ protocol: 6 }, tcp(40000, 179)),
    'the API': v4({ protocol: 6 }, tcp(40000, 6443)),
    'VXLAN over IPv6': v6({}, udp6({}, 40000, 8472, Buffer.alloc(100))),
  },
  'tunnels and keys': {
    'AH with TCP': v4({ protocol: 51 }, ah(6, tcp(1, 2))),
    'AH with TCP over IPv6': v6({ next: 51 }, ah(6, tcp(1, 2))),
    'AH with UDP over IPv6': v6({ next: 51 }, ah(17, udp(9, 9))),
    'AH and ESP over IPv6': v6({ next: 51 }, ah(50)),
    'AH to the link-local address of a neighbour': v6({ src: A.local, dst: V.local, next: 51 }, ah(6), V.mac),
    'GRE over IPv6, as Linux makes it': v6({ next: 60 }, options(47, Buffer.alloc(24), '040104010100')),
    'GRE over IPv6 without a limit': v6({ next: 47 }, Buffer.alloc(24)),
    PPTP: v4({ protocol: 47 }, Buffer.from('3001880b00100001', 'hex')),
    'ESP in UDP': v4({}, udp(4500, 4500, Buffer.alloc(60))),
    SCTP: v4({ protocol: 132 }, Buffer.alloc(24)),
  },
  'a cluster and its clocks': {
    'corosync to a group': to4('239.192.1.1', 5404, 5405),
    PTP: to4('224.0.1.129', 319, 319),
    'NTP by broadcast': v4({ dst: '255.255.255.255' }, udp(123, 123, Buffer.alloc(48)), ALL),
    'Wake-on-LAN in UDP': v4({ dst: '255.255.255.255' }, udp(40000, 9, Buffer.alloc(102, 255)), ALL),
    'syslog to a group': to4('239.1.1.1', 40000, 514),
  },
};

export const CHATTER: readonly TestFrame[] = Object.entries({ ...DHCP, ...SYSTEMS }).flatMap(([who, frames]) =>
  Object.entries(frames).map(
    ([what, hex]): TestFrame => ({
      name: `${who}: ${what}`,
      sender: 'A',
      direction: 'from-guest',
      expect: 'pass',
      hex,
    }),
  ),
);
