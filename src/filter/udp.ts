import { CONTROL_PORTS, FHRP_PORTS, ROUTING_PORTS } from './control-protocols.ts';
import { type BothWays, drop, go, PERMITTED, type Stage, type Switch } from './stage.ts';
import { ANY_PORT, FIRST_FRAGMENT, GROUP_BIT, UDP_LENGTHS } from './wire.ts';

/** Towards a guest: few are DHCP servers; answers may be its own. */
const dhcpOfOthers = <const Next extends string>(request: Next) =>
  [
    { values: [67], so: go(request) },
    { values: [68], so: go('dhcp') },
  ] as const satisfies Switch['cases'];

/** To a group, or to a subnet. */
const toAll = <const Ip extends 'ip' | 'ip6'>(ip: Ip) =>
  [
    ...FHRP_PORTS.map(
      (is) =>
        ({
          when: [
            { field: 'ether daddr', masked: GROUP_BIT },
            { field: 'udp dport', is },
          ],
          so: go(`${ip}/hsrp`),
        }) as const,
    ),
    { when: [{ field: 'ether daddr', masked: GROUP_BIT }], so: go(`${ip}/routing`) },
  ] as const satisfies Stage['steps'];

/** Both ports are control ports: two that speak it. */
const fromControlPort = <const Ip extends 'ip' | 'ip6'>(ip: Ip) =>
  ({
    switch: 'udp sport',
    cases: [
      { values: FHRP_PORTS, so: go(`${ip}/hsrp`) },
      { values: ROUTING_PORTS, so: go(`${ip}/routing`) },
    ],
  }) as const satisfies Switch;

/** The port could be read, or it is a later fragment, which has none. */
const readable = <const Next extends string>(next: Next) =>
  [
    { when: [{ field: 'udp dport', within: ANY_PORT }], so: go(next) },
    { when: [{ field: 'ip frag-off', notMasked: FIRST_FRAGMENT }], so: go(next) },
  ] as const satisfies Stage['steps'];

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
            { values: [68], so: go('dhcp/server') },
            { values: CONTROL_PORTS, so: go('ip/routing') },
            { values: [...FHRP_PORTS, ...ROUTING_PORTS], so: go('udp/control') },
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
      name: 'udp/control',
      short: 'udp-ctl',
      about: 'HSRP, GLBP, LDP, OLSR, Babel: to all, or from such a port. Else it may be the answer to a client.',
      steps: [...toAll('ip'), fromControlPort('ip')],
      otherwise: go('ip/own'),
    },
  ],
  toGuest: [
    {
      name: 'udp',
      about: 'DHCP conversations of others are none of its business.',
      steps: [{ switch: 'udp dport', cases: dhcpOfOthers('dhcp/request') }, ...readable('ip/own')],
      otherwise: drop('ip-form'),
    },
  ],
  toGroup: [
    {
      name: 'udp/group',
      short: 'udp-grp',
      about: 'As above.',
      steps: [{ switch: 'udp dport', cases: dhcpOfOthers('dhcp/request-group') }, ...readable('ip/group-own')],
      otherwise: drop('ip-form'),
    },
    {
      name: 'ip/group-own',
      short: 'ip-grpo',
      about: 'To all who have IPv4.',
      steps: [{ when: [{ vif: 'ipv4' }], so: PERMITTED }],
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
            { values: [546], so: go('dhcp6/server') },
            { values: [547], so: go('dhcp6') },
            { values: CONTROL_PORTS, so: go('ip6/routing') },
            { values: [...FHRP_PORTS, ...ROUTING_PORTS], so: go('udp6/control') },
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
      name: 'udp6/control',
      short: 'udp6-ct',
      about: 'As for IPv4.',
      steps: [...toAll('ip6'), fromControlPort('ip6')],
      otherwise: go('ip6/plain'),
    },
  ],
} as const satisfies BothWays;
