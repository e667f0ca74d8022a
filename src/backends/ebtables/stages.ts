/**
 * The stages of the filter as ebtables chains, as far as ebtables has words for them, and a list of what it has no
 * words for. ebtables has no sets, so every vif gets chains of its own; no maps, so a switch is a rule for each value;
 * no goto, but a stage always decides, so a jump to one never comes back.
 *
 * What cannot be seen is closed, unless the policy accepts the gap:
 * - a check that would drop for a reason drops all it was to look at; accepted, it is left out;
 * - a way on for what has the right form is no way; accepted, everything counts as having it. The reason is the one for
 *   which the stage drops what has another form.
 */
import { Failure } from '../../errors.ts';
import { GATES } from '../../filter/gateways.ts';
import type { OwnTerms } from '../../filter/own-terms.ts';
import { DIRECTIONS, type Direction, type Reason } from '../../filter/reasons.ts';
import { runsOf } from '../../filter/runs.ts';
import {
  droppedBy,
  isSwitch,
  type Match,
  type Outcome,
  outcomesOf,
  type Stage,
  type Step,
  type Switch,
  sameOutcome,
  sameTest,
} from '../../filter/stage.ts';
import { STAGES } from '../../filter/stages.ts';
import { withoutVlans } from '../../filter/vlan.ts';
import { ebtField, type Options, type Protocol, protocolName } from './fields.ts';
import { combined, compatible, type Spelled, spell } from './match.ts';

/** One rule: when all options match, go to the target. */
export interface EbtRule {
  readonly options: Options;
  /** ACCEPT, DROP, RETURN, or a chain. */
  readonly target: string;
  /** The target is a check: a chain that gives frames back. All others decide. */
  readonly check?: true;
  /** Why a rule with the target DROP drops; its counter counts for it. */
  readonly reason?: Reason;
  readonly why?: string | undefined;
  /** The line of the guest's rules that it is, by direction and number: `in 3`. */
  readonly line?: string;
}

export interface EbtChain {
  readonly name: string;
  /** What becomes of a frame that no rule takes. */
  readonly policy: 'DROP' | 'RETURN' | 'ACCEPT';
  readonly about: string;
  readonly rules: readonly EbtRule[];
}

/** Something of the filter that ebtables cannot see. */
export interface Shortfall {
  readonly direction: Direction;
  readonly stage: string;
  /** What would have to be seen. */
  readonly unseen: string;
  /** What may happen if it is not looked at. */
  readonly reasons: readonly Reason[];
  /** `closed`: what it protects is dropped. `accepted`: the policy accepts the gap. */
  readonly handling: 'closed' | 'accepted';
}

export interface Compiled {
  /** The first one is where every frame begins. */
  readonly chains: readonly EbtChain[];
  readonly shortfalls: readonly Shortfall[];
}

/** The chain where a vif's frames begin: `vif1.0-in`, `vif1.0-out`. As its name has no slash, no other chain has it. */
export function mainChain(device: string, direction: Direction): string {
  return `${device}-${direction === 'from-guest' ? 'in' : 'out'}`;
}

/**
 * The chains of one vif in one direction.
 *
 * @param accepts true if the policy accepts that these reasons may be missed
 * @param own the guest's own rules, which stand in the place of PERMITTED; undefined where there are none
 */
export function compileStages(
  device: string,
  direction: Direction,
  terms: OwnTerms,
  accepts: (reasons: readonly Reason[]) => boolean,
  own?: readonly EbtRule[],
): Compiled {
  const compiler = new Compiler(device, direction, terms, accepts, own);
  return compiler.result();
}

const GATE_NAMES: ReadonlySet<string> = new Set(DIRECTIONS.flatMap((side) => GATES[side].map(({ name }) => name)));

/** Where a frame goes from a rule. */
type Verdict = Pick<EbtRule, 'target' | 'reason'>;

