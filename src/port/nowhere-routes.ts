import { contains, type IpPrefix, makePrefix } from '../net/ip-prefix.ts';
import { hostOrderBytes, lengthOfMask } from './routes.ts';

/** A route that ends here: blackhole, unreachable or prohibit. */
export interface NowhereRoute {
  readonly to: IpPrefix;
  readonly metric: number;
}

/** RTF_REJECT (include/uapi/linux/route.h). */
const RTF_REJECT = 0x200;
/** What stands for the device of a route of IPv4 that has none (net/ipv4/fib_trie.c: fib_route_seq_show). */
const NO_DEVICE = '*';
/** The kernel's own entry for all that is routed nowhere (net/ipv6/route.c: ip6_null_entry_template). */
const NULL_METRIC = 0xffffffff;

/** What /proc/net/route and /proc/net/ipv6_route tell of the main table. */
export function nowhereRoutes(routes: string, routes6: string): NowhereRoute[] {
  const ipv4 = routes.split('\n').flatMap((line): NowhereRoute[] => {
    if (!line.startsWith(NO_DEVICE)) return [];
    const [, destination = '', , , , , metric, mask = ''] = line.split('\t').map((field) => field.trim());
    return [{ to: makePrefix(hostOrderBytes(destination), lengthOfMask(mask)), metric: Number(metric) }];
  });
  const ipv6 = routes6.split('\n').flatMap((line): NowhereRoute[] => {
    if (!line.endsWith('lo')) return [];
    const [destination = '', length = '', , , , metric = '', , , flags = ''] = line.trim().split(/\s+/);
    const priority = Number.parseInt(metric, 16);
    if ((Number.parseInt(flags, 16) & RTF_REJECT) === 0 || priority === NULL_METRIC) return [];
    return [{ to: makePrefix(Buffer.from(destination, 'hex'), Number.parseInt(length, 16)), metric: priority }];
  });
  return [...ipv4, ...ipv6];
}

/**
 * Those by which nothing comes to a guest: to its very address or block, with a smaller metric than its own, or to a
 * part of a block.
 */
export function endingHere(all: readonly NowhereRoute[], own: readonly IpPrefix[], metric: number): NowhereRoute[] {
  return all.filter((one) =>
    own.some((prefix) =>
      prefix.text === one.to.text ? one.metric < metric : prefix.length < one.to.length && contains(prefix, one.to),
    ),
  );
}

/** For people. */
export function toNowhere({ to }: NowhereRoute): string {
  return `${to.text} is routed to nowhere`;
}
