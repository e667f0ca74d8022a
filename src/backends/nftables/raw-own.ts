import { addressHex } from './fields.ts';
import { isOfIntervals, KEY_TYPES } from './own.ts';
import { endWord, gotoWord, hex, limitWord } from './raw-element.ts';

/**
 * What we load into a set, as raw-element.ts writes what the kernel has of it. How nft lays out keys: each part begins
 * at a multiple of four bytes, the highest byte first but for what a host counts itself (groups); in sets of intervals
 * these too, because the kernel compares bytes there.
 *
 * @param element as own.ts writes it
 * @returns undefined for what is not known here: then nft is to be asked
 */
export function ownText(set: string, element: string): string | undefined {
  const [, key = '', rate, unit = '', burst = '', chain] =
    /^(.*?)(?: limit rate over (\d+)\/(second|day) burst (\d+) packets)?(?: : goto (\S+))?$/.exec(element) ?? [];
  const ends = keyEnds(set, key.split(' . '));
  if (ends === undefined) return undefined;
  const [first, last] = ends;
  return [
    first,
    ...endWord(first, last),
    ...(rate === undefined ? [] : [limitWord({ rate, unit: SECONDS[unit] ?? '', burst })]),
    ...(chain === undefined ? [] : [gotoWord(chain)]),
  ].join(' ');
}

const SECONDS: Readonly<Record<string, string>> = { second: '1', day: '86400' };

const known = new Map<string, readonly string[]>();

/** The types of the parts of a key; sets of flags have the port alone. */
function partTypes(set: string): readonly string[] {
  const before = known.get(set);
  if (before !== undefined) return before;
  const [key = ''] = (KEY_TYPES.get(set) ?? 'type devgroup').replace(/^type(of)? /, '').split(/;| : /);
  const types = key.split(' . ').map((type) => (GROUPS.includes(type) && isOfIntervals(set) ? GROUP_AS_BYTES : type));
  known.set(set, types);
  return types;
}

const GROUPS: readonly string[] = ['devgroup', 'iifgroup'];
const GROUP_AS_BYTES = '@group,0,32';

function keyEnds(set: string, parts: readonly string[]): readonly [string, string] | undefined {
  const types = partTypes(set);
  if (types.length !== parts.length) return undefined;
  let [first, last] = ['', ''];
  for (const [at, type] of types.entries()) {
    const [from = '', to = from] = (parts[at] ?? '').split('-');
    const [a, b] = [partHex(type, from), partHex(type, to)];
    if (a === undefined || b === undefined) return undefined;
    first += a;
    last += b;
  }
  return [first, last];
}

/** A part of a key with what fills it up to a multiple of four bytes, in hexadecimal digits. */
function partHex(type: string, text: string): string | undefined {
  const digits = digitsOf(type, text);
  return digits?.padEnd(Math.ceil(digits.length / 8) * 8, '0');
}

function digitsOf(type: string, text: string): string | undefined {
  switch (type) {
    case 'devgroup':
    case 'iifgroup': {
      if (!/^\d+$/.test(text)) return undefined;
      const bytes = new Uint8Array(4);
      new DataView(bytes.buffer).setUint32(0, Number(text), true);
      return hex(bytes);
    }
    case 'ether_addr':
      return text.replaceAll(':', '');
    case 'ipv4_addr':
    case 'ipv6_addr':
      return addressHex(text);
    case 'ether_type':
    case 'vlan id':
      return numberHex(text, 16);
    case 'inet_proto':
      return numberHex(text, 8);
    default: {
      const [, bits] = /^@\w+,\d+,(\d+)$/.exec(type) ?? [];
      return bits === undefined ? undefined : numberHex(text, Number(bits));
    }
  }
}

function numberHex(text: string, bits: number): string | undefined {
  return /^(\d+|0x[0-9a-f]+)$/.test(text)
    ? BigInt(text)
        .toString(16)
        .padStart(bits / 4, '0')
    : undefined;
}
