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
    values = { ...values, ...section.settings };
    places = { ...places, ...section.places };
  }
  return { values, places };
}
