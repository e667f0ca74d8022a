import { endianness } from 'node:os';
import { type IpPrefix, makePrefix } from '../net/ip-prefix.ts';

/** RTF_UP, RTF_GATEWAY (include/uapi/linux/route.h). */
const RTF_UP = 0x1;
const RTF_GATEWAY = 0x2;

interface Route {
  readonly destination: Uint8Array;
  readonly length: number;
  readonly gateway: Uint8Array | undefined;
}

/**
 * The routes of a device in /proc/net/route: one line a route, addresses as hexadecimal numbers in host byte order.
 * Only those that are up.
 */
function routesOf(text: string, device: string): Route[] {
  return text.split('\n').flatMap((line) => {
    const [on, destination, gateway, flags, , , , mask] = line.split('\t').map((field) => field.trim());
    if (on !== device || destination === undefined || gateway === undefined || mask === undefined) return [];
    const bits = Number.parseInt(flags ?? '0', 16);
    if ((bits & RTF_UP) === 0) return [];
    return {
      destination: hostOrderBytes(destination),
      length: lengthOfMask(mask),
      gateway: (bits & RTF_GATEWAY) === 0 ? undefined : hostOrderBytes(gateway),
    };
  });
}

/** The device behind which the rest of the network is: that of the default route, of IPv4 or else of IPv6. */
export function defaultDevice(routes: string, routes6: string): string | undefined {
  const ipv4 = routes.split('\n').map((line) => line.split('\t').map((field) => field.trim()));
  const found = ipv4.find(
    ([, destination, , flags, , , , mask]) =>
      destination === '00000000' && mask === '00000000' && (Number.parseInt(flags ?? '0', 16) & RTF_UP) !== 0,
  );
  if (found?.[0] !== undefined) return found[0];
  const everywhere = /^0{32} 00 /;
  const ipv6 = routes6
    .split('\n')
    .filter((line) => everywhere.test(line))
    .map((line) => line.trim().split(/\s+/));
  return ipv6.find(
    ([, , , , , , , , flags, on]) => (Number.parseInt(flags ?? '0', 16) & RTF_UP) !== 0 && on !== 'lo',
  )?.[9];
}

/** The subnets a device is directly in. */
export function directSubnets(routes: string, device: string): IpPrefix[] {
  return routesOf(routes, device)
    .filter(({ gateway, length }) => gateway === undefined && length > 0)
    .map(({ destination, length }) => makePrefix(destination, length));
}

/**
 * The routers that are reached through a device.
 *
 * @param routes6 the text of /proc/net/ipv6_route: destination, source, next hop, metric, ..., flags, device
 */
export function gatewaysOf(routes: string, routes6: string, device: string): IpPrefix[] {
  const ipv4 = routesOf(routes, device).flatMap(({ gateway }) => (gateway ? [makePrefix(gateway, 32)] : []));
  const ipv6 = routes6.split('\n').flatMap((line) => {
    const [, , , , next = '', , , , flags, on] = line.trim().split(/\s+/);
    if (on !== device || (Number.parseInt(flags ?? '0', 16) & RTF_GATEWAY) === 0) return [];
    return [makePrefix(Buffer.from(next, 'hex'), 128)];
  });
  return [...new Map([...ipv4, ...ipv6].map((one) => [one.text, one])).values()];
}

/** The kernel prints the 32 bits as they lie in memory: little endian hosts show the last byte first. */
export function hostOrderBytes(hex: string): Uint8Array {
  const bytes = Uint8Array.from(Buffer.from(hex, 'hex'));
  return endianness() === 'LE' ? bytes.reverse() : bytes;
}

/** How many bits a netmask has, as /proc/net/route tells it. */
export function lengthOfMask(mask: string): number {
  return hostOrderBytes(mask).reduce((sum, byte) => sum + byte.toString(2).replaceAll('0', '').length, 0);
}
