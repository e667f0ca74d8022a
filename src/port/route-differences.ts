import { isHost } from '../net/ip-prefix.ts';
import type { Difference } from './differences.ts';
import { LINK_GATEWAY6, type RouteSetup, routeSettings, wayTo } from './route-setup.ts';
import type { SeenAddress, SeenLink } from './seen-port.ts';
import type { SeenNeighbour, SeenRoute } from './seen-routes.ts';

/** What the kernel says of one device that this host routes for, and what is around it. */
export interface SeenRoutedPort {
  readonly link: SeenLink;
  /** At least those of the device. */
  readonly addresses: readonly SeenAddress[];
  readonly routes: readonly SeenRoute[];
  readonly neighbours: readonly SeenNeighbour[];
  readonly proxies: readonly SeenNeighbour[];
  /** A setting of sysctl(8) below `net`. */
  readonly setting: (path: string) => string | undefined;
}

/** What opens something to somebody if it is otherwise. */
const GUARDS = /\/(rp_filter|accept_ra|accept_redirects|autoconf|disable_ipv6)$/;

/** All in which a device differs from what it is to be. What others have added to it is theirs. */
export function routeDifferences(setup: RouteSetup, seen: SeenRoutedPort): Difference[] {
  const { link } = seen;
  const { name, ipv4, ipv6, main, mtu, group, uplink } = setup;
  const same = (what: string, wished: string, found: string, security = false): Difference[] =>
    wished === found ? [] : [{ what, wished, found, security }];
  const own = new Set(seen.addresses.filter(({ device }) => device === name).map(({ text }) => text));
  const addresses = [
    ...(main === undefined || ipv4.length === 0 ? [] : [`${main}/32`]),
    ...(ipv6.length === 0 ? [] : [`${LINK_GATEWAY6}/64`]),
  ];
  const proxies = new Set(seen.proxies.filter(({ device }) => device === uplink).map(({ address }) => address));
  return [
    ...same('state', 'up', link.up ? 'up' : 'down'),
    ...same('master', 'none', link.master ?? 'none', true),
    // The rules know it by that.
    ...same('group', String(group), link.group, true),
    ...(mtu === 0 ? [] : same('mtu', String(mtu), String(link.mtu))),
    ...routeSettings(setup).flatMap(({ path, value }) => {
      const found = seen.setting(path);
      // Where the kernel has no IPv6 it is off.
      if (found === undefined && value === '1' && path.endsWith('/disable_ipv6')) return [];
      return same(path, value, found ?? 'none', GUARDS.test(path));
    }),
    ...addresses.filter((text) => !own.has(text)).flatMap((text) => same('address', text, 'none')),
    ...missingNeighbours(setup, seen.neighbours),
    ...missingRoutes(setup, seen.routes),
    ...setup.proxies
      .filter((text) => !proxies.has(text))
      .flatMap((text) => same('proxy', `${text} at ${uplink}`, 'none')),
  ];
}

function missingNeighbours({ pinned, ipv4, ipv6, name, mac }: RouteSetup, all: readonly SeenNeighbour[]): Difference[] {
  if (!pinned) return [];
  const known = new Map(all.filter(({ device }) => device === name).map((one) => [one.address, one.mac]));
  return [...ipv4, ...ipv6].filter(isHost).flatMap(({ text }) => {
    const found = known.get(text);
    return found === mac
      ? []
      : [
          {
            what: 'neighbour',
            wished: `${text} is ${mac}`,
            found: `${text} is ${found ?? 'not told'}`,
            security: false,
          },
        ];
  });
}

function missingRoutes(setup: RouteSetup, all: readonly SeenRoute[]): Difference[] {
  const { ipv4, ipv6, name, metric } = setup;
  const textOf = ({ to, via, metric: at }: Omit<SeenRoute, 'device'>): string =>
    `${to}${via === undefined ? '' : ` via ${via}`} metric ${at}`;
  const mine = all.filter(({ device }) => device === name);
  return [...ipv4, ...ipv6].flatMap((prefix) => {
    const to = prefix.text;
    const wished = textOf({ to, via: isHost(prefix) ? undefined : wayTo(prefix, setup), metric });
    const found = mine.filter((one) => one.to === to).map(textOf);
    return found.includes(wished)
      ? []
      : [{ what: 'route', wished, found: found.join(', ') || 'none', security: false }];
  });
}
