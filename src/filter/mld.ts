import { type BothWays, drop, go } from './stage.ts';

/** MLD (RFC 2710, RFC 3810). */
export const MLD = {
  fromGuest: [
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
      short: 'mld-rep',
      about: 'Also from :: while the link-local address is tentative (RFC 3590).',
      steps: [{ when: [{ field: 'ip6 hoplimit', is: 1 }], so: go('ip6/own'), why: 'RFC 3810 §5' }],
      otherwise: drop('mld-form'),
    },
  ],
} as const satisfies BothWays;
