/** One line on a terminal that says what a run is doing now; nothing where there is none. */
export interface Progress {
  readonly say: (what: string) => void;
  /** Leaves no trace of it. */
  readonly end: () => void;
}

/** CSI K: erase to the end of the line (ECMA-48 §8.3.41). */
const CLEAR = '\r\u001b[K';

/** Who waits longer than this wants to know for what. */
const PATIENCE_MS = 1_000;

/**
 * Says what goes on, and for how long, while something takes longer than a second: on a terminal, and nowhere else.
 *
 * @param what text of this program: `comparing all vifs`
 */
export async function whileWorking<T>(stream: NodeJS.WriteStream, what: string, work: () => Promise<T>): Promise<T> {
  if (stream.isTTY !== true) return work();
  let seconds = 0;
  const timer = setInterval(() => {
    seconds += 1;
    // What is logged meanwhile is written over it.
    stream.write(`${CLEAR}${what}, ${seconds} s ...\r`);
  }, PATIENCE_MS);
  try {
    return await work();
  } finally {
    clearInterval(timer);
    if (seconds > 0) stream.write(CLEAR);
  }
}

/** @param what of `say` is text of this program */
export function progressOn(stream: NodeJS.WriteStream): Progress {
  if (stream.isTTY !== true) return { say: () => {}, end: () => {} };
  return {
    say: (what) => void stream.write(`${CLEAR}looking at ${what} ...`),
    end: () => void stream.write(CLEAR),
  };
}
