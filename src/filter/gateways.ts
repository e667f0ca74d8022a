import { Failure } from '../errors.ts';
import type { IpPrefix } from '../net/ip-prefix.ts';
import { makePrefix } from '../net/ip-prefix.ts';
import { eui64LinkLocal, type MacAddress } from '../net/mac-address.ts';
import { type OwnTerms, solicitedNodes } from './own-terms.ts';
import type { Direction } from './reasons.ts';
import { drop, go, type Stage } from './stage.ts';
import { BROADCAST_MAC, ETHERTYPE, GROUP_BIT, PROTOCOL } from './wire.ts';

/**
 * `gateways` of the policy: a guest that speaks with a few stations of its segment alone, and with all others by way of
 * them. It is asked before everything else, and a frame either goes on to what all are asked or is dropped: so nobody
 * may do more because of it.
 *
 * What decides is the MAC of the other station: a guest writes there what it likes, whatever it was told by ARP. To all
 * it may send what it needs to find these stations, to be found by them, and to get an address.
 */
export interface Gateways {
  readonly macs: readonly MacAddress[];
  /** Single addresses: whom of them it may ask for by ARP and ND; none: not said. */
  readonly addresses: readonly IpPrefix[];
}

export const NO_GATEWAYS: Gateways = { macs: [], addresses: [] };

/** True if it may not speak with everybody. */
export function namesGateways({ macs, addresses }: Gateways): boolean {
  return macs.length + addresses.length > 0;
}

const ON = go('start');

/** Before the stages of each direction. Their names are none of those. */
export const GATES = {
  'from-guest': [
    {
      name: 'gateways',
      short: 'gw',
      about: 'It speaks with its gateways only.',
      steps: [
        { when: [{ field: 'ether daddr', own: 'gateway' }], so: ON },
        { when: [{ field: 'ether daddr', notMasked: GROUP_BIT }], so: drop('gateway') },
        {
          switch: 'ether type',
          cases: [
            { values: [ETHERTYPE.arp], so: go('gateways/arp') },
            { values: [ETHERTYPE.ip], so: go('gateways/ip') },
            { values: [ETHERTYPE.ip6], so: go('gateways/ip6') },
            // Where it is, after a migration: bridges must hear it.
            { values: [ETHERTYPE.rarp], so: ON },
          ],
        },
      ],
      otherwise: drop('gateway'),
    },
    {
      name: 'gateways/arp',
      short: 'gw-arp',
      about: 'It asks for them, and says what is its own.',
      steps: [
        { when: [{ field: 'arp daddr ip', own: 'gateway4' }], so: ON },
        { when: [{ field: 'arp daddr ip', own: 'ip' }], so: ON },
        { when: [{ vif: 'asks-anybody' }], so: ON },
      ],
      otherwise: drop('gateway'),
    },
    {
      name: 'gateways/ip',
      short: 'gw-ip',
      about: 'Of IPv4 to all, DHCP.',
      steps: [
        {
          when: [
            { field: 'ether daddr', is: BROADCAST_MAC },
            { field: 'ip protocol', is: PROTOCOL.udp },
            { field: 'udp dport', is: 67 },
          ],
          so: ON,
        },
      ],
      otherwise: drop('gateway'),
    },
    {
      name: 'gateways/ip6',
      short: 'gw-ip6',
      about: 'Of IPv6 to all, DHCPv6, neighbour discovery, and the reports of MLD that a bridge needs for it.',
      steps: [
        {
          switch: 'ip6 nexthdr',
          cases: [
            { values: [PROTOCOL.udp], so: go('gateways/udp6') },
            { values: [PROTOCOL.icmpv6], so: go('gateways/nd') },
            { values: [PROTOCOL.hopopts], so: ON },
          ],
        },
      ],
      otherwise: drop('gateway'),
    },
    {
      name: 'gateways/udp6',
      short: 'gw-udp6',
      about: 'To servers and relays.',
      steps: [{ when: [{ field: 'udp dport', is: 547 }], so: ON }],
      otherwise: drop('gateway'),
    },
    {
      name: 'gateways/nd',
      short: 'gw-nd',
      about: 'Who is a router, where are they, and what is its own.',
      steps: [
        {
          switch: 'icmpv6 type',
          cases: [
            { values: [133], so: ON },
            { values: [135], so: go('gateways/ns') },
            { values: [136], so: ON },
          ],
        },
      ],
      otherwise: drop('gateway'),
    },
    {
      name: 'gateways/ns',
      short: 'gw-ns',
      about: 'As ARP. Only who has joined the group hears it.',
      steps: [
        { when: [{ field: 'ip6 daddr', own: 'gatewayGroups' }], so: ON },
        { when: [{ field: 'ip6 saddr', is: '::' }], so: ON },
        { when: [{ vif: 'asks-anybody' }], so: ON },
      ],
      otherwise: drop('gateway'),
    },
  ],
  'to-guest': [
    {
      name: 'gateways',
      short: 'gw',
      about: 'It hears its gateways only, and what a DHCP server answers.',
      steps: [
        { when: [{ field: 'ether saddr', own: 'gateway' }], so: ON },
        {
          switch: 'ether type',
          cases: [
            { values: [ETHERTYPE.ip], so: go('gateways/ip') },
            { values: [ETHERTYPE.ip6], so: go('gateways/ip6') },
          ],
        },
      ],
      otherwise: drop('gateway'),
    },
    {
      name: 'gateways/ip',
      short: 'gw-ip',
      about: 'To DHCP clients.',
      steps: [
        {
          when: [
            { field: 'ip protocol', is: PROTOCOL.udp },
            { field: 'udp dport', is: 68 },
          ],
          so: ON,
        },
      ],
      otherwise: drop('gateway'),
    },
    {
      name: 'gateways/ip6',
      short: 'gw-ip6',
      about: 'To DHCPv6 clients.',
      steps: [
        {
          when: [
            { field: 'ip6 nexthdr', is: PROTOCOL.udp },
            { field: 'udp dport', is: 546 },
          ],
          so: ON,
        },
      ],
      otherwise: drop('gateway'),
    },
  ],
} as const satisfies Readonly<Record<Direction, readonly Stage[]>>;

export type GateName = (typeof GATES)[Direction][number]['name'];

/**
 * The same terms of a vif that speaks with these only.
 *
 * @param known MACs that this host knows of their addresses
 * @throws Failure `input` if no MAC is known of any of them
 */
export function gatedTerms(terms: OwnTerms, { macs, addresses }: Gateways, known: readonly MacAddress[]): OwnTerms {
  const all = [...new Set([...macs, ...(addresses.length === 0 ? [] : known)])];
  if (all.length === 0) {
    const texts = addresses.map(({ text }) => text).join(' ');
    throw new Failure('input', `no MAC address of ${texts} is known`, {
      at: 'gateways of the policy',
      hint: `write it beside the address, as in gateways = ${texts} 00:00:5e:00:01:01`,
    });
  }
  const of6 = addresses.filter(({ family }) => family === 6);
  const local = all.map((mac) => makePrefix(eui64LinkLocal(mac), 128));
  return {
    ...terms,
    values: {
      ...terms.values,
      gateway: all,
      gateway4: addresses.flatMap(({ family, text }) => (family === 4 ? [text] : [])),
      gatewayGroups: addresses.length === 0 ? [] : solicitedNodes([...of6, ...local]),
    },
    flags: [...terms.flags, 'gated', ...(addresses.length === 0 ? (['asks-anybody'] as const) : [])],
  };
}
