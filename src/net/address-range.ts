import { familyOf, type IpPrefix, makePrefix, parsePrefix } from './ip-prefix.ts';

export type { Family } from './ip-prefix.ts';

import type { Family } from './ip-prefix.ts';

/** Consecutive addresses of one family, as numbers: a single one, a block, or any range. */
export interface AddressRange {
  readonly family: Family;
  readonly first: bigint;
  readonly last: bigint;
  /** Canonical: `192.0.2.1`, `192.0.2.0/24`, `192.0.2.1-192.0.2.9`. */
  readonly text: string;
}

/**
 * Reads an address, a block without host bits, or `FIRST-LAST`.
 *
 * @returns undefined for anything else
 */
export function parseAddressRange(text: string): AddressRange | undefined {
  const dash = text.indexOf('-');
  if (dash < 0) {
    const prefix = wholePrefix(text);
    return prefix && { family: prefix.family, ...ends(prefix), text: prefix.text };
  }
  const [from, to] = [single(text.slice(0, dash)), single(text.slice(dash + 1))];
  if (from === undefined || to === undefined || from.family !== to.family) return undefined;
  const [first, last] = [numberOf(from.bytes), numberOf(to.bytes)];
  if (first > last) return undefined;
  return { family: from.family, first, last, text: first === last ? from.text : `${from.text}-${to.text}` };
}

/** The number that an address is. @returns undefined for what is none */
export function addressValue(text: string): { readonly family: Family; readonly value: bigint } | undefined {
  const prefix = single(text);
  return prefix && { family: prefix.family, value: numberOf(prefix.bytes) };
}

/** The same addresses, in order, with nothing twice: nft takes no overlapping ones. */
export function mergeRanges(ranges: readonly AddressRange[]): AddressRange[] {
  const merged: AddressRange[] = [];
  for (const range of [...ranges].sort(
    (a, b) => a.family - b.family || compare(a.first, b.first) || compare(b.last, a.last),
  )) {
    const last = merged.at(-1);
    if (last === undefined || last.family !== range.family || range.first > last.last + 1n) merged.push(range);
    else if (range.last > last.last) {
      const text = `${addressText(last.family, last.first)}-${addressText(last.family, range.last)}`;
      merged[merged.length - 1] = { family: last.family, first: last.first, last: range.last, text };
    }
  }
  return merged;
}

/** The fewest blocks that hold these addresses and no other: `192.0.2.0/24`, a single one as `192.0.2.1/32`. */
export function blocksOf({ family, first, last }: AddressRange): string[] {
  const bits = family === 4 ? 32 : 128;
  const blocks: string[] = [];
  for (let start = first; start <= last; ) {
    let length = bits;
    // As long as the next larger block begins here too, and ends with the range.
    while (length > 0) {
      const size = 1n << BigInt(bits - length + 1);
      if (start % size !== 0n || start + size - 1n > last) break;
      length -= 1;
    }
    blocks.push(`${addressText(family, start)}/${length}`);
    start += 1n << BigInt(bits - length);
  }
  return blocks;
}

function compare(a: bigint, b: bigint): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** The inverse of `addressValue`. */
export function addressText(family: Family, value: bigint): string {
  const size = family === 4 ? 4 : 16;
  const bytes = Uint8Array.from({ length: size }, (_, at) => Number((value >> BigInt(8 * (size - 1 - at))) & 0xffn));
  return makePrefix(bytes, size * 8).text;
}

function single(text: string): IpPrefix | undefined {
  return familyOf(text) === undefined ? undefined : parsePrefix(text);
}

/** With host bits it would mean less than it says. */
function wholePrefix(text: string): IpPrefix | undefined {
  const [address = '', length, ...more] = text.split('/');
  if (familyOf(address) === undefined || more.length > 0) return undefined;
  if (length === undefined) return parsePrefix(text);
  const most = familyOf(address) === 4 ? 32 : 128;
  if (!/^(0|[1-9][0-9]{0,2})$/.test(length) || Number(length) > most) return undefined;
  const block = parsePrefix(text);
  const host = parsePrefix(address);
  return block !== undefined && host !== undefined && numberOf(block.bytes) === numberOf(host.bytes)
    ? block
    : undefined;
}

function ends({ bytes, length }: IpPrefix): { readonly first: bigint; readonly last: bigint } {
  const first = numberOf(bytes);
  return { first, last: first + (1n << BigInt(bytes.length * 8 - length)) - 1n };
}

function numberOf(bytes: Uint8Array): bigint {
  return bytes.reduce((sum, byte) => (sum << 8n) | BigInt(byte), 0n);
}
