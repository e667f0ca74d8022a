import { baseOfThisBoot, isHeld, type UnderPolicy } from '../backends/base.ts';
import type { Managed } from '../backends/choice.ts';
import { namesGateways } from '../filter/gateways.ts';
import type { OwnTerms } from '../filter/own-terms.ts';
import type { FilterPlan } from '../filter/plan.ts';
import type { OwnValue } from '../filter/stage.ts';
import { sharedName } from '../policy/shared-rules.ts';
import { PORT_FLAGS } from '../port/wished-port.ts';
import { isUnbound, type VifRecord } from '../state/records.ts';
import type { Note } from './notes.ts';
import { portFlags } from './prepare.ts';

/**
 * What the policy says of a vif by now, and no run has taken in: it goes on as it was loaded. Also after an upgrade, if
 * the program makes other rules of the same policy.
 */
export function notTakenIn(record: VifRecord, known: UnderPolicy): Note[] {
  const { name, allow = [], loaded } = record;
  const now = loaded.at(-1);
  const { plan, policy } = known;
  // What has ended is due, which is said besides.
  if (now === undefined || (policy.ended !== undefined && isUnbound(record))) return [];
  const reapply = `vif-bridge reapply ${name}`;
  if (plan.mode !== record.mode || isOther(MODES, now, plan.terms)) return [changed(['mode'], reapply)];
  const parts = [
    ...PARTS.filter(([, values]) => values.some((one) => !areSame(now.values[one], plan.terms.values[one]))).map(
      ([what]) => what,
    ),
    ...(JSON.stringify(now.limits ?? {}) === JSON.stringify(plan.terms.limits ?? {}) ? [] : ['limits']),
    ...(JSON.stringify(now.learning) === JSON.stringify(plan.terms.learning) ? [] : ['learn']),
    ...(isOther(['hairpin'], now, plan.terms) ? ['hairpin'] : []),
    ...(isGated(known) === now.flags.includes('gated') ? [] : ['gateways']),
    ...(record.routed === undefined ? flagsThatDiffer(record, known) : []),
  ];
  return [
    ...(parts.length === 0 ? [] : [changed([...new Set(parts)], reapply)]),
    ...otherOptIns(allow, plan, reapply),
    ...otherRules(now, plan, reapply),
  ];
}

/**
 * The same of what all vifs share; it is taken in as a whole. Undefined where nothing is to be said.
 *
 * @param host with the backend that the rules are in
 */
export function sharedNotTakenIn({
  rules,
  policy,
  state,
  bootId,
}: Pick<Managed, 'rules' | 'policy' | 'state' | 'bootId'>): string | undefined {
  const base = baseOfThisBoot({ state, bootId });
  if (policy.broken !== undefined || !isHeld(base)) return undefined;
  if (policy.backend !== 'auto' && policy.backend !== rules.name)
    return `the rules are in ${rules.name}, and the policy says backend = ${policy.backend}`;
  if (base.policy === undefined || base.policy === sharedName(rules.name, policy)) return undefined;
  return `what all vifs share was made of another policy: ${base.policy}`;
}

const MODES = ['open', 'denied', 'observe'] as const;

/** What an admin would look for in the policy, and where it is in the rules. */
const PARTS: readonly (readonly [what: string, values: readonly OwnValue[]])[] = [
  ['addresses', ['ip', 'ip6', 'solicited', 'broadcast']],
  ['shared', ['sole', 'sole6']],
  ['MACs', ['mac', 'extra']],
  ['routes', ['route', 'route6']],
  ['gateways', ['gateway', 'gateway4', 'gatewayGroups']],
];

function changed(parts: readonly string[], reapply: string): Note {
  return {
    loud: true,
    text: `what the policy says of it has changed since (${parts.join(', ')}), and it goes on as it was loaded: ${reapply}`,
  };
}

function isOther(
  flags: readonly OwnTerms['flags'][number][],
  now: Pick<OwnTerms, 'flags'>,
  then: Pick<OwnTerms, 'flags'>,
): boolean {
  return flags.some((flag) => now.flags.includes(flag) !== then.flags.includes(flag));
}

/** A record of another version may lack a kind. */
function areSame(some: readonly string[] = [], others: readonly string[] = []): boolean {
  if (some.length !== others.length) return false;
  // As nearly all are, and of thousands of vifs there are tens of thousands of lists.
  if (some.every((one, index) => one === others[index])) return true;
  return [...some].sort().join(' ') === [...others].sort().join(' ');
}

/** Whom nobody knows the MAC of is not in the plan. */
function isGated({ policy: { gateways }, plan: { mode } }: UnderPolicy): boolean {
  return (mode === 'addresses' || mode === 'mac-only') && namesGateways(gateways);
}

function flagsThatDiffer({ flags = {}, observed }: VifRecord, { policy }: UnderPolicy): string[] {
  const wished = portFlags(policy, observed === true);
  // `hairpin` is in the rules too.
  return PORT_FLAGS.filter((flag) => flag !== 'hairpin' && wished[flag] !== flags[flag]);
}

function otherOptIns(allow: readonly string[], plan: FilterPlan, reapply: string): Note[] {
  if (allow.join(' ') === plan.allow.join(' ')) return [];
  const text = `its rules allow besides: ${allow.join(' ') || 'nothing'}; the policy has changed since: ${reapply}`;
  return [{ loud: true, text }];
}

function otherRules(
  now: Pick<OwnTerms, 'program' | 'filter'>,
  { terms: { program, filter } }: FilterPlan,
  reapply: string,
): Note[] {
  if (now.program === program && now.filter === filter) return [];
  return [{ loud: true, text: `its rules are not those of the policy any more: ${reapply}` }];
}
