import { type BothWays, drop, go, type Step } from './stage.ts';
import {
  GROUP_BIT,
  IPV4_PLAIN,
  IPV4_STATIONS,
  IPV6_STATIONS,
  IPV6_VERSION,
  PROTOCOL,
  QUOTABLE,
  QUOTABLE6,
  WHOLE_PACKET,
} from './wire.ts';

/** An error answers one sender (RFC 1122 §3.2.2, RFC 4443 §2.4). */
const NOT_TO_MANY = {
  when: [{ field: 'ether daddr', masked: GROUP_BIT }],
  so: drop('icmp-quote'),
  why: 'RFC 1122 §3.2.2, RFC 4443 §2.4: no error to a group',
} as const satisfies Step;

/** ICMP (RFC 792). */
export const ICMP = {
  fromGuest: [
    {
      name: 'icmp',
      about: 'The types that hosts send.',
      steps: [
        {
          switch: 'icmp type',
          cases: [
            // Echo, solicitation, timestamp, extended echo (RFC 8335).
            { values: [0, 8, 10, 13, 14, 42, 43], so: go('ip/own') },
            // Unreachable, time exceeded, parameter problem.
            { values: [3, 11, 12], so: go('icmp/error') },
            { values: [5], so: drop('icmp-redirect') },
            { values: [9], so: drop('icmp-router') },
          ],
        },
      ],
      otherwise: drop('icmp-type'),
    },
    {
      name: 'icmp/error',
      short: 'icmp-er',
      about: 'From an own address, as all.',
      steps: [
        { when: [{ field: 'ip saddr', own: 'ip' }], so: go('icmp/quote') },
        { when: [{ field: 'ip saddr', own: 'route' }], so: go('icmp/quote') },
        { when: [{ vif: 'forwarding' }], so: go('icmp/quote') },
      ],
      otherwise: drop('ip-src'),
    },
    {
      name: 'icmp/quote',
      short: 'icmp-qu',
      about: 'An error quotes the packet it is about (RFC 792), and only what was sent to the guest can be one of its.',
      steps: [
        NOT_TO_MANY,
        {
          when: [{ field: 'icmp quoted version-ihl', isNot: IPV4_PLAIN }],
          so: drop('icmp-quote'),
          why: 'options could hold another destination (source routing)',
        },
        {
          when: [{ field: 'ip frag-off', notMasked: WHOLE_PACKET }],
          so: drop('icmp-quote'),
          why: 'RFC 1812 §4.3.2.3: an error has at most 576 bytes',
        },
        { switch: 'icmp quoted protocol', cases: [{ values: QUOTABLE, so: go('icmp/quoted') }] },
      ],
      otherwise: drop('icmp-quote'),
    },
    {
      name: 'icmp/quoted',
      short: 'icmp-qd',
      about: "Else it would lower another's path MTU, or refuse its connections (RFC 5927).",
      steps: [
        {
          // The first also says that it can be read: who may use any address is not asked for the second.
          when: [
            { field: 'icmp quoted daddr', within: IPV4_STATIONS },
            { field: 'icmp quoted daddr', own: 'ip' },
          ],
          so: go('ip/own'),
        },
        { when: [{ field: 'icmp quoted daddr', own: 'route' }], so: go('ip/own') },
        { when: [{ field: 'icmp quoted daddr', within: IPV4_STATIONS }, { vif: 'forwarding' }], so: go('ip/own') },
      ],
      otherwise: drop('icmp-quote'),
    },
  ],
} as const satisfies BothWays;

/** ICMPv6 (RFC 4443); neighbour discovery and MLD have stages of their own. */
export const ICMPV6 = {
  fromGuest: [
    {
      name: 'icmpv6',
      short: 'icmp6',
      about: 'ICMPv6 right behind the IPv6 header.',
      steps: [
        {
          switch: 'icmpv6 type',
          cases: [
            { values: [128, 129, 160, 161], so: go('ip6/plain') },
            { values: [1, 2, 3, 4], so: go('icmpv6/error') },
            { values: [135], so: go('ns') },
            { values: [136], so: go('na') },
            { values: [133], so: go('rs') },
            { values: [134], so: go('ra') },
            { values: [137], so: drop('nd-redirect') },
            { values: [130], so: drop('mld-query') },
            { values: [131, 132, 143], so: drop('mld-form') },
            { values: [151, 152, 153], so: drop('mrd') },
            { values: [155], so: go('ip6/routing') }, // RPL (RFC 6550)
          ],
        },
      ],
      otherwise: drop('icmp6-type'),
    },
    {
      name: 'icmpv6/error',
      short: 'icmp6er',
      about: 'As in ICMP.',
      steps: [
        { when: [{ field: 'ip6 saddr', own: 'ip6' }], so: go('icmpv6/quote') },
        { when: [{ field: 'ip6 saddr', own: 'route6' }], so: go('icmpv6/quote') },
        { when: [{ vif: 'forwarding' }], so: go('icmpv6/quote') },
      ],
      otherwise: drop('ip6-src'),
    },
    {
      name: 'icmpv6/quote',
      short: 'icmp6qu',
      about: 'As in ICMP.',
      steps: [
        NOT_TO_MANY,
        { when: [{ field: 'icmpv6 quoted version', isNot: IPV6_VERSION }], so: drop('icmp-quote') },
        ...QUOTABLE6.map(
          (is) =>
            ({
              when: [
                { field: 'icmpv6 quoted nexthdr', is: PROTOCOL.fragment },
                { field: 'icmpv6 quoted frag nexthdr', is },
              ],
              so: go('icmpv6/quoted'),
              why: 'reassembly that took too long (RFC 8200 §4.5)',
            }) as const,
        ),
        { switch: 'icmpv6 quoted nexthdr', cases: [{ values: QUOTABLE6, so: go('icmpv6/quoted') }] },
      ],
      otherwise: drop('icmp-quote'),
    },
    {
      name: 'icmpv6/quoted',
      short: 'icmp6qd',
      about: 'RFC 8201 §6.',
      steps: [
        {
          when: [
            { field: 'icmpv6 quoted daddr', within: IPV6_STATIONS },
            { field: 'icmpv6 quoted daddr', own: 'ip6' },
          ],
          so: go('ip6/plain'),
        },
        { when: [{ field: 'icmpv6 quoted daddr', own: 'route6' }], so: go('ip6/plain') },
        { when: [{ field: 'icmpv6 quoted daddr', within: IPV6_STATIONS }, { vif: 'forwarding' }], so: go('ip6/plain') },
      ],
      otherwise: drop('icmp-quote'),
    },
  ],
} as const satisfies BothWays;
