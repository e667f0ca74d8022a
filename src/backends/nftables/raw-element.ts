import { bytesOf, ELEMENT, nested, type RawElement } from './raw-set.ts';

/** linux/netfilter/nf_tables.h: what is in an expression, in a counter, in a limit and in a verdict. */
const EXPRESSION = { name: 1, data: 2 } as const;
const COUNTER = { bytes: 1, packets: 2 } as const;
const LIMIT = { rate: 1, unit: 2, burst: 3, type: 4, flags: 5 } as const;
const NFT_LIMIT_F_INV = 1;
const NFTA_DATA_VERDICT = 2;
const VERDICT = { code: 1, chain: 2 } as const;
const NFT_GOTO = -4;

/** How its key and all that goes with it are written here, to be compared with what ownText() writes. */
export function elementText({ key, attributes }: RawElement): string | undefined {
  const words = [hex(key)];
  for (const [type, value] of attributes) {
    switch (type) {
      case ELEMENT.key:
        break;
      case ELEMENT.keyEnd: {
        const end = bytesOf(value);
        if (end === undefined) return undefined;
        words.push(...endWord(hex(key), hex(end)));
        break;
      }
      case ELEMENT.data: {
        const chain = gotoOf(value);
        if (chain === undefined) return undefined;
        words.push(gotoWord(chain));
        break;
      }
      case ELEMENT.expression: {
        const limit = limitOf(value);
        if (limit === undefined) return undefined;
        words.push(limitWord(limit));
        break;
      }
      case ELEMENT.flags:
        if (Number(numberOf(value)) !== 0) return undefined;
        break;
      default:
        // A time, a comment of somebody: ours have none.
        return undefined;
    }
  }
  return words.join(' ');
}

/** What else than its key an element may have; each has its place in the text of one. */
export const endWord = (first: string, last: string): string[] => (first === last ? [] : [`to ${last}`]);
export const gotoWord = (chain: string): string => `goto ${chain}`;
export const limitWord = ({ rate, unit, burst }: Limit): string => `limit ${rate}/${unit} ${burst}`;

/** Over so many packets in so many seconds. */
export interface Limit {
  readonly rate: string;
  readonly unit: string;
  readonly burst: string;
}

function limitOf(expression: Uint8Array): Limit | undefined {
  const of = dataOf(expression, 'limit');
  if (of === undefined || numberOf(of.get(LIMIT.type)) !== 0n) return undefined;
  if (numberOf(of.get(LIMIT.flags)) !== BigInt(NFT_LIMIT_F_INV)) return undefined;
  const [rate, unit, burst] = [LIMIT.rate, LIMIT.unit, LIMIT.burst].map((type) => numberOf(of.get(type)));
  if (rate === undefined || unit === undefined || burst === undefined) return undefined;
  return { rate: String(rate), unit: String(unit), burst: String(burst) };
}

/** What a map leads to; undefined for another verdict. */
export function gotoOf(data: Uint8Array | undefined): string | undefined {
  const verdict = data === undefined ? undefined : nested(data).get(NFTA_DATA_VERDICT);
  const of = verdict === undefined ? undefined : nested(verdict);
  if (of === undefined || Number(BigInt.asIntN(32, numberOf(of.get(VERDICT.code)) ?? 0n)) !== NFT_GOTO)
    return undefined;
  return wordOf(of.get(VERDICT.chain));
}

/** What an element has counted. */
export function counterOf({ attributes }: RawElement): { packets: number; bytes: number } | undefined {
  const expression = attributes.get(ELEMENT.expression);
  const of = expression === undefined ? undefined : dataOf(expression, 'counter');
  return of && { packets: Number(numberOf(of.get(COUNTER.packets))), bytes: Number(numberOf(of.get(COUNTER.bytes))) };
}

/** The whole seconds that it has left; undefined of one that has no end. */
export function secondsOf({ attributes }: RawElement): number | undefined {
  const left = numberOf(attributes.get(ELEMENT.expiration));
  return left === undefined ? undefined : Number(left / 1000n);
}

function dataOf(expression: Uint8Array, name: string): ReadonlyMap<number, Uint8Array> | undefined {
  const of = nested(expression);
  const data = of.get(EXPRESSION.data);
  return wordOf(of.get(EXPRESSION.name)) === name && data !== undefined ? nested(data) : undefined;
}

/** A number as it is sent: the highest byte first. */
function numberOf(bytes: Uint8Array | undefined): bigint | undefined {
  return bytes === undefined ? undefined : BigInt(`0x0${hex(bytes)}`);
}

/** A text up to its end. */
export function wordOf(bytes: Uint8Array | undefined): string | undefined {
  return bytes === undefined ? undefined : Buffer.from(bytes).toString().split('\0', 1).join('');
}

export function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex');
}
