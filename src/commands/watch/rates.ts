import type { DropCount } from '../../backends/backend.ts';

/** What the kernel has counted at one moment. */
export interface Counted {
  /** Milliseconds; only differences mean anything. */
  readonly at: number;
  readonly drops: readonly DropCount[];
}

/** How often frames of one port were dropped for one reason. */
export interface Rate {
  readonly ifindex: number;
  readonly direction: DropCount['direction'];
  readonly reason: string;
  /** Frames since the port is there. */
  readonly total: number;
  /** Frames a second, between the last two looks. */
  readonly now: number;
  /** The same of earlier looks, the last one at the end; a look at which nobody knew of it is 0. */
  readonly history: readonly number[];
}

/** What a series of looks has told. */
export interface Rates {
  readonly last: Counted;
  readonly rates: readonly Rate[];
}

/** Looks that are remembered. */
export const HISTORY = 60;

export function firstLook(counted: Counted): Rates {
  return { last: counted, rates: [] };
}

/**
 * With one look more. A counter that is smaller than before has begun anew (its port did, or the rules): what it says
 * was counted since.
 */
export function nextLook({ last, rates }: Rates, counted: Counted): Rates {
  const seconds = Math.max((counted.at - last.at) / 1000, 0.001);
  const before = new Map(last.drops.map((drop) => [keyOf(drop), drop.packets]));
  const known = new Map(rates.map((rate) => [keyOf(rate), rate]));
  const looks = Math.max(0, ...rates.map(({ history }) => history.length));
  const next = counted.drops.flatMap((drop): Rate[] => {
    const key = keyOf(drop);
    const earlier = before.get(key) ?? 0;
    const now = (drop.packets < earlier ? drop.packets : drop.packets - earlier) / seconds;
    const history = known.get(key)?.history ?? (now > 0 ? Array.from({ length: looks }, () => 0) : undefined);
    if (history === undefined) return [];
    const { ifindex, direction, reason, packets } = drop;
    const all = [...history, now].slice(-HISTORY);
    return all.some((one) => one > 0) ? [{ ifindex, direction, reason, total: packets, now, history: all }] : [];
  });
  return { last: counted, rates: next };
}

function keyOf({ ifindex, direction, reason }: Pick<DropCount, 'ifindex' | 'direction' | 'reason'>): string {
  return `${ifindex} ${direction} ${reason}`;
}

const BARS = '▁▂▃▄▅▆▇█';

/** The values as bars, the highest one the largest of them; nothing at all is a dot. */
export function sparkline(values: readonly number[], width: number): string {
  const shown = values.slice(-width);
  const most = Math.max(...shown, 0);
  return shown
    .map((value) => (value <= 0 ? '·' : (BARS[Math.ceil((value / most) * BARS.length) - 1] ?? '█')))
    .join('')
    .padStart(width);
}
