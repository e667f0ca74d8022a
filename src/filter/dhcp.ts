import { ACCEPT, type BothWays, drop, go, type Stage } from './stage.ts';
import { IPV4_BROADCAST, WHOLE_PACKET } from './wire.ts';

/** Whole, and an answer for Ethernet. */
const ANSWER_FORM = [
  { when: [{ field: 'ip frag-off', notMasked: WHOLE_PACKET }], so: drop('dhcp-form') },
  { when: [{ field: 'dhcp op-htype-hlen', isNot: 0x020106 }], so: drop('dhcp-form') },
] as const satisfies Stage['steps'];

/** DHCP (RFC 2131). */
export const DHCP = {
  fromGuest: [
    {
      name: 'dhcp',
      about: 'A plain client (RFC 2131 §4.1) that asks for itself.',
      steps: [
        {
          when: [{ field: 'ip frag-off', notMasked: WHOLE_PACKET }],
          so: drop('dhcp-form'),
          why: 'chaddr must be in sight',
        },
        { when: [{ field: 'udp sport', isNot: 68 }], so: go('dhcp/relay') },
        { when: [{ field: 'dhcp op-htype-hlen', isNot: 0x010106 }], so: drop('dhcp-form'), why: 'a request, Ethernet' },
        { when: [{ field: 'dhcp giaddr', isNot: '0.0.0.0' }], so: drop('dhcp-form'), why: 'only relays fill it in' },
        { when: [{ field: 'dhcp chaddr', own: 'mac' }], so: go('dhcp/address') },
      ],
      otherwise: drop('dhcp-chaddr'),
    },
    {
      name: 'dhcp/address',
      short: 'dhcp-ad',
      about: "Not in another's name: ciaddr is empty or own; from 0.0.0.0 only to all.",
      steps: [
        { when: [{ over: 'dhcp' }], so: drop('limit-dhcp') },
        {
          when: [
            { field: 'ip saddr', is: '0.0.0.0' },
            { field: 'ip daddr', is: IPV4_BROADCAST },
            { field: 'dhcp ciaddr', is: '0.0.0.0' },
            { vif: 'ipv4' },
          ],
          so: ACCEPT,
          why: 'RFC 2131 §4.1: before it has an address',
        },
        {
          when: [
            { field: 'ip saddr', is: '0.0.0.0' },
            { field: 'ip daddr', is: IPV4_BROADCAST },
            { field: 'dhcp ciaddr', own: 'ip' },
          ],
          so: ACCEPT,
          why: 'rebinding: systemd, NetworkManager and older udhcpc send it by a raw socket, from 0.0.0.0',
        },
        { when: [{ field: 'dhcp ciaddr', is: '0.0.0.0' }], so: go('ip/own') },
        { when: [{ field: 'dhcp ciaddr', own: 'ip' }], so: go('ip/own'), why: 'RFC 2131 §4.4.5, renewing' },
      ],
      otherwise: drop('dhcp-chaddr'),
    },
    {
      name: 'dhcp/relay',
      short: 'dhcp-re',
      about: 'Not from the port of a client: between servers and relays (RFC 1542 §4).',
      steps: [
        {
          when: [{ vif: 'dhcp-server' }, { field: 'udp sport', is: 67 }, { field: 'dhcp op-htype-hlen', is: 0x020106 }],
          so: go('ip/own'),
          why: 'the answer of a server to a relay',
        },
        {
          when: [
            { vif: 'dhcp-relay' },
            { field: 'udp sport', is: 67 },
            { field: 'dhcp op-htype-hlen', is: 0x010106 },
            { field: 'dhcp giaddr', own: 'ip' },
          ],
          so: go('ip/own'),
        },
      ],
      otherwise: drop('dhcp-form'),
    },
    {
      name: 'dhcp/server',
      short: 'dhcp-sv',
      about: 'To the port of clients: only servers and relays.',
      steps: [
        { when: [{ vif: 'dhcp-server' }, { field: 'udp sport', is: 67 }], so: go('dhcp/answer') },
        { when: [{ vif: 'dhcp-relay' }, { field: 'udp sport', is: 67 }], so: go('dhcp/relayed') },
      ],
      otherwise: drop('dhcp-server'),
    },
    {
      name: 'dhcp/answer',
      short: 'dhcp-an',
      about: 'An answer, from an own address.',
      steps: ANSWER_FORM,
      otherwise: go('ip/own'),
    },
    {
      name: 'dhcp/relayed',
      short: 'dhcp-rl',
      about: 'An answer that was asked for by this relay.',
      steps: [...ANSWER_FORM, { when: [{ field: 'dhcp giaddr', own: 'ip' }], so: go('ip/own') }],
      otherwise: drop('dhcp-form'),
    },
  ],
  toGuest: [
    {
      name: 'dhcp',
      about: 'An answer that names its MAC as the client.',
      steps: [
        { when: [{ field: 'dhcp op-htype-hlen', isNot: 0x020106 }], so: drop('dhcp-foreign') },
        { when: [{ field: 'dhcp chaddr', own: 'mac' }], so: go('dhcp/address') },
      ],
      otherwise: drop('dhcp-foreign'),
    },
    {
      name: 'dhcp/address',
      short: 'dhcp-ad',
      about: 'To all, or to the address it is given.',
      steps: [
        { when: [{ field: 'ip daddr', is: IPV4_BROADCAST }, { vif: 'ipv4' }], so: ACCEPT },
        { when: [{ vif: 'learns' }], so: ACCEPT, why: 'an offer goes to the address that it offers (RFC 2131 §4.1)' },
      ],
      otherwise: go('ip/own'),
    },
    {
      name: 'dhcp/request',
      short: 'dhcp-rq',
      about: 'What clients ask: only servers and relays hear it.',
      steps: [
        { when: [{ vif: 'dhcp-server' }], so: go('ip/own') },
        { when: [{ vif: 'dhcp-relay' }], so: go('ip/own') },
      ],
      otherwise: drop('dhcp-foreign'),
    },
  ],
  toGroup: [
    {
      name: 'dhcp/request-group',
      short: 'dhcp-rg',
      about: 'As above.',
      steps: [
        { when: [{ vif: 'dhcp-server' }], so: go('ip/group-own') },
        { when: [{ vif: 'dhcp-relay' }], so: go('ip/group-own') },
      ],
      otherwise: drop('dhcp-foreign'),
    },
  ],
} as const satisfies BothWays;

