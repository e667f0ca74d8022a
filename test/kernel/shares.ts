/** What one guest has of what all share: read, and spent. */
import { RATIONS, type RationName } from '../../src/backends/nftables/rations.ts';
import { guestGroup } from '../../src/port/guest-group.ts';
import type { Wire } from '../lab/wire.ts';
import type { Dom0 } from './dom0.ts';
import { type End, PORT } from './play.ts';

/**
 * Conversations of a port, by their set: how many seconds are left to each.
 *
 * @param kind whose sets: what rules have allowed, or what filters of libvirt's have noted
 */
export async function left(
  dom0: Dom0,
  key: number,
  kind: 'flows' | 'tracked' = 'flows',
): Promise<Map<string, number[]>> {
  const listed = JSON.parse(await dom0.ns.check(['nft', '-j', 'list', 'table', 'bridge', 'xen-vif'])) as {
    nftables: { set?: { name: string; elem?: { elem?: { val: { concat?: unknown[] }; expires?: number } }[] } }[];
  };
  return new Map(
    listed.nftables.flatMap(({ set }): [string, number[]][] => {
      const own = (set?.elem ?? []).flatMap(({ elem }) =>
        elem?.val.concat?.[0] === key && elem.expires !== undefined ? [elem.expires] : [],
      );
      return set?.name.startsWith(`${kind}-`) === true && own.length > 0 ? [[set.name, own]] : [];
    }),
  );
}

export async function groupOf(dom0: Dom0, vif: string): Promise<number> {
  return guestGroup(Number(await dom0.ns.check(['cat', `/sys/class/net/${vif}/ifindex`])));
}

/** As if it had had all that it may. The first of a limit passes always, so the second one is the first without. */
export async function spend(dom0: Dom0, key: number, ...names: RationName[]): Promise<void> {
  const set = 'element bridge xen-vif rations';
  const lines = names.flatMap((name) => {
    const { code } = RATIONS[name];
    const plain = `${key} . ${code}`;
    // Where there is some left is asked the other way round in the text of filters.
    const over = /^tracked-(?!new)|^fragments-|^pairs-|^other$/.test(name) ? '' : 'over ';
    const spent = `${plain} limit rate ${over}1/week burst 1 packets timeout 1h`;
    return [`add ${set} { ${plain} }`, `delete ${set} { ${plain} }`, `add ${set} { ${spent} }`];
  });
  await dom0.ns.check(['nft', '-f', '-'], { input: `${lines.join('\n')}\n` });
}

/** Sends them as fast as it can, and says how many arrive. */
export async function arriving(wire: Wire, from: End, to: End, frames: readonly string[]): Promise<number> {
  let arrived = 0;
  for (let at = 0; at < frames.length; at += 250) {
    const some = frames.slice(at, at + 250);
    await wire.collect(0);
    for (const one of some) await wire.send(PORT[from], one);
    const seen = new Set((await wire.collect()).flatMap(({ iface, hex }) => (iface === PORT[to] ? [hex] : [])));
    arrived += some.filter((one) => seen.has(one)).length;
  }
  return arrived;
}

/** All of them are there, and have nearly so many seconds left. */
export function within(values: readonly number[] | undefined, most: number): boolean {
  return values !== undefined && values.length > 0 && values.every((value) => value <= most && value > most - 60);
}
