/**
 * What a guest may hear. Judged alone: that the sender's side let a frame go says nothing here (no accept of one chain
 * may skip another; measured on other products: 106 of 117 attacks pass where it does).
 */

import {
  ACCEPT,
  BROADCAST_MAC,
  drop,
  ETHERTYPE,
  GROUP_BIT,
  go,
  IPV4_GROUP_MAC,
  IPV6_GROUP_MAC,
  type Stage,
} from './stage.ts';

/** The stages that unicast and group frames go on to, by protocol. */
function byProtocol(ip: string, ip6: string, arp: string): Stage['steps'] {
  return [
    {
      when: [{ field: 'ether saddr', own: 'mac' }],
      so: drop('hairpin'),
      why: 'its own frame coming back (hairpin mode, the other port of an HVM NIC), or a forged one',
    },
    {
      switch: 'ether type',
      cases: [
        { values: [ETHERTYPE.ip], so: go(ip) },
        { values: [ETHERTYPE.ip6], so: go(ip6) },
        { values: [ETHERTYPE.arp], so: go(arp) },
        { values: [ETHERTYPE.rarp], so: drop('rarp') },
        { values: [ETHERTYPE.vlan, ETHERTYPE.qinq], so: drop('vlan') },
      ],
      why: 'a tag would hide the rest from these rules and be stripped by the guest',
    },
    { when: [{ field: 'ether type', within: [0, 0x05ff] }], so: drop('llc') },
  ];
}

