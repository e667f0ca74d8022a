import type { Reason } from './reasons.ts';

/** Reasons that say that a guest pretended to be somebody else: what `watch` and the alert rules are about. */
export const SPOOFING = [
  'mac-src',
  'arp-sha',
  'arp-spa',
  'arp-probe',
  'ip-src',
  'icmp-redirect',
  'icmp-router',
  'fhrp',
  'dhcp-server',
  'dhcp-chaddr',
  'ip6-src',
  'ra',
  'nd-redirect',
  'nd-lla',
  'nd-target',
  'dhcp6-server',
] as const satisfies readonly Reason[];
