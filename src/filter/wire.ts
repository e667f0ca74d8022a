/**
 * Numbers and masks of the wire, and how addresses are written. The stages use them, and so do those who print stages:
 * what must be the same in two places has its name here.
 */

/** A MAC address: `00:16:3e:00:00:01`. */
export type Mac = `${string}:${string}:${string}:${string}:${string}:${string}`;
/** An IPv4 address: `192.0.2.1`. */
export type Ipv4 = `${number}.${number}.${number}.${number}`;
/** An IPv6 address that is written with `::`, as all are that the stages name. */
export type Ipv6 = `${string}::${string}`;

/** Which bits are compared, and what they must be. */
export type Masked<Value> = readonly [mask: Value, value: Value];

// ---- Ethernet --------------------------------------------------------------------------------------------------

export const ETHERTYPE = {
  ip: 0x0800,
  arp: 0x0806,
  rarp: 0x8035,
  vlan: 0x8100,
  qinq: 0x88a8,
  ip6: 0x86dd,
  lldp: 0x88cc,
} as const;
/** What stands for a length in place of an ether type (IEEE 802.3: below 0x0600). */
export const LLC_LENGTHS = [0, 0x05ff] as const;

export const BROADCAST_MAC = 'ff:ff:ff:ff:ff:ff' satisfies Mac;
/** The multicast bit of an Ethernet address (IEEE 802: I/G). */
export const GROUP_BIT = ['01:00:00:00:00:00', '01:00:00:00:00:00'] as const satisfies Masked<Mac>;
/** IPv4 multicast on Ethernet: 01:00:5e and 23 bits of the group (RFC 1112 §6.4). */
export const IPV4_GROUP_MAC = ['ff:ff:ff:80:00:00', '01:00:5e:00:00:00'] as const satisfies Masked<Mac>;
/** IPv6 multicast on Ethernet: 33:33 and 32 bits of the group (RFC 2464 §7). */
export const IPV6_GROUP_MAC = ['ff:ff:00:00:00:00', '33:33:00:00:00:00'] as const satisfies Masked<Mac>;
/** The groups a bridge must not forward, 01:80:c2:00:00:00 to :0f (IEEE 802.1D table 7-10). */
/** To the bridges themselves (IEEE 802.1D): with STP on no hook of the bridge family sees these frames. */
export const STP_MAC = '01:80:c2:00:00:00' satisfies Mac;
export const LINK_LOCAL_MAC = ['ff:ff:ff:ff:ff:f0', '01:80:c2:00:00:00'] as const satisfies Masked<Mac>;

// ---- ARP and RARP ----------------------------------------------------------------------------------------------

/** The first 6 bytes of RFC 826's one form for Ethernet and IPv4: htype 1, ptype 0x0800, hlen 6, plen 4. */
export const ARP_FORM = 0x000108000604;
/** The same and RARP's operation 3, "request reverse": the announcement after a migration (RFC 903). */
export const RARP_FORM = 0x0001080006040003;
/** Request and reply. */
export const ARP_OPERATIONS = [1, 2] as const;

// ---- IP --------------------------------------------------------------------------------------------------------

/** Numbers of protocols (IANA); IPv6 has them as next headers, among those of extension headers. */
export const PROTOCOL = {
  hopopts: 0,
  icmp: 1,
  igmp: 2,
  tcp: 6,
  udp: 17,
  fragment: 44,
  ah: 51,
  icmpv6: 58,
  dstopts: 60,
} as const;

/**
 * Protocols of which the filter looks at nothing more: TCP, DCCP, GRE, ESP, SCTP, UDP-Lite. Only UDP, ICMP, IGMP and AH
 * pass besides: who knows what an unknown one carries?
 */
export const ORDINARY = [6, 33, 47, 50, 132, 136] as const;

/** IPIP, 6in4, IP-within-IP (94), EtherIP, L2TPv3, MPLS-in-IP: the packet inside would be judged by nobody. */
export const TUNNELS = [4, 41, 94, 97, 115, 137] as const;
/** GGP, EGP, IGRP, NSFNET-IGP, EIGRP, OSPF, PIM, IS-IS over IP, MANET (RFC 5498). */
export const ROUTING_PROTOCOLS = [3, 8, 9, 85, 88, 89, 103, 124, 138] as const;

/**
 * Protocols of which an error may speak: TCP, UDP, DCCP, GRE, ESP, SCTP, UDP-Lite; ICMP and AH in IPv4. What carries
 * another address inside is not among them: a tunnel's end or a routing header's (Linux takes its last segment for the
 * destination, net/ipv6/seg6.c: seg6_icmp_srh).
 */
export const QUOTABLE = [PROTOCOL.icmp, PROTOCOL.udp, ...ORDINARY, PROTOCOL.ah] as const;
export const QUOTABLE6 = [PROTOCOL.icmpv6, PROTOCOL.udp, ...ORDINARY] as const;

