import { type BothWays, drop, go, type Step } from './stage.ts';
import { LINK_LOCALS, PROTOCOL, RA_LENGTHS, SOLICITED_NODE } from './wire.ts';

/** RFC 4861 §7.1: hop limit 255 proves that no router forwarded it; code 0. */
const ND_FORM = [
  { when: [{ field: 'ip6 hoplimit', isNot: 255 }], so: drop('nd-form'), why: 'RFC 4861 §7.1' },
  { when: [{ field: 'icmpv6 code', isNot: 0 }], so: drop('nd-form'), why: 'RFC 4861 §7.1' },
] as const satisfies readonly Step[];

/** Neighbour discovery (RFC 4861). */
export const ND = {
  fromGuest: [
    {
      name: 'ra',
      about: 'Router advertisement: only who may be a router.',
      steps: [{ when: [{ vif: 'router-advertisement' }], so: go('ra/form') }],
      otherwise: drop('ra'),
    },
    {
      name: 'ra/form',
      short: 'ra-form',
      about: 'From its own link-local address (RFC 4861 §6.1.2).',
      steps: [
        ...ND_FORM,
        {
          when: [{ field: 'ip6 length', notWithin: RA_LENGTHS }],
          so: drop('nd-form'),
          why: 'nobody looks at options further behind',
        },
        {
          when: [{ field: 'ra lladdr', notOwn: 'mac' }],
          so: drop('nd-lla'),
          why: 'options have no order (RFC 4861 §4.6)',
        },
        { when: [{ field: 'ip6 saddr', block: LINK_LOCALS }], so: go('nd/limit') },
      ],
      otherwise: drop('ra'),
    },
    {
      name: 'rs',
      about: 'Router solicitation: no option, or exactly the own link-layer address.',
      steps: [
        ...ND_FORM,
        { when: [{ field: 'ip6 length', is: 8 }], so: go('nd/limit') },
        {
          when: [
            { field: 'ip6 length', is: 16 },
            { field: 'ip6 saddr', isNot: '::' },
            { field: 'rs option', is: 0x0101 },
            { field: 'rs lladdr', own: 'mac' },
          ],
          so: go('nd/limit'),
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
        { when: [{ field: 'ip6 length', is: 24 }], so: go('nd/limit') },
        {
          when: [
            { field: 'ip6 length', is: 32 },
            { field: 'nd option', is: 0x0101 },
            { field: 'nd lladdr', own: 'mac' },
          ],
          so: go('nd/limit'),
          why: 'RFC 4861 §4.3',
        },
      ],
      otherwise: drop('nd-lla'),
    },
    {
      name: 'ns/dad',
      short: 'ns-dad',
      about: 'Only for an own address (else it would make others give up theirs); a nonce is allowed (RFC 7527).',
      steps: [
        {
          when: [{ field: 'ip6 daddr', notMasked: SOLICITED_NODE }],
          so: drop('nd-form'),
          why: 'RFC 4861 §7.1.1: to a solicited-node group',
        },
        {
          when: [
            { field: 'ip6 length', is: 24 },
            { field: 'nd target', own: 'ip6' },
          ],
          so: go('nd/limit'),
        },
        {
          when: [
            { field: 'ip6 length', is: 32 },
            { field: 'nd option', is: 0x0e01 },
            { field: 'nd target', own: 'ip6' },
          ],
          so: go('nd/limit'),
        },
      ],
      otherwise: drop('nd-target'),
    },
    {
      name: 'na',
      // Its R flag makes nobody a default router (RFC 4861 §6.2.1: an RA does); every guest that forwards sets it.
      about: 'Neighbour advertisement: for an own address, from an own address, with the own MAC or none.',
      steps: [
        ...ND_FORM,
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
      short: 'na-tgt',
      about: 'Target first, then the source address like any packet.',
      steps: [
        { when: [{ field: 'ip6 saddr', is: '::' }], so: drop('ip6-src') },
        { when: [{ field: 'nd target', own: 'ip6' }], so: go('nd/limit') },
        { when: [{ field: 'nd target', own: 'route6' }, { vif: 'proxy-nd' }], so: go('nd/limit'), why: '`allow`' },
      ],
      otherwise: drop('nd-target'),
    },
    {
      name: 'nd/limit',
      short: 'nd-lim',
      about: 'All but the source address was asked.',
      steps: [{ when: [{ over: 'nd' }], so: drop('limit-nd') }],
      otherwise: go('ip6/own'),
    },
  ],
  toGroup: [
    {
      name: 'ip6/solicited',
      short: 'ip6-sol',
      about: 'Solicited-node groups (RFC 4291 §2.7.1) of its own addresses only.',
      steps: [
        { when: [{ field: 'ip6 daddr', own: 'solicited' }], so: go('ip6/whole') },
        {
          when: [
            { vif: 'proxy-nd' },
            { field: 'ip6 nexthdr', is: PROTOCOL.icmpv6 },
            { field: 'icmpv6 type', is: 135 },
            { field: 'nd target', own: 'route6' },
          ],
          so: go('ip6/whole'),
          why: '`allow`: whoever asks for what it answers for',
        },
      ],
      otherwise: drop('nd-foreign'),
    },
  ],
} as const satisfies BothWays;
