import { controlProtocols } from './control-protocols.ts';
import { ACCEPT, type BothWays, drop, go, PERMITTED, type Step } from './stage.ts';
import {
  ALL_NODES,
  ANY_PORT,
  ANY_PROTOCOL,
  DISCOVERY,
  FIRST_FRAGMENT6,
  GRE_LIMIT,
  GROUP_BIT,
  IPV6_GROUP,
  IPV6_GROUP_MAC,
  IPV6_GROUPS,
  IPV6_VERSION,
  MLD_ALERT_FIRST,
  MLD_ALERT_LAST,
  MLD_ALERT_PAD1,
  ORDINARY,
  PROTOCOL,
  SOLICITED_NODES,
} from './wire.ts';

const ROUTED = [
  { when: [{ field: 'ip6 saddr', own: 'route6' }], so: PERMITTED, why: 'what it routes for (routes)' },
] as const satisfies readonly Step[];

/** IPv6 (RFC 8200). */
export const IPV6 = {
  fromGuest: [
    {
      name: 'ip6',
      about: 'IPv6; group frames have a stage of their own.',
      steps: [
        { when: [{ field: 'ip6 version', isNot: IPV6_VERSION }], so: drop('ip6-form') },
        { when: [{ field: 'ether daddr', masked: GROUP_BIT }], so: go('ip6/group') },
        { when: [{ field: 'ip6 daddr', block: IPV6_GROUPS }], so: drop('l2l3-mismatch') },
        { when: [{ field: 'ip6 daddr', is: '::1' }], so: drop('ip6-form'), why: 'RFC 4291 §2.5.3' },
      ],
      otherwise: go('ip6/next-header'),
    },
    {
      name: 'ip6/group',
      short: 'ip6-grp',
      about: 'Multicast frame, multicast packet.',
      steps: [
        { when: [{ over: 'multicast' }], so: drop('limit-multicast') },
        {
          when: [
            { field: 'ether daddr', masked: IPV6_GROUP_MAC },
            { field: 'ip6 daddr', block: IPV6_GROUPS },
          ],
          so: go('ip6/next-header'),
          why: 'RFC 2464 §7',
        },
      ],
      otherwise: drop('l2l3-mismatch'),
    },
    {
      name: 'ip6/next-header',
      short: 'ip6-nh',
      about:
        'Only what is known to be an upper-layer protocol: an unknown number may be an extension header (RFC 7045).',
      steps: [
        {
          switch: 'ip6 nexthdr',
          cases: [
            { values: ORDINARY, so: go('ip6/plain') },
            { values: [PROTOCOL.udp], so: go('udp6') },
            { values: [PROTOCOL.icmpv6], so: go('icmpv6') },
            { values: [PROTOCOL.fragment], so: go('ip6/fragment') },
            { values: [PROTOCOL.hopopts], so: go('ip6/hopopts') },
            { values: [PROTOCOL.ah], so: go('ip6/ah') },
            { values: [PROTOCOL.dstopts], so: go('ip6/dstopts') },
            ...controlProtocols('ip6'),
          ],
        },
      ],
      otherwise: go('ip6/extension'),
    },
    {
      name: 'ip6/ah',
      short: 'ip6-ah',
      about:
        'An authentication header, as in IPv4 (RFC 4302). Neighbour discovery and other headers cannot hide in it.',
      steps: [
        {
          switch: 'ip6 ah nexthdr',
          cases: [{ values: [PROTOCOL.udp, ...ORDINARY], so: go('ip6/plain') }, ...controlProtocols('ip6')],
        },
      ],
      otherwise: go('ip6/extension'),
    },
    {
      name: 'ip6/dstopts',
      short: 'ip6-dst',
      about: 'Destination options are for GRE: Linux tells every such tunnel how deep others may nest in it.',
      steps: [
        {
          when: [{ field: 'ip6 dstopts', is: GRE_LIMIT }],
          so: go('ip6/plain'),
          why: 'RFC 2473 §4.1.1; net/ipv6/ip6_tunnel.c: init_tel_txopt, `encaplimit 4` unless told',
        },
      ],
      otherwise: go('ip6/extension'),
    },
    {
      name: 'ip6/extension',
      short: 'ip6-ext',
      about: 'Dropped in any case; named after what hides behind the headers, if it can be seen.',
      steps: [{ when: [{ field: 'ip6 upper-layer', is: PROTOCOL.icmpv6 }], so: go('ip6/hidden-icmpv6') }],
      otherwise: drop('ip6-ext'),
    },
    {
      name: 'ip6/hidden-icmpv6',
      short: 'ip6-hid',
      about: 'As above.',
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
      short: 'ip6-pln',
      about: 'Ordinary traffic never comes from the unspecified address.',
      steps: [
        { when: [{ field: 'ip6 saddr', is: '::' }], so: drop('ip6-src') },
        { when: [{ field: 'ip6 upper-layer', within: ANY_PROTOCOL }], so: go('ip6/own'), why: 'the packet is whole' },
      ],
      otherwise: drop('ip6-form'),
    },
    {
      name: 'ip6/own',
      short: 'ip6-own',
      about: 'The last question: is the source address the own one?',
      steps: [
        {
          when: [{ field: 'ip6 saddr', is: '::' }, { vif: 'ipv6' }],
          so: ACCEPT,
          why: 'RFC 4291 §2.5.2; only what has the form of DAD, MLD or RS comes here with it',
        },
        { when: [{ field: 'ip6 saddr', block: '::/96' }], so: drop('ip6-src'), why: 'the loopback, RFC 4291 §2.5.5.1' },
        { when: [{ field: 'ip6 saddr', block: '::ffff:0:0/96' }], so: drop('ip6-src'), why: 'RFC 4291 §2.5.5.2' },
        {
          when: [{ field: 'ip6 saddr', block: IPV6_GROUPS }],
          so: drop('ip6-src'),
          why: "nobody's, of any address too",
        },
        { when: [{ field: 'ip6 saddr', own: 'ip6' }], so: PERMITTED },
        { when: [{ field: 'ip6 upper-layer', is: PROTOCOL.icmpv6 }], so: go('ip6/routed-icmpv6') },
        ...ROUTED,
        { when: [{ vif: 'ipv6' }, { vif: 'forwarding' }], so: go('ip6/forwarded') },
      ],
      otherwise: drop('ip6-src'),
    },
    {
      name: 'ip6/routed-icmpv6',
      short: 'ip6-rti',
      about: 'From an address that is not its own.',
      steps: [
        {
          when: [{ field: 'icmpv6 type', within: DISCOVERY }],
          so: drop('ip6-src'),
          why: 'RFC 4861 §7.2.3: who solicits is known by its source address: what it routes for would be its own',
        },
        ...ROUTED,
        { when: [{ vif: 'ipv6' }, { vif: 'forwarding' }], so: go('ip6/forwarded-icmpv6') },
      ],
      otherwise: drop('ip6-src'),
    },
    {
      name: 'ip6/fragment',
      short: 'ip6-frg',
      about: 'Fragments of ordinary protocols; never of ND (RFC 6980), never with further headers inside (RFC 7112).',
      steps: [
        {
          when: [{ field: 'ip6 frag offset', notMasked: FIRST_FRAGMENT6 }],
          so: go('ip6/later-fragment'),
        },
        {
          switch: 'ip6 frag nexthdr',
          cases: [
            { values: ORDINARY, so: go('ip6/plain') },
            { values: [PROTOCOL.udp], so: go('udp6') },
            { values: [PROTOCOL.icmpv6], so: go('ip6/fragmented-icmpv6') },
            ...controlProtocols('ip6'),
          ],
        },
      ],
      otherwise: go('ip6/extension'),
    },
    {
      name: 'ip6/later-fragment',
      short: 'ip6-lat',
      about: 'Without its first fragment it is nothing, and the first one was judged.',
      steps: [
        {
          switch: 'ip6 frag nexthdr',
          cases: [
            { values: [PROTOCOL.udp, PROTOCOL.icmpv6, ...ORDINARY], so: go('ip6/plain') },
            ...controlProtocols('ip6'),
          ],
        },
      ],
      otherwise: go('ip6/extension'),
    },
    {
      name: 'ip6/fragmented-icmpv6',
      short: 'ip6-fic',
      about: 'Only echo is ever large enough to need it.',
      steps: [{ switch: 'icmpv6 type', cases: [{ values: [128, 129], so: go('ip6/plain') }] }],
      otherwise: go('ip6/extension'),
    },
    {
      name: 'ip6/hopopts',
      short: 'ip6-hop',
      about: 'Hop-by-hop options are for MLD: router alert for MLD and padding, in either order.',
      steps: [
        { when: [{ field: 'ip6 hopopts', is: MLD_ALERT_FIRST }], so: go('mld'), why: 'RFC 2710 §3' },
        { when: [{ field: 'ip6 hopopts', is: MLD_ALERT_LAST }], so: go('mld'), why: 'the same, PadN first' },
        { when: [{ field: 'ip6 hopopts', is: MLD_ALERT_PAD1 }], so: go('mld'), why: 'the same by illumos: two Pad1' },
      ],
      otherwise: go('ip6/extension'),
    },
  ],
  toGuest: [
    {
      name: 'ip6',
      about: 'Unicast IPv6 in a unicast frame, to one of its addresses.',
      steps: [
        { when: [{ field: 'ip6 version', isNot: IPV6_VERSION }], so: drop('ip6-form') },
        { when: [{ field: 'ip6 saddr', own: 'sole6' }], so: drop('own-address'), why: 'nobody else has it' },
        {
          when: [
            { field: 'ip6 daddr', is: ALL_NODES },
            { field: 'ip6 nexthdr', is: PROTOCOL.icmpv6 },
            { field: 'icmpv6 type', is: 134 },
            { vif: 'ipv6' },
          ],
          so: PERMITTED,
          why: 'a router advertisement to all, sent to it alone (RFC 6085; RFC 8273: a prefix for each host)',
        },
        { when: [{ field: 'ip6 daddr', block: IPV6_GROUPS }], so: drop('l2l3-mismatch') },
        {
          when: [{ field: 'udp dport', is: 547 }],
          so: go('dhcp6/request'),
          why: 'few are DHCPv6 servers; also behind extension headers',
        },
        { when: [{ field: 'ip6 upper-layer', is: PROTOCOL.icmpv6 }], so: go('ip6/icmpv6') },
      ],
      otherwise: go('ip6/own'),
    },
    {
      name: 'ip6/hairpin',
      short: 'ip6-hai',
      about: 'As from others, and from its own addresses.',
      steps: [
        { when: [{ field: 'ip6 version', isNot: IPV6_VERSION }], so: drop('ip6-form') },
        { when: [{ field: 'ip6 daddr', block: IPV6_GROUPS }], so: drop('hairpin') },
        { when: [{ field: 'udp dport', is: 547 }], so: drop('dhcp-foreign') },
        { when: [{ field: 'ip6 upper-layer', is: PROTOCOL.icmpv6 }], so: go('ip6/icmpv6') },
      ],
      otherwise: go('ip6/own'),
    },
    {
      name: 'ip6/icmpv6',
      short: 'ip6-ic6',
      about: 'Behind extension headers too: guests skip them.',
      steps: [{ when: [{ field: 'icmpv6 type', is: 136 }], so: go('na') }],
      otherwise: go('ip6/own'),
    },
    {
      name: 'na',
      about: 'Nobody else advertises its address.',
      steps: [{ when: [{ field: 'nd target', own: 'sole6' }], so: drop('nd-target') }],
      otherwise: go('ip6/own'),
    },
    {
      name: 'ip6/own',
      short: 'ip6-own',
      about: 'Is the destination one of its addresses?',
      steps: [
        { when: [{ field: 'ip6 daddr', own: 'ip6' }], so: go('ip6/whole') },
        { when: [{ field: 'ip6 daddr', own: 'route6' }], so: go('ip6/whole'), why: 'what it routes for (routes)' },
        { when: [{ vif: 'ipv6' }, { vif: 'forwarding' }], so: go('ip6/forwarded') },
      ],
      otherwise: drop('ip6-dst'),
    },
    {
      name: 'ip6/group',
      short: 'ip6-grp',
      about: 'Multicast frame, multicast packet.',
      steps: [
        { when: [{ field: 'ip6 version', isNot: IPV6_VERSION }], so: drop('ip6-form') },
        { when: [{ field: 'ether daddr', notMasked: IPV6_GROUP_MAC }], so: drop('l2l3-mismatch') },
        { when: [{ field: 'ip6 daddr', notMasked: IPV6_GROUP }], so: drop('l2l3-mismatch') },
        { when: [{ field: 'ip6 upper-layer', is: PROTOCOL.icmpv6 }], so: go('ip6/group-icmpv6') },
        { when: [{ field: 'ip6 saddr', own: 'sole6' }], so: drop('own-address'), why: 'nobody else has it' },
      ],
      otherwise: go('ip6/known-group'),
    },
    {
      name: 'ip6/group-icmpv6',
      short: 'ip6-gi6',
      about: 'As to one station.',
      steps: [
        {
          when: [
            { field: 'ip6 daddr', is: ALL_NODES },
            { field: 'icmpv6 type', is: 136 },
          ],
          so: go('ip6/known-group'),
          why: 'may be the answer to its own duplicate address detection (RFC 4861 §7.2.4), which it must hear',
        },
        { when: [{ field: 'ip6 saddr', own: 'sole6' }], so: drop('own-address'), why: 'nobody else has it' },
        { when: [{ field: 'icmpv6 type', is: 136 }], so: go('na/group') },
      ],
      otherwise: go('ip6/known-group'),
    },
    {
      name: 'na/group',
      short: 'na-grp',
      about: 'As to one station.',
      steps: [{ when: [{ field: 'nd target', own: 'sole6' }], so: drop('nd-target') }],
      otherwise: go('ip6/known-group'),
    },
    {
      name: 'ip6/known-group',
      short: 'ip6-kg',
      about: 'Solicited-node groups are told apart by their address.',
      steps: [
        { when: [{ field: 'ip6 daddr', block: SOLICITED_NODES }], so: go('ip6/solicited') },
        {
          switch: 'udp dport',
          cases: [
            { values: [546], so: drop('dhcp-foreign') },
            { values: [547], so: go('dhcp6/request-group') },
          ],
          why: 'all DHCPv6 clients ask ff02::1:2; also behind extension headers, which guests skip',
        },
        { when: [{ vif: 'ipv6' }], so: go('ip6/whole') },
      ],
      otherwise: drop('ip6-dst'),
    },
  ],
  toGroup: [
    {
      name: 'ip6/whole',
      short: 'ip6-all',
      about: 'The packet is as long as it says.',
      steps: [
        { when: [{ field: 'ip6 upper-layer', within: ANY_PROTOCOL }, { vif: 'ipv6' }], so: PERMITTED },
        {
          when: [
            { field: 'ip6 nexthdr', is: PROTOCOL.fragment },
            { field: 'ip6 frag offset', within: ANY_PORT },
            { vif: 'ipv6' },
          ],
          so: PERMITTED,
          why: 'a fragment without the headers that its first one has',
        },
      ],
      otherwise: drop('ip6-form'),
    },
  ],
} as const satisfies BothWays;
