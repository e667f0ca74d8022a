import { drop, type Switch } from './stage.ts';

/** Protocols that carry control traffic or another IP packet; the numbers are the same in IPv4 and IPv6 (IANA). */
export const CONTROL_PROTOCOLS = [
  // IPIP, 6in4, IP-within-IP (94), EtherIP, L2TPv3, MPLS-in-IP: the packet inside would be judged by nobody.
  { values: [4, 41, 94, 97, 115, 137], so: drop('tunnel') },
  // GGP, EGP, IGRP, NSFNET-IGP, EIGRP, OSPF, PIM, IS-IS over IP, MANET (RFC 5498).
  { values: [3, 8, 9, 85, 88, 89, 103, 124, 138], so: drop('routing') },
  // VRRP and CARP share 112 (RFC 5798); 240 is pfsync, CARP's companion.
  { values: [112, 240], so: drop('fhrp') },
] as const satisfies Switch['cases'];

/** UDP control protocols whose ports are below 1024: no client sends to or from them by chance. */
export const CONTROL_PORTS = [
  { values: [269, 520, 521, 654], so: drop('routing') }, // MANET (RFC 5498), RIP, RIPng, AODV (RFC 3561)
] as const satisfies Switch['cases'];

/**
 * UDP control protocols on ports that a client may also draw as its source port, so that the answer to it goes there:
 * HSRP, HSRPv6, GLBP; LDP, OLSR, Babel. They are spoken to all, or between two such ports (GLBP, targeted LDP, Babel).
 */
export const FHRP_PORTS = [1985, 2029, 3222] as const;
export const ROUTING_PORTS = [646, 698, 6696] as const;
