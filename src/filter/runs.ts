/** Numbers as runs of neighbours: 10, 11, 12, 42 are 10-12 and 42-42. */
export function runsOf(values: readonly number[]): (readonly [first: number, last: number])[] {
  const found: [number, number][] = [];
  for (const value of [...new Set(values)].sort((a, b) => a - b)) {
    const last = found[found.length - 1];
    if (last !== undefined && last[1] === value - 1) last[1] = value;
    else found.push([value, value]);
  }
  return found;
}