/** A class for what grows while stages are followed: chains and shortfalls. */
class Compiler {
  private readonly stages: ReadonlyMap<string, Stage>;
  private readonly droppable: ReadonlySet<Reason>;
  private readonly built = new Map<string, Verdict>();
  private readonly chains: EbtChain[] = [];
  private readonly shortfalls: Shortfall[] = [];
  private readonly device: string;
  private readonly direction: Direction;
  private readonly terms: OwnTerms;
  private readonly accepts: (reasons: readonly Reason[]) => boolean;
  private readonly own: EbtChain | undefined;

  constructor(
    device: string,
    direction: Direction,
    terms: OwnTerms,
    accepts: (reasons: readonly Reason[]) => boolean,
    own: readonly EbtRule[] | undefined,
  ) {
    this.own = own && {
      name: `${mainChain(device, direction)}/rules`,
      policy: 'DROP',
      about: 'Its own rules (rules =).',
      rules: own,
    };
    this.device = device;
    this.direction = direction;
    this.terms = terms;
    this.accepts = accepts;
    // It cannot look behind a tag: who has VLANs is refused (src/vif/prepare.ts).
    const stages = withoutVlans(STAGES[direction]);
    this.stages = new Map([...stages, ...GATES[direction]].map((stage) => [stage.name, stage]));
    this.droppable = new Set(droppedBy(stages));
  }

  result(): Compiled {
    const start = this.stageNamed('start');
    const gates = this.terms.flags.includes('gated') ? this.gateRules({}, 'gateways', undefined) : [];
    const rules = withoutDoubles([...gates, ...this.rulesOf(start, undefined)]);
    const first: EbtChain = {
      name: mainChain(this.device, this.direction),
      policy: 'DROP',
      about: start.about,
      rules,
    };
    const own = this.own === undefined ? [] : [this.own];
    return { chains: [first, ...this.chains.reverse(), ...own], shortfalls: unique(this.shortfalls) };
  }

  private stageNamed(name: string): Stage {
    const stage = this.stages.get(name);
    if (stage === undefined) throw new Failure('internal', `no stage ${name}`);
    return stage;
  }

  private chainName(stage: Stage, part: number): string {
    return `${mainChain(this.device, this.direction)}/${stage.short ?? stage.name}${part === 1 ? '' : part}`;
  }

  /** Makes the chain of a stage, once, unless one verdict is all it has. */
  private enter(name: string, protocol: Protocol | undefined): Verdict {
    const known = this.built.get(name);
    if (known !== undefined) return known;
    const stage = this.stageNamed(name);
    const verdict = this.makeChain(stage, protocol);
    this.built.set(name, verdict);
    return verdict;
  }

  private makeChain(stage: Stage, protocol: Protocol | undefined): Verdict {
    const rules = withoutDoubles(this.rulesOf(stage, protocol));
    const [only] = rules;
    if (only !== undefined && rules.length === 1 && decides(only)) {
      return only.reason === undefined ? { target: only.target } : { target: only.target, reason: only.reason };
    }
    const name = this.chainName(stage, 1);
    this.chains.push({ name, policy: 'DROP', about: stage.about, rules });
    return { target: name };
  }

  /** Steps in order, up to the first that takes everything. */
  private rulesOf(stage: Stage, protocol: Protocol | undefined): EbtRule[] {
    const rules: EbtRule[] = [];
    let checks = 1;
    for (const step of stage.steps) {
      if (isSwitch(step)) {
        rules.push(...this.switchRules(stage, step, protocol));
      } else {
        const { unless, rules: own } = this.stepRules(stage, step, protocol);
        if (unless.length > 0) checks += 1;
        rules.push(...(unless.length > 0 ? [this.checkRule(stage, checks, unless, own)] : own));
      }
      const decision = rules.findIndex(decides);
      if (decision >= 0) return rules.slice(0, decision + 1);
    }
    return [...rules, ...this.outcomeRules({}, stage.otherwise, protocol, undefined)];
  }

