import { isVifKey, KEYS, type KeyName, type Values } from './keys.ts';
import { DEFAULT_VIF_POLICY, type Places, type Policy, type VifPolicy } from './policy.ts';
import { byStrength, isAbout, type Subject } from './section-name.ts';

/** Whether a section is about a guest: only then its name must be read. */
export function asksForGuests(policy: Policy): boolean {
  return policy.sections.some(({ of }) => of.kind === 'guest');
}

/**
 * What the policy says of this vif: the defaults of the program, then every section that is about it, the stronger ones
 * winning key by key.
 *
 * @param vif with the bridge it is on: a section may be about that
 */
export function resolvePolicy(policy: Policy, vif: Subject): VifPolicy {
  return resolved(policy, vif).values;
}

/** The same, with where each value comes from. */
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
