import { type VifConfig, vifBackend } from '../lab/vif-backend.ts';
import { type Guest, guest } from './guests.ts';

/** The device behind which the network is, with 10.250.0.1/24; its other end is `peer0`. */
export const UPLINK = 'net0';
export const PEER = 'peer0';

/** A guest whose addresses are routed to this host: two of IPv4, as stock's script can have no others. */
export type RoutedGuest = Omit<Guest, 'bridge'>;

export function routedGuest(domid: number): RoutedGuest {
  const { devid, vif, mac, ipv4, ip } = guest(domid);
  const addresses = ip.split(' ').filter((one) => !one.includes(':'));
  return { domid, devid, vif, mac, ipv4, ip: addresses.join(' ') };
}

/** The same with one more in a subnet of the uplink, for which this host answers there. */
export function nearGuest(domid: number): RoutedGuest {
  const one = routedGuest(domid);
  return { ...one, ip: `${one.ip} 10.250.0.50` };
}

/** Its xenstore keys, as libxl writes them. */
export function routedKeys({ domid, mac, ip }: RoutedGuest): Record<string, string> {
  const config: VifConfig = { domid, mac, ip, gatewaydev: UPLINK, script: '/etc/xen/scripts/vif-route' };
  return vifBackend(config);
}