  /**
   * "None of these, then that" as a chain of its own, from which the frames that are one of these come back. (To jump
   * on from each of them would double the ways to what follows, and the kernel walks every way at every change.)
   */
  private checkRule(stage: Stage, part: number, unless: readonly Options[], rules: readonly EbtRule[]): EbtRule {
    const name = this.chainName(stage, part);
    const back = unless.map((options): EbtRule => ({ options, target: 'RETURN' }));
    this.chains.push({
      name,
      policy: 'RETURN',
      about: `A check of ${this.chainName(stage, 1)}.`,
      rules: [...back, ...rules],
    });
    return { options: {}, target: name, check: true };
  }

  /** A step as rules, and what must not match for it to hold (its frames go on with the rest of the stage). */
  private stepRules(
    stage: Stage,
    step: Step,
    protocol: Protocol | undefined,
  ): { unless: readonly Options[]; rules: EbtRule[] } {
    const spelled = step.when.map((match) => spell(match, protocol, this.terms));
    const seen = spelled.flatMap((one) => ('unseen' in one ? [] : [one]));
    const unseen = spelled.flatMap((one) => ('unseen' in one ? [one] : []));
    const inexact = seen.filter(
      (one) => one.roughly === true || (one.misses?.some((reason) => this.matters(reason)) ?? false),
    );
    if (seen.some((one) => 'when' in one && one.when.length === 0)) return { unless: [], rules: [] };

    const what = [...unseen.map((one) => one.unseen), ...inexact.map(() => unseenText(step.when))];
    if (what.length === 0) return this.exactRules(step, seen, protocol);
    const negative = unseen.some((one) => one.negative) || inexact.some((one) => 'unless' in one);
    const sure = seen.filter((one) => !inexact.includes(one));
    const stop = (reasons: readonly Reason[]): { unless: readonly Options[]; rules: EbtRule[] } => {
      this.note(stage, what, reasons, 'closed');
      const reason = reasons[reasons.length - 1];
      if (reason === undefined) throw new Failure('internal', `${stage.name}: nothing to drop for`);
      return this.exactRules({ ...step, so: { drop: reason } }, sure, protocol);
    };

    if ('drop' in step.so) {
      if (!this.accepts([step.so.drop])) return stop([step.so.drop]);
      this.note(stage, what, [step.so.drop], 'accepted');
      return { unless: [], rules: [] };
    }
    if (negative) {
      const declared = inexact.flatMap((one) => one.misses ?? []);
      const reasons = unseen.length > 0 ? this.ownDrops(step.so) : declared;
      if (!this.accepts(reasons)) {
        const strictly = seen.map((one) => ('unless' in one && one.strictly ? { unless: one.strictly } : one));
        if (unseen.length > 0 || strictly.every((one, at) => one === seen[at])) return stop(this.ownDrops(step.so));
        this.note(stage, what, reasons, 'closed');
        return this.exactRules(step, strictly, protocol);
      }
      this.note(stage, what, reasons, 'accepted');
      return unseen.length > 0 ? { unless: [], rules: [] } : this.exactRules(step, seen, protocol);
    }
    const reasons = [
      ...new Set([...inexact.flatMap((one) => one.misses ?? []), this.lastReason(stage, stage.otherwise)]),
    ];
    if (this.accepts(reasons)) {
      this.note(stage, what, reasons, 'accepted');
      return this.exactRules(step, seen, protocol);
    }
    if (!this.onlyDrops(stage.otherwise)) return stop(reasons);
    this.note(stage, what, reasons, 'closed');
    return { unless: [], rules: [] };
  }

