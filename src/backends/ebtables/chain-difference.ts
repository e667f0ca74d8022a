/** What one list of rules has and the other one has not. */
export interface ChainDifference {
  readonly missing: readonly string[];
  readonly foreign: readonly string[];
}

/** Pairs of rules that are looked at; beyond, all that is between the first and the last difference is told. */
const MOST_PAIRS = 4_000_000;

/** Compares rules in their order: one that has moved is missing where it belongs, and foreign where it is. */
export function chainDifference(wished: readonly string[], found: readonly string[]): ChainDifference {
  const shorter = Math.min(wished.length, found.length);
  let start = 0;
  while (start < shorter && wished[start] === found[start]) start += 1;
  let end = 0;
  while (end < shorter - start && wished.at(-1 - end) === found.at(-1 - end)) end += 1;
  const [a, b] = [wished.slice(start, wished.length - end), found.slice(start, found.length - end)];
  if (a.length * b.length > MOST_PAIRS) return { missing: a, foreign: b };
  return unshared(a, b);
}

/** What is in no longest common subsequence of both. */
function unshared(a: readonly string[], b: readonly string[]): ChainDifference {
  const width = b.length + 1;
  const longest = new Uint32Array((a.length + 1) * width);
  const at = (i: number, j: number): number => longest[i * width + j] ?? 0;
  for (let i = a.length - 1; i >= 0; i -= 1) {
    for (let j = b.length - 1; j >= 0; j -= 1) {
      longest[i * width + j] = a[i] === b[j] ? at(i + 1, j + 1) + 1 : Math.max(at(i + 1, j), at(i, j + 1));
    }
  }
  const missing: string[] = [];
  const foreign: string[] = [];
  let [i, j] = [0, 0];
  while (i < a.length || j < b.length) {
    const [one, other] = [a[i], b[j]];
    if (one !== undefined && one === other) [i, j] = [i + 1, j + 1];
    else if (other === undefined || (one !== undefined && at(i + 1, j) >= at(i, j + 1))) {
      missing.push(one ?? '');
      i += 1;
    } else {
      foreign.push(other);
      j += 1;
    }
  }
  return { missing, foreign };
}
