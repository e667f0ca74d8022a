import { Failure } from '../errors.ts';
import { parsePrefix } from '../net/ip-prefix.ts';
import type { Value } from './stage.ts';

const known = new Map<string, bigint>();

/**
 * What stages or vifs name, as the number that its field holds: a MAC, an address, a number, also as text (`0x88e5`,
 * `253`).
 */
export function bitsOf(value: Value | string): bigint {
  if (typeof value !== 'string') return BigInt(value);
  const found = known.get(value);
  if (found !== undefined) return found;
  const bits = textBits(value);
  known.set(value, bits);
  return bits;
}

/** The first bits of a block, and how many they are; a single address is a block of itself. */
export function blockBits(block: string): { readonly first: bigint; readonly length: number; readonly width: number } {
  const prefix = parsePrefix(block);
  if (prefix === undefined) throw new Failure('internal', `${block} is no block of addresses`);
  const width = prefix.bytes.length * 8;
  return { first: numberOf(prefix.bytes) >> BigInt(width - prefix.length), length: prefix.length, width };
}

/** Whether a value is one of these, or in one of them that is a block. @param width of the field, in bits */
export function isAmong(values: readonly string[], value: bigint, width: number): boolean {
  return values.some((one) => {
    if (!one.includes('/')) return bitsOf(one) === value;
    const { first, length } = blockBits(one);
    return value >> BigInt(width - length) === first;
  });
}

function textBits(text: string): bigint {
  if (/^(0x[0-9a-f]+|\d+)$/.test(text)) return BigInt(text);
  const prefix = parsePrefix(text);
  return prefix === undefined ? BigInt(`0x${text.replaceAll(':', '')}`) : numberOf(prefix.bytes);
}

function numberOf(bytes: Uint8Array): bigint {
  return bytes.reduce((sum, byte) => (sum << 8n) | BigInt(byte), 0n);
}
