import { once } from '../once.ts';
import { type IpPrefix, isHost, makePrefix, parsePrefix } from './ip-prefix.ts';

/** An address or block, as `text` of a prefix has it, and whose it is. */
export interface Owned {
  readonly owner: string;
  readonly address: string;
}

/** Finds whose addresses are those of others, or in blocks of others: in one look for each length a block has. */
export interface PrefixIndex {
  /** The owners of what is also in one of these, each with the smaller ones of such pairs. */
  overlapping(prefixes: readonly IpPrefix[]): Map<string, string[]>;
}

/** Nothing is parsed that need not be: most are single addresses, which are the same if their texts are. */
export function prefixIndex(all: readonly Owned[]): PrefixIndex {
  const byText = grouped(all.map((one) => [one.address, one]));
  const lengths = new Set(all.flatMap(({ address }) => (address.includes('/') ? [address.replace(/^.*\//, '')] : [])));
  const parsed = once(() =>
    all.flatMap((one) => {
      const prefix = parsePrefix(one.address);
      return prefix === undefined ? [] : [{ one, prefix }];
    }),
  );
  /** All that is in a block of this length, by the block. */
  const within = new Map<number, Map<string, Owned[]>>();
  const inside = (block: IpPrefix): readonly Owned[] => {
    const known =
      within.get(block.length) ??
      grouped(
        parsed().flatMap(({ one, prefix }): [string, Owned][] =>
          prefix.length > block.length ? [[makePrefix(prefix.bytes, block.length).text, one]] : [],
        ),
      );
    within.set(block.length, known);
    return known.get(block.text) ?? [];
  };
  return {
    overlapping(prefixes) {
      const found = new Map<string, string[]>();
      const note = (owner: string, address: string): void => {
        const texts = found.get(owner) ?? [];
        if (!texts.includes(address)) found.set(owner, [...texts, address]);
      };
      for (const prefix of prefixes) {
        const around = [...lengths]
          .map(Number)
          .filter((length) => length < prefix.length)
          .map((length) => makePrefix(prefix.bytes, length).text);
        for (const text of [prefix.text, ...around]) {
          for (const { owner } of byText.get(text) ?? []) note(owner, prefix.text);
        }
        if (!isHost(prefix)) for (const { owner, address } of inside(prefix)) note(owner, address);
      }
      return found;
    },
  };
}

function grouped<T>(pairs: readonly (readonly [string, T])[]): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const [key, value] of pairs) {
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [value]);
    else group.push(value);
  }
  return groups;
}
