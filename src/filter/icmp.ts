import { type BothWays, drop, go } from './stage.ts';

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
            // Echo, unreachable, solicitation, time exceeded, parameter problem, timestamp, extended echo (RFC 8335).
            { values: [0, 3, 8, 10, 11, 12, 13, 14, 42, 43], so: go('ip/own') },
            { values: [5], so: drop('icmp-redirect') },
            { values: [9], so: drop('icmp-router') },
          ],
        },
      ],
      otherwise: drop('icmp-type'),
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
  ],
} as const satisfies BothWays;
