import type { BatchLine } from '../effects/batch.ts';
import { type IpPrefix, isHost, makePrefix } from '../net/ip-prefix.ts';
import { DOM0_SIDE_MAC, eui64LinkLocal, type MacAddress } from '../net/mac-address.ts';

/** A vif that this host routes for, as it is to be when it is in service. */
export interface RouteSetup {
  readonly device: string;
  readonly name: string;
  readonly rename: boolean;
  /** Interface group: see guest-group.ts. */
  readonly group: number;
  readonly mac: MacAddress;
  /** Bytes; 0 leaves it alone. */
  readonly mtu: number;
  readonly uplink: string;
  /** Undefined where it is not here, as in a dry run. */
  readonly uplinkIndex: number | undefined;
  /** This host's address on the link: the router of the guest, and the source of what this host sends it. */
  readonly main: string | undefined;
  readonly ipv4: readonly IpPrefix[];
  readonly ipv6: readonly IpPrefix[];
  /** The smaller one of two routes for the same address holds. */
  readonly metric: number;
  /** Single addresses have an entry, so nobody is asked who has them. */
  readonly pinned: boolean;
  /** For these addresses this host answers at the uplink. */
  readonly proxies: readonly string[];
  /** For these of them somebody else has made it answer: they stay when the vif goes. */
  readonly foreignProxies: readonly string[];
  /** Of these somebody has said where they are at the uplink: nobody is told there, and that stays too. */
  readonly foreignNeighbours: readonly string[];
  /** IPv4 from an address that is routed elsewhere is not let in, by the kernel itself. */
  readonly strict: boolean;
}

/** The router of IPv6 on every link: it needs no address of the host's own. */
export const LINK_GATEWAY6 = 'fe80::1';

/** Before the rules: link down, name, MAC, MTU, group. No address is left, and none is made. */
export function prepareRouteLines(setup: RouteSetup): BatchLine[] {
  const { device, name, rename } = setup;
  return [
    { text: `link set dev ${rename ? device : name} down` },
    ...(rename ? [{ text: `link set dev ${device} name ${name}` }] : []),
    ...restoreRouteLines(setup),
    { text: `address flush dev ${name}`, optional: 'addresses of dom0 stay on the port' },
    { text: `link set dev ${name} address ${DOM0_SIDE_MAC}`, optional: 'the MAC of dom0 side stays as it is' },
  ];
}

/** The same for one in service, whose link stays up. */
export function restoreRouteLines({ device, name, group, mtu }: RouteSetup): BatchLine[] {
  return [
    ...(name === device
      ? []
      : [{ text: `link set dev ${name} alias ${device}`, optional: 'its first name is forgotten' }]),
    { text: `link set dev ${name} addrgenmode none`, optional: 'dom0 may give itself more link-local addresses there' },
    // The rules know it by that.
    { text: `link set dev ${name} group ${group}` },
    ...(mtu > 0 ? [{ text: `link set dev ${name} mtu ${mtu}`, optional: 'the MTU stays as it is' }] : []),
  ];
}

/** One setting of sysctl(8) below `net`, and what is lost if it cannot be set; undefined: it must be. */
export interface RouteSetting {
  readonly path: string;
  readonly value: string;
  readonly optional?: string;
}

/**
 * What the kernel is to do at the device. It answers ARP for everything that is routed elsewhere, so the guest may have
 * any router in its configuration, and at once: by itself it waits up to 0.8 s (neigh/proxy_delay).
 */
export function routeSettings({ name, ipv4, ipv6, strict, uplink, proxies }: RouteSetup): RouteSetting[] {
  const lost = 'as it is on this host';
  return [
    ...(ipv4.length === 0
      ? []
      : [
          { path: `ipv4/conf/${name}/proxy_arp`, value: '1' },
          { path: `ipv4/neigh/${name}/proxy_delay`, value: '0', optional: lost },
          { path: `ipv4/conf/${name}/forwarding`, value: '1' },
          { path: `ipv4/conf/${name}/send_redirects`, value: '0', optional: lost },
          ...(strict ? [{ path: `ipv4/conf/${name}/rp_filter`, value: '1', optional: lost }] : []),
        ]),
    ...(ipv6.length === 0
      ? [{ path: `ipv6/conf/${name}/disable_ipv6`, value: '1', optional: lost }]
      : [
          { path: `ipv6/conf/${name}/disable_ipv6`, value: '0' },
          { path: `ipv6/conf/${name}/accept_ra`, value: '0', optional: lost },
          { path: `ipv6/conf/${name}/autoconf`, value: '0', optional: lost },
          { path: `ipv6/conf/${name}/accept_redirects`, value: '0', optional: lost },
          { path: `ipv6/conf/${name}/forwarding`, value: '1', optional: lost },
          ...(proxies.some((one) => one.includes(':')) ? [{ path: `ipv6/conf/${uplink}/proxy_ndp`, value: '1' }] : []),
        ]),
  ];
}

