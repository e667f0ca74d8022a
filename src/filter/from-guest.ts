/**
 * What a guest may send. The stages read as the threat model: who are you, is the frame in canonical form, does it
 * speak for somebody else, are its addresses yours.
 *
 * Forms first, addresses last: the stages never depend on one vif, so they exist once in the kernel, and a vif only
 * brings its addresses (measured: an update costs the same with 10 and with 4000 vifs that way).
 */
import {
  ACCEPT,
  BROADCAST_MAC,
  drop,
  ETHERTYPE,
  GROUP_BIT,
  go,
  IPV4_GROUP_MAC,
  IPV6_GROUP_MAC,
  type Stage,
  type Step,
  type Switch,
} from './stage.ts';

/** Protocols that carry control traffic or another IP packet; the numbers are the same in IPv4 and IPv6 (IANA). */
const CONTROL_PROTOCOLS: Switch['cases'] = [
  // IPIP, 6in4, IP-within-IP (94), EtherIP, L2TPv3, MPLS-in-IP: the packet inside would be judged by nobody.
  { values: [4, 41, 94, 97, 115, 137], so: { drop: 'tunnel' } },
  // EGP, IGRP, EIGRP, OSPF, PIM, IS-IS over IP.
  { values: [8, 9, 88, 89, 103, 124], so: { drop: 'routing' } },
  // VRRP and CARP share 112 (RFC 5798); 240 is pfsync, CARP's companion.
  { values: [112, 240], so: { drop: 'fhrp' } },
];

/** UDP control protocols whose ports are below 1024: no client sends to or from them by chance. */
const CONTROL_PORTS: Switch['cases'] = [
  { values: [520, 521], so: { drop: 'routing' } }, // RIP, RIPng
];

/**
 * UDP control protocols on ports that a client may also draw as its source port, so that the answer to it goes there.
 * They are only spoken to groups: HSRP, HSRPv6, GLBP; OLSR, LDP, Babel, EIGRP-less relatives.
 */
const GROUP_FHRP_PORTS = [1985, 2029, 3222] as const;
const GROUP_ROUTING_PORTS = [646, 698, 6696] as const;

/** RFC 4861 §7.1: hop limit 255 proves that no router forwarded it; code 0. */
const ND_FORM: readonly Step[] = [
  { when: [{ field: 'ip6 hoplimit', isNot: 255 }], so: drop('nd-form'), why: 'RFC 4861 §7.1' },
  { when: [{ field: 'icmpv6 code', isNot: 0 }], so: drop('nd-form'), why: 'RFC 4861 §7.1' },
];

