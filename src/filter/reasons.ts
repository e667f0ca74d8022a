/**
 * Why a frame is dropped: one word, used as the kernel's counter, in `status`, in the log, and as the row of the
 * README's table. `code` is what the kernel counts under; it must never change its meaning, so new reasons get new
 * numbers. `stops` completes the sentence "A guest cannot ...", or "A guest does not hear ..." for `to-guest`.
 */
export interface ReasonEntry {
  readonly code: number;
  readonly from?: string;
  readonly to?: string;
}

export const REASONS = {
  unmanaged: { code: 1, from: 'send through a vif that was never configured', to: 'anything on such a vif' },
  'no-address': { code: 2, from: 'send at all while `no_ip = deny` and it has no address', to: 'anything then' },
  'mac-src': { code: 3, from: 'send with a source MAC that is not its own (or capture one in the bridge)' },
  vlan: { code: 4, from: 'send VLAN tags (802.1Q, 802.1ad, stacked, priority)', to: 'tagged frames' },
  llc: {
    code: 5,
    from: 'send 802.3/LLC/SNAP frames (STP, CDP, IS-IS, SNAP-wrapped ARP and IP)',
    to: 'STP, CDP and the like',
  },
  'link-local': {
    code: 6,
    from: 'reach the link-local groups 01:80:c2:00:00:0x (STP, LACP, EAPOL, LLDP)',
    to: 'them either',
  },
  ethertype: {
    code: 7,
    from: 'use any protocol but IPv4, IPv6 and ARP (MPLS, PPPoE, QinQ, AoE, ...)',
    to: 'other protocols',
  },
  'l2l3-mismatch': { code: 8, from: 'put unicast IP into broadcast frames or the other way round', to: 'such frames' },
  'not-for-me': { code: 9, to: 'unicast frames of others (flooding, ageing, sniffing)' },
  gateway: {
    code: 57,
    from: 'speak with another station than its `gateways`',
    to: 'what comes from another station than its `gateways`',
  },
  hairpin: { code: 10, to: 'frames that bear its own MAC as source' },
  'arp-form': { code: 11, from: 'send ARP that is not the 28-byte Ethernet/IPv4 form', to: 'such ARP' },
  'arp-op': { code: 12, from: 'send ARP operations but request and reply', to: 'them' },
  'arp-sha': { code: 13, from: 'claim another MAC inside ARP' },
  'arp-spa': { code: 14, from: 'claim another address by ARP (poisoning, gratuitous takeover)' },
  'arp-probe': { code: 15, from: "probe for another's address to make it give up (RFC 5227)" },
  'arp-foreign': { code: 16, to: "ARP probes and unicast ARP for others' addresses" },
  rarp: { code: 17, from: 'send RARP but the announcement of its own MAC', to: 'RARP' },
  'ip-form': { code: 20, from: 'send malformed IPv4', to: 'malformed IPv4' },
  'ip-opt': { code: 21, from: 'send IPv4 options (source routing, record route)' },
  'ip-src': { code: 22, from: "send from another's IPv4 address" },
  'ip-dst': { code: 23, to: 'IPv4 for others that is sent to its MAC' },
  'own-address': { code: 39, to: 'what bears one of its own addresses as source, or claims it by ARP' },
  'icmp-redirect': { code: 24, from: 'send ICMP redirects' },
  'icmp-router': { code: 25, from: 'send ICMP router advertisements (RFC 1256)' },
  'icmp-type': { code: 26, from: 'send unusual ICMP types' },
  'icmp-quote': { code: 37, from: 'send ICMP or ICMPv6 errors about packets that were not sent to it' },
  'ip-protocol': {
    code: 38,
    from: 'use IPv4 protocols but ICMP, IGMP, TCP, UDP, DCCP, GRE, ESP, AH, SCTP and UDP-Lite',
  },
  'igmp-query': { code: 27, from: 'become the IGMP querier' },
  'igmp-type': { code: 28, from: 'send unusual IGMP types' },
  mrd: { code: 29, from: 'announce itself as a multicast router (MRD)' },
  fhrp: { code: 30, from: 'take over a gateway by VRRP, CARP, HSRP or GLBP' },
  routing: { code: 31, from: 'speak OSPF, PIM, EIGRP, RIP, Babel, LDP' },
  tunnel: { code: 32, from: 'carry IP in bare IP (protocols 4, 41, 94, 97, 115, 137)' },
  'dhcp-server': { code: 33, from: 'answer DHCP clients, from whatever port' },
  'dhcp-chaddr': { code: 34, from: "ask, release or starve DHCP leases in another's name" },
  'dhcp-form': { code: 35, from: 'send DHCP that is not the plain client form (relayed, fragmented)' },
  'dhcp-foreign': { code: 36, to: "other guests' DHCP conversations" },
  'ip6-form': { code: 40, from: 'send malformed IPv6', to: 'malformed IPv6' },
  'ip6-src': { code: 41, from: "send from another's IPv6 address, or from ::" },
  'ip6-dst': { code: 42, to: 'IPv6 for others that is sent to its MAC' },
  'ip6-ext': { code: 43, from: 'send IPv6 extension headers (routing header, home address, RA-guard evasion)' },
  ra: { code: 44, from: 'send router advertisements, however wrapped' },
  'nd-redirect': { code: 45, from: 'send ND redirects' },
  'nd-ext': { code: 46, from: 'hide neighbour discovery behind extension headers or fragments' },
  'nd-form': { code: 47, from: 'send neighbour discovery that is not in canonical form' },
  'nd-lla': { code: 48, from: 'claim another MAC inside neighbour discovery' },
  // 49 was `nd-router`.
  'nd-target': {
    code: 50,
    from: "advertise or probe another's IPv6 address",
    to: 'advertisements of its own addresses by others',
  },
  'nd-foreign': { code: 51, to: 'neighbour solicitations for others' },
  'icmp6-type': { code: 52, from: 'send unusual ICMPv6 types' },
  'mld-query': { code: 53, from: 'become the MLD querier' },
  'mld-form': { code: 54, from: 'send MLD that is not in canonical form' },
  'dhcp6-server': { code: 55, from: 'answer DHCPv6 clients, from whatever port' },
  rule: { code: 90, from: 'send what its own rules or filter do not allow', to: 'what these do not let in' },
  'rule-flood': { code: 91, from: 'begin too many conversations at once', to: 'too many new ones at once' },
  'dhcp6-form': { code: 56, from: 'send DHCPv6 relay or server messages' },
  'limit-arp': { code: 70, from: 'send more ARP than `limit_arp` allows' },
  'limit-broadcast': { code: 71, from: 'send more IPv4 packets to all than `limit_broadcast` allows' },
  'limit-multicast': { code: 72, from: 'send more IP packets to groups than `limit_multicast` allows' },
  'limit-dhcp': { code: 73, from: 'send more DHCP or DHCPv6 than `limit_dhcp` allows' },
  'limit-nd': { code: 74, from: 'send more neighbour discovery than `limit_nd` allows' },
  'limit-igmp': { code: 75, from: 'send more reports of IGMP and MLD than `limit_igmp` allows' },
} as const satisfies Record<string, ReasonEntry>;

