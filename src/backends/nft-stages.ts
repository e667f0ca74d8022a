import { counterCode, type Direction, type Reason } from '../filter/reasons.ts';
import type { Field, Match, Outcome, OwnList, Stage, Step, Switch } from '../filter/stage.ts';
import { NFT_FIELDS, nftBlock, nftText, nftValue, type Spelling } from './nft-fields.ts';

/** Prints stages as nftables chains. Chain names hold a slash, so no interface name can ever collide with them. */

/** The verdict map that leads to a vif's own list. */
export const LIST_MAP: Readonly<Record<OwnList, string>> = { in: 'list-in', nd: 'list-nd', out: 'list-out' };

/** The port a frame is judged for: where it came in, or where it is about to leave. */
const PORT: Readonly<Record<Direction, string>> = { 'from-guest': 'iif', 'to-guest': 'oif' };

/** Fields that nft reads as plain bits need a set of plain bits; the others one of typed addresses. */
export const OWN_SET = {
  typed: 'own-mac',
  raw: 'own-mac-raw',
  'dhcp-address': 'own-dhcp-address',
  broadcast: 'own-broadcast',
} as const;

export function stageChain(direction: Direction, stage: string): string {
  return `${direction}/${stage}`;
}

export function dropChain(direction: Direction, reason: Reason): string {
  return `${direction}/drop-${reason}`;
}

/**
 * Stages that only ask for the vif's own list, and the one stage that every way to them leads through.
 *
 * The kernel validates a table by walking every path through its chains, and at a verdict map every chain of the map
 * (nft_lookup_validate; no memory of chains it has seen before Linux 6.19): 240 ways to one map of 4000 vifs would be
 * ten million rules for each change. So the entry *jumps* into its form checks, `goto` the asking stage becomes
 * `return`, and the map stands in the entry, once.
 */
export const ASKED_AT_ENTRY: Readonly<Record<Direction, Readonly<Record<string, string>>>> = {
  'from-guest': { 'ip/own': 'ip', 'ip6/own': 'ip6' },
  'to-guest': {},
};

/** All stages of one direction as chains of a `table` block; a chain stands before those that lead to it. */
export function renderStages(direction: Direction, stages: readonly Stage[]): string[] {
  const entries = new Map(Object.entries(ASKED_AT_ENTRY[direction]).map(([asking, entry]) => [entry, asking]));
  return [...stages].reverse().flatMap((stage) => {
    if (Object.hasOwn(ASKED_AT_ENTRY[direction], stage.name)) return [];
    const asking = stages.find((one) => one.name === entries.get(stage.name));
    if (asking === undefined) return renderChain(direction, stage, []);
    const form = `${stage.name}/form`;
    return [
      ...renderChain(direction, { ...stage, name: form }, []),
      ...renderChain(direction, { ...asking, name: stage.name }, [`jump ${stageChain(direction, form)}`]),
    ];
  });
}

function renderChain(direction: Direction, stage: Stage, first: readonly string[]): string[] {
  const steps = stage.steps.flatMap((step) => [
    ...(step.why === undefined ? [] : [`    # ${step.why}`]),
    `    ${'switch' in step ? renderSwitch(direction, step) : renderStep(direction, step)}`,
  ]);
  return [
    `  # ${stage.about}`,
    `  chain ${stageChain(direction, stage.name)} {`,
    ...first.map((rule) => `    ${rule}`),
    ...steps,
    `    ${renderOutcome(direction, stage.otherwise)}`,
    '  }',
    '',
  ];
}

/** Count, then drop: two rules, so that a counter that cannot be made never lets a frame go on. */
export function renderDropChain(direction: Direction, reason: Reason): string[] {
  const code = `0x${counterCode(direction, reason).toString(16).padStart(8, '0')}`;
  return [
    `  chain ${dropChain(direction, reason)} {`,
    `    add @drops { ${PORT[direction]} . ${code} }`,
    `    drop comment "${reason}"`,
    '  }',
  ];
}

function renderStep(direction: Direction, step: Step): string {
  const conditions = step.when.map((match) => renderMatch(direction, match, 'bare'));
  return [...conditions, renderOutcome(direction, step.so)].join(' ');
}

function renderSwitch(direction: Direction, step: Switch): string {
  const cases = step.cases.flatMap((one) =>
    one.values.map((value) => `${nftValue(step.switch, value, 'bare')} : ${renderOutcome(direction, one.so)}`),
  );
  return `${nftText(step.switch, 'bare')} vmap { ${cases.join(', ')} }`;
}

function renderOutcome(direction: Direction, outcome: Outcome): string {
  if ('drop' in outcome) return `goto ${dropChain(direction, outcome.drop)}`;
  if ('goto' in outcome) {
    const asking = Object.hasOwn(ASKED_AT_ENTRY[direction], outcome.goto);
    return asking ? 'return' : `goto ${stageChain(direction, outcome.goto)}`;
  }
  if ('ask' in outcome) return `${PORT[direction]} vmap @${LIST_MAP[outcome.ask]}`;
  return 'accept';
}

/** One condition in nft's words. */
export function renderMatch(direction: Direction, match: Match, spelling: Spelling = 'named'): string {
  const port = PORT[direction];
  if ('vif' in match) return `${port} @${match.vif}`;
  const text = nftText(match.field, spelling);
  const value = (one: number | string): string => nftValue(match.field, one, spelling);
  if ('is' in match) return `${text} ${value(match.is)}`;
  if ('isNot' in match) return `${text} != ${value(match.isNot)}`;
  if ('within' in match) return `${text} ${match.within.map(value).join('-')}`;
  if ('notWithin' in match) return `${text} != ${match.notWithin.map(value).join('-')}`;
  if ('masked' in match) return `${text} & ${value(match.masked[0])} == ${value(match.masked[1])}`;
  if ('notMasked' in match) return `${text} & ${value(match.notMasked[0])} != ${value(match.notMasked[1])}`;
  if ('block' in match) return nftBlock(match.field, match.block, spelling);
  // A set's key has the type of the named field.
  const key = nftText(match.field, 'named');
  if ('own' in match) return `${port} . ${key} @${ownSet(match.field, match.own)}`;
  return `${port} . ${key} != @${ownSet(match.field, match.notOwn)}`;
}

function ownSet(field: Field, value: 'mac' | 'dhcp-address' | 'broadcast'): string {
  if (value !== 'mac') return OWN_SET[value];
  return NFT_FIELDS[field].value === 'hex' ? OWN_SET.raw : OWN_SET.typed;
}
