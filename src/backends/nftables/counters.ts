import { Failure } from '../../errors.ts';
import { type Direction, reasonOfCode } from '../../filter/reasons.ts';
import { grouped } from '../../grouped.ts';
import { indexOfGroup } from '../../port/guest-group.ts';
import type { DropCount, SetFill } from '../backend.ts';
import { INGRESS_TABLE, TABLE } from './base-text.ts';

/** The calls that make nft print all that is ours, as JSON (libnftables-json(5)). */
export const LIST_TABLE = ['-j', 'list', 'table', ...TABLE.split(' ')] as const;
export const LIST_DROPS = ['-j', 'list', 'set', ...TABLE.split(' '), 'drops'] as const;
export const LIST_INGRESS = ['-j', 'list', 'table', ...INGRESS_TABLE.split(' ')] as const;

interface Counter {
  readonly packets?: number;
  readonly bytes?: number;
}
/** A value alone, or beside others in a key, or with a counter, a limit or a time around it. */
interface ElementJson {
  readonly concat?: readonly unknown[];
  readonly elem?: {
    readonly val?: number | { readonly concat?: readonly unknown[] };
    readonly counter?: Counter;
    readonly expires?: number;
  };
}
type Key = ElementJson | number | string;
interface ListedSet {
  readonly name?: string;
  readonly elem?: readonly Key[];
}
/** Each key with its verdict. */
interface ListedMap {
  readonly name?: string;
  readonly elem?: readonly (readonly [Key, { readonly goto?: { readonly target?: string } }])[];
}
interface Entry {
  readonly set?: ListedSet;
  readonly map?: ListedMap;
  readonly rule?: {
    readonly chain?: string;
    readonly comment?: string;
    readonly expr?: readonly { readonly counter?: Counter }[];
  };
}

/** What nft has printed as JSON, parsed once for all that is read of it: of thousands of vifs it is megabytes. */
export type Listing = readonly Entry[];

/** @throws Failure `tool` for what is no whole text of JSON */
export function readListing(json: string): Listing {
  const listing = wholeListing(json);
  if (listing !== undefined) return listing;
  throw new Failure('tool', 'nft has printed no whole text of JSON', { hint: 'what does nft -j list ruleset print?' });
}

/** Undefined for what is no whole text of JSON. */
export function wholeListing(json: string): Listing | undefined {
  try {
    return (JSON.parse(json) as { readonly nftables?: Listing }).nftables ?? [];
  } catch {
    return undefined;
  }
}

/** The elements of a listing, by set. */
export type ListedSets = ReadonlyMap<string, readonly unknown[]>;

export function setsOf(listing: Listing): ListedSets {
  return new Map(
    listing.flatMap(({ set, map }): [string, readonly unknown[]][] => [
      ...(set?.name === undefined ? [] : [[set.name, set.elem ?? []] as [string, readonly unknown[]]]),
      ...(map?.name === undefined ? [] : [[map.name, map.elem?.map(([key]) => key) ?? []] as [string, unknown[]]]),
    ]),
  );
}

/**
 * How full the sets are that frames themselves fill.
 *
 * @param filled their names, and how many elements each was made for
 */
export function fillsOf(sets: ListedSets, filled: readonly Omit<SetFill, 'elements'>[]): SetFill[] {
  return filled.flatMap(({ set, size }) => {
    const elements = sets.get(set)?.length;
    return elements === undefined ? [] : [{ set, elements, size }];
  });
}

/** Reads the set `drops`, in which a port is its interface group. */
export function parseDrops(sets: ListedSets): DropCount[] {
  return parseCounts(sets.get('drops') ?? [], (group) => indexOfGroup(Number(group)));
}

/**
 * Reads the set `drops-unmanaged`, in which a port is its name; what has gone is nobody's any more.
 *
 * @param indexOf the interface index of a name
 */
export function parseUnmanagedDrops(sets: ListedSets, indexOf: (name: string) => number | undefined): DropCount[] {
  return parseCounts(sets.get('drops-unmanaged') ?? [], indexOf);
}

/** How many elements of each set begin with each port, or are it: by set, and by the number that stands for a port. */
export type ElementCounts = ReadonlyMap<string, ReadonlyMap<number, number>>;

