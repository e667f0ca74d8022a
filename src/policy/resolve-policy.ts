import { Failure } from '../errors.ts';
import type { ChainProgram } from '../rules/chain-program.ts';
import type { RuleProgram } from '../rules/program.ts';
import { NO_FILTER } from './filter-keys.ts';
import { isVifKey, KEYS, type KeyName, type Values } from './keys.ts';
import { isPast } from './moment.ts';
import {
  DEFAULT_VIF_POLICY,
  type FilteredGuest,
  type HeldPolicy,
  type Places,
  type Policy,
  type VifPolicy,
} from './policy.ts';
import { program } from './rule-lists.ts';
import { byStrength, isAbout, type Subject } from './section-name.ts';

/** Whether a section is about a guest: only then its name must be read. */
export function asksForGuests(policy: Policy): boolean {
  return policy.sections.some(({ of }) => of.kind === 'guest');
}

/** What the policy says of a vif, and the program that its lists of rules make. */
export interface ResolvedPolicy extends HeldPolicy {
  readonly program?: RuleProgram;
  /** The program of its filter, for who it is. @throws Failure `input` */
  readonly filterFor?: (guest: FilteredGuest) => ChainProgram;
}

/**
 * What the policy says of this vif: the defaults of the program, then every section that is about it, the stronger ones
 * winning key by key.
 *
 * @param vif with the bridge it is on: a section may be about that
 * @param now ISO 8601: what opens a vif may have ended
 */
export function resolvePolicy(policy: Policy, vif: Subject, now: string): ResolvedPolicy {
  const { values, places } = resolved(policy, vif);
  const held =
    opens(values) && isPast(values.until, now) ? { ...values, mode: 'locked' as const, ended: values.mode } : values;
  return {
    ...held,
    ...(values.rules.length === 0 ? {} : { program: program(policy.ruleLists, values.rules) }),
    ...(values.nwfilter === NO_FILTER ? {} : { filterFor: filterOf(policy, values, places.nwfilter) }),
  };
}

function filterOf(
  { filters }: Policy,
  values: VifPolicy,
  place: string | undefined,
): (guest: FilteredGuest) => ChainProgram {
  return (guest) => {
    if (filters === undefined) throw new Failure('internal', 'filters are named, and nothing is there that reads them');
    return filters.program(values.nwfilter, values['nwfilter.NAME'], guest, place);
  };
}

/** Whether `until` ends its mode. */
export function opens({ mode }: Pick<VifPolicy, 'mode'>): boolean {
  return mode === 'unlocked' || mode === 'observe';
}

/** What the files say, whatever the time is, with where each value comes from. */
export function resolved(policy: Policy, vif: Subject): { readonly values: VifPolicy; readonly places: Places } {
  let values = DEFAULT_VIF_POLICY;
  let places: Places = {};
  // `sort` keeps the order of equals, so a later file wins.
  for (const section of policy.sections.filter(({ of }) => isAbout(of, vif)).sort((a, b) => byStrength(a.of, b.of))) {
    const { adds } = section;
    const weaker = values;
    values = { ...weaker, ...section.settings };
    for (const key of adds) if (isVifKey(key)) values = { ...values, [key]: added(key, weaker, values) };
    places = { ...places, ...section.places, ...placesOfAll(adds, places, section.places) };
  }
  return { values, places };
}

/** What `key += more` makes of the value that holds without it. */
function added<K extends KeyName>(key: K, weaker: Pick<Values, K>, more: Pick<Values, K>): Values[K] {
  return KEYS[key].kind.add?.(weaker[key], more[key]) ?? more[key];
}

/** Of a value that was put together, every place. */
function placesOfAll(adds: ReadonlySet<KeyName>, weaker: Places, places: Places): Places {
  return Object.fromEntries([...adds].map((key) => [key, [weaker[key], places[key]].filter(Boolean).join(' ')]));
}
