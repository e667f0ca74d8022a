import { ACCEPT, type BothWays, drop, go, type Step } from './stage.ts';
import {
  ANY_IPV4,
  ARP_FORM,
  ARP_OPERATIONS,
  BROADCAST_MAC,
  GROUP_BIT,
  IPV4_LOOPBACK,
  IPV4_MANY,
  IPV4_THIS_NETWORK,
  RARP_FORM,
} from './wire.ts';

/** RFC 5227 §2.1.1: somebody has the address that it asks for. It must hear it, or both would use it. */
const ANSWER_TO_PROBE = {
  when: [{ field: 'arp operation', is: 2 }, { field: 'arp daddr ip', is: '0.0.0.0' }, { vif: 'ipv4' }],
  so: ACCEPT,
  why: 'the answer to its own probe',
} as const satisfies Step;
const CLAIM_OF_OWN = {
  when: [{ field: 'arp saddr ip', own: 'sole' }],
  so: drop('own-address'),
} as const satisfies Step;

/** ARP (RFC 826), and what is left of RARP (RFC 903). */
export const ARP = {
  fromGuest: [
    {
      name: 'arp',
      about: 'RFC 826 in its one canonical form, speaking for nobody else.',
      steps: [
        {
          when: [{ field: 'arp form', isNot: ARP_FORM }],
          so: drop('arp-form'),
          why: 'Linux takes hrd 6 as Ethernet too',
        },
        { when: [{ field: 'arp operation', notWithin: ARP_OPERATIONS }], so: drop('arp-op') },
        {
          when: [{ field: 'arp saddr ether', notOwn: 'mac' }],
          so: drop('arp-sha'),
          why: 'Linux even takes broadcast and group addresses here',
        },
        {
          when: [
            { field: 'ether daddr', masked: GROUP_BIT },
            { field: 'ether daddr', isNot: BROADCAST_MAC },
          ],
          so: drop('l2l3-mismatch'),
          why: 'RFC 826: to one station or to all',
        },
        {
          when: [
            { field: 'arp operation', is: 1 },
            { field: 'arp saddr ip', is: '0.0.0.0' },
            { field: 'arp daddr ip', own: 'ip' },
          ],
          so: go('arp/limit'),
          why: 'a probe for an own address (RFC 5227 §2.1.1)',
        },
        { when: [{ field: 'arp saddr ip', is: '0.0.0.0' }], so: drop('arp-probe'), why: 'RFC 5227 §2.1.1' },
        { when: [{ field: 'arp saddr ip', block: IPV4_THIS_NETWORK }], so: drop('arp-spa') },
        { when: [{ field: 'arp saddr ip', block: IPV4_LOOPBACK }], so: drop('arp-spa') },
        {
          when: [{ field: 'arp saddr ip', within: IPV4_MANY }],
          so: drop('arp-spa'),
          why: "nobody's, of any address too",
        },
        { when: [{ field: 'arp saddr ip', own: 'ip' }], so: go('arp/whole') },
        { when: [{ field: 'arp saddr ip', own: 'route' }, { vif: 'proxy-arp' }], so: go('arp/whole'), why: '`allow`' },
      ],
      otherwise: drop('arp-spa'),
    },
    {
      name: 'arp/whole',
      short: 'arp-all',
      about: 'All 28 bytes must be there.',
      steps: [{ when: [{ field: 'arp daddr ip', within: ANY_IPV4 }, { vif: 'ipv4' }], so: go('arp/limit') }],
      otherwise: drop('arp-form'),
    },
    {
      name: 'rarp',
      about: 'Only the announcement that QEMU and Xen send after a migration: "I am here", no addresses.',
      steps: [
        {
          when: [
            { field: 'rarp form', is: RARP_FORM },
            { field: 'ether daddr', is: BROADCAST_MAC },
            { field: 'rarp saddr ether', own: 'mac' },
            { field: 'rarp daddr ether', own: 'mac' },
            { field: 'rarp saddr ip', is: '0.0.0.0' },
            { field: 'rarp daddr ip', is: '0.0.0.0' },
          ],
          so: go('arp/limit'),
          why: 'RFC 903, QEMU net/announce.c',
        },
      ],
      otherwise: drop('rarp'),
    },
    {
      name: 'arp/limit',
      short: 'arp-lim',
      about: 'All else was asked: a flood of what is forged takes nothing from what is right.',
      steps: [
        { when: [{ over: 'arp' }], so: drop('limit-arp') },
        { when: [{ vif: 'managed' }], so: ACCEPT },
      ],
      otherwise: drop('unmanaged'),
    },
  ],
  toGuest: [
    {
      name: 'arp',
      about: 'For an own address, or the answer to its own probe (RFC 5227: target 0.0.0.0).',
      steps: [
        { when: [{ field: 'arp form', isNot: ARP_FORM }], so: drop('arp-form') },
        { when: [{ field: 'arp operation', notWithin: ARP_OPERATIONS }], so: drop('arp-op') },
        ANSWER_TO_PROBE,
        CLAIM_OF_OWN,
        { when: [{ field: 'arp daddr ip', own: 'ip' }], so: ACCEPT },
        { when: [{ field: 'arp daddr ip', is: '0.0.0.0' }, { vif: 'ipv4' }], so: ACCEPT },
        { when: [{ field: 'arp daddr ip', own: 'route' }, { vif: 'proxy-arp' }], so: ACCEPT, why: '`allow`' },
      ],
      otherwise: drop('arp-foreign'),
    },
    {
      name: 'arp/group',
      short: 'arp-grp',
      about:
        'Broadcast: announcements must arrive (failover of the gateway and of neighbours); probes only for own addresses.',
      steps: [
        { when: [{ field: 'ether daddr', isNot: BROADCAST_MAC }], so: drop('l2l3-mismatch') },
        { when: [{ field: 'arp form', isNot: ARP_FORM }], so: drop('arp-form') },
        { when: [{ field: 'arp operation', notWithin: ARP_OPERATIONS }], so: drop('arp-op') },
        ANSWER_TO_PROBE,
        CLAIM_OF_OWN,
        {
          when: [
            { field: 'arp saddr ip', isNot: '0.0.0.0' },
            { field: 'arp daddr ip', within: ANY_IPV4 },
            { vif: 'ipv4' },
          ],
          so: ACCEPT,
          why: 'an announcement cannot be told from a question: nftables compares no two fields of a packet',
        },
        { when: [{ field: 'arp daddr ip', own: 'ip' }], so: ACCEPT },
      ],
      otherwise: drop('arp-foreign'),
    },
  ],
} as const satisfies BothWays;
