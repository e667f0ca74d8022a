import type { Reason } from '../filter/reasons.ts';

/** Reasons that a reader takes for one thing, and what they stop in one line. README's summary is made of these. */
export interface ReasonClass {
  readonly name: string;
  /** Completes the sentence "A guest cannot ...". */
  readonly stops: string;
  readonly reasons: readonly Reason[];
}

/** Each reason is in exactly one of them; a test holds it. */
export const REASON_CLASSES: readonly ReasonClass[] = [
  {
    name: 'Ethernet',
    stops: "use another's MAC, send VLAN tags, STP, LLDP or other protocols, hear frames of others",
    reasons: [
      'unmanaged',
      'no-address',
      'mac-src',
      'vlan',
      'llc',
      'link-local',
      'ethertype',
      'l2l3-mismatch',
      'not-for-me',
      'hairpin',
    ],
  },
  {
    name: 'ARP',
    stops: "claim another's address, or make another give up its own",
    reasons: ['arp-form', 'arp-op', 'arp-sha', 'arp-spa', 'arp-probe', 'arp-foreign', 'rarp'],
  },
  {
    name: 'IPv4',
    stops: "send from another's address, redirect routes, use source routing",
    reasons: ['ip-form', 'ip-opt', 'ip-src', 'ip-dst', 'icmp-redirect', 'icmp-router', 'icmp-type'],
  },
  {
    name: 'Control protocols',
    stops: 'take over a gateway (VRRP, HSRP), speak OSPF, RIP or PIM, become the IGMP querier, tunnel IP in IP',
    reasons: ['igmp-query', 'igmp-type', 'mrd', 'fhrp', 'routing', 'tunnel'],
  },
  {
    name: 'DHCP, DHCPv6',
    stops: "answer other guests, take or release leases in another's name",
    reasons: ['dhcp-server', 'dhcp-chaddr', 'dhcp-form', 'dhcp-foreign', 'dhcp6-server', 'dhcp6-form'],
  },
  {
    name: 'IPv6',
    stops:
      "send from another's address, advertise routers, poison neighbour caches, hide it behind headers or fragments",
    reasons: [
      'ip6-form',
      'ip6-src',
      'ip6-dst',
      'ip6-ext',
      'ra',
      'nd-redirect',
      'nd-ext',
      'nd-form',
      'nd-lla',
      'nd-router',
      'nd-target',
      'nd-foreign',
      'icmp6-type',
      'mld-query',
      'mld-form',
    ],
  },
];
