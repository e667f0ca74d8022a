import { type BothWays, drop, go, PERMITTED, type Step } from './stage.ts';
import {
  BROADCAST_MAC,
  IPV4_LINK_GROUPS,
  IPV4_LINK_LOCALS,
  IPV4_LOOPBACK,
  IPV4_STATIONS,
  IPV4_THIS_NETWORK,
  IPV6_LINK_GROUPS,
  IPV6_LINK_LOCALS,
  ORDINARY,
  PROTOCOL,
  TUNNELS,
} from './wire.ts';

const HANDED_ON = [PROTOCOL.icmp, PROTOCOL.udp, ...ORDINARY, PROTOCOL.ah, ...TUNNELS] as const;
const HANDED_ON6 = [PROTOCOL.udp, ...ORDINARY, ...TUNNELS] as const;

const OF_A_LINK = [
  { when: [{ field: 'ip6 saddr', block: IPV6_LINK_LOCALS }], so: drop('ip6-src') },
  { when: [{ field: 'ip6 daddr', block: IPV6_LINK_GROUPS }], so: drop('ip6-src') },
] as const satisfies readonly Step[];

/**
 * Packets of others that a router hands on (`allow = forwarding`): any source but those that no router forwards. What
 * is spoken on one link alone (ARP, neighbour discovery, IGMP, MLD, DHCP, VRRP, routing) is not among them: that it
 * speaks for itself, from its own addresses.
 *
 * One stage each: the kernel follows no way of more than 16 chains (NFT_JUMP_STACK_SIZE).
 */
export const FORWARDING = {
  fromGuest: [
    {
      name: 'ip/forwarded',
      short: 'ip-fwd',
      about: 'Not of a link, not to a link: RFC 3927 §7, RFC 5771 §4.',
      steps: [
        { when: [{ field: 'ip saddr', block: IPV4_LINK_LOCALS }], so: drop('ip-src') },
        { when: [{ field: 'ip daddr', block: IPV4_LINK_GROUPS }], so: drop('ip-src') },
        { when: [{ field: 'ether daddr', is: BROADCAST_MAC }], so: drop('ip-src') },
        // DHCP is spoken on a link, and beyond it by relays from their own addresses.
        {
          when: [{ field: 'udp dport', is: 67 }],
          so: drop('ip-src'),
        },
        {
          when: [{ field: 'udp dport', is: 68 }],
          so: drop('ip-src'),
        },
        ...HANDED_ON.map(
          (is) => ({ when: [{ field: 'ip protocol', is }, { vif: 'forwarding' }], so: PERMITTED }) as const,
        ),
      ],
      otherwise: drop('ip-src'),
    },
    {
      name: 'ip6/forwarded',
      short: 'ip6-fwd',
      about: 'As for IPv4: RFC 4291 §2.5.6, §2.7.',
      steps: [
        ...OF_A_LINK,
        { when: [{ field: 'udp dport', is: 546 }], so: drop('ip6-src') },
        { when: [{ field: 'udp dport', is: 547 }], so: drop('ip6-src') },
        ...HANDED_ON6.map(
          (is) => ({ when: [{ field: 'ip6 upper-layer', is }, { vif: 'forwarding' }], so: PERMITTED }) as const,
        ),
      ],
      otherwise: drop('ip6-src'),
    },
    {
      name: 'ip6/forwarded-icmpv6',
      short: 'ip6-fwi',
      about: 'Neighbour discovery and MLD never leave their link: errors and echo do.',
      steps: [
        ...OF_A_LINK,
        { when: [{ field: 'icmpv6 type', within: [1, 4] }, { vif: 'forwarding' }], so: PERMITTED },
        { when: [{ field: 'icmpv6 type', within: [128, 129] }, { vif: 'forwarding' }], so: PERMITTED },
      ],
      otherwise: drop('ip6-src'),
    },
  ],
  toGuest: [
    {
      name: 'ip/forwarded',
      short: 'ip-fwd',
      about: 'To whom it may hand on: to any station.',
      steps: [
        { when: [{ field: 'ip daddr', block: IPV4_THIS_NETWORK }], so: drop('ip-dst') },
        { when: [{ field: 'ip daddr', block: IPV4_LOOPBACK }], so: drop('ip-dst') },
        { when: [{ field: 'ip daddr', block: IPV4_LINK_LOCALS }], so: drop('ip-dst') },
        { when: [{ field: 'ip daddr', within: IPV4_STATIONS }, { vif: 'forwarding' }], so: PERMITTED },
      ],
      otherwise: drop('ip-dst'),
    },
    {
      name: 'ip6/forwarded',
      short: 'ip6-fwd',
      about: 'As for IPv4.',
      steps: [
        { when: [{ field: 'ip6 daddr', block: IPV6_LINK_LOCALS }], so: drop('ip6-dst') },
        { when: [{ field: 'ip6 daddr', block: '::/96' }], so: drop('ip6-dst') },
        { when: [{ vif: 'forwarding' }], so: go('ip6/whole') },
      ],
      otherwise: drop('ip6-dst'),
    },
  ],
} as const satisfies BothWays;
