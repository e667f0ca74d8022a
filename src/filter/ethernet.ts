/**
 * Who sends, and for whom it is: asked about every frame, before anything else is.
 *
 * Towards a guest each frame is judged alone: that the sender's side let it go says nothing here (no accept of one
 * chain may skip another; measured on other products: 106 of 117 attacks pass where it does).
 */
import { ACCEPT, type BothWays, drop, go, type Stage, type Step } from './stage.ts';
import { OTHER_VLAN, ownVlan } from './vlan.ts';
import { ETHERTYPE, GROUP_BIT, LINK_LOCAL_MAC, LLC_LENGTHS } from './wire.ts';

/**
 * A type that the vif may use besides; nobody looks inside. Not to the groups of the link itself: they are for
 * bridges.
 */
const OWN_TYPE = {
  when: [
    { field: 'ether daddr', notMasked: LINK_LOCAL_MAC },
    { field: 'ether type', own: 'ethertype' },
  ],
  so: ACCEPT,
  why: '`allow`',
} as const satisfies Step;

/** IEEE 802.1AB: to the nearest bridge, and to those further on. */
const LLDP = {
  when: [
    { field: 'ether type', is: ETHERTYPE.lldp },
    { field: 'ether daddr', masked: LINK_LOCAL_MAC },
    { vif: 'lldp' },
  ],
  so: ACCEPT,
  why: '`allow`, on a bridge that forwards it',
} as const satisfies Step;

/**
 * Its own frame coming back (hairpin mode, the other port of an HVM NIC), or a forged one. Of a MAC that moves between
 * guests (VRRP), who has it not now must hear who has it.
 */
const FROM_ITSELF = [
  { field: 'ether saddr', own: 'mac' },
  { field: 'ether saddr', notOwn: 'extra' },
] as const satisfies Step['when'];

/** The stages that unicast and group frames go on to, by protocol. */
function byProtocol<const Ip extends string, const Ip6 extends string, const Arp extends string>(
  ip: Ip,
  ip6: Ip6,
  arp: Arp,
) {
  return [
    {
      switch: 'ether type',
      cases: [
        { values: [ETHERTYPE.ip], so: go(ip) },
        { values: [ETHERTYPE.ip6], so: go(ip6) },
        { values: [ETHERTYPE.arp], so: go(arp) },
        { values: [ETHERTYPE.rarp], so: drop('rarp') },
        { values: [ETHERTYPE.qinq], so: drop('vlan') },
      ],
    },
    ownVlan(ETHERTYPE.ip, ip),
    ownVlan(ETHERTYPE.ip6, ip6),
    ownVlan(ETHERTYPE.arp, arp),
    OTHER_VLAN,
    { when: [{ field: 'ether type', within: LLC_LENGTHS }], so: drop('llc') },
    OWN_TYPE,
  ] as const satisfies Stage['steps'];
}

/** Source and destination MAC, and what the frame carries. */
export const ETHERNET = {
  fromGuest: [
    {
      name: 'start',
      about: 'Who sends? Everything else is only asked about a frame with the right source MAC.',
      steps: [
        {
          when: [{ field: 'ether saddr', notOwn: 'mac' }],
          so: go('stranger'),
          why: 'before the bridge learns: a drop in forward is too late (LP#1732294)',
        },
        {
          switch: 'ether type',
          cases: [
            { values: [ETHERTYPE.ip], so: go('ip') },
            { values: [ETHERTYPE.ip6], so: go('ip6') },
            { values: [ETHERTYPE.arp], so: go('arp') },
            { values: [ETHERTYPE.rarp], so: go('rarp') },
            { values: [ETHERTYPE.qinq], so: drop('vlan') },
          ],
          why: 'the outer type, never the inner one of a tagged frame (CVE-2021-27854)',
        },
        ownVlan(ETHERTYPE.ip, 'ip'),
        ownVlan(ETHERTYPE.ip6, 'ip6'),
        ownVlan(ETHERTYPE.arp, 'arp'),
        ownVlan(ETHERTYPE.rarp, 'rarp'),
        OTHER_VLAN,
        {
          when: [{ field: 'ether type', within: LLC_LENGTHS }],
          so: drop('llc'),
          why: 'IEEE 802.3: below 0x0600 it is a length (CVE-2021-27861)',
        },
        OWN_TYPE,
        LLDP,
      ],
      otherwise: drop('ethertype'),
    },
    {
      name: 'stranger',
      short: 'alien',
      about: 'A source MAC that is not the own one: exempt ports may, nobody else.',
      steps: [
        {
          when: [{ vif: 'open' }],
          so: ACCEPT,
          why: 'unrestricted by policy, or running before our first load',
        },
        { when: [{ vif: 'denied' }], so: drop('no-address'), why: 'no_ip = deny' },
        { when: [{ vif: 'managed' }], so: drop('mac-src') },
      ],
      otherwise: drop('unmanaged'),
    },
  ],
  toGuest: [
    {
      name: 'start',
      about: 'For whom is it?',
      steps: [
        { when: [{ field: 'ether daddr', own: 'mac' }], so: go('unicast') },
        { when: [{ vif: 'open' }], so: ACCEPT },
        { when: [{ vif: 'denied' }], so: drop('no-address'), why: 'no_ip = deny' },
        { when: [{ field: 'ether daddr', masked: GROUP_BIT }, { vif: 'managed' }], so: go('group') },
        {
          when: [{ vif: 'managed' }],
          so: drop('not-for-me'),
          why: 'flooded because the bridge does not know the owner',
        },
      ],
      otherwise: drop('unmanaged'),
    },
    {
      name: 'unicast',
      about: 'To its own MAC.',
      steps: [{ when: FROM_ITSELF, so: go('hairpin') }, ...byProtocol('ip', 'ip6', 'arp')],
      otherwise: drop('ethertype'),
    },
    {
      name: 'hairpin',
      about: 'From its own MAC: only who says so hears it. It may be forged, too, and nobody can tell.',
      steps: [{ when: [{ vif: 'hairpin' }], so: go('hairpin/type') }],
      otherwise: drop('hairpin'),
    },
    {
      name: 'hairpin/type',
      short: 'hp-type',
      about: 'What this host has translated back to it (DNAT to an own address) is IPv4 or IPv6.',
      steps: [
        {
          switch: 'ether type',
          cases: [
            { values: [ETHERTYPE.ip], so: go('ip/hairpin') },
            { values: [ETHERTYPE.ip6], so: go('ip6/hairpin') },
          ],
        },
      ],
      otherwise: drop('hairpin'),
    },
    {
      name: 'group',
      about: 'To everybody, or to a multicast group.',
      steps: [{ when: FROM_ITSELF, so: drop('hairpin') }, ...byProtocol('ip/group', 'ip6/group', 'arp/group'), LLDP],
      otherwise: drop('ethertype'),
    },
  ],
} as const satisfies BothWays;