export type Reason = keyof typeof REASONS;

/** All reasons in the order of their numbers. */
export const ALL_REASONS = (Object.keys(REASONS) as Reason[]).sort((a, b) => REASONS[a].code - REASONS[b].code);

/** The side a frame is judged on: what a guest sends, or what it may hear. Each is judged alone. */
export const DIRECTIONS = ['from-guest', 'to-guest'] as const;
export type Direction = (typeof DIRECTIONS)[number];

/** Added to a reason's code for `to-guest`, so that one kernel set holds both directions. */
const TO_GUEST_OFFSET = 0x100;

/** The number under which the kernel counts drops of this reason and direction. */
export function counterCode(direction: Direction, reason: Reason): number {
  return REASONS[reason].code + (direction === 'to-guest' ? TO_GUEST_OFFSET : 0);
}

/** The inverse of `counterCode`; undefined for a number that no reason has. */
export function reasonOfCode(code: number): { direction: Direction; reason: Reason } | undefined {
  const direction: Direction = code >= TO_GUEST_OFFSET ? 'to-guest' : 'from-guest';
  const reason = ALL_REASONS.find((candidate) => counterCode(direction, candidate) === code);
  return reason === undefined ? undefined : { direction, reason };
}

/**
 * What IPv4 itself needs where ebtables holds the rules: without the first two no IPv4 packet could pass, as ebtables
 * shows neither the length of the header nor that of UDP; without the third no IGMP.
 */
export const DEFAULT_GAPS = ['ip-form', 'ip-opt', 'igmp-type'] as const satisfies readonly Reason[];

/**
 * The reasons that `ebtables_gaps` may name: those whose acceptance lets something pass that would be closed. Written
 * down here, so that who reads a policy needs no compiler of rules; a test holds that compiler to it.
 */
export const POSSIBLE_GAPS = [
  ...DEFAULT_GAPS,
  'fhrp',
  'routing',
  'tunnel',
  'dhcp-chaddr',
  'dhcp-form',
  'dhcp-foreign',
  'icmp-quote',
  'ip6-form',
  'ip6-ext',
  'nd-ext',
  'nd-form',
  'nd-lla',
  'nd-target',
  'mld-form',
  'dhcp6-form',
] as const satisfies readonly Reason[];

export type Gap = (typeof POSSIBLE_GAPS)[number];

/** Gaps of what is no longer dropped: a policy that names them is still right, and they say nothing. */
export const FORMER_GAPS = ['nd-router'] as const;
