import type { Reason } from '../../filter/reasons.ts';
import type { Field, FieldValues, Test } from '../../filter/stage.ts';
import {
  ANY_IPV4,
  ANY_PROTOCOL,
  ARP_FORM,
  ETHERTYPE,
  FIRST_FRAGMENT,
  FIRST_FRAGMENT6,
  PROTOCOL,
  RARP_FORM,
  UDP_LENGTHS,
  WHOLE_PACKET,
} from '../../filter/wire.ts';

/** The options of one rule in ebtables(8)'s words, by option. A value that starts with `! ` is negated. */
export type Options = Readonly<Record<string, string>>;

/** The network protocol a stage is about: what `-p` has already said on the way to it. */
export type Protocol = 'IPv4' | 'IPv6' | 'ARP' | 'RARP';

/** How ebtables says one value of a field. */
export interface EbtField<F extends Field = Field> {
  /** The option, by the protocol it stands in. */
  readonly option: string | Readonly<Partial<Record<Protocol, string>>>;
  /** What the option cannot do without, besides `-p`. */
  readonly needs?: Options | Readonly<Partial<Record<Protocol, Options>>>;
  readonly takes: 'mac' | 'ethertype' | 'number' | 'range' | 'ipv4' | 'ipv6';
  /** Only in frames of these protocols; undefined: in any. */
  readonly in?: readonly Protocol[];
  /** Put in front of the value and behind it. */
  readonly around?: readonly [string, string];
  /** What is asked of it in another way. */
  readonly special?: readonly SpecialTest<F>[];
  /** It sees something else than its name says; only used where these reasons may be missed. */
  readonly misses?: readonly Reason[];
  /** What it sees instead, for people. */
  readonly sees?: string;
}

/** One question of the stages, which ebtables asks in words of its own. */
export interface SpecialTest<F extends Field = Field> {
  readonly of: Test<FieldValues[F]>;
  /** A frame has the value if one of these matches. */
  readonly any: readonly Options[];
  /** The alternatives say less than the value: a frame may match and not have it, or have it and not match. */
  readonly roughly?: true;
  readonly misses?: readonly Reason[];
  /** What to say instead where those may not be missed. */
  readonly strictly?: readonly Options[];
}

/** ebtables has no match for it; the text says what would have to be seen. */
export interface NoMatch<F extends Field = Field> {
  readonly unseen: string;
  readonly special?: readonly SpecialTest<F>[];
}

const ANY_MAC = '00:00:00:00:00:00/00:00:00:00:00:00';
/**
 * Not /0: ebtables-legacy 2.0.11 makes that a mask of ones (a shift of 32 bits by 32, libebtc's ebt_parse_ip_address).
 */
const ANY_IPV4_MASK = '0.0.0.0/0.0.0.0';

/**
 * RFC 826's one form for Ethernet and IPv4. A mask of zero matches any address, but only in a packet that holds one
 * where it belongs: the kernel compares hlen, hrd, plen and pro first, and wants all of it
 * (net/bridge/netfilter/ebt_arp.c).
 */
const ARP_HEADER: Options = {
  '--arp-htype': '1',
  '--arp-ptype': '0x0800',
  '--arp-mac-src': ANY_MAC,
  '--arp-ip-src': ANY_IPV4_MASK,
};

const UDP: Readonly<Partial<Record<Protocol, Options>>> = {
  IPv4: { '--ip-protocol': '17' },
  IPv6: { '--ip6-protocol': '17' },
};
const ICMPV6: Options = { '--ip6-protocol': '58' };

/**
 * Ports, ICMP and IGMP types match only where the header can be read, so never in a later fragment
 * (net/bridge/netfilter/ebt_ip.c: IP_OFFSET). So "any port" means: not a later fragment.
 */
const READABLE_IPV4: readonly Options[] = [
  { '-p': 'IPv4', '--ip-protocol': '6', '--ip-destination-port': '0:65535' },
  { '-p': 'IPv4', '--ip-protocol': '17', '--ip-destination-port': '0:65535' },
  { '-p': 'IPv4', '--ip-protocol': '1', '--ip-icmp-type': '0:255' },
  { '-p': 'IPv4', '--ip-protocol': '2', '--ip-igmp-type': '0:255' },
];
const READABLE_UDP: readonly Options[] = [
  { '-p': 'IPv4', '--ip-protocol': '17', '--ip-destination-port': '0:65535' },
  { '-p': 'IPv6', '--ip6-protocol': '17', '--ip6-destination-port': '0:65535' },
];

/** MLD (RFC 2710, RFC 3810) and multicast router discovery (RFC 4286): what hop-by-hop options are for. */
const MLD: readonly Options[] = ['130:132', '143', '151:153'].map((types) => ({
  '-p': 'IPv6',
  '--ip6-protocol': '58',
  '--ip6-icmp-type': types,
}));

