import { CONTROL_PORTS, GROUP_FHRP_PORTS, GROUP_ROUTING_PORTS } from './control-protocols.ts';
import { type BothWays, drop, go, PERMITTED, type Switch } from './stage.ts';
import { IPV4_STATIONS, IPV6_GROUP, UDP_LENGTHS } from './wire.ts';

/** Towards a guest: it is no DHCP server; answers may be its own. */
const DHCP_OF_OTHERS = [
  { values: [67], so: drop('dhcp-foreign') },
  { values: [68], so: go('dhcp') },
] as const satisfies Switch['cases'];

/** UDP over IPv4 (RFC 768). */
export const UDP = {
  fromGuest: [
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
          when: [{ field: 'udp length', within: UDP_LENGTHS }],
          so: go('ip/own'),
          why: 'RFC 768; also proves that the header could be read',
        },
      ],
      otherwise: drop('ip-form'),
    },
    {
      name: 'udp/group-control',
      short: 'udp-ctl',
      about: 'HSRP, GLBP, LDP, OLSR, Babel: only to groups, so that an answer to a client on such a port is not lost.',
      steps: [
        { when: [{ field: 'ip daddr', within: IPV4_STATIONS }], so: go('ip/own') },
        { switch: 'udp dport', cases: [{ values: GROUP_FHRP_PORTS, so: drop('fhrp') }] },
      ],
      otherwise: drop('routing'),
    },
  ],
  toGuest: [
    {
      name: 'udp',
      about: 'DHCP conversations of others are none of its business.',
      steps: [{ switch: 'udp dport', cases: DHCP_OF_OTHERS }],
      otherwise: go('ip/own'),
    },
  ],
  toGroup: [
    {
      name: 'udp/group',
      short: 'udp-grp',
      about: 'As above.',
      steps: [
        { switch: 'udp dport', cases: DHCP_OF_OTHERS },
        { when: [{ vif: 'ipv4' }], so: PERMITTED },
      ],
      otherwise: drop('ip-dst'),
    },
  ],
} as const satisfies BothWays;

/** UDP over IPv6. */
export const UDP6 = {
  fromGuest: [
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
          when: [{ field: 'udp length', within: UDP_LENGTHS }],
          so: go('ip6/plain'),
          why: 'RFC 8200 §4.5 has no shorter one',
        },
      ],
      otherwise: drop('ip6-form'),
    },
    {
      name: 'udp6/group-control',
      short: 'udp6-ct',
      about: 'As for IPv4.',
      steps: [
        { when: [{ field: 'ip6 daddr', notMasked: IPV6_GROUP }], so: go('ip6/plain') },
        { switch: 'udp dport', cases: [{ values: GROUP_FHRP_PORTS, so: drop('fhrp') }] },
      ],
      otherwise: drop('routing'),
    },
  ],
} as const satisfies BothWays;