/** Behind the rules: the link comes up, and all that needs it. */
export function serveRouteLines(setup: RouteSetup): BatchLine[] {
  const { name, main, ipv4, ipv6, mac, pinned, metric, uplink, proxies } = setup;
  const neighbour = (address: string): BatchLine => ({
    text: `neigh replace ${address} lladdr ${mac} nud permanent dev ${name}`,
  });
  const source = main === undefined ? '' : ` src ${main}`;
  const blocks = [...ipv4, ...ipv6].filter((one) => !isHost(one));
  const ways = [...new Set(blocks.map((block) => wayTo(block, setup)))];
  const known = [...(pinned ? [...ipv4, ...ipv6].filter(isHost).map(({ text }) => text) : []), ...ways];
  return [
    { text: `link set dev ${name} up` },
    ...(main === undefined || ipv4.length === 0 ? [] : [{ text: `address replace ${main}/32 dev ${name}` }]),
    ...(ipv6.length === 0 ? [] : [{ text: `address replace ${LINK_GATEWAY6}/64 dev ${name} nodad` }]),
    ...[...new Set(known)].map(neighbour),
    ...[...ipv4, ...ipv6].map((prefix) => {
      const way = isHost(prefix) ? '' : ` via ${wayTo(prefix, setup)}`;
      const onlink = way !== '' && prefix.family === 4 ? ' onlink' : '';
      const from = prefix.family === 4 ? source : '';
      return { text: `route replace ${routeOf(prefix)}${way} dev ${name}${onlink}${from} metric ${metric}` };
    }),
    ...proxies.map((address) => ({ text: `neigh replace proxy ${address} dev ${uplink}` })),
  ];
}

/** A destination as ip(8) prints it: of IPv6 with its length. */
function routeOf(prefix: IpPrefix): string {
  return isHost(prefix) ? `${prefix.text}/${prefix.length}` : prefix.text;
}

/**
 * A block is sent to its guest by way of one neighbour. On the link, each of its addresses that somebody tries would be
 * one, of the 1024 that the kernel keeps for all interfaces (measured: 300 packets, 300 entries).
 */
export function wayTo(block: IpPrefix, { ipv4, mac }: RouteSetup): string {
  if (block.family === 6) return makePrefix(eui64LinkLocal(mac), 128).text;
  return (ipv4.find(isHost) ?? makePrefix(block.bytes, 32)).text;
}

/**
 * Routes and neighbours of an earlier run that are not wanted any more, at a link that has not been down since. Where
 * IPv6 is off now, the kernel has none left.
 */
export function formerRouteLines(
  name: string,
  former: { readonly routes: readonly string[]; readonly metric: number },
  setup: RouteSetup,
): BatchLine[] {
  const now = setup.metric === former.metric ? [...setup.ipv4, ...setup.ipv6].map(({ text }) => text) : [];
  return former.routes
    .filter((route) => !now.includes(route) && (setup.ipv6.length > 0 || !route.includes(':')))
    .flatMap((route) => [
      { text: `route del ${route} dev ${name} metric ${former.metric}`, optional: 'already gone' },
      ...(route.includes('/') ? [] : removalOfNeighbour(route, `lladdr ${DOM0_SIDE_MAC} nud permanent dev ${name}`)),
    ]);
}

/**
 * First it is made: of a neighbour that is not there ip(8) ends at once, and does none of the lines behind it
 * (iproute2, ip/ipneigh.c: ipneigh_modify).
 *
 * @param where what else makes such an entry
 */
function removalOfNeighbour(which: string, where: string): BatchLine[] {
  return ['replace', 'del'].map((verb) => ({
    text: `neigh ${verb} ${which} ${where}`,
    optional: 'a neighbour entry stays',
  }));
}

/** Takes the device out of service; with its link go its routes, addresses and neighbours. */
export function leaveRouteLines(name: string): BatchLine[] {
  return [{ text: `link set dev ${name} down`, optional: 'already gone' }];
}

/** This host answers no more for these at the uplink. */
export function unproxyLines(uplink: string, addresses: readonly string[]): BatchLine[] {
  return addresses.flatMap((address) => removalOfNeighbour(`proxy ${address}`, `dev ${uplink}`));
}
