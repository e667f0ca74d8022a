/**
 * The known word that somebody may have meant: the nearest one, if it is near. Case and the kind of dash do not count.
 *
 * @returns undefined if none is near, or two are equally near
 */
export function didYouMean<Word extends string>(written: string, known: readonly Word[]): Word | undefined {
  const word = plain(written);
  // One slip in a short word, two in a long one: with more, anything is near to anything.
  const limit = word.length < 4 ? 1 : 2;
  if (word.length === 0 || word.length > LONGEST) return undefined;
  const near = known.map((candidate) => ({ candidate, slips: slips(word, plain(candidate)) }));
  const least = Math.min(...near.map((one) => one.slips));
  const best = near.filter((one) => one.slips === least);
  return least <= limit && best.length === 1 ? best[0]?.candidate : undefined;
}

/** No key or value is longer; what is written may be. */
const LONGEST = 60;

function plain(word: string): string {
  return word.toLowerCase().replaceAll('-', '_');
}

/**
 * Letters that were left out, added, mistaken, or changed places with their neighbour ("optimal string alignment").
 *
 * @see https://en.wikipedia.org/wiki/Damerau%E2%80%93Levenshtein_distance
 */
function slips(from: string, to: string): number {
  let beforeLast: readonly number[] = [];
  let last: readonly number[] = Array.from({ length: to.length + 1 }, (_, column) => column);
  for (let row = 1; row <= from.length; row += 1) {
    const now = [row];
    for (let column = 1; column <= to.length; column += 1) {
      const same = from[row - 1] === to[column - 1];
      const swapped = from[row - 1] === to[column - 2] && from[row - 2] === to[column - 1];
      now.push(
        Math.min(
          at(last, column) + 1,
          at(now, column - 1) + 1,
          at(last, column - 1) + (same ? 0 : 1),
          swapped && row > 1 ? at(beforeLast, column - 2) + 1 : Number.POSITIVE_INFINITY,
        ),
      );
    }
    beforeLast = last;
    last = now;
  }
  return at(last, to.length);
}

function at(row: readonly number[], column: number): number {
  return row[column] ?? Number.POSITIVE_INFINITY;
}
