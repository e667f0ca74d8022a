import type { Policy } from '../../policy/policy.ts';
import { FAMILIES, type Ip, TIMED, typeOf, WITH_PORTS, type WithPorts } from './flow-keys.ts';
import { BEGINNING } from './flow-times.ts';

/**
 * What the filters of libvirt need to know of conversations. conntrack tells who has begun one and whether there was an
 * answer; here these are sets: begun by the guest, begun by others, answered. Keyed by port, so guests know nothing of
 * each other, and on every kernel with the bridge family.
 *
 * They are shared as those of rules are (flow-times.ts): what one guest can have of each is less than three quarters of
 * it. Brief time is shorter here, because three sets in place of one know each conversation. All of them take 33 MB of
 * kernel memory, and are there only while somebody has such a filter; three quarters of a power of two is what costs no
 * more than that power's half and one (lib/rhashtable.c: rounded_hashtable_size).
 */

export type Kind = WithPorts | 'echo' | 'other';
export const KINDS: readonly Kind[] = [...WITH_PORTS, 'echo', 'other'];
const STATES = ['out', 'in', 'answered'] as const;
export type State = (typeof STATES)[number];

const SIZES: Readonly<Record<Kind, number>> = {
  tcp: 98_304,
  udp: 98_304,
  sctp: 49_152,
  dccp: 49_152,
  udplite: 49_152,
  echo: 49_152,
  other: 49_152,
};
/** Conversations that were given time lately. */
const GIVEN: Readonly<Record<Kind, number>> = {
  tcp: 49_152,
  udp: 24_576,
  sctp: 6_144,
  dccp: 6_144,
  udplite: 6_144,
  echo: 6_144,
  other: 6_144,
};

/** Seconds, as those of rules: what a conversation is given, and after how many it may ask again. */
export const TRACKED_TIMES = {
  long: { given: 5400, again: 1800 },
  brief: { given: 60, again: 20 },
  udp: { given: 150, again: 30 },
  rare: { given: 300, again: 120 },
} as const;
/** Of the pair of a conversation, for errors about it. */
export const PAIR_TIME = '3m';
/** Later fragments come with the first one. */
const FRAGMENT_TIME = '5s';

export const stateSet = (state: State, kind: Kind, family: Ip): string => `tracked-${state}-${kind}-${family}`;
export const trackedGiven = (kind: Kind, family: Ip): string => `tracked-given-${kind}-${family}`;
export const trackedPairs = (family: Ip): string => `tracked-pair-${family}`;
export const trackedFragments = (family: Ip): string => `tracked-fragment-${family}`;
/** Pairs of equal octets: what is not equal is not in it. */
export const EQUAL = 'equal-octets';

/** True where the policy gives somebody a filter of libvirt's. */
export function someHaveFilters({ sections = [] }: Partial<Pick<Policy, 'sections'>>): boolean {
  return sections.some(({ settings }) => settings.nwfilter !== undefined && settings.nwfilter !== 'none');
}

interface TrackedSet {
  readonly name: string;
  readonly size: number;
}

function ofKinds(family: Ip): (TrackedSet & { readonly kind: Kind; readonly time: string })[] {
  return KINDS.flatMap((kind) => [
    ...STATES.map((state) => ({ name: stateSet(state, kind, family), size: SIZES[kind], kind, time: BEGINNING })),
    { name: trackedGiven(kind, family), size: GIVEN[kind], kind, time: '30s' },
  ]);
}
const pairs = (family: Ip): TrackedSet => ({ name: trackedPairs(family), size: 196_608 });
const fragments = (family: Ip): TrackedSet => ({ name: trackedFragments(family), size: 49_152 });

/** The sets that frames fill, with their sizes. */
export const TRACKED_SETS: readonly TrackedSet[] = FAMILIES.flatMap((family) => [
  ...ofKinds(family).map(({ name, size }) => ({ name, size })),
  pairs(family),
  fragments(family),
]);

export function declareTracking(): string[] {
  return [
    "# Conversations, for libvirt's filters: who has begun them, and whether there was an answer.",
    ...FAMILIES.flatMap((family) => {
      const declare = ({ name, size }: TrackedSet, type: string, time: string): string =>
        `set ${name} { ${type}; ${TIMED(size, time)}; }`;
      const type = (kind: Kind): string => typeOf(kind === 'echo' || kind === 'other' ? kind : 'ports', family);
      return [
        ...ofKinds(family).map((one) => declare(one, type(one.kind), one.time)),
        declare(pairs(family), typeOf('other', family), PAIR_TIME),
        declare(fragments(family), typeOf('fragment', family), FRAGMENT_TIME),
      ];
    }),
    `set ${EQUAL} { typeof @nh,112,8 . @nh,192,8; elements = { ${Array.from({ length: 256 }, (_, at) => `${at} . ${at}`).join(', ')} }; }`,
  ];
}