export function countElements(sets: ListedSets): ElementCounts {
  const counts = new Map<string, ReadonlyMap<number, number>>();
  for (const [set, elements] of sets) {
    if (set.startsWith('drops')) continue;
    const own = new Map<number, number>();
    counts.set(set, own);
    for (const element of elements) {
      const first = Number(isElement(element) ? (element.concat?.[0] ?? element.elem?.val) : element);
      own.set(first, (own.get(first) ?? 0) + 1);
    }
  }
  return counts;
}

/** The parts of the key of an element that has a counter or a time, and these. */
export function partsOf(element: unknown): { readonly parts: readonly unknown[]; readonly elem: ElementJson['elem'] } {
  const elem = isElement(element) ? element.elem : undefined;
  return { parts: typeof elem?.val === 'object' ? (elem.val.concat ?? []) : [], elem };
}

function isElement(element: unknown): element is ElementJson {
  return typeof element === 'object' && element !== null;
}

function parseCounts(elements: readonly unknown[], indexOf: (port: string) => number | undefined): DropCount[] {
  return elements.map(partsOf).flatMap(({ parts: [port, code], elem }): DropCount[] => {
    const ifindex = indexOf(String(port));
    const what = reasonOfCode(Number(code));
    if (ifindex === undefined || what === undefined) return [];
    return [{ ifindex, ...what, packets: elem?.counter?.packets ?? 0, bytes: elem?.counter?.bytes ?? 0 }];
  });
}

/** Reads the counters of the ingress chains, which are named after the device. */
export function parseIngressDrops(listing: Listing, indexOf: (device: string) => number | undefined): DropCount[] {
  const direction: Direction = 'from-guest';
  return listing.flatMap(({ rule }): DropCount[] => {
    const ifindex = rule?.chain === undefined ? undefined : indexOf(rule.chain);
    const counter = rule?.expr?.find((one) => one.counter !== undefined)?.counter;
    if (ifindex === undefined || counter === undefined || (counter.packets ?? 0) === 0) return [];
    return [{ ifindex, direction, reason: 'link-local', packets: counter.packets ?? 0, bytes: counter.bytes ?? 0 }];
  });
}

/** Where ports are led to by a map, by their groups. */
export function parseVerdicts(listing: Listing, name: string): ReadonlyMap<string, string> {
  return new Map(
    listing.flatMap(({ map }) =>
      map?.name === name
        ? (map.elem ?? []).map(([key, verdict]): [string, string] => [String(key), verdict.goto?.target ?? ''])
        : [],
    ),
  );
}

/**
 * Reads what the rules of a guest have counted, in the chains of its program. One line of a policy is one rule there
 * for each family.
 *
 * @param chains only these of a listing
 * @returns by what the rules say of themselves: `in 3`, `filter 4.0`
 */
export function parseRuleCounts(listing: Listing, chains: readonly string[]): ReadonlyMap<string, Required<Counter>> {
  const counts = new Map<string, Required<Counter>>();
  for (const { rule } of listing) {
    const counter = rule?.expr?.find((one) => one.counter !== undefined)?.counter;
    if (rule?.comment === undefined || counter === undefined || !chains.includes(rule.chain ?? '')) continue;
    const before = counts.get(rule.comment) ?? { packets: 0, bytes: 0 };
    counts.set(rule.comment, {
      packets: before.packets + (counter.packets ?? 0),
      bytes: before.bytes + (counter.bytes ?? 0),
    });
  }
  return counts;
}

/**
 * What the rules of each chain do, in their order, and of how many parts each is: `2 goto in/quick`, `1 drop`. How nft
 * writes what they ask is another matter with each version.
 */
export function ruleShapes(listing: Listing): ReadonlyMap<string, readonly string[]> {
  return grouped(
    listing.flatMap(({ rule }) => (rule?.chain === undefined ? [] : [[rule.chain, shapeOf(rule.expr ?? [])] as const])),
  );
}

function shapeOf(parts: readonly object[]): string {
  const [does = 'nothing', what]: readonly unknown[] = Object.entries(parts.at(-1) ?? {})[0] ?? [];
  const target: unknown = typeof what === 'object' && what !== null ? Reflect.get(what, 'target') : undefined;
  return `${parts.length} ${String(does)}${target === undefined ? '' : ` ${String(target)}`}`;
}

/** The devices whose ingress chains have their rule; nft 1.0.6 does not tell where a chain stands. */
export function parseIngressChains(listing: Listing): ReadonlySet<string> {
  return new Set(listing.flatMap(({ rule }) => rule?.chain ?? []));
}
