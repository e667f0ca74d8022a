import { Failure } from '../../errors.ts';
import { EVERY_OPT_IN } from '../../filter/opt-ins.ts';
import { isObserved, macOnlyTerms, withOptIns } from '../../filter/own-terms.ts';
import type { FilterPlan } from '../../filter/plan.ts';
import type { Direction } from '../../filter/reasons.ts';
import { parseDeviceName } from '../../net/interface-name.ts';
import type { SharedPolicy } from '../../policy/shared-rules.ts';
import type { Rule } from '../../rules/rule.ts';
import { parseIdentity } from '../../xen/vif-identity.ts';
import type { RuleLimit } from '../backend.ts';
import { sharedDigest } from '../shared-digest.ts';
import { acceptsGaps, limitsOf, limitText } from './gaps.ts';
import { mustBePossible, programRules } from './rules.ts';
import { type Compiled, compileStages, type EbtChain } from './stages.ts';
import { type EbtLoad, renderLoad } from './text.ts';

/** What of the policy is in the rules. */
export type RulePolicy = SharedPolicy<'ebtables'>;

/**
 * The chains of one vif, for both directions.
 *
 * @throws Failure `input` for rules that ebtables cannot follow
 */
export function chainsOf(
  plan: FilterPlan,
  policy: RulePolicy,
): { readonly 'from-guest': Compiled; readonly 'to-guest': Compiled } {
  const { program } = plan;
  if (program !== undefined) mustBePossible(program);
  if (plan.filter !== undefined) {
    throw new Failure('input', `nwfilter = ${plan.filter.name}: ebtables knows no filters of libvirt's`, {
      at: 'the policy file',
      hint: 'they need nftables (backend = nftables), or write nwfilter = none for this guest',
    });
  }
  const accepts = acceptsGaps(policy.ebtables_gaps);
  const compile = (direction: Direction): Compiled => {
    const compiled = compileStages(
      plan.device,
      direction,
      plan.terms,
      accepts,
      program && programRules(program, direction),
    );
    return isObserved(plan.terms) ? { ...compiled, chains: compiled.chains.map(observed) } : compiled;
  };
  return { 'from-guest': compile('from-guest'), 'to-guest': compile('to-guest') };
}

/**
 * The same, and whatever rules or a filter of libvirt's were to decide about is dropped: for one of whom they cannot be
 * followed any more.
 */
export function closedChainsOf(plan: FilterPlan, policy: RulePolicy): ReturnType<typeof chainsOf> {
  const nothing: Rule = { ...CLOSED, direction: 'in' };
  const program = { lists: [], in: [nothing], out: [{ ...nothing, direction: 'out' as const }] };
  return chainsOf({ ...withoutRules(plan), program }, policy);
}

/** What the stages alone say: it can always be followed. */
function withoutRules({ program: _, filter: __, ...bare }: FilterPlan): FilterPlan {
  return bare;
}

const CLOSED: Omit<Rule, 'direction'> = {
  verdict: 'drop',
  family: undefined,
  protocols: [],
  ports: [],
  sports: [],
  types: [],
  from: [],
  to: [],
  stateless: false,
  limit: undefined,
  log: false,
  at: { file: '', line: 0 },
};

/** The same rules with the same counters, and no frame ends in them. */
function observed(chain: EbtChain): EbtChain {
  return {
    ...chain,
    policy: chain.policy === 'DROP' ? 'ACCEPT' : chain.policy,
    rules: chain.rules.map((rule) => (rule.target === 'DROP' ? { ...rule, target: 'ACCEPT' } : rule)),
  };
}

/** What is closed or not fully checked for a vif, because ebtables cannot see it. */
export function limitsOfPlan(plan: FilterPlan, policy: RulePolicy): RuleLimit[] {
  // Rules change nothing of what can be seen; and those that cannot be followed are said elsewhere.
  const compiled = Object.values(chainsOf(withoutRules(plan), policy));
  return limitsOf(compiled.flatMap((one) => one.shortfalls)).map((limit) => ({
    accepted: limit.handling === 'accepted',
    text: limitText(limit),
  }));
}

/**
 * A short name for one version of the rules: of the text for a vif that may do nothing besides, and for one that may do
 * all. It may compile them: ask no more than once.
 */
export function rulesDigest(policy: RulePolicy): string {
  return sharedDigest('ebtables', policy, sampleRules);
}

function sampleRules(policy: RulePolicy): string {
  const plans = [[], EVERY_OPT_IN].map((optIns, at) => {
    const device = parseDeviceName(`vif${at}`, 'sample');
    const vif = parseIdentity({ device, type: 'vif' }, { mac: '00:16:3e:00:00:01' }, 'sample');
    const terms = withOptIns(macOnlyTerms([vif.mac], ['192.0.2.255']), optIns);
    return { device, mode: 'mac-only', macs: [vif.mac], terms, allow: [] } as const;
  });
  const load: EbtLoad = {
    ports: plans.map(({ device, terms }) => ({
      device,
      name: device,
      open: false,
      chains: [],
      macs: terms.values.mac,
    })),
    exempt: [],
    policy,
    neighbours: [],
    chains: plans.flatMap((plan) => Object.values(chainsOf(plan, policy)).flatMap((one) => one.chains)),
    stale: [],
    jumps: () => 1,
  };
  return renderLoad(load, 'legacy');
}
