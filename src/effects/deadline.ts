import { Failure } from '../errors.ts';

/**
 * The end of a run. libxl kills the script with SIGKILL after 40 s (LIBXL_HOTPLUG_TIMEOUT) and then reports no
 * `hotplug-error`, so everything together must end well before, with time left to say what went wrong.
 */
export interface Deadline {
  /** The smaller of `wanted` milliseconds and what is left. Throws Failure `timeout` when nothing is left. */
  allow(wanted: number): number;
  /** Milliseconds left. */
  left(): number;
  /** Does what waits for somebody else; who has no time left says how long, and for whom. */
  waiting<T>(forWhom: string, wait: () => Promise<T>): Promise<T>;
}

/**
 * When the work of a run must have ended, counted from when Xen started it: a launcher that waited for its turn (18 s
 * at the most, xen-scripts/vif-bridge) leaves 10 s. Those who gave up waiting run all at once: with 6 s some of 200
 * vifs were not connected where two slow CPUs had other work besides (npm run bench -- storm).
 */
export const RUN_MS = 28_000;
/** For closing the link after the work has failed, */
export const CLOSE_MS = 3_000;
/** and for reporting then, to Xen and to the log. */
export const REPORT_MS = 6_000;
/** Whatever hangs: nothing is begun or waited for any more when so long has gone since Xen started the run. */
export const LAST_MS = 38_000;

/** Milliseconds; `performance` takes Node 1.5 ms to load (test/build/loaded-modules.test.ts). */
function monotonic(): number {
  const [seconds, nanoseconds] = process.hrtime();
  return seconds * 1e3 + nanoseconds / 1e6;
}

/** What is shorter is no reason. */
const LEAST_WAIT_MS = 500;

/**
 * @param ms how long it may take from now on
 * @param options.before milliseconds that had gone before: the launcher waits for its turn where very many runs are
 */
export function startDeadline(ms: number, { before = 0, now = monotonic } = {}): Deadline {
  const end = now() + ms;
  const left = (): number => end - now();
  const waits = new Map([[OTHERS, before]]);
  return {
    left,
    allow(wanted) {
      if (left() < 50) {
        throw new Failure('timeout', `not finished after ${((ms + before) / 1000).toFixed(0)} s${waitText(waits)}`, {
          hint: 'the host is too busy, or something waits for ever; Xen ends the script after 40 s',
        });
      }
      return Math.min(wanted, left());
    },
    async waiting(forWhom, wait) {
      const began = now();
      try {
        return await wait();
      } finally {
        waits.set(forWhom, (waits.get(forWhom) ?? 0) + now() - began);
      }
    },
  };
}

const OTHERS = 'its turn, behind other runs of Xen';

function waitText(waits: ReadonlyMap<string, number>): string {
  const long = [...waits].filter(([, ms]) => ms >= LEAST_WAIT_MS);
  const texts = long.map(([forWhom, ms]) => `${(ms / 1000).toFixed(1)} s for ${forWhom}`);
  return texts.length === 0 ? '' : `, of which it waited ${texts.join(', ')}`;
}
