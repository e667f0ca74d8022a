import type { Netlink } from '../../effects/netlink.ts';
import { guestGroup, indexOfGroup } from '../../port/guest-group.ts';
import { RULE_DIRECTIONS } from '../../rules/rule.ts';
import { EXEMPT_SET, FILLED_SETS } from './base-text.ts';
import type { Listing } from './counters.ts';
import { listedHash } from './index-hash.ts';
import { isOfIntervals, LEARNING, OWN_NAMES, PORTS_SET, programMapName } from './own.ts';
import { counterOf, gotoOf, secondsOf, wordOf } from './raw-element.ts';
import { bytesOf, ELEMENT, type RawElement, type RawSet, rawSet } from './raw-set.ts';

/** Our sets as the kernel holds them. */
export interface RawTable {
  /** What is read of a listing, as nft would list it; but of keys of what vifs own the first part alone. */
  readonly listing: Listing;
  /** Where `whole` was asked for: what vifs own, and what names no port of ours, by set. */
  readonly own: ReadonlyMap<string, readonly RawElement[]>;
}

interface Asked {
  /** The interface indices of the ports that are asked about: of others nothing is told. Undefined: all. */
  readonly ports: readonly number[] | undefined;
  /** What frames themselves have put into sets is asked for. */
  readonly filled: boolean;
  /** What vifs own is asked for with all that belongs to it. */
  readonly whole: boolean;
}

type Entry = Listing[number];
type Filter = (first: number) => boolean;

/** Where elements begin with the hash of an index. */
const BY_HASH: readonly string[] = [PORTS_SET, EXEMPT_SET];
const OWN: readonly string[] = [...OWN_NAMES.map(({ name }) => name), EXEMPT_SET];
const MAPS: readonly string[] = (['ruled', 'filtered'] as const).flatMap((map) =>
  RULE_DIRECTIONS.map((direction) => programMapName(map, direction)),
);

/**
 * Reads our sets without nft, which takes as long as there are vifs, whoever is asked about.
 *
 * @returns undefined where there is no table, it is not told, or not understood: then nft is to list all
 */
export async function rawTable(ask: Netlink, asked: Asked): Promise<RawTable | undefined> {
  const groups = asked.ports && new Set(asked.ports.map(guestGroup));
  const hashes = asked.ports && new Set(asked.ports.map((index) => swapped(listedHash(index))));
  const isOfPort: Filter = (first) => groups?.has(first) ?? true;
  const isHashOfPort: Filter = (first) => hashes?.has(first) ?? true;
  const listing: Entry[] = [];
  const own = new Map<string, readonly RawElement[]>();
  for (const name of OWN) {
    const isMap = MAPS.includes(name);
    const isOwn = name === PORTS_SET ? isHashOfPort : isOfPort;
    const isWanted = wantedOf(name, isOwn, asked.whole);
    const set = await rawSet(ask, name, isWanted);
    if (set === undefined) return undefined;
    if (set === 'absent') continue;
    if (isOfIntervals(name)) {
      const firsts = set.firsts.map((first) => (isOwn(swapped(first)) ? swapped(first) : first));
      own.set(name, asked.whole ? set.elements.filter((element) => isForeign(element) || isOfOne(element, isOwn)) : []);
      listing.push(firstsEntry(name, firsts.filter(isOwn)));
    } else {
      own.set(name, set.elements);
      listing.push(isMap ? mapEntry(name, set.elements) : firstsEntry(name, set.firsts.filter(isOwn)));
    }
  }
  if (own.size === 0) return undefined;
  const more: readonly [string, Filter, Write][] = [
    [LEARNING.learned, always, learnedKey],
    ...(asked.filled
      ? FILLED_SETS.map(({ set }): [string, Filter, Write] =>
          // Who has no record may have been counted all the same.
          DROPS[set] === undefined ? [set, isOfPort, endsKey] : [set, always, DROPS[set]],
        )
      : []),
  ];
  for (const [name, isWanted, write] of more) {
    const set = await rawSet(ask, name, isWanted);
    if (set === undefined) return undefined;
    if (set !== 'absent') listing.push(filledEntry(name, set, write));
  }
  return { listing, own };
}