  /** A step of which everything can be said. */
  private exactRules(
    step: Step,
    spelled: readonly Exclude<Spelled, { unseen: string }>[],
    protocol: Protocol | undefined,
  ): { unless: readonly Options[]; rules: EbtRule[] } {
    let alternatives: Options[] = [{}];
    const unless: Options[] = [];
    for (const one of spelled) {
      if ('unless' in one) {
        if (one.counts !== true) unless.push(...one.unless);
        continue;
      }
      const [only] = one.when;
      if (only !== undefined && one.when.length === 1 && !alternatives.every((other) => compatible(other, only))) {
        // ebtables takes each option once: `-d` of a group, but not of all, becomes two rules.
        unless.push(positive(only));
        continue;
      }
      alternatives = combined(alternatives, one.when);
    }
    for (const one of spelled)
      if ('unless' in one && one.counts === true) unless.push(...combined(alternatives, one.unless));
    const rules = alternatives.flatMap((options) => this.outcomeRules(options, step.so, protocol, step.why));
    return { unless, rules };
  }

  private switchRules(stage: Stage, step: Switch, protocol: Protocol | undefined): EbtRule[] {
    const field = ebtField(step.switch);
    if ('unseen' in field) return this.blindSwitch(stage, step, field.unseen, protocol);
    const misses = (field.misses ?? []).filter((reason) => this.matters(reason));
    if (misses.length > 0) {
      const accepted = this.accepts(misses);
      this.note(stage, [`next header (ebtables shows ${field.sees})`], misses, accepted ? 'accepted' : 'closed');
      if (!accepted)
        return this.outcomeRules({}, { drop: this.lastReason(stage, stage.otherwise) }, protocol, undefined);
    }
    const isSpecial = (value: number): boolean =>
      field.special?.some((one) => sameTest(one.of, { is: value })) ?? false;
    const cases = step.cases.flatMap((one) =>
      (field.takes === 'range' ? runsOf(one.values) : one.values.map((value) => [value, value] as const)).map(
        (values) => ({
          values,
          so: one.so,
        }),
      ),
    );
    // What is said in another way is narrower than the value it would otherwise be taken for.
    const ordered = [...cases].sort((a, b) => Number(isSpecial(b.values[0])) - Number(isSpecial(a.values[0])));
    return ordered.flatMap(({ values: [from, to], so }) => {
      const match: Match = from === to ? { field: step.switch, is: from } : { field: step.switch, within: [from, to] };
      const spelled = spell(match, protocol, this.terms);
      if (!('when' in spelled)) throw new Failure('internal', `${stage.name}: no words for ${step.switch} ${from}`);
      const inside = step.switch === 'ether type' ? protocolOf(from) : protocol;
      return spelled.when.flatMap((options) => this.outcomeRules(options, so, inside, step.why));
    });
  }

  /** A switch on what cannot be seen: accepted, everything takes the one way that does not drop. */
  private blindSwitch(stage: Stage, step: Switch, unseen: string, protocol: Protocol | undefined): EbtRule[] {
    const all = step.cases.map((one) => this.settled(one.so));
    const ways = all.filter((so) => !('drop' in so));
    const reasons = [
      ...new Set([...all.flatMap((so) => ('drop' in so ? [so.drop] : [])), this.lastReason(stage, stage.otherwise)]),
    ];
    const [way] = ways;
    if (way !== undefined && ways.every((other) => sameOutcome(way, other)) && this.accepts(reasons)) {
      this.note(stage, [unseen], reasons, 'accepted');
      return this.outcomeRules({}, way, protocol, step.why);
    }
    this.note(stage, [unseen], reasons, 'closed');
    return this.outcomeRules({}, { drop: this.lastReason(stage, stage.otherwise) }, protocol, undefined);
  }

  private outcomeRules(
    options: Options,
    so: Outcome,
    protocol: Protocol | undefined,
    why: string | undefined,
  ): EbtRule[] {
    if ('drop' in so) return [{ options, target: 'DROP', reason: so.drop, why }];
    if ('permitted' in so && this.own !== undefined) return [{ options, target: this.own.name, why }];
    if ('accept' in so || 'permitted' in so) return [{ options, target: 'ACCEPT', why }];
    if (GATE_NAMES.has(so.goto)) return [...this.gateRules(options, so.goto, protocol), { options, target: 'RETURN' }];
    if (so.goto === 'start') return [{ options, target: 'RETURN' }];
    const verdict = this.enter(so.goto, protocol);
    return [verdict.reason === undefined ? { options, ...verdict, why } : { options, ...verdict }];
  }

