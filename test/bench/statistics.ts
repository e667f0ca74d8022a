/** The middle of some numbers and the quarters around it. */
export interface Spread {
  readonly median: number;
  readonly lower: number;
  readonly upper: number;
  readonly count: number;
}

/** Median and quartiles (linear between neighbours). @throws Error for no numbers at all */
export function spread(samples: readonly number[]): Spread {
  const sorted = [...samples].sort((a, b) => a - b);
  const at = (part: number): number => {
    const place = part * (sorted.length - 1);
    const low = sorted[Math.floor(place)];
    const high = sorted[Math.ceil(place)];
    if (low === undefined || high === undefined) throw new Error('no samples');
    return low + (high - low) * (place - Math.floor(place));
  };
  return { median: at(0.5), lower: at(0.25), upper: at(0.75), count: sorted.length };
}

/**
 * How many times as much `samples` are as `against`. Measured in turns: the n-th of both are neighbours in time, so the
 * spread is that of their ratios; where the numbers of samples differ, it is that of `samples` over the other's median.
 */
export function ratio(samples: readonly number[], against: readonly number[]): Spread {
  const base = spread(against).median;
  const parts = samples.map(
    (sample, index) => sample / (samples.length === against.length ? (against[index] ?? base) : base),
  );
  return { ...spread(parts), median: spread(samples).median / base };
}
