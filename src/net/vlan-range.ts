/** VLANs of a bridge as text: `10`, or `10-20`. IEEE 802.1Q table 9-2: 0 is none, 4095 is reserved. */
export const VLAN_MAX = 4094;

export type VlanRange = readonly [first: number, last: number];

export function vlanText([first, last]: VlanRange): string {
  return first === last ? String(first) : `${first}-${last}`;
}

/** The same as numbers. */
export function vlanRange(text: string): VlanRange {
  const [first = Number.NaN, last = first] = text.split('-').map(Number);
  return [first, last];
}

/** The same VLANs in order, each once: what overlaps or touches is one range. */
export function joinedVlans(texts: readonly string[]): string[] {
  const joined: [number, number][] = [];
  for (const [first, last] of texts.map(vlanRange).sort(([a], [b]) => a - b)) {
    const before = joined.at(-1);
    if (before !== undefined && first <= before[1] + 1) before[1] = Math.max(before[1], last);
    else joined.push([first, last]);
  }
  return joined.map(vlanText);
}

/** Those that are in both. */
export function commonVlans(some: readonly string[], others: readonly string[]): string[] {
  const ranges = others.map(vlanRange);
  return some.map(vlanRange).flatMap(([first, last]) =>
    ranges.flatMap(([from, to]): string[] => {
      const both: VlanRange = [Math.max(first, from), Math.min(last, to)];
      return both[0] <= both[1] ? [vlanText(both)] : [];
    }),
  );
}

/** Each of them. */
export function vlansIn(texts: readonly string[]): number[] {
  return texts
    .map(vlanRange)
    .flatMap(([first, last]) => Array.from({ length: last - first + 1 }, (_, at) => first + at));
}

/** Single VLANs as ranges. */
export function vlanTexts(vlans: readonly number[]): string[] {
  return joinedVlans(vlans.map(String));
}
