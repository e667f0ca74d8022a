import { grouped } from '../grouped.ts';
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
  /** True where nobody else has anything of these single addresses, and nobody has a block. */
  isAlone(owner: string, addresses: readonly IpPrefix[]): boolean;
}

/** Nothing is parsed that need not be: most are single addresses, which are the same if their texts are. */
export function prefixIndex(all: readonly Owned[]): PrefixIndex {
  const byText = once(() => grouped(all.map((one) => [one.address, one])));
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
    isAlone: (owner, addresses) =>
      lengths.size === 0 &&
      addresses.every((one) => isHost(one) && (byText().get(one.text) ?? []).every((other) => other.owner === owner)),
    overlapping(prefixes) {
      const found = new Map<string, string[]>();
      const note = (owner: string, address: string): void => {
        const texts = found.get(owner) ?? [];
        if (!texts.includes(address)) found.set(owner, [...texts, address]);
      };
      // Each of these, and all blocks around it.
      const wanted = grouped(
        prefixes.flatMap((prefix) => {
          const around = [...lengths].map(Number).filter((length) => length < prefix.length);
          const texts = [prefix.text, ...around.map((length) => makePrefix(prefix.bytes, length).text)];
          return texts.map((text): [string, string] => [text, prefix.text]);
        }),
      );
      const same = [...wanted.keys()].flatMap((text) => byText().get(text) ?? []);
      for (const { owner, address } of same) for (const text of wanted.get(address) ?? []) note(owner, text);
      for (const block of prefixes.filter((prefix) => !isHost(prefix))) {
        for (const { owner, address } of inside(block)) note(owner, address);
      }
      return found;
    },
  };
}
