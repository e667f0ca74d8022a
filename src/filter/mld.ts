import { ACCEPT, type BothWays, drop, go } from './stage.ts';
import { LINK_LOCALS } from './wire.ts';

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
            { values: [131, 143], so: go('mld/report') },
            { values: [132], so: go('mld/done') },
            { values: [130], so: go('mld/query') },
            { values: [151, 152, 153], so: go('mld/mrd') }, // RFC 4286
          ],
        },
      ],
      otherwise: go('ip6/extension'),
    },
    {
      name: 'mld/report',
      short: 'mld-rep',
      about: 'From any link-local address: a report claims none, and Windows and NetworkManager make theirs at random.',
      steps: [
        { when: [{ over: 'igmp' }], so: drop('limit-igmp') },
        {
          when: [{ field: 'ip6 hoplimit', is: 1 }, { field: 'ip6 saddr', block: LINK_LOCALS }, { vif: 'ipv6' }],
          so: ACCEPT,
          why: 'RFC 3810 §5.2.13; where a querier is on the LAN, a guest without reports is reached by nobody',
        },
        {
          when: [{ field: 'ip6 hoplimit', is: 1 }],
          so: go('ip6/own'),
          why: 'also from :: while the link-local address is tentative (RFC 3590)',
        },
      ],
      otherwise: drop('mld-form'),
    },
    {
      name: 'mld/done',
      short: 'mld-don',
      about: 'Only from an own address: one that is lost makes a group end later, one in another name ends it early.',
      steps: [
        { when: [{ over: 'igmp' }], so: drop('limit-igmp') },
        { when: [{ field: 'ip6 hoplimit', is: 1 }], so: go('ip6/own'), why: 'RFC 2710 §3' },
      ],
      otherwise: drop('mld-form'),
    },
    {
      name: 'mld/query',
      short: 'mld-qry',
      about:
        'Only who may be the querier, from an own address and with a hop limit of 1, as MLD done (RFC 3810 §5.1.14).',
      steps: [{ when: [{ vif: 'igmp-querier' }], so: go('mld/done') }],
      otherwise: drop('mld-query'),
    },
    {
      name: 'mld/mrd',
      short: 'mld-mrd',
      about: 'As a query.',
      steps: [{ when: [{ vif: 'igmp-querier' }], so: go('mld/done') }],
      otherwise: drop('mrd'),
    },
  ],
} as const satisfies BothWays;