export const FROM_GUEST: readonly Stage[] = [
  {
    name: 'start',
    about: 'Who sends? Everything else is only asked about a frame with the right source MAC.',
    steps: [
      {
        when: [{ field: 'ether saddr', notOwn: 'mac' }],
        so: go('stranger'),
        why: 'before the bridge learns: a drop in forward is too late (LP#1732294)',
      },
      {
        switch: 'ether type',
        cases: [
          { values: [ETHERTYPE.ip], so: go('ip') },
          { values: [ETHERTYPE.ip6], so: go('ip6') },
          { values: [ETHERTYPE.arp], so: go('arp') },
          { values: [ETHERTYPE.rarp], so: go('rarp') },
          { values: [ETHERTYPE.vlan, ETHERTYPE.qinq], so: drop('vlan') },
        ],
        why: 'the outer type, never the inner one of a tagged frame (CVE-2021-27854)',
      },
      {
        when: [{ field: 'ether type', within: [0, 0x05ff] }],
        so: drop('llc'),
        why: 'IEEE 802.3: below 0x0600 it is a length (CVE-2021-27861)',
      },
    ],
    otherwise: drop('ethertype'),
  },
  {
    name: 'stranger',
    about: 'A source MAC that is not the own one: exempt ports may, nobody else.',
    steps: [
      {
        when: [{ vif: 'open' }],
        so: ACCEPT,
        why: 'unrestricted by policy, or running before our first load',
      },
      { when: [{ vif: 'denied' }], so: drop('no-address'), why: 'no_ip = deny' },
      { when: [{ vif: 'managed' }], so: drop('mac-src') },
    ],
    otherwise: drop('unmanaged'),
  },

  // ---- ARP -----------------------------------------------------------------------------------------------------
  {
    name: 'arp',
    about: 'RFC 826 in its one canonical form, speaking for nobody else.',
    steps: [
      {
        when: [{ field: 'arp form', isNot: 0x000108000604 }],
        so: drop('arp-form'),
        why: 'Linux takes hrd 6 as Ethernet too',
      },
      { when: [{ field: 'arp operation', notWithin: [1, 2] }], so: drop('arp-op') },
      {
        when: [{ field: 'arp saddr ether', notOwn: 'mac' }],
        so: drop('arp-sha'),
        why: 'Linux even takes broadcast and group addresses here',
      },
      {
        when: [
          { field: 'ether daddr', masked: GROUP_BIT },
          { field: 'ether daddr', isNot: BROADCAST_MAC },
        ],
        so: drop('l2l3-mismatch'),
        why: 'RFC 826: to one station or to all',
      },
      { when: [{ field: 'arp saddr ip', own: 'ip' }], so: ACCEPT },
      {
        when: [
          { field: 'arp operation', is: 1 },
          { field: 'arp saddr ip', is: '0.0.0.0' },
          { field: 'arp daddr ip', own: 'ip' },
        ],
        so: ACCEPT,
        why: 'a probe for an own address (RFC 5227 §2.1.1)',
      },
      { when: [{ field: 'arp saddr ip', is: '0.0.0.0' }], so: drop('arp-probe'), why: 'RFC 5227 §2.1.1' },
    ],
    otherwise: drop('arp-spa'),
  },
  {
    name: 'rarp',
    about: 'Only the announcement that QEMU and Xen send after a migration: "I am here", no addresses.',
    steps: [
      {
        when: [
          { field: 'rarp form', is: '0x0001080006040003' },
          { field: 'ether daddr', is: BROADCAST_MAC },
          { field: 'rarp saddr ether', own: 'mac' },
          { field: 'rarp daddr ether', own: 'mac' },
          { field: 'rarp saddr ip', is: 0 },
          { field: 'rarp daddr ip', is: 0 },
        ],
        so: ACCEPT,
        why: 'RFC 903, QEMU net/announce.c',
      },
    ],
    otherwise: drop('rarp'),
  },

  // ---- IPv4 ----------------------------------------------------------------------------------------------------
  {
    name: 'ip',
    about: 'IPv4 without options; group frames and fragments have stages of their own.',
    steps: [
      { when: [{ field: 'ip version-ihl', isNot: 0x45 }], so: go('ip/unusual') },
      { when: [{ field: 'ip daddr', within: [0xe0000000, 0xffffffff] }], so: go('ip/group') },
      { when: [{ field: 'ether daddr', masked: GROUP_BIT }], so: go('ip/group') },
      {
        // Every subnet broadcast ends in two bits of one: three of four packets need no look into the set.
        when: [
          { field: 'ip daddr', masked: ['0.0.0.3', '0.0.0.3'] },
          { field: 'ip daddr', own: 'broadcast' },
        ],
        so: go('ip/group'),
        why: 'the broadcast of its own subnet in a frame to one station (a broadcast of another one is for its router)',
      },
    ],
    otherwise: go('ip/protocol'),
  },
  {
    name: 'ip/unusual',
    about: 'Not the plain 20-byte header.',
    steps: [
      {
        when: [
          { field: 'ip version-ihl', is: 0x46 },
          { field: 'ip protocol', is: 2 },
          { field: 'ip options', is: 0x94040000 },
          { field: 'ip frag-off', masked: [0x3fff, 0] },
          { field: 'ether daddr', masked: IPV4_GROUP_MAC },
          { field: 'ip daddr', block: '224.0.0.0/4' },
        ],
        so: go('igmp'),
        why: 'IGMPv2 and v3 carry router alert (RFC 2113, RFC 3376 §4)',
      },
      { when: [{ field: 'ip version-ihl', within: [0x46, 0x4f] }], so: drop('ip-opt'), why: 'source routing' },
    ],
    otherwise: drop('ip-form'),
  },
  {
    name: 'ip/group',
    about: 'Broadcast and multicast: frame and packet must say the same (Hole 196).',
    steps: [
      {
        when: [
          { field: 'ether daddr', masked: IPV4_GROUP_MAC },
          { field: 'ip daddr', block: '224.0.0.0/4' },
        ],
        so: go('ip/protocol'),
        why: 'RFC 1112 §6.4',
      },
      {
        when: [
          { field: 'ether daddr', is: BROADCAST_MAC },
          { field: 'ip daddr', is: '255.255.255.255' },
        ],
        so: go('ip/protocol'),
      },
      {
        when: [
          { field: 'ether daddr', is: BROADCAST_MAC },
          { field: 'ip daddr', own: 'broadcast' },
        ],
        so: go('ip/protocol'),
        why: 'directed broadcast of a subnet the vif is in (RFC 919)',
      },
    ],
    otherwise: drop('l2l3-mismatch'),
  },
  {
    name: 'ip/protocol',
    about: 'Control protocols are refused; each would be a switch of its own.',
    steps: [
      { when: [{ field: 'ip frag-off', notMasked: [0x3fff, 0] }], so: go('ip/fragment') },
      { when: [{ field: 'ip protocol', is: 6 }], so: go('ip/own') },
      {
        switch: 'ip protocol',
        cases: [
          { values: [17], so: go('udp') },
          { values: [1], so: go('icmp') },
          { values: [2], so: go('igmp') },
          ...CONTROL_PROTOCOLS,
        ],
      },
    ],
    otherwise: go('ip/own'),
  },
  {
    name: 'ip/fragment',
    about: 'A first fragment is judged like a whole packet; later ones have no ports to judge.',
    steps: [
      { switch: 'ip protocol', cases: [{ values: [2], so: drop('igmp-type') }, ...CONTROL_PROTOCOLS] },
      {
        when: [
          { field: 'ip frag-off', masked: [0x1fff, 0] },
          { field: 'ip protocol', is: 17 },
        ],
        so: go('udp'),
      },
      {
        when: [
          { field: 'ip frag-off', masked: [0x1fff, 0] },
          { field: 'ip protocol', is: 1 },
        ],
        so: go('icmp'),
      },
    ],
    otherwise: go('ip/own'),
  },
  {
    name: 'ip/own',
    about: 'The last question: is the source address the own one?',
    steps: [{ when: [{ field: 'ip saddr', own: 'ip' }], so: ACCEPT }],
    otherwise: drop('ip-src'),
  },
  {
    name: 'icmp',
    about: 'The types that hosts send.',
    steps: [
      {
        switch: 'icmp type',
        cases: [
          // Echo, unreachable, solicitation, time exceeded, parameter problem, timestamp, extended echo (RFC 8335).
          { values: [0, 3, 8, 10, 11, 12, 13, 14, 42, 43], so: go('ip/own') },
          { values: [5], so: drop('icmp-redirect') },
          { values: [9], so: drop('icmp-router') },
        ],
      },
    ],
    otherwise: drop('icmp-type'),
  },
  {
    name: 'igmp',
    about: 'Reports and leaves; a query would make the guest the querier of the segment (RFC 4541 §2.1).',
    steps: [
      {
        switch: 'igmp type',
        cases: [
          { values: [0x12, 0x16, 0x17, 0x22], so: go('ip/own') },
          { values: [0x11], so: drop('igmp-query') },
          { values: [0x13, 0x14], so: drop('routing') }, // DVMRP, PIMv1
          { values: [0x30, 0x31, 0x32], so: drop('mrd') }, // RFC 4286
        ],
      },
    ],
    otherwise: drop('igmp-type'),
  },
  {
    name: 'udp',
    about: 'Servers are known by the port they send to, whatever port they send from.',
    steps: [
      {
        switch: 'udp dport',
        cases: [
          { values: [67], so: go('dhcp') },
          { values: [68], so: drop('dhcp-server') },
          ...CONTROL_PORTS,
          { values: [...GROUP_FHRP_PORTS, ...GROUP_ROUTING_PORTS], so: go('udp/group-control') },
        ],
      },
      {
        when: [{ field: 'udp length', within: [8, 65535] }],
        so: go('ip/own'),
        why: 'RFC 768; also proves that the header could be read',
      },
    ],
    otherwise: drop('ip-form'),
  },
  {
    name: 'udp/group-control',
    about: 'HSRP, GLBP, LDP, OLSR, Babel: only to groups, so that an answer to a client on such a port is not lost.',
    steps: [
      { when: [{ field: 'ip daddr', within: [0, 0xdfffffff] }], so: go('ip/own') },
      { switch: 'udp dport', cases: [{ values: GROUP_FHRP_PORTS, so: drop('fhrp') }] },
    ],
    otherwise: drop('routing'),
  },
  {
    name: 'dhcp',
    about: 'A plain client (RFC 2131 §4.1) that asks for itself.',
    steps: [
      {
        when: [{ field: 'ip frag-off', notMasked: [0x3fff, 0] }],
        so: drop('dhcp-form'),
        why: 'chaddr must be in sight',
      },
      { when: [{ field: 'udp sport', isNot: 68 }], so: drop('dhcp-form') },
      { when: [{ field: 'dhcp op-htype-hlen', isNot: 0x010106 }], so: drop('dhcp-form'), why: 'a request, Ethernet' },
      { when: [{ field: 'dhcp giaddr', isNot: 0 }], so: drop('dhcp-form'), why: 'only relays fill it in' },
      { when: [{ field: 'dhcp chaddr', own: 'mac' }], so: go('dhcp/address') },
    ],
    otherwise: drop('dhcp-chaddr'),
  },
  {
    name: 'dhcp/address',
    about: "Not in another's name: ciaddr is empty or own; from 0.0.0.0 only to all.",
    steps: [
      {
        when: [
          { field: 'ip saddr', is: '0.0.0.0' },
          { field: 'ip daddr', is: '255.255.255.255' },
          { field: 'dhcp ciaddr', is: 0 },
          { vif: 'ipv4' },
        ],
        so: ACCEPT,
        why: 'RFC 2131 §4.1: before it has an address',
      },
      { when: [{ field: 'dhcp ciaddr', is: 0 }], so: go('ip/own') },
      { when: [{ field: 'dhcp ciaddr', own: 'ip' }], so: go('ip/own'), why: 'RFC 2131 §4.4.5, renewing' },
    ],
    otherwise: drop('dhcp-chaddr'),
  },

  // ---- IPv6 ----------------------------------------------------------------------------------------------------
  {
    name: 'ip6',
    about: 'IPv6; group frames have a stage of their own.',
    steps: [
      { when: [{ field: 'ip6 version', isNot: 6 }], so: drop('ip6-form') },
      { when: [{ field: 'ether daddr', masked: GROUP_BIT }], so: go('ip6/group') },
      { when: [{ field: 'ip6 daddr', block: 'ff00::/8' }], so: drop('l2l3-mismatch') },
    ],
    otherwise: go('ip6/next-header'),
  },
  {
    name: 'ip6/group',
    about: 'Multicast frame, multicast packet.',
    steps: [
      {
        when: [
          { field: 'ether daddr', masked: IPV6_GROUP_MAC },
          { field: 'ip6 daddr', block: 'ff00::/8' },
        ],
        so: go('ip6/next-header'),
        why: 'RFC 2464 §7',
      },
    ],
    otherwise: drop('l2l3-mismatch'),
  },
  {
    name: 'ip6/next-header',
    about: 'Only what is known to be an upper-layer protocol: an unknown number may be an extension header (RFC 7045).',
    steps: [
      {
        switch: 'ip6 nexthdr',
        cases: [
          // TCP, DCCP, GRE, ESP, SCTP, UDP-Lite.
          { values: [6, 33, 47, 50, 132, 136], so: go('ip6/plain') },
          { values: [17], so: go('udp6') },
          { values: [58], so: go('icmpv6') },
          { values: [44], so: go('ip6/fragment') },
          { values: [0], so: go('ip6/hopopts') },
          ...CONTROL_PROTOCOLS,
        ],
      },
    ],
    otherwise: go('ip6/extension'),
  },
  {
    name: 'ip6/extension',
    about: 'Dropped in any case; named after what hides behind the headers, if it can be seen.',
    steps: [
      {
        switch: 'icmpv6 type',
        cases: [
          { values: [134], so: drop('ra') },
          { values: [133, 135, 136, 137], so: drop('nd-ext') },
        ],
        why: 'RFC 7113, RFC 6980',
      },
    ],
    otherwise: drop('ip6-ext'),
  },
  {
    name: 'ip6/plain',
    about: 'Ordinary traffic never comes from the unspecified address.',
    steps: [{ when: [{ field: 'ip6 saddr', is: '::' }], so: drop('ip6-src') }],
    otherwise: go('ip6/own'),
  },
  {
    name: 'ip6/own',
    about: 'The last question: is the source address the own one?',
    steps: [
      { when: [{ field: 'ip6 saddr', own: 'ip6' }], so: ACCEPT },
      {
        when: [{ field: 'ip6 saddr', is: '::' }, { vif: 'ipv6' }],
        so: ACCEPT,
        why: 'RFC 4291 §2.5.2; only what has the form of DAD, MLD or RS comes here with it',
      },
    ],
    otherwise: drop('ip6-src'),
  },
  {
    name: 'ip6/fragment',
    about: 'Fragments of ordinary protocols; never of ND (RFC 6980), never with further headers inside (RFC 7112).',
    steps: [
      {
        when: [{ field: 'ip6 frag offset', notMasked: [0xfff8, 0] }],
        so: go('ip6/later-fragment'),
      },
      {
        switch: 'ip6 frag nexthdr',
        cases: [
          { values: [6, 33, 47, 50, 132, 136], so: go('ip6/plain') },
          { values: [17], so: go('udp6') },
          { values: [58], so: go('ip6/fragmented-icmpv6') },
          ...CONTROL_PROTOCOLS,
        ],
      },
    ],
    otherwise: go('ip6/extension'),
  },
  {
    name: 'ip6/later-fragment',
    about: 'Without its first fragment it is nothing, and the first one was judged.',
    steps: [
      {
        switch: 'ip6 frag nexthdr',
        cases: [{ values: [6, 17, 33, 47, 50, 58, 132, 136], so: go('ip6/plain') }, ...CONTROL_PROTOCOLS],
      },
    ],
    otherwise: go('ip6/extension'),
  },
  {
    name: 'ip6/fragmented-icmpv6',
    about: 'Only echo is ever large enough to need it.',
    steps: [{ switch: 'icmpv6 type', cases: [{ values: [128, 129], so: go('ip6/plain') }] }],
    otherwise: go('ip6/extension'),
  },
  {
    name: 'ip6/hopopts',
    about: 'Hop-by-hop options are for MLD: router alert for MLD and padding, in either order.',
    steps: [
      { when: [{ field: 'ip6 hopopts', is: '0x3a00050200000100' }], so: go('mld'), why: 'RFC 2710 §3' },
      { when: [{ field: 'ip6 hopopts', is: '0x3a00010005020000' }], so: go('mld'), why: 'the same, PadN first' },
    ],
    otherwise: go('ip6/extension'),
  },
  {
    name: 'mld',
    about: 'Reports and done; a query would make the guest the querier (RFC 4541 §3).',
    steps: [
      {
        switch: 'icmpv6 type',
        cases: [
          { values: [131, 132, 143], so: go('mld/report') },
          { values: [130], so: drop('mld-query') },
          { values: [151, 152, 153], so: drop('mrd') }, // RFC 4286
        ],
      },
    ],
    otherwise: go('ip6/extension'),
  },
  {
    name: 'mld/report',
    about: 'Also from :: while the link-local address is tentative (RFC 3590).',
    steps: [{ when: [{ field: 'ip6 hoplimit', is: 1 }], so: go('ip6/own'), why: 'RFC 3810 §5' }],
    otherwise: drop('mld-form'),
  },
  {
    name: 'icmpv6',
    about: 'ICMPv6 right behind the IPv6 header.',
    steps: [
      {
        switch: 'icmpv6 type',
        cases: [
          { values: [1, 2, 3, 4, 128, 129, 160, 161], so: go('ip6/plain') },
          { values: [135], so: go('ns') },
          { values: [136], so: go('na') },
          { values: [133], so: go('rs') },
          { values: [134], so: drop('ra') },
          { values: [137], so: drop('nd-redirect') },
          { values: [130], so: drop('mld-query') },
          { values: [131, 132, 143], so: drop('mld-form') },
          { values: [151, 152, 153], so: drop('mrd') },
          { values: [155], so: drop('routing') }, // RPL (RFC 6550)
        ],
      },
    ],
    otherwise: drop('icmp6-type'),
  },
  {
    name: 'rs',
    about: 'Router solicitation: no option, or exactly the own link-layer address.',
    steps: [
      ...ND_FORM,
      { when: [{ field: 'ip6 length', is: 8 }], so: go('ip6/own') },
      {
        when: [
          { field: 'ip6 length', is: 16 },
          { field: 'ip6 saddr', isNot: '::' },
          { field: 'rs option', is: 0x0101 },
          { field: 'rs lladdr', own: 'mac' },
        ],
        so: go('ip6/own'),
        why: 'RFC 4861 §4.1',
      },
    ],
    otherwise: drop('nd-lla'),
  },
  {
    name: 'ns',
    about: 'Neighbour solicitation: from :: it is duplicate address detection, else a question.',
    steps: [
      ...ND_FORM,
      { when: [{ field: 'ip6 saddr', is: '::' }], so: go('ns/dad') },
      { when: [{ field: 'ip6 length', is: 24 }], so: go('ip6/own') },
      {
        when: [
          { field: 'ip6 length', is: 32 },
          { field: 'nd option', is: 0x0101 },
          { field: 'nd lladdr', own: 'mac' },
        ],
        so: go('ip6/own'),
        why: 'RFC 4861 §4.3',
      },
    ],
    otherwise: drop('nd-lla'),
  },
  {
    name: 'ns/dad',
    about: 'Only for an own address (else it would make others give up theirs); a nonce is allowed (RFC 7527).',
    steps: [
      {
        when: [{ field: 'ip6 daddr', notMasked: ['ffff:ffff:ffff:ffff:ffff:ffff:ff00::', 'ff02::1:ff00:0'] }],
        so: drop('nd-form'),
        why: 'RFC 4861 §7.1.1: to a solicited-node group',
      },
      {
        when: [
          { field: 'ip6 length', is: 24 },
          { field: 'nd target', own: 'ip6' },
        ],
        so: go('ip6/own'),
      },
      {
        when: [
          { field: 'ip6 length', is: 32 },
          { field: 'nd option', is: 0x0e01 },
          { field: 'nd target', own: 'ip6' },
        ],
        so: go('ip6/own'),
      },
    ],
    otherwise: drop('nd-target'),
  },
  {
    name: 'na',
    about: 'Neighbour advertisement: for an own address, from an own address, with the own MAC or none.',
    steps: [
      ...ND_FORM,
      { when: [{ field: 'na flags', notMasked: [0x80, 0] }], so: drop('nd-router'), why: 'RFC 4861 §4.4, R flag' },
      { when: [{ field: 'ip6 length', is: 24 }], so: go('na/target') },
      {
        when: [
          { field: 'ip6 length', is: 32 },
          { field: 'nd option', is: 0x0201 },
          { field: 'nd lladdr', own: 'mac' },
        ],
        so: go('na/target'),
      },
    ],
    otherwise: drop('nd-lla'),
  },
  {
    name: 'na/target',
    about: 'Target first, then the source address like any packet.',
    steps: [
      { when: [{ field: 'ip6 saddr', is: '::' }], so: drop('ip6-src') },
      { when: [{ field: 'nd target', own: 'ip6' }], so: go('ip6/own') },
    ],
    otherwise: drop('nd-target'),
  },
  {
    name: 'udp6',
    about: 'As for IPv4.',
    steps: [
      {
        switch: 'udp dport',
        cases: [
          { values: [546], so: drop('dhcp6-server') },
          { values: [547], so: go('dhcp6') },
          ...CONTROL_PORTS,
          { values: [...GROUP_FHRP_PORTS, ...GROUP_ROUTING_PORTS], so: go('udp6/group-control') },
        ],
      },
      {
        when: [{ field: 'udp length', within: [8, 65535] }],
        so: go('ip6/plain'),
        why: 'RFC 8200 §4.5 has no shorter one',
      },
    ],
    otherwise: drop('ip6-form'),
  },
  {
    name: 'udp6/group-control',
    about: 'As for IPv4.',
    steps: [
      { when: [{ field: 'ip6 daddr', notMasked: ['ff00::', 'ff00::'] }], so: go('ip6/plain') },
      { switch: 'udp dport', cases: [{ values: GROUP_FHRP_PORTS, so: drop('fhrp') }] },
    ],
    otherwise: drop('routing'),
  },
  {
    name: 'dhcp6',
    about: 'Client messages only: solicit, request, confirm, renew, rebind, release, decline, information-request.',
    steps: [{ switch: 'dhcp6 type', cases: [{ values: [1, 3, 4, 5, 6, 8, 9, 11], so: go('ip6/plain') }] }],
    otherwise: drop('dhcp6-form'),
  },
];