const QUOTE = { unseen: 'packet that an ICMP error quotes' } as const;

/** How ebtables(8) spells each field, in both variants: legacy 2.0.11 and ebtables-nft 1.8.9. */
export const EBT_FIELDS: { readonly [F in Field]: EbtField<F> | NoMatch<F> } = {
  'ether saddr': { option: '-s', takes: 'mac' },
  'ether daddr': { option: '-d', takes: 'mac' },
  // The outer type: a tag that the card has taken off is put back for the comparison (ebt_basic_match, nft_payload).
  'ether type': { option: '-p', takes: 'ethertype' },
  'vlan id': { unseen: 'the tag of a frame, and what is behind it' },
  'vlan type': { unseen: 'what is behind a tag' },
  'arp form': { unseen: 'ARP header', special: [{ of: { isNot: ARP_FORM }, any: [ARP_HEADER] }] },
  'arp operation': { option: '--arp-opcode', takes: 'number', in: ['ARP', 'RARP'] },
  'arp saddr ether': { option: '--arp-mac-src', takes: 'mac', in: ['ARP', 'RARP'] },
  'arp saddr ip': { option: '--arp-ip-src', takes: 'ipv4', in: ['ARP', 'RARP'] },
  'arp daddr ip': {
    option: '--arp-ip-dst',
    takes: 'ipv4',
    in: ['ARP', 'RARP'],
    special: [{ of: { within: ANY_IPV4 }, any: [{ '-p': 'ARP', '--arp-ip-dst': ANY_IPV4_MASK }] }],
  },
  'rarp form': {
    unseen: 'RARP header',
    special: [{ of: { is: RARP_FORM }, any: [{ ...ARP_HEADER, '--arp-opcode': '3' }] }],
  },
  'rarp saddr ether': { option: '--arp-mac-src', takes: 'mac', in: ['RARP'] },
  'rarp saddr ip': { option: '--arp-ip-src', takes: 'ipv4', in: ['RARP'] },
  'rarp daddr ether': { option: '--arp-mac-dst', takes: 'mac', in: ['RARP'] },
  'rarp daddr ip': { option: '--arp-ip-dst', takes: 'ipv4', in: ['RARP'] },
  'ip version-ihl': { unseen: 'length of the IPv4 header' },
  'ip options': { unseen: 'IPv4 options' },
  'ip frag-off': {
    unseen: 'fragmentation of IPv4',
    special: [
      { of: { masked: FIRST_FRAGMENT }, any: READABLE_IPV4 },
      { of: { notMasked: FIRST_FRAGMENT }, any: READABLE_IPV4 },
      // A first fragment counts as a whole packet. It is judged like one, but for IGMP, of which fragments are refused.
      {
        of: { notMasked: WHOLE_PACKET },
        any: READABLE_IPV4,
        misses: ['igmp-type'],
        strictly: READABLE_IPV4.filter((options) => options['--ip-igmp-type'] === undefined),
      },
    ],
  },
  'ip protocol': {
    option: '--ip-protocol',
    takes: 'number',
    in: ['IPv4'],
    // Any source: whenever the header can be read (net/bridge/netfilter/ebt_ip.c).
    special: [{ of: { within: ANY_PROTOCOL }, any: [{ '-p': 'IPv4', '--ip-source': ANY_IPV4_MASK }] }],
  },
  'ip saddr': { option: '--ip-source', takes: 'ipv4', in: ['IPv4'] },
  'ip daddr': { option: '--ip-destination', takes: 'ipv4', in: ['IPv4'] },
  'icmp type': { option: '--ip-icmp-type', needs: { '--ip-protocol': '1' }, takes: 'range', in: ['IPv4'] },
  'icmp quoted version-ihl': QUOTE,
  'icmp quoted protocol': QUOTE,
  'icmp quoted daddr': QUOTE,
  'igmp type': { option: '--ip-igmp-type', needs: { '--ip-protocol': '2' }, takes: 'range', in: ['IPv4'] },
  'udp sport': {
    option: { IPv4: '--ip-source-port', IPv6: '--ip6-source-port' },
    needs: UDP,
    takes: 'range',
    in: ['IPv4', 'IPv6'],
  },
  'udp dport': {
    option: { IPv4: '--ip-destination-port', IPv6: '--ip6-destination-port' },
    needs: UDP,
    takes: 'range',
    in: ['IPv4', 'IPv6'],
  },
  'udp length': {
    unseen: 'length of UDP',
    special: [{ of: { within: UDP_LENGTHS }, any: READABLE_UDP, roughly: true }],
  },
  'dhcp op-htype-hlen': { unseen: 'DHCP message' },
  'dhcp ciaddr': { unseen: 'DHCP message' },
  'dhcp giaddr': { unseen: 'DHCP message' },
  'dhcp chaddr': { unseen: 'DHCP message' },
  'dhcp6 type': { unseen: 'DHCPv6 message' },
  'ip6 version': { unseen: 'IPv6 version' },
  'ip6 length': { unseen: 'length of the IPv6 packet' },
  'ip6 nexthdr': {
    option: '--ip6-protocol',
    takes: 'number',
    in: ['IPv6'],
    // net/bridge/netfilter/ebt_ip6.c: ipv6_skip_exthdr(); it stops at a later fragment only.
    sees: 'the protocol behind all extension headers',
    misses: ['nd-ext', 'ip6-ext'],
    special: [{ of: { is: PROTOCOL.hopopts }, any: MLD, misses: ['nd-ext', 'ip6-ext'] }],
  },
  'ip6 upper-layer': {
    option: '--ip6-protocol',
    takes: 'number',
    in: ['IPv6'],
    sees: 'length of the IPv6 packet',
    special: [{ of: { within: ANY_PROTOCOL }, any: [{ '-p': 'IPv6' }], roughly: true }],
  },
  'ip6 hoplimit': { unseen: 'hop limit' },
  'ip6 saddr': { option: '--ip6-source', takes: 'ipv6', in: ['IPv6'] },
  'ip6 daddr': { option: '--ip6-destination', takes: 'ipv6', in: ['IPv6'] },
  'ip6 hopopts': { unseen: 'hop-by-hop options' },
  'ip6 dstopts': { unseen: 'destination options' },
  'ip6 ah nexthdr': { unseen: 'authentication header' },
  'ip6 frag nexthdr': { unseen: 'fragment header' },
  'ip6 frag offset': {
    unseen: 'fragment header',
    // What `--ip6-protocol` calls 44 is a later fragment.
    special: [{ of: { notMasked: FIRST_FRAGMENT6 }, any: [] }],
  },
  'icmpv6 type': { option: '--ip6-icmp-type', needs: ICMPV6, takes: 'range', in: ['IPv6'] },
  'icmpv6 code': { option: '--ip6-icmp-type', needs: ICMPV6, takes: 'range', in: ['IPv6'], around: ['0:255/', ''] },
  'icmpv6 quoted version': QUOTE,
  'icmpv6 quoted nexthdr': QUOTE,
  'icmpv6 quoted frag nexthdr': QUOTE,
  'icmpv6 quoted daddr': QUOTE,
  'ra lladdr': { unseen: 'options of neighbour discovery' },
  'rs option': { unseen: 'options of neighbour discovery' },
  'rs lladdr': { unseen: 'options of neighbour discovery' },
  'nd target': { unseen: 'target of neighbour discovery' },
  'nd option': { unseen: 'options of neighbour discovery' },
  'nd lladdr': { unseen: 'options of neighbour discovery' },
};

