import { ACCEPT, type BothWays, drop, go } from './stage.ts';
import { IPV4_GROUPS } from './wire.ts';

/** IGMP (RFC 2236, RFC 3376). */
export const IGMP = {
  fromGuest: [
    {
      name: 'igmp',
      about: 'Reports and leaves; a query would make the guest the querier of the segment (RFC 4541 §2.1).',
      steps: [
        {
          switch: 'igmp type',
          cases: [
            { values: [0x12, 0x16, 0x17, 0x22], so: go('igmp/report') },
            { values: [0x11], so: go('igmp/query') },
            { values: [0x13, 0x14], so: go('ip/routing') }, // DVMRP, PIMv1
            { values: [0x30, 0x31, 0x32], so: go('igmp/mrd') }, // RFC 4286
          ],
        },
      ],
      otherwise: drop('igmp-type'),
    },
    {
      name: 'igmp/report',
      short: 'igmp-rp',
      about: 'Also from 0.0.0.0, before it has an address: a report claims none.',
      steps: [
        { when: [{ over: 'igmp' }], so: drop('limit-igmp') },
        {
          when: [{ field: 'ip saddr', is: '0.0.0.0' }, { field: 'ip daddr', block: IPV4_GROUPS }, { vif: 'ipv4' }],
          so: ACCEPT,
          why: 'RFC 3376 §4.2.13; snooping bridges take it (RFC 4541 §2.1.1)',
        },
      ],
      otherwise: go('ip/own'),
    },
    {
      name: 'igmp/query',
      short: 'igmp-qu',
      about: 'Only who may be the querier.',
      steps: [{ when: [{ vif: 'igmp-querier' }], so: go('ip/own') }],
      otherwise: drop('igmp-query'),
    },
    {
      name: 'igmp/mrd',
      short: 'igmp-mr',
      about: 'As a query: it draws the groups of the segment too.',
      steps: [{ when: [{ vif: 'igmp-querier' }], so: go('ip/own') }],
      otherwise: drop('mrd'),
    },
  ],
} as const satisfies BothWays;
