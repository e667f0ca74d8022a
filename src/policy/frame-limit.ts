import { type FrameLimit, MOST_FRAMES } from '../filter/frame-limits.ts';
import { notPossible, type ValueKind } from './value-kind.ts';

const OFF = 'off';
/** Where a file says none: what comes in so many seconds. */
const BURST_SECONDS = 4;

/** `100/s burst 400`, or `off`. */
export const frameLimit: ValueKind<FrameLimit | typeof OFF> = {
  possible: `frames as 100/s or 100/s burst 400, each from 1 to ${MOST_FRAMES} (a burst that is not said: of ${BURST_SECONDS} seconds); or ${OFF}`,
  words: [],
  several: false,
  all: undefined,
  read(text) {
    if (text === OFF) return { value: OFF };
    const [, frames, most] = /^(\d{1,6})\/s(?: +burst +(\d{1,6}))?$/.exec(text) ?? [];
    if (frames === undefined) {
      const meant = /^(\d{1,6})(?:\/?sec(?:ond)?)?$/.exec(text)?.[1];
      return { wrong: [notPossible(text, meant === undefined ? undefined : `${meant}/s`)] };
    }
    const rate = Number(frames);
    const burst = most === undefined ? Math.min(rate * BURST_SECONDS, MOST_FRAMES) : Number(most);
    const isCount = (count: number): boolean => count >= 1 && count <= MOST_FRAMES;
    return isCount(rate) && isCount(burst)
      ? { value: { rate, burst } }
      : { wrong: [notPossible(text, rate > MOST_FRAMES ? OFF : undefined)] };
  },
  write: (value) => (value === OFF ? OFF : `${value.rate}/s burst ${value.burst}`),
};
