import type { GateName } from '../../filter/gateways.ts';
import { counterCode, type Direction, type Reason } from '../../filter/reasons.ts';
import {
  isSwitch,
  type Match,
  type Outcome,
  type Stage,
  type Step,
  type Switch,
  type Value,
} from '../../filter/stage.ts';
import type { StageName } from '../../filter/stages.ts';
import { SET_MARK } from './counted-frames.ts';
import { nftBare, nftBlock, nftValue } from './fields.ts';
import { DECLINE, RELEASE } from './learning.ts';
import { flagSet, NAME, notOwnMac, overLimit, ownAlternatives, PORT } from './own.ts';

/** Prints stages as nftables chains. */

/** Chains that are no stages: what stands before them, and what only link-local frames see. */
export type OtherChain =
  | 'link-local'
  | 'lldp'
  | 'unconfigured'
  | 'quick'
  | 'quick-ip'
  | 'quick-ip-more'
  | 'quick-ip6'
  | 'quick-ip6-more';

export function stageChain(direction: Direction, stage: AnyStage | OtherChain): string {
  return `${direction}/${stage}`;
}

/** A stage, or one of those before them. */
export type AnyStage = StageName | GateName;

export function dropChain(direction: Direction, reason: Reason): string {
  return `${direction}/drop-${reason}`;
}

/**
 * All stages of one direction as chains of a `table` block; a chain stands before those that lead to it.
 *
 * @param some.learning some vif learns addresses
 * @param some.returns chains of these give frames back themselves: none is folded
 */
export function renderStages(
  direction: Direction,
  stages: readonly Stage<AnyStage>[],
  { learning = false, returns = false } = {},
): string[] {
  return [...stages].reverse().flatMap((stage) => renderChain(direction, stage, learning, !returns));
}

/** A rule, and what is said of it. */
interface Line {
  readonly why: string | undefined;
  readonly rule: string;
}

function renderChain(direction: Direction, stage: Stage<AnyStage>, learning: boolean, folds: boolean): string[] {
  const name = stageChain(direction, stage.name);
  const lines = stage.steps.flatMap((step) =>
    (isSwitch(step) ? renderSwitch(direction, step) : renderStep(direction, step, learning)).map(
      (rule, at): Line => ({ why: at === 0 ? step.why : undefined, rule }),
    ),
  );
  const otherwise = renderOutcome(direction, stage.otherwise);
  const { before, same, way } = folds ? folded(lines) : { before: lines, same: [], way: '' };
  const back = same.map(({ why, rule }) => ({ why, rule: rule.replace(way, 'return') }));
  return [
    ...(same.length === 0 ? [] : [`  chain ${name}/else {`, ...printed(back), `    ${otherwise}`, '  }', '']),
    `  # ${stage.about}`,
    `  chain ${name} {`,
    ...(learning && direction === 'from-guest' && stage.name === 'dhcp/address' ? [...RELEASE, ...DECLINE] : []),
    ...printed(before),
    ...(same.length === 0 ? [`    ${otherwise}`] : [`    jump ${name}/else`, `    ${way}`]),
    '  }',
    '',
  ];
}

function printed(lines: readonly Line[]): string[] {
  return lines.flatMap(({ why, rule }) => [...(why === undefined ? [] : [`    # ${why}`]), `    ${rule}`]);
}

/**
 * The rules at the end of a chain that all lead to one stage. They are asked in a chain of their own, which gives back
 * who is to go there, and so there is one way to it: older kernels (6.1) walk every way through the chains at each load
 * that adds one (nft_chain_validate), for each hook, and a routed vif has two of its own. 140 000 steps became 22 000.
 *
 * @returns `way`: the verdict of all of `same`, which is empty if there are not several
 */
function folded(lines: readonly Line[]): {
  readonly before: readonly Line[];
  readonly same: readonly Line[];
  readonly way: string;
} {
  const [way = ''] = / goto (?!\S+\/drop-)\S+$/.exec(lines.at(-1)?.rule ?? '') ?? [];
  const first = lines.findLastIndex(({ rule }) => way === '' || !rule.endsWith(way)) + 1;
  if (lines.length - first < 2) return { before: lines, same: [], way };
  return { before: lines.slice(0, first), same: lines.slice(first), way: way.trim() };
}

/** What stands for direction and reason in the sets of counters. */
export function counterKey(direction: Direction, reason: Reason): string {
  return `0x${counterCode(direction, reason).toString(16).padStart(8, '0')}`;
}

