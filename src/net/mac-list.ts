import { Failure, shown } from '../errors.ts';
import { type MacAddress, macBytes, macText, parseMac } from './mac-address.ts';

/** A guest of bridged containers or nested guests has tens of them; each is an element in the kernel, and an entry. */
export const MOST_MACS = 256;

/**
 * Reads MAC addresses, separated by blanks or commas. `FIRST+COUNT` are so many that follow each other:
 * `02:42:ac:11:00:02+3` ends with `02:42:ac:11:00:04`.
 *
 * @param at where the text comes from, for errors
 * @throws Failure `input`
 */
export function parseMacList(text: string, at: string): MacAddress[] {
  const words = text.split(/[\s,]+/).filter((word) => word !== '');
  const macs = [...new Set(words.flatMap((word) => parseRun(word, at)))];
  if (macs.length > MOST_MACS) throw tooMany(macs.length, at);
  return macs;
}

/** The inverse, as short as it can be written. */
export function macListText(macs: readonly MacAddress[]): string {
  const runs: { readonly first: MacAddress; readonly start: number; count: number }[] = [];
  for (const mac of macs) {
    const last = runs[runs.length - 1];
    if (last !== undefined && numberOf(mac) === last.start + last.count) last.count += 1;
    else runs.push({ first: mac, start: numberOf(mac), count: 1 });
  }
  return runs.map(({ first, count }) => (count === 1 ? first : `${first}+${count}`)).join(' ');
}

function tooMany(count: number, at: string): Failure {
  return new Failure('input', `${count} MAC addresses are too many`, {
    at,
    hint: `at most ${MOST_MACS}; a guest that routes for what is behind it needs its own MAC address only`,
  });
}

/** Refuses what runs into a group address: one of its addresses is none of a station, and parseMac says so. */
function parseRun(word: string, at: string): MacAddress[] {
  const [first = '', written, ...more] = word.split('+');
  const mac = parseMac(first, at);
  if (written === undefined) return [mac];
  const count = /^[1-9][0-9]{0,8}$/.test(written) && more.length === 0 ? Number(written) : 0;
  if (count === 0) {
    throw new Failure('input', `${shown(word)} is no run of MAC addresses`, {
      at,
      hint: 'write FIRST+COUNT, like 02:42:ac:11:00:00+16',
    });
  }
  if (count > MOST_MACS) throw tooMany(count, at);
  const start = numberOf(mac);
  // Beyond the last one it is no address, which parseMac says.
  return Array.from({ length: count }, (_, index) => parseMac(macText(start + index), at));
}

/** 48 bits fit a number. */
function numberOf(mac: MacAddress): number {
  return macBytes(mac).reduce((sum, byte) => sum * 256 + byte, 0);
}
