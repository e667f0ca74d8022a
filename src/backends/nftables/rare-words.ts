import type { OptInFlag } from '../../filter/opt-ins.ts';
import { isSwitch, type Stage } from '../../filter/stage.ts';
import { withoutVlans } from '../../filter/vlan.ts';
import type { Policy } from '../../policy/policy.ts';

/**
 * Words of `allow` that few have: what lets their frames through stands in the base only while the policy gives them to
 * somebody, so that nobody else pays for it.
 */
const RARE_FLAGS = ['proxy-arp', 'proxy-nd', 'lldp'] as const satisfies readonly OptInFlag[];
/** A word that is a list: of VLANs. */
const VLANS = 'vlan';
export type RareWord = (typeof RARE_FLAGS)[number] | typeof VLANS;

/** Those that the policy gives to somebody. */
export function rareWords({ sections = [] }: Partial<Pick<Policy, 'sections'>>): RareWord[] {
  const all = sections.flatMap(({ settings: { allow = [] } }) => allow);
  const given = new Set(all.flatMap(({ flags = [] }) => flags));
  return [
    ...RARE_FLAGS.filter((flag) => given.has(flag)),
    ...(all.some(({ lists }) => lists?.vlan !== undefined) ? ([VLANS] as const) : []),
  ];
}

/** The stages without those of words that nobody has: these only let through. */
export function withRare<Name extends string>(stages: readonly Stage<Name>[], had: readonly RareWord[]): Stage<Name>[] {
  const some = had.includes(VLANS) ? stages : withoutVlans(stages);
  const missing: readonly string[] = RARE_FLAGS.filter((flag) => !had.includes(flag));
  return some.map((stage) => ({
    ...stage,
    steps: stage.steps.filter(
      (step) => isSwitch(step) || !step.when.some((match) => 'vif' in match && missing.includes(match.vif)),
    ),
  }));
}