/**
 * Count, then drop: two rules, so that a counter that cannot be made never lets a frame go on. Ports that nobody has
 * configured have no group of their own; they are counted by name. Who is only observed is asked for between the two:
 * frames that pass never come here.
 *
 * @param marks what is counted, and goes on, is marked for the hooks behind; to groups of the link there are none
 */
export function renderDropChain(direction: Direction, reason: Reason, marks = false): string[] {
  const code = counterKey(direction, reason);
  const count =
    reason === 'unmanaged'
      ? `update @drops-unmanaged { ${NAME[direction]} . ${code} }`
      : `add @drops { ${PORT[direction]} . ${code} }`;
  const isObserved = renderMatch(direction, { vif: 'observe' }).join(' ');
  const observed = [
    ...(marks && reason !== 'link-local' ? [`    ${isObserved} ${SET_MARK}`] : []),
    `    ${isObserved} accept`,
  ];
  return [
    `  chain ${dropChain(direction, reason)} {`,
    `    ${count}`,
    ...(reason === 'unmanaged' ? [] : observed),
    `    drop comment "${reason}"`,
    '  }',
  ];
}

/** A rule for every combination of alternatives. */
function renderStep(direction: Direction, step: Step<AnyStage>, learning: boolean): string[] {
  const outcome = renderOutcome(direction, step.so);
  const rules = step.when.reduce<string[]>(
    (begun, match) => begun.flatMap((rule) => renderMatch(direction, match, learning).map((one) => `${rule}${one} `)),
    [''],
  );
  return rules.map((rule) => `${rule}${outcome}`);
}

/**
 * One look for all, but for several values that lead to one stage: older kernels (6.1) walk every way through the
 * chains when they load them (nft_chain_validate), so each value of a verdict map would multiply all that lies behind.
 * Measured on Debian's 6.1 in QEMU: a base of 7 million such steps did not load in 8 s, one of 2.8 does.
 */
function renderSwitch(direction: Direction, { switch: field, cases }: Switch<AnyStage>): string[] {
  const text = nftBare(field);
  const values = (of: readonly number[]): string[] => of.map((value) => nftValue(field, value));
  const isMany = ({ values: all, so }: (typeof cases)[number]): boolean => all.length > 1 && 'goto' in so;
  const single = cases
    .filter((one) => !isMany(one))
    .flatMap((one) => values(one.values).map((value) => `${value} : ${renderOutcome(direction, one.so)}`));
  return [
    ...cases
      .filter(isMany)
      .map((one) => `${text} { ${values(one.values).join(', ')} } ${renderOutcome(direction, one.so)}`),
    ...(single.length === 0 ? [] : [`${text} vmap { ${single.join(', ')} }`]),
  ];
}

/** An outcome as a verdict. */
export function renderOutcome(direction: Direction, outcome: Outcome<AnyStage>): string {
  if ('drop' in outcome) return `goto ${dropChain(direction, outcome.drop)}`;
  if ('goto' in outcome) return `goto ${stageChain(direction, outcome.goto)}`;
  // Its guest's own rules are asked behind this hook.
  if ('permitted' in outcome || 'accept' in outcome) return 'accept';
  return outcome satisfies never;
}

/** One condition in nft's words; it holds if one of the alternatives does. */
export function renderMatch(direction: Direction, match: Match, learning = false): string[] {
  if ('vif' in match) return [`${PORT[direction]} @${flagSet(match.vif)}`];
  if ('over' in match) return [overLimit(direction, match.over)];
  if ('own' in match) return ownAlternatives(direction, match.field, match.own, learning);
  if ('notOwn' in match) return notOwnMac(direction, match.field, match.notOwn);
  if ('block' in match) return [nftBlock(match.field, match.block)];
  const text = nftBare(match.field);
  const value = (one: Value): string => nftValue(match.field, one);
  if ('is' in match) return [`${text} ${value(match.is)}`];
  if ('isNot' in match) return [`${text} != ${value(match.isNot)}`];
  if ('within' in match) return [`${text} ${match.within.map(value).join('-')}`];
  if ('notWithin' in match) return [`${text} != ${match.notWithin.map(value).join('-')}`];
  if ('masked' in match) return [`${text} & ${value(match.masked[0])} == ${value(match.masked[1])}`];
  return [`${text} & ${value(match.notMasked[0])} != ${value(match.notMasked[1])}`];
}
