import { type Direction, reasonOfCode } from '../../filter/reasons.ts';
import { indexOfGroup } from '../../port/guest-group.ts';
import type { DropCount } from '../backend.ts';

/** The calls that make nft print what it counted, as JSON (libnftables-json(5)). */
export const LIST_DROPS = ['-j', 'list', 'set', 'bridge', 'xen-vif', 'drops'] as const;
/** One set a call: nft 1.0.6 finds only the last of several. */
export const LIST_UNMANAGED_DROPS = ['-j', 'list', 'set', 'bridge', 'xen-vif', 'drops-unmanaged'] as const;
export const LIST_INGRESS = ['-j', 'list', 'table', 'netdev', 'xen-vif'] as const;

interface Counter {
  readonly packets?: number;
  readonly bytes?: number;
}
interface DropsJson {
  readonly nftables?: readonly {
    readonly set?: {
      readonly elem?: readonly {
        readonly elem?: { readonly val?: { readonly concat?: readonly unknown[] }; readonly counter?: Counter };
      }[];
    };
    readonly rule?: { readonly chain?: string; readonly expr?: readonly { readonly counter?: Counter }[] };
  }[];
}

/** Reads the set `drops`, in which a port is its interface group. */
export function parseDrops(json: string): DropCount[] {
  return parseCounts(json, (group) => indexOfGroup(Number(group)));
}

/**
 * Reads the set `drops-unmanaged`, in which a port is its name; what has gone is nobody's any more.
 *
 * @param indexOf the interface index of a name
 */
export function parseUnmanagedDrops(json: string, indexOf: (name: string) => number | undefined): DropCount[] {
  return parseCounts(json, indexOf);
}

function parseCounts(json: string, indexOf: (port: string) => number | undefined): DropCount[] {
  const elements = entries(json).flatMap((entry) => entry.set?.elem ?? []);
  return elements.flatMap(({ elem }): DropCount[] => {
    const [port, code] = elem?.val?.concat ?? [];
    const ifindex = indexOf(String(port));
    const what = reasonOfCode(Number(code));
    if (ifindex === undefined || what === undefined) return [];
    return [{ ifindex, ...what, packets: elem?.counter?.packets ?? 0, bytes: elem?.counter?.bytes ?? 0 }];
  });
}

/** Reads the counters of the ingress chains, which are named after the device. */
export function parseIngressDrops(json: string, indexOf: (device: string) => number | undefined): DropCount[] {
  const direction: Direction = 'from-guest';
  return entries(json).flatMap(({ rule }): DropCount[] => {
    const ifindex = rule?.chain === undefined ? undefined : indexOf(rule.chain);
    const counter = rule?.expr?.find((one) => one.counter !== undefined)?.counter;
    if (ifindex === undefined || counter === undefined || (counter.packets ?? 0) === 0) return [];
    return [{ ifindex, direction, reason: 'link-local', packets: counter.packets ?? 0, bytes: counter.bytes ?? 0 }];
  });
}

function entries(json: string): NonNullable<DropsJson['nftables']> {
  return (JSON.parse(json) as DropsJson).nftables ?? [];
}