  /** What a stage before the others lets go on comes back from it. */
  private gateRules(options: Options, name: string, protocol: Protocol | undefined): EbtRule[] {
    const verdict = this.enter(name, protocol);
    return [verdict.reason === undefined ? { options, ...verdict, check: true } : { options, ...verdict }];
  }

  /** What becomes of it if that is known of the vif: a stage that lifts a drop is that drop for all others. */
  private settled(so: Outcome): Outcome {
    if (!('goto' in so)) return so;
    const { steps, otherwise } = this.stageNamed(so.goto);
    for (const step of steps) {
      if (isSwitch(step)) return so;
      const flags = step.when.flatMap((match) => ('vif' in match ? [match.vif] : []));
      if (flags.some((flag) => !this.terms.flags.includes(flag))) continue;
      return flags.length === step.when.length ? this.settled(step.so) : so;
    }
    return this.settled(otherwise);
  }

  private matters(reason: Reason): boolean {
    return this.droppable.has(reason);
  }

  /** The reasons for which the stage behind an outcome drops by itself. */
  private ownDrops(so: Outcome): Reason[] {
    if ('drop' in so) return [so.drop];
    return 'goto' in so ? droppedBy([this.stageNamed(so.goto)]) : [];
  }

  /** The reason a frame is dropped for that nothing took. */
  private lastReason(stage: Stage, so: Outcome): Reason {
    if ('drop' in so) return so.drop;
    if ('goto' in so) {
      const next = this.stageNamed(so.goto);
      return this.lastReason(next, next.otherwise);
    }
    throw new Failure('internal', `${stage.name} does not end in a drop`);
  }

  private onlyDrops(so: Outcome): boolean {
    if ('drop' in so) return true;
    if (!('goto' in so)) return false;
    return outcomesOf(this.stageNamed(so.goto)).every((one) => this.onlyDrops(one));
  }

  private note(
    stage: Stage,
    unseen: readonly string[],
    reasons: readonly Reason[],
    handling: Shortfall['handling'],
  ): void {
    for (const one of new Set(unseen)) {
      this.shortfalls.push({ direction: this.direction, stage: stage.name, unseen: one, reasons, handling });
    }
  }
}

/** True if no frame gets past this rule. */
function decides(rule: EbtRule): boolean {
  return rule.check !== true && Object.keys(rule.options).length === 0;
}

/** A rule whose options stand in an earlier one that decides never sees a frame. */
function withoutDoubles(rules: readonly EbtRule[]): EbtRule[] {
  const seen = rules.map((rule) => (rule.check === true ? rule.target : JSON.stringify(rule.options)));
  return rules.filter((_rule, at) => seen.indexOf(seen[at] ?? '') === at);
}

function unique(shortfalls: readonly Shortfall[]): Shortfall[] {
  return [...new Map(shortfalls.map((one) => [JSON.stringify(one), one])).values()];
}

/** The options without their negation: what the negation excludes. */
function positive(options: Options): Options {
  return Object.fromEntries(Object.entries(options).map(([option, value]) => [option, value.replace(/^! /, '')]));
}

function protocolOf(etherType: number): Protocol | undefined {
  const name = protocolName(etherType);
  return name === 'IPv4' || name === 'IPv6' || name === 'ARP' || name === 'RARP' ? name : undefined;
}

function unseenText(when: readonly Match[]): string {
  const fields = when.flatMap((match) => ('field' in match ? [ebtField(match.field)] : []));
  return fields
    .map((field) => ('unseen' in field ? field.unseen : (field.sees ?? '')))
    .filter((text) => text !== '')
    .join(', ');
}
