import { EXEMPT_SET } from './base-text.ts';
import { canonical } from './canonical.ts';
import type { Listing } from './counters.ts';
import { INDEX_HASH } from './index-hash.ts';
import { KEY_TYPES } from './own.ts';

/** An element of a set as nft lists it. */
export interface Element {
  /** The first part of its key as a number: a group, a hash; something else where somebody else wrote it. */
  readonly port: string;
  /** As nft takes it. */
  readonly text: string;
  /** One spelling for every way of writing it. */
  readonly canonical: string;
}

/**
 * The elements of sets and maps in `nft -j list table`.
 *
 * nft lists plain bits as numbers, and takes them back only as hexadecimal ones that are as wide as their field
 * (measured, 1.0.6): so how wide they are is read from the declaration of the set.
 *
 * @param wanted of which sets, and there of which ports: thousands of others cost much to be written
 */
export function listedElements(
  listing: Listing,
  wanted: (set: string) => ((port: string) => boolean) | undefined,
): ReadonlyMap<string, readonly Element[]> {
  return new Map(
    listing.flatMap((entry): [string, Element[]][] => {
      const declared = entry.set ?? entry.map;
      const name = declared?.name;
      const isWanted = name === undefined ? undefined : wanted(name);
      if (name === undefined || isWanted === undefined) return [];
      const widths = widthsOf(name);
      const elements: readonly unknown[] = declared?.elem ?? [];
      return [
        [name, elements.flatMap((one) => elementOf(one, { widths, verdicts: entry.map !== undefined, isWanted }))],
      ];
    }),
  );
}

interface Written {
  readonly widths: readonly number[];
  readonly verdicts: boolean;
  readonly isWanted: (port: string) => boolean;
}

function elementOf(listed: unknown, { widths, verdicts, isWanted }: Written): Element[] {
  const [key, verdict]: readonly unknown[] = verdicts && Array.isArray(listed) ? listed : [listed];
  const held = field(key, 'elem');
  const value = held === undefined ? key : field(held, 'val');
  const concat = field(value, 'concat');
  const parts: readonly unknown[] = Array.isArray(concat) ? concat : [value];
  const [first] = parts;
  const port = typeof first === 'number' ? String(first) : canonical(partText(first, widths[0] ?? 0));
  if (!isWanted(port)) return [];
  const words = parts.map((part, at) => partText(part, widths[at] ?? 0));
  const text = `${words.join(' . ')}${limitText(held)}${verdict === undefined ? '' : ` : ${verdictText(verdict)}`}`;
  return [{ port, text, canonical: canonical(text) }];
}

/** How many plain bits each part of a key has; 0: nft has a name for the field. */
function widthsOf(set: string): number[] {
  const type = set === EXEMPT_SET ? INDEX_HASH.type : (KEY_TYPES.get(set) ?? '');
  const [key = ''] = type.replace(/^type(of)? /, '').split(/;| : /);
  return key.split(' . ').map((part) => {
    const [, bits] = /^@\w+,\d+,(\d+)$/.exec(part) ?? [];
    // It has names for some of them only, and the others it takes with four digits.
    return bits === undefined ? (part === 'ether_type' ? 16 : 0) : Number(bits);
  });
}

function partText(part: unknown, width: number): string {
  const range = field(part, 'range');
  if (Array.isArray(range)) return range.map((end: unknown) => partText(end, width)).join('-');
  const prefix = field(part, 'prefix');
  if (prefix !== undefined) return prefixText(prefix, width);
  if (typeof part !== 'number' && typeof part !== 'string') return JSON.stringify(part);
  const text = String(part);
  const isNumber = /^(\d+|0x[0-9a-f]+)$/.test(text);
  return width > 0 && isNumber ? hexText(BigInt(text), width) : text;
}

function hexText(value: bigint, width: number): string {
  return `0x${value.toString(16).padStart(width / 4, '0')}`;
}

function prefixText(prefix: unknown, width: number): string {
  const first = partText(field(prefix, 'addr'), width);
  const length = Number(field(prefix, 'len'));
  if (width === 0 || !first.startsWith('0x')) return `${first}/${length}`;
  const last = BigInt(first) | ((1n << BigInt(width - length)) - 1n);
  return `${first}-${hexText(last, width)}`;
}

function limitText(held: unknown): string {
  const limit = field(held, 'limit');
  if (limit === undefined) return '';
  const over = field(limit, 'inv') === true ? 'over ' : '';
  // 5 is what nft leaves out.
  const burst = field(limit, 'burst') ?? 5;
  return ` limit rate ${over}${String(field(limit, 'rate'))}/${String(field(limit, 'per'))} burst ${String(burst)} packets`;
}

function verdictText(verdict: unknown): string {
  for (const word of ['goto', 'jump']) {
    const target = field(field(verdict, word), 'target');
    if (target !== undefined) return `${word} ${String(target)}`;
  }
  for (const word of ['accept', 'drop', 'return', 'continue'])
    if (typeof verdict === 'object' && verdict !== null && word in verdict) return word;
  return JSON.stringify(verdict);
}

function field(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null && Object.hasOwn(value, name)
    ? (Reflect.get(value, name) satisfies unknown)
    : undefined;
}
