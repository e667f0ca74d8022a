import { canonical } from './canonical.ts';

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
 * The elements of all sets and maps in `nft -j list table`.
 *
 * nft lists plain bits as numbers, and takes them back only as hexadecimal ones that are as wide as their field
 * (measured, 1.0.6): so how wide they are is read from the declaration of the set.
 */
export function listedElements(json: string): ReadonlyMap<string, readonly Element[]> {
  return new Map(
    entriesOf(json).flatMap((entry): [string, Element[]][] => {
      const declared = field(entry, 'set') ?? field(entry, 'map');
      const name = field(declared, 'name');
      const elements = field(declared, 'elem');
      if (typeof name !== 'string') return [];
      const verdicts = field(entry, 'map') !== undefined;
      return [[name, (Array.isArray(elements) ? elements : []).map((one) => elementOf(one, name, verdicts))]];
    }),
  );
}

function entriesOf(json: string): readonly unknown[] {
  const listing: unknown = JSON.parse(json);
  const entries = field(listing, 'nftables');
  return Array.isArray(entries) ? entries : [];
}

function elementOf(listed: unknown, set: string, verdicts: boolean): Element {
  const [key, verdict]: readonly unknown[] = verdicts && Array.isArray(listed) ? listed : [listed];
  const held = field(key, 'elem');
  const value = held === undefined ? key : field(held, 'val');
  const parts = field(value, 'concat');
  const words = (Array.isArray(parts) ? parts : [value]).map((part, at) => partText(part, widthOf(set, at)));
  const text = `${words.join(' . ')}${limitText(held)}${verdict === undefined ? '' : ` : ${verdictText(verdict)}`}`;
  return { port: canonical(words[0] ?? ''), text, canonical: canonical(text) };
}

/** Plain bits by the names of the sets that have them; 0: nft has a name for the field. */
function widthOf(set: string, part: number): number {
  if (set === 'ports' || set === 'exempt') return 32;
  if (part === 0) return 0;
  if (set === 'own-mac-raw') return 48;
  if (set === 'own-ethertype') return 16;
  if (['own-ip6-raw', 'own-ip6-block', 'own-solicited-block', 'own-sole6', 'own-route6'].includes(set)) return 128;
  const words = ['own-ip-raw', 'own-ip-block', 'own-sole', 'own-route', 'own-gateway-ip', 'dhcp-servers', 'learned'];
  return words.includes(set) ? 32 : 0;
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
