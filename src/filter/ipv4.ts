import { controlProtocols } from './control-protocols.ts';
import { type BothWays, drop, go, PERMITTED, type Stage } from './stage.ts';
import {
  ANY_PROTOCOL,
  BROADCAST_BITS,
  BROADCAST_MAC,
  FIRST_FRAGMENT,
  GROUP_BIT,
  IPV4_BROADCAST,
  IPV4_GROUP_MAC,
  IPV4_GROUPS,
  IPV4_HEADERS,
  IPV4_LOOPBACK,
  IPV4_MANY,
  IPV4_PLAIN,
  IPV4_STATIONS,
  IPV4_THIS_NETWORK,
  ORDINARY,
  PROTOCOL,
  WHOLE_PACKET,
} from './wire.ts';

/** What nothing here knows: few may use it. */
const UNKNOWN_PROTOCOL = [
  { when: [{ field: 'ip protocol', own: 'protocol' }], so: go('ip/own') },
  { when: [{ field: 'ip protocol', within: ANY_PROTOCOL }, { vif: 'ip-protocol' }], so: go('ip/own') },
  { when: [{ field: 'ip protocol', within: ANY_PROTOCOL }], so: drop('ip-protocol') },
] as const satisfies Stage['steps'];

/** IPv4 (RFC 791). */
export const IPV4 = {
  fromGuest: [
    {
      name: 'ip',
      about: 'IPv4 without options; group frames and fragments have stages of their own.',
      steps: [
        { when: [{ field: 'ip version-ihl', isNot: IPV4_PLAIN }], so: go('ip/unusual') },
        { when: [{ field: 'ip daddr', block: IPV4_THIS_NETWORK }], so: drop('ip-form'), why: 'RFC 1122 §3.2.1.3' },
        { when: [{ field: 'ip daddr', block: IPV4_LOOPBACK }], so: drop('ip-form'), why: 'it never leaves a host' },
        { when: [{ field: 'ip daddr', within: IPV4_MANY }], so: go('ip/group') },
        { when: [{ field: 'ether daddr', masked: GROUP_BIT }], so: go('ip/group') },
        {
          // Every subnet broadcast ends in two bits of one: three of four packets need no look into the set.
          when: [
            { field: 'ip daddr', masked: BROADCAST_BITS },
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
      short: 'ip-odd',
      about: 'Not the plain 20-byte header.',
      steps: [
        {
          when: [
            { field: 'ip version-ihl', is: 0x46 },
            { field: 'ip protocol', is: PROTOCOL.igmp },
            { field: 'ip options', is: 0x94040000 },
            { field: 'ip frag-off', masked: WHOLE_PACKET },
            { field: 'ether daddr', masked: IPV4_GROUP_MAC },
            { field: 'ip daddr', block: IPV4_GROUPS },
          ],
          so: go('igmp'),
          why: 'IGMPv2 and v3 carry router alert (RFC 2113, RFC 3376 §4)',
        },
        { when: [{ vif: 'ip-options' }, { field: 'ip daddr', block: IPV4_THIS_NETWORK }], so: drop('ip-form') },
        { when: [{ vif: 'ip-options' }, { field: 'ip daddr', block: IPV4_LOOPBACK }], so: drop('ip-form') },
        { when: [{ vif: 'ip-options' }, { field: 'ip daddr', own: 'broadcast' }], so: go('ip/misdirected') },
        {
          when: [
            { vif: 'ip-options' },
            { field: 'ip version-ihl', within: [0x46, 0x4f] },
            { field: 'ether daddr', notMasked: GROUP_BIT },
            { field: 'ip daddr', within: IPV4_STATIONS },
          ],
          so: go('ip/protocol'),
          why: 'to one station',
        },
        { when: [{ field: 'ip version-ihl', within: [0x46, 0x4f] }], so: drop('ip-opt'), why: 'source routing' },
      ],
      otherwise: drop('ip-form'),
    },
    {
      name: 'ip/misdirected',
      short: 'ip-misd',
      about: 'Options, to the broadcast of a subnet.',
      steps: [],
      otherwise: drop('l2l3-mismatch'),
    },
    {
      name: 'ip/group',
      short: 'ip-grp',
      about: 'Broadcast and multicast: frame and packet must say the same (Hole 196).',
      steps: [
        // No stages of their own: nftables follows no more than 16 chains (NFT_JUMP_STACK_SIZE).
        {
          when: [{ field: 'ether daddr', masked: IPV4_GROUP_MAC }, { over: 'multicast' }],
          so: drop('limit-multicast'),
          why: 'its source is asked about later: who forges one wastes what is its own',
        },
        { when: [{ field: 'ether daddr', is: BROADCAST_MAC }, { over: 'broadcast' }], so: drop('limit-broadcast') },
        {
          when: [
            { field: 'ether daddr', masked: IPV4_GROUP_MAC },
            { field: 'ip daddr', block: IPV4_GROUPS },
          ],
          so: go('ip/protocol'),
          why: 'RFC 1112 §6.4',
        },
        {
          when: [
            { field: 'ether daddr', is: BROADCAST_MAC },
            { field: 'ip daddr', is: IPV4_BROADCAST },
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
      short: 'ip-prot',
      about: 'Only what is known: the rest carries what nobody judges, or is control traffic.',
      steps: [
        { when: [{ field: 'ip frag-off', notMasked: WHOLE_PACKET }], so: go('ip/fragment') },
        { when: [{ field: 'ip protocol', is: PROTOCOL.tcp }], so: go('ip/own') },
        {
          switch: 'ip protocol',
          cases: [
            { values: [PROTOCOL.udp], so: go('udp') },
            { values: [PROTOCOL.icmp], so: go('icmp') },
            { values: [PROTOCOL.igmp], so: go('igmp') },
            { values: [...ORDINARY, PROTOCOL.ah], so: go('ip/own') },
            ...controlProtocols('ip'),
          ],
        },
        ...UNKNOWN_PROTOCOL,
      ],
      otherwise: drop('ip-form'),
    },
    {
      name: 'ip/fragment',
      short: 'ip-frag',
      about: 'A first fragment is judged like a whole packet; later ones have no ports to judge.',
      steps: [
        {
          when: [
            { field: 'ip frag-off', masked: FIRST_FRAGMENT },
            { field: 'ip protocol', is: PROTOCOL.udp },
          ],
          so: go('udp'),
        },
        {
          when: [
            { field: 'ip frag-off', masked: FIRST_FRAGMENT },
            { field: 'ip protocol', is: PROTOCOL.icmp },
          ],
          so: go('icmp'),
        },
        {
          switch: 'ip protocol',
          cases: [
            { values: [PROTOCOL.icmp, PROTOCOL.udp, ...ORDINARY, PROTOCOL.ah], so: go('ip/own') },
            { values: [PROTOCOL.igmp], so: drop('igmp-type') },
            ...controlProtocols('ip'),
          ],
        },
        ...UNKNOWN_PROTOCOL,
      ],
      otherwise: drop('ip-form'),
    },
    {
      name: 'ip/own',
      short: 'ip-own',
      about: 'The last question: is the source address the own one?',
      steps: [
        { when: [{ field: 'ip saddr', block: IPV4_THIS_NETWORK }], so: drop('ip-src') },
        { when: [{ field: 'ip saddr', block: IPV4_LOOPBACK }], so: drop('ip-src') },
        { when: [{ field: 'ip saddr', within: IPV4_MANY }], so: drop('ip-src'), why: "nobody's, of any address too" },
        { when: [{ field: 'ip saddr', own: 'ip' }], so: PERMITTED },
        { when: [{ field: 'ip saddr', own: 'route' }], so: PERMITTED, why: 'what it routes for (routes)' },
        { when: [{ vif: 'ipv4' }, { vif: 'forwarding' }], so: go('ip/forwarded') },
      ],
      otherwise: drop('ip-src'),
    },
  ],
  toGuest: [
    {
      name: 'ip',
      about: 'Unicast IPv4 in a unicast frame.',
      steps: [
        { when: [{ field: 'ip version-ihl', notWithin: IPV4_HEADERS }], so: drop('ip-form') },
        { when: [{ field: 'ip saddr', own: 'sole' }], so: drop('own-address'), why: 'nobody else has it' },
        { when: [{ field: 'ip daddr', within: IPV4_MANY }], so: go('ip/to-all') },
        { when: [{ field: 'ip protocol', is: PROTOCOL.udp }], so: go('udp') },
        { when: [{ field: 'ip protocol', within: ANY_PROTOCOL }], so: go('ip/own') },
      ],
      otherwise: drop('ip-form'),
    },
    {
      name: 'ip/hairpin',
      short: 'ip-hair',
      about: 'As from others, and from its own addresses: the source is only translated behind all hooks.',
      steps: [
        { when: [{ field: 'ip version-ihl', notWithin: IPV4_HEADERS }], so: drop('ip-form') },
        { when: [{ field: 'ip daddr', within: IPV4_MANY }], so: drop('hairpin') },
        { when: [{ field: 'ip protocol', is: PROTOCOL.udp }], so: go('udp') },
        { when: [{ field: 'ip protocol', within: ANY_PROTOCOL }], so: go('ip/own') },
      ],
      otherwise: drop('ip-form'),
    },
    {
      name: 'ip/to-all',
      short: 'ip-all',
      about: 'A unicast frame with a group address inside is only a DHCP answer (RFC 2131 §4.1).',
      steps: [
        {
          when: [
            { field: 'ip daddr', is: IPV4_BROADCAST },
            { field: 'ip protocol', is: PROTOCOL.udp },
            { field: 'udp dport', is: 68 },
          ],
          so: go('dhcp'),
        },
      ],
      otherwise: drop('l2l3-mismatch'),
    },
    {
      name: 'ip/own',
      short: 'ip-own',
      about: 'Is the destination one of its addresses?',
      steps: [
        { when: [{ field: 'ip daddr', own: 'ip' }], so: PERMITTED },
        { when: [{ field: 'ip daddr', own: 'route' }], so: PERMITTED, why: 'what it routes for (routes)' },
        { when: [{ vif: 'ipv4' }, { vif: 'forwarding' }], so: go('ip/forwarded') },
      ],
      otherwise: drop('ip-dst'),
    },
  ],
  toGroup: [
    {
      name: 'ip/group',
      short: 'ip-grp',
      about: 'Broadcast and multicast: frame and packet must say the same.',
      steps: [
        { when: [{ field: 'ip version-ihl', notWithin: IPV4_HEADERS }], so: drop('ip-form') },
        { when: [{ field: 'ip saddr', own: 'sole' }], so: drop('own-address'), why: 'nobody else has it' },
        {
          when: [
            { field: 'ether daddr', masked: IPV4_GROUP_MAC },
            { field: 'ip daddr', block: IPV4_GROUPS },
          ],
          so: go('ip/group-protocol'),
        },
        {
          when: [
            { field: 'ether daddr', is: BROADCAST_MAC },
            { field: 'ip daddr', is: IPV4_BROADCAST },
          ],
          so: go('ip/group-protocol'),
        },
        {
          when: [
            { field: 'ether daddr', is: BROADCAST_MAC },
            { field: 'ip daddr', own: 'broadcast' },
          ],
          so: go('ip/group-protocol'),
        },
      ],
      otherwise: drop('l2l3-mismatch'),
    },
    {
      name: 'ip/group-protocol',
      short: 'ip-grpp',
      about: 'Everything that is sent to all, except the DHCP conversations of others.',
      steps: [
        { when: [{ field: 'ip protocol', is: PROTOCOL.udp }], so: go('udp/group') },
        { when: [{ field: 'ip protocol', within: ANY_PROTOCOL }], so: go('ip/group-own') },
      ],
      otherwise: drop('ip-form'),
    },
  ],
} as const satisfies BothWays;
