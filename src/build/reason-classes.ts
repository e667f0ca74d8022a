import type { Reason } from '../filter/reasons.ts';

/**
 * Reasons that a reader takes for one thing, and what they stop in one line: it completes the sentence "A guest cannot
 * ...". README's summary is made of these.
 */
export const REASON_CLASSES = {
  Ethernet: "use another's MAC, send VLAN tags, STP, LLDP or other protocols, hear frames of others",
  ARP: "claim another's address, or make another give up its own",
  IPv4: "send from another's address, redirect routes, use source routing",
  'Control protocols':
    'take over a gateway (VRRP, HSRP), speak OSPF, RIP or PIM, become the IGMP querier, tunnel IP in IP',
  'DHCP, DHCPv6': "answer other guests, take or release leases in another's name",
  IPv6: "send from another's address, advertise routers, poison neighbour caches, hide it behind headers or fragments",
} as const satisfies Readonly<Record<string, string>>;

export type ReasonClass = keyof typeof REASON_CLASSES;

export const CLASS_OF: Readonly<Record<Reason, ReasonClass>> = {
  unmanaged: 'Ethernet',
  'no-address': 'Ethernet',
  'mac-src': 'Ethernet',
  vlan: 'Ethernet',
  llc: 'Ethernet',
  'link-local': 'Ethernet',
  ethertype: 'Ethernet',
  'l2l3-mismatch': 'Ethernet',
  'not-for-me': 'Ethernet',
  hairpin: 'Ethernet',
  'arp-form': 'ARP',
  'arp-op': 'ARP',
  'arp-sha': 'ARP',
  'arp-spa': 'ARP',
  'arp-probe': 'ARP',
  'arp-foreign': 'ARP',
  rarp: 'ARP',
  'ip-form': 'IPv4',
  'ip-opt': 'IPv4',
  'ip-src': 'IPv4',
  'ip-dst': 'IPv4',
  'own-address': 'IPv4',
  'icmp-redirect': 'IPv4',
  'icmp-router': 'IPv4',
  'icmp-type': 'IPv4',
  'icmp-quote': 'IPv4',
  'ip-protocol': 'IPv4',
  'igmp-query': 'Control protocols',
  'igmp-type': 'Control protocols',
  mrd: 'Control protocols',
  fhrp: 'Control protocols',
  routing: 'Control protocols',
  tunnel: 'Control protocols',
  'dhcp-server': 'DHCP, DHCPv6',
  'dhcp-chaddr': 'DHCP, DHCPv6',
  'dhcp-form': 'DHCP, DHCPv6',
  'dhcp-foreign': 'DHCP, DHCPv6',
  'ip6-form': 'IPv6',
  'ip6-src': 'IPv6',
  'ip6-dst': 'IPv6',
  'ip6-ext': 'IPv6',
  ra: 'IPv6',
  'nd-redirect': 'IPv6',
  'nd-ext': 'IPv6',
  'nd-form': 'IPv6',
  'nd-lla': 'IPv6',
  'nd-target': 'IPv6',
  'nd-foreign': 'IPv6',
  'icmp6-type': 'IPv6',
  'mld-query': 'IPv6',
  'mld-form': 'IPv6',
  'dhcp6-server': 'DHCP, DHCPv6',
  'dhcp6-form': 'DHCP, DHCPv6',
};
