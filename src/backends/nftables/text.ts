import { isObserved, type LoadedTerms, type OwnTerms } from '../../filter/own-terms.ts';
import type { FilterPlan } from '../../filter/plan.ts';
import type { FilterPort, LeavingPort, PlannedPort } from '../backend.ts';
import { type BasePolicy, EXEMPT_SET, INGRESS_TABLE, renderBase, TABLE } from './base-text.ts';
import {
  addElements,
  removeElements,
  renderExempt,
  renderForget,
  renderForgetCounters,
  renderIngress,
  renderIngressRemoval,
} from './elements.ts';
import { type Elements, elementsOf, keyOf, OWN_NAMES } from './own.ts';

/** What the shared part of the rules needs. */
export interface BaseOptions {
  readonly sentinel: string;
  readonly policy: BasePolicy;
  readonly exempt: readonly number[];
  /** See renderBase. */
  readonly neighbours?: readonly string[];
  /** True to replace whatever is there; false to fill the present table of the same sentinel anew, losing no frame. */
  readonly fresh: boolean;
}

/**
 * Text for `nft -f -` that starts anew: all rules and ports of ours in the kernel are replaced by what it and the
 * `portText`s behind it say, in the same transaction.
 */
export function baseText({ sentinel, policy, exempt, neighbours, fresh }: BaseOptions): string {
  const sets = [
    ...OWN_NAMES.map(({ name, verdict }) => `${verdict ? 'map' : 'set'} ${TABLE} ${name}`),
    ...(policy.unmanaged === 'open' ? [] : [`set ${TABLE} ${EXEMPT_SET}`]),
  ];
  return text([
    '# The part that all vifs share.',
    ...(fresh
      ? [`add table ${TABLE}`, `delete table ${TABLE}`, `add table ${INGRESS_TABLE}`, `delete table ${INGRESS_TABLE}`]
      : [`flush chain ${TABLE} ${sentinel}`, `flush table ${TABLE}`, ...sets.map((set) => `flush ${set}`)]),
    renderBase(sentinel, policy, neighbours),
    ...renderExempt(exempt),
  ]);
}

/**
 * Text that makes the rules of one vif what its plan says.
 *
 * @param sentinel of the base it builds upon; undefined where that stands in front of it, in the same transaction
 */
export function portText({ port, plan, loaded, hadIngress }: PlannedPort, sentinel: string | undefined): string {
  const key = keyOf(port.ifindex);
  const now = elementsOf(key, plan.terms);
  return text([
    `# ${port.name}: ${describe(port, plan)}`,
    ...guard(sentinel),
    ...former(loaded.filter((old) => old.ifindex !== port.ifindex)),
    ...loaded
      .filter((old) => old.ifindex === port.ifindex && !isSame(old, plan.terms))
      .flatMap((old) => removeElements(without(elementsOf(key, old), now))),
    // What would have been dropped is not what was.
    ...(loaded.some((old) => old.ifindex === port.ifindex && isObserved(old) !== isObserved(plan.terms))
      ? renderForgetCounters([key])
      : []),
    ...addElements(now),
    ...(port.ingress ? renderIngress(plan.device, port.name, isObserved(plan.terms)) : []),
    ...(hadIngress && !port.ingress ? renderIngressRemoval(plan.device) : []),
  ]);
}

/** Text that takes a vif out. */
export function leaveText({ device, loaded, hadIngress }: LeavingPort, sentinel: string): string {
  return text([
    `# ${device} leaves`,
    ...guard(sentinel),
    ...former(loaded),
    ...(hadIngress ? renderIngressRemoval(device) : []),
  ]);
}

/** Text that lets a port that had a pinned address live beside another one with the same MAC. */
export function ingressText(device: string, name: string): string {
  return text(renderIngress(device, name));
}

/** Nothing can be stale then; the ordinary case of a re-apply. */
function isSame(old: LoadedTerms, { values, flags, limits, learning }: OwnTerms): boolean {
  return (
    JSON.stringify([old.values, old.flags, old.limits, old.learning]) ===
    JSON.stringify([values, flags, limits, learning])
  );
}

/** Fails the whole transaction if the table is not the one our state belongs to. */
function guard(sentinel: string | undefined): string[] {
  return sentinel === undefined ? [] : [`flush chain ${TABLE} ${sentinel}`];
}

/** Blocks are numbers in the rules: here they stand as people write them. */
function describe(port: FilterPort, { mode, terms, allow }: FilterPlan): string {
  const learns = terms.learning === undefined ? [] : ['what DHCP gives'];
  const addresses = mode === 'addresses' ? [...terms.values.ip, ...terms.values.ip6, ...learns] : [mode];
  const more = allow.length === 0 ? [] : [`and ${allow.join(' ')}`];
  const observed = isObserved(terms) ? ['(observed only)'] : [];
  return [...(port.name === port.device ? [] : [`${port.device},`]), ...addresses, ...more, ...observed].join(' ');
}

/** Takes out what may be there under interface indices that are not this vif's any more. */
function former(loaded: readonly LoadedTerms[]): string[] {
  return [
    // One state after the other: blocks of two of them may overlap, and a set of intervals holds only one of them.
    ...loaded.flatMap((old) => removeElements(elementsOf(keyOf(old.ifindex), old))),
    ...renderForget([...new Set(loaded.map((one) => keyOf(one.ifindex)))]),
  ];
}

function without(elements: Elements, kept: Elements): Elements {
  return new Map([...elements].map(([set, keys]) => [set, keys.filter((key) => !kept.get(set)?.includes(key))]));
}

function text(lines: readonly string[]): string {
  return `${lines.join('\n')}\n`;
}
