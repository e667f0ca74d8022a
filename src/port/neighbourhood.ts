import type { NetTable } from '../effects/sysfs.ts';
import { contains, type IpPrefix, isHost, makePrefix, parsePrefix } from '../net/ip-prefix.ts';
import { directSubnets, gatewaysOf } from './routes.ts';

/** Who is on a bridge that is no guest, as far as this host knows. */
export interface Neighbourhood {
  /** The IPv4 subnets that the bridge itself is in. */
  readonly subnets: readonly IpPrefix[];
  /** Addresses of this host on it. */
  readonly host: readonly IpPrefix[];
  /** Routers that this host reaches through it, and what is known of their MACs. */
  readonly gateways: readonly IpPrefix[];
  readonly gatewayMacs: readonly { readonly mac: string; readonly address: string }[];
}

/** A host with more routes than that is a router of its own: listing its addresses would take too long. */
const MOST_ROUTES_TEXT = 256 * 1024;
const LOCAL = /\|-- (\d+\.\d+\.\d+\.\d+)\n\s+\/32 host LOCAL/g;

/** Reads it from the kernel's tables: no process, whatever is on the bridge. */
export function neighbourhood(table: (name: NetTable) => string, bridge: string): Neighbourhood {
  const routes = table('route');
  const subnets = directSubnets(routes, bridge);
  const gateways = gatewaysOf(routes, table('ipv6_route'), bridge);
  // Which device an IPv4 address is on no table says; the subnets of the bridge do.
  const trie = subnets.length === 0 || routes.length > MOST_ROUTES_TEXT ? '' : table('fib_trie');
  const locals = [...new Set([...trie.matchAll(LOCAL)].map(([, address = '']) => address))]
    .flatMap((address) => parsePrefix(address) ?? [])
    .filter((address) => subnets.some((subnet) => contains(subnet, address)));
  const routers = new Set(gateways.map(({ text }) => text));
  return {
    subnets,
    host: [...locals, ...ipv6Addresses(table('if_inet6'), bridge)],
    gateways,
    gatewayMacs: arpEntries(table('arp'), bridge).filter(({ address }) => routers.has(address)),
  };
}

/** `fd000000000000000000000000000001 03 40 00 80 br0`: address, index, length, scope, flags, device. */
function ipv6Addresses(text: string, bridge: string): IpPrefix[] {
  return text.split('\n').flatMap((line) => {
    const [address = '', , , , , device] = line.trim().split(/\s+/);
    return device === bridge ? [makePrefix(Buffer.from(address, 'hex'), 128)].filter(isHost) : [];
  });
}

/**
 * What the host knows of IPv4 stations.
 * `10.0.0.254 0x1 0x2 02:00:00:00:00:fe * br0`: address, hardware type, flags, MAC, mask, device.
 */
export function arpEntries(text: string, bridge: string): { mac: string; address: string }[] {
  return text.split('\n').flatMap((line) => {
    const [address = '', , flags, mac = '', , device] = line.trim().split(/\s+/);
    return device === bridge && flags !== '0x0' ? [{ mac: mac.toLowerCase(), address }] : [];
  });
}
