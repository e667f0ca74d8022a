import type { OptInFlag } from '../../filter/opt-ins.ts';
import { isSwitch, type Stage } from '../../filter/stage.ts';
import type { Policy } from '../../policy/policy.ts';

/**
 * Words of `allow` that few have: what lets their frames through stands in the base only while the policy gives them to
 * somebody, so that nobody else pays for it.
 */
const RARE_FLAGS = ['proxy-arp', 'proxy-nd', 'lldp'] as const satisfies readonly OptInFlag[];
export type RareFlag = (typeof RARE_FLAGS)[number];

/** Those that the policy gives to somebody. */
export function rareFlags({ sections = [] }: Partial<Pick<Policy, 'sections'>>): RareFlag[] {
  const given = new Set(sections.flatMap(({ settings: { allow = [] } }) => allow.flatMap(({ flags = [] }) => flags)));
  return RARE_FLAGS.filter((flag) => given.has(flag));
}

/** The stages without the steps of those that nobody has: these only let through. */
export function withRare<Name extends string>(stages: readonly Stage<Name>[], had: readonly RareFlag[]): Stage<Name>[] {
  const missing: readonly string[] = RARE_FLAGS.filter((flag) => !had.includes(flag));
  return stages.map((stage) => ({
    ...stage,
    steps: stage.steps.filter(
      (step) => isSwitch(step) || !step.when.some((match) => 'vif' in match && missing.includes(match.vif)),
    ),
  }));
}
