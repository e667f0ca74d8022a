/** One line on a terminal that says what a run is doing now; nothing where there is none. */
export interface Progress {
  readonly say: (what: string) => void;
  /** Leaves no trace of it. */
  readonly end: () => void;
}

/** CSI K: erase to the end of the line (ECMA-48 §8.3.41). */
const CLEAR = '\r\u001b[K';

/** @param what of `say` is text of this program */
export function progressOn(stream: NodeJS.WriteStream): Progress {
  if (stream.isTTY !== true) return { say: () => {}, end: () => {} };
  return {
    say: (what) => void stream.write(`${CLEAR}looking at ${what} ...`),
    end: () => void stream.write(CLEAR),
  };
}