/** How ebtables says a field, if it has words for it. */
export function ebtField(field: Field): EbtField | NoMatch {
  return EBT_FIELDS[field];
}

/** The order in which the manual and people write them. */
const OPTION_ORDER = [
  '-i',
  '-o',
  '-p',
  '-s',
  '-d',
  '--ip-protocol',
  '--ip6-protocol',
  '--ip-source',
  '--ip-destination',
  '--ip6-source',
  '--ip6-destination',
  '--ip-source-port',
  '--ip-destination-port',
  '--ip6-source-port',
  '--ip6-destination-port',
  '--ip-icmp-type',
  '--ip-igmp-type',
  '--ip6-icmp-type',
  '--arp-htype',
  '--arp-ptype',
  '--arp-opcode',
  '--arp-mac-src',
  '--arp-ip-src',
  '--arp-mac-dst',
  '--arp-ip-dst',
  '--limit',
  '--limit-burst',
] as const;

const PROTOCOL_NAMES: Readonly<Record<number, string>> = {
  [ETHERTYPE.ip]: 'IPv4',
  [ETHERTYPE.arp]: 'ARP',
  [ETHERTYPE.rarp]: 'RARP',
  [ETHERTYPE.ip6]: 'IPv6',
  [ETHERTYPE.vlan]: '802_1Q',
};

/**
 * A value of `-p`: names from /etc/ethertypes as ebtables itself prints them (its package needs netbase), else a
 * number.
 */
export function protocolName(etherType: number): string {
  return PROTOCOL_NAMES[etherType] ?? `0x${etherType.toString(16).padStart(4, '0')}`;
}

/** Options as they stand in a rule. */
export function optionText(options: Options): string[] {
  const place = (option: string): number => (OPTION_ORDER as readonly string[]).indexOf(option);
  return Object.entries(options)
    .sort(([a], [b]) => place(a) - place(b))
    .map(([option, value]) => `${option} ${value}`);
}