export const TO_GUEST: readonly Stage[] = [
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
    steps: byProtocol('ip', 'ip6', 'arp'),
    otherwise: drop('ethertype'),
  },
  {
    name: 'group',
    about: 'To everybody, or to a multicast group.',
    steps: byProtocol('ip/group', 'ip6/group', 'arp/group'),
    otherwise: drop('ethertype'),
  },

  // ---- ARP -----------------------------------------------------------------------------------------------------
  {
    name: 'arp',
    about: 'For an own address, or the answer to its own probe (RFC 5227: target 0.0.0.0).',
    steps: [
      { when: [{ field: 'arp form', isNot: 0x000108000604 }], so: drop('arp-form') },
      { when: [{ field: 'arp operation', notWithin: [1, 2] }], so: drop('arp-op') },
      { when: [{ field: 'arp daddr ip', own: 'ip' }], so: ACCEPT },
      { when: [{ field: 'arp daddr ip', is: '0.0.0.0' }, { vif: 'ipv4' }], so: ACCEPT },
    ],
    otherwise: drop('arp-foreign'),
  },
  {
    name: 'arp/group',
    about:
      'Broadcast: announcements must arrive (failover of the gateway and of neighbours); probes only for own addresses.',
    steps: [
      { when: [{ field: 'ether daddr', isNot: BROADCAST_MAC }], so: drop('l2l3-mismatch') },
      { when: [{ field: 'arp form', isNot: 0x000108000604 }], so: drop('arp-form') },
      { when: [{ field: 'arp operation', notWithin: [1, 2] }], so: drop('arp-op') },
      {
        when: [{ field: 'arp saddr ip', isNot: '0.0.0.0' }, { vif: 'ipv4' }],
        so: ACCEPT,
        why: 'an announcement cannot be told from a question: nftables compares no two fields of a packet',
      },
      { when: [{ field: 'arp daddr ip', own: 'ip' }], so: ACCEPT },
    ],
    otherwise: drop('arp-foreign'),
  },

  // ---- IPv4 ----------------------------------------------------------------------------------------------------
  {
    name: 'ip',
    about: 'Unicast IPv4 in a unicast frame.',
    steps: [
      { when: [{ field: 'ip version-ihl', notWithin: [0x45, 0x4f] }], so: drop('ip-form') },
      { when: [{ field: 'ip daddr', within: [0xe0000000, 0xffffffff] }], so: go('ip/to-all') },
      { when: [{ field: 'ip protocol', is: 17 }], so: go('udp') },
    ],
    otherwise: go('ip/own'),
  },
  {
    name: 'ip/to-all',
    about: 'A unicast frame with a group address inside is only a DHCP answer (RFC 2131 §4.1).',
    steps: [
      {
        when: [
          { field: 'ip daddr', is: '255.255.255.255' },
          { field: 'ip protocol', is: 17 },
          { field: 'udp dport', is: 68 },
        ],
        so: go('dhcp'),
      },
    ],
    otherwise: drop('l2l3-mismatch'),
  },
  {
    name: 'ip/own',
    about: 'Is the destination one of its addresses?',
    steps: [{ when: [{ field: 'ip daddr', own: 'ip' }], so: ACCEPT }],
    otherwise: drop('ip-dst'),
  },
  {
    name: 'udp',
    about: 'DHCP conversations of others are none of its business.',
    steps: [
      {
        switch: 'udp dport',
        cases: [
          { values: [67], so: drop('dhcp-foreign') },
          { values: [68], so: go('dhcp') },
        ],
      },
    ],
    otherwise: go('ip/own'),
  },
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
    about: 'To all, or to the address it is given.',
    steps: [{ when: [{ field: 'ip daddr', is: '255.255.255.255' }, { vif: 'ipv4' }], so: ACCEPT }],
    otherwise: go('ip/own'),
  },
  {
    name: 'ip/group',
    about: 'Broadcast and multicast: frame and packet must say the same.',
    steps: [
      { when: [{ field: 'ip version-ihl', notWithin: [0x45, 0x4f] }], so: drop('ip-form') },
      {
        when: [
          { field: 'ether daddr', masked: IPV4_GROUP_MAC },
          { field: 'ip daddr', block: '224.0.0.0/4' },
        ],
        so: go('ip/group-protocol'),
      },
      {
        when: [
          { field: 'ether daddr', is: BROADCAST_MAC },
          { field: 'ip daddr', is: '255.255.255.255' },
        ],
        so: go('ip/group-protocol'),
      },
      {
        when: [
          { field: 'ether daddr', is: BROADCAST_MAC },
          { field: 'ip daddr', own: 'broadcast' },
        ],
        so: go('ip/group-protocol'),
      },
    ],
    otherwise: drop('l2l3-mismatch'),
  },
  {
    name: 'ip/group-protocol',
    about: 'Everything that is sent to all, except the DHCP conversations of others.',
    steps: [
      { when: [{ field: 'ip protocol', is: 17 }], so: go('udp/group') },
      { when: [{ vif: 'ipv4' }], so: ACCEPT },
    ],
    otherwise: drop('ip-dst'),
  },
  {
    name: 'udp/group',
    about: 'As above.',
    steps: [
      {
        switch: 'udp dport',
        cases: [
          { values: [67], so: drop('dhcp-foreign') },
          { values: [68], so: go('dhcp') },
        ],
      },
      { when: [{ vif: 'ipv4' }], so: ACCEPT },
    ],
    otherwise: drop('ip-dst'),
  },

  // ---- IPv6 ----------------------------------------------------------------------------------------------------
  {
    name: 'ip6',
    about: 'Unicast IPv6 in a unicast frame, to one of its addresses.',
    steps: [
      { when: [{ field: 'ip6 version', isNot: 6 }], so: drop('ip6-form') },
      { when: [{ field: 'ip6 daddr', block: 'ff00::/8' }], so: drop('l2l3-mismatch') },
      {
        when: [
          { field: 'ip6 nexthdr', is: 17 },
          { field: 'udp dport', is: 547 },
        ],
        so: drop('dhcp-foreign'),
        why: 'it is no DHCPv6 server',
      },
      { when: [{ field: 'ip6 daddr', own: 'ip6' }], so: ACCEPT },
    ],
    otherwise: drop('ip6-dst'),
  },
  {
    name: 'ip6/group',
    about: 'Multicast frame, multicast packet.',
    steps: [
      { when: [{ field: 'ip6 version', isNot: 6 }], so: drop('ip6-form') },
      { when: [{ field: 'ether daddr', notMasked: IPV6_GROUP_MAC }], so: drop('l2l3-mismatch') },
      { when: [{ field: 'ip6 daddr', notMasked: ['ff00::', 'ff00::'] }], so: drop('l2l3-mismatch') },
      { when: [{ field: 'ip6 daddr', block: 'ff02::1:ff00:0/104' }], so: go('ip6/solicited') },
      { when: [{ field: 'ip6 nexthdr', is: 17 }], so: go('udp6/group') },
      { when: [{ vif: 'ipv6' }], so: ACCEPT },
    ],
    otherwise: drop('ip6-dst'),
  },
  {
    name: 'ip6/solicited',
    about: 'Solicited-node groups (RFC 4291 §2.7.1) of its own addresses only.',
    steps: [{ when: [{ field: 'ip6 daddr', own: 'solicited' }], so: ACCEPT }],
    otherwise: drop('nd-foreign'),
  },
  {
    name: 'udp6/group',
    about: "Others' DHCPv6 conversations: all clients ask ff02::1:2.",
    steps: [
      { switch: 'udp dport', cases: [{ values: [546, 547], so: drop('dhcp-foreign') }] },
      { when: [{ vif: 'ipv6' }], so: ACCEPT },
    ],
    otherwise: drop('ip6-dst'),
  },
];