/** Which elements are to be told whole, by what their keys begin with. */
function wantedOf(name: string, isOwn: Filter, whole: boolean): Filter {
  if (name === EXEMPT_SET) return always;
  if (!whole) return MAPS.includes(name) ? isOwn : never;
  // Where a group stands first and last is another matter there.
  if (isOfIntervals(name)) return always;
  return name === PORTS_SET ? isOwn : (first) => isOwn(first) || indexOfGroup(first) === undefined;
}

/** It names no port, or several. */
function isForeign({ key, attributes }: RawElement): boolean {
  const end = bytesOf(attributes.get(ELEMENT.keyEnd)) ?? key;
  return firstOf(end) !== firstOf(key) || orders(key).every((first) => indexOfGroup(first) === undefined);
}

function isOfOne({ key }: RawElement, isOwn: Filter): boolean {
  return orders(key).some(isOwn);
}

/** A group with its lowest byte first, and with its highest. */
function orders(key: Uint8Array): number[] {
  return [firstOf(key), swapped(firstOf(key))];
}

const always: Filter = () => true;
const never: Filter = () => false;

function firstsEntry(name: string, firsts: readonly number[]): Entry {
  return { set: { name, elem: BY_HASH.includes(name) ? firsts.map(swapped) : firsts } };
}

function mapEntry(name: string, elements: readonly RawElement[]): Entry {
  return {
    map: {
      name,
      elem: elements.map((element) => {
        const target = gotoOf(element.attributes.get(ELEMENT.data));
        return [firstOf(element.key), target === undefined ? {} : { goto: { target } }];
      }),
    },
  };
}

/** How a key is written. */
type Write = (key: DataView) => readonly (number | string)[];

/** Of those that nobody asked for only how many there are is told. */
function filledEntry(name: string, { firsts, elements }: RawSet, write: Write): Entry {
  const told = elements.map((element) => {
    const [counter, expires] = [counterOf(element), secondsOf(element)];
    const { buffer, byteOffset, byteLength } = element.key;
    return {
      elem: {
        val: { concat: write(new DataView(buffer, byteOffset, byteLength)) },
        ...(counter === undefined ? {} : { counter }),
        ...(expires === undefined ? {} : { expires }),
      },
    };
  });
  return { set: { name, elem: [...told, ...new Array<number>(firsts.length - elements.length).fill(0)] } };
}

/** A group, and an address as plain bits. */
const learnedKey: Write = (key) => [key.getUint32(0, true), key.getUint32(4)];
/** A group and a mark. */
const numbersKey: Write = (key) => [key.getUint32(0, true), key.getUint32(4, true)];
/** The name of a device, and a mark. */
const nameKey: Write = (key) => [
  wordOf(new Uint8Array(key.buffer, key.byteOffset, NAME_BYTES)) ?? '',
  key.getUint32(NAME_BYTES, true),
];
/** include/uapi/linux/if.h: IFNAMSIZ */
const NAME_BYTES = 16;
const DROPS: Readonly<Record<string, Write>> = { drops: numbersKey, 'drops-unmanaged': nameKey };
/** A group, and what the key ends with, if that is a number of one byte. */
const endsKey: Write = (key) => [key.getUint32(0, true), key.getUint8(key.byteLength - 4)];

function firstOf(key: Uint8Array): number {
  return new DataView(key.buffer, key.byteOffset, key.byteLength).getUint32(0, true);
}

/** The same four bytes, the highest first. */
function swapped(number: number): number {
  return ((number << 24) | ((number & 0xff00) << 8) | ((number >>> 8) & 0xff00) | (number >>> 24)) >>> 0;
}