/** DHCPv6 (RFC 8415). */
export const DHCP6 = {
  fromGuest: [
    {
      name: 'dhcp6',
      about:
        'Client messages only: solicit, request, confirm, renew, rebind, release, decline, information-request, inform.',
      // 36: a host tells which address it made for itself (RFC 9686), from that address.
      steps: [{ switch: 'dhcp6 type', cases: [{ values: [1, 3, 4, 5, 6, 8, 9, 11, 36], so: go('dhcp6/limit') }] }],
      otherwise: drop('dhcp6-form'),
    },
    {
      name: 'dhcp6/limit',
      short: 'dhcp6-l',
      about: 'As for IPv4.',
      steps: [{ when: [{ over: 'dhcp' }], so: drop('limit-dhcp') }],
      otherwise: go('ip6/plain'),
    },
    {
      name: 'dhcp6/server',
      short: 'dhcp6sv',
      about: 'To the port of clients: only servers.',
      steps: [{ when: [{ vif: 'dhcp6-server' }, { field: 'udp sport', is: 547 }], so: go('dhcp6/answer') }],
      otherwise: drop('dhcp6-server'),
    },
    {
      name: 'dhcp6/answer',
      short: 'dhcp6an',
      about: 'Advertise, reply, reconfigure.',
      steps: [{ switch: 'dhcp6 type', cases: [{ values: [2, 7, 10], so: go('ip6/plain') }] }],
      otherwise: drop('dhcp6-form'),
    },
  ],
  toGuest: [
    {
      name: 'dhcp6/request',
      short: 'dhcp6rq',
      about: 'What clients ask: only servers hear it.',
      steps: [{ when: [{ vif: 'dhcp6-server' }], so: go('ip6/own') }],
      otherwise: drop('dhcp-foreign'),
    },
  ],
  toGroup: [
    {
      name: 'dhcp6/request-group',
      short: 'dhcp6rg',
      about: 'As above.',
      steps: [{ when: [{ vif: 'dhcp6-server' }], so: go('ip6/whole') }],
      otherwise: drop('dhcp-foreign'),
    },
  ],
} as const satisfies BothWays;