/** Version 4 and 5 words: a header without options. */
export const IPV4_PLAIN = 0x45;
/** Any header that IPv4 can have. */
export const IPV4_HEADERS = [0x45, 0x4f] as const;
/** Neither more fragments nor an offset (RFC 791). */
export const WHOLE_PACKET = [0x3fff, 0] as const satisfies Masked<number>;
/** No offset: a whole packet, or the first fragment of one. */
export const FIRST_FRAGMENT = [0x1fff, 0] as const satisfies Masked<number>;
/** The same in IPv6's fragment header (RFC 8200 §4.5). */
export const FIRST_FRAGMENT6 = [0xfff8, 0] as const satisfies Masked<number>;

/** Every address and every number: who asks for these asks whether the field can be read. */
export const ANY_IPV4 = ['0.0.0.0', '255.255.255.255'] as const satisfies readonly Ipv4[];
export const ANY_PROTOCOL = [0, 255] as const;
export const ANY_PORT = [0, 65535] as const;
/** Of no station on any wire (RFC 1122 §3.2.1.3). */
export const IPV4_THIS_NETWORK = '0.0.0.0/8';
export const IPV4_LOOPBACK = '127.0.0.0/8';
/** To one station: below the groups. */
export const IPV4_STATIONS = ['0.0.0.0', '223.255.255.255'] as const satisfies readonly Ipv4[];
/** To many: groups (RFC 1112), what is reserved, and the broadcast. */
export const IPV4_MANY = ['224.0.0.0', '255.255.255.255'] as const satisfies readonly Ipv4[];
export const IPV4_GROUPS = '224.0.0.0/4';
export const IPV4_BROADCAST = '255.255.255.255' satisfies Ipv4;
/** Every subnet broadcast ends in two bits of one. */
export const BROADCAST_BITS = ['0.0.0.3', '0.0.0.3'] as const satisfies Masked<Ipv4>;

export const IPV6_VERSION = 6;
export const IPV6_GROUPS = 'ff00::/8';
/** The same as a mask, for what can only be denied so. */
export const IPV6_GROUP = ['ff00::', 'ff00::'] as const satisfies Masked<Ipv6>;
/** To one station: below the groups, but for a few that nobody has. */
export const IPV6_STATIONS = ['::', 'feff:ffff:ffff:ffff:ffff:ffff:ffff::'] as const satisfies readonly Ipv6[];
/** Addresses of a link alone: no router forwards them (RFC 3927 §7, RFC 4291 §2.5.6). */
export const IPV4_LINK_LOCALS = '169.254.0.0/16';
export const IPV6_LINK_LOCALS = 'fe80::/10';
/** Groups of a link alone (RFC 5771 §4, RFC 4291 §2.7). */
export const IPV4_LINK_GROUPS = '224.0.0.0/24';
export const IPV6_LINK_GROUPS = 'ff02::/16';
/** The link-local addresses that hosts make for themselves (RFC 4291 §2.5.6). */
export const LINK_LOCALS = 'fe80::/64';
export const ALL_NODES = 'ff02::1' satisfies Ipv6;
/**
 * Of a router advertisement that is looked through for its link-layer address: 16 bytes, and options of 8 each. Older
 * kernels look no further than 255 bytes into a header (net/netfilter/nft_payload.c: nft_payload_select_ops).
 */
export const RA_LENGTHS = [16, 256] as const;
/** Where an option of one may begin, in bytes (RFC 4861 §4.6: a multiple of 8 behind its header). */
export const RA_OPTION_STARTS: readonly number[] = Array.from(
  { length: (RA_LENGTHS[1] - RA_LENGTHS[0]) / 8 },
  (_, at) => RA_LENGTHS[0] + at * 8,
);
/** Type 1, and a length of one unit of 8 bytes: the source link-layer address (RFC 4861 §4.6.1). */
export const LLADDR_OPTION = 0x0101;
/** Types of MLD and neighbour discovery, and what lies between them (RFC 2710, RFC 4861, RFC 3810). */
export const DISCOVERY = [130, 143] as const;
/** Solicited-node groups (RFC 4291 §2.7.1). */
export const SOLICITED_NODES = 'ff02::1:ff00:0/104';
/** The same as a mask. */
export const SOLICITED_NODE = [
  'ffff:ffff:ffff:ffff:ffff:ffff:ff00::',
  'ff02::1:ff00:0',
] as const satisfies Masked<Ipv6>;

/**
 * Hop-by-hop options of MLD: next header ICMPv6, one unit of 8 bytes, router alert with the value 0 (RFC 2710 §3,
 * RFC 2711 §2.1), and PadN behind it or in front of it, or two Pad1 behind it (RFC 8200 §4.2).
 */
export const MLD_ALERT_FIRST = 0x3a00050200000100n;
export const MLD_ALERT_LAST = 0x3a00010005020000n;
export const MLD_ALERT_PAD1 = 0x3a00050200000000n;

/** Destination options of GRE: tunnel encapsulation limit 4 (RFC 2473 §4.1.1) and PadN. */
export const GRE_LIMIT = 0x2f00040104010100n;

/** RFC 768: 8 bytes are the header alone. */
export const UDP_LENGTHS = [8, 65535] as const;
