/** How many lines of one kind may be printed: so many at once, and then so many a second. */
export interface LineLimit {
  readonly burst: number;
  readonly perSecond: number;
}

/** Lets lines through, and counts what it keeps. */
export interface LineLimiter {
  /** True if a line of this kind may be printed now. @param at milliseconds, only ever growing */
  allow(kind: string, at: number): boolean;
  /** What was kept of each kind since this was asked last. */
  kept(): ReadonlyMap<string, number>;
}

/** A bucket for each kind that fills with time: a flood of one kind keeps no other one from being seen. */
export function lineLimiter({ burst, perSecond }: LineLimit): LineLimiter {
  const buckets = new Map<string, { left: number; at: number }>();
  let kept = new Map<string, number>();
  return {
    allow(kind, at) {
      const bucket = buckets.get(kind) ?? { left: burst, at };
      buckets.set(kind, bucket);
      bucket.left = Math.min(burst, bucket.left + ((at - bucket.at) / 1000) * perSecond);
      bucket.at = at;
      if (bucket.left >= 1) {
        bucket.left -= 1;
        return true;
      }
      kept.set(kind, (kept.get(kind) ?? 0) + 1);
      return false;
    },
    kept() {
      const all = kept;
      kept = new Map();
      return all;
    },
  };
}
