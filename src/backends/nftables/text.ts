import { DEFAULT_LEARN_SECONDS } from '../../filter/learning.ts';
import { digestsOfTerms, isObserved, type LoadedTerms, type OwnTerms } from '../../filter/own-terms.ts';
import type { FilterPlan } from '../../filter/plan.ts';
import type { Policy } from '../../policy/policy.ts';
import { sharedName, sharedPolicies } from '../../policy/shared-rules.ts';
import { chainDigest } from '../../rules/chain-program.ts';
import { programDigest } from '../../rules/program.ts';
import type { FilterPort, LeavingPort, PlannedPort } from '../backend.ts';
import { sharedDigest } from '../shared-digest.ts';
import {
  type BasePolicy,
  baseParts,
  EXEMPT_SET,
  INGRESS_TABLE,
  type PortPlace,
  renderBase,
  TABLE,
} from './base-text.ts';
import { behindOf } from './behind.ts';
import { chainProgramText } from './chain-program.ts';
import { DEVICE_UNMANAGED } from './device-tables.ts';
import { type DevicePort, renderClaimed, renderDeviceChains, renderDeviceRemoval } from './device-text.ts';
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
import { programText } from './rule-program.ts';

/** What the shared part of the rules needs. */
export interface BaseOptions {
  readonly sentinel: string;
  readonly policy: BasePolicy;
  readonly exempt: readonly number[];
  /** See renderBase. */
  readonly neighbours?: readonly string[];
  /** True to replace whatever is there; false to fill the present table of the same sentinel anew, losing no frame. */
  readonly fresh: boolean;
  /** Where the ports are; on bridges, unless told. */
  readonly place?: PortPlace | undefined;
  /** A chain at a device goes with it when somebody renames it; unless told, it stays with the name. */
  readonly follows?: boolean;
}

/**
 * Text for `nft -f -` that starts anew: all rules and ports of ours in the kernel are replaced by what it and the
 * `portText`s behind it say, in the same transaction.
 */
export function baseText({ sentinel, policy, exempt, neighbours, fresh, place, follows }: BaseOptions): string {
  const sets = [
    ...OWN_NAMES.map(({ name, kind }) => `${kind} ${TABLE} ${name}`),
    ...(policy.unmanaged === 'open' ? [] : [`set ${TABLE} ${EXEMPT_SET}`]),
  ];
  return text([
    '# The part that all vifs share.',
    ...(fresh
      ? [`add table ${TABLE}`, `delete table ${TABLE}`, `add table ${INGRESS_TABLE}`, `delete table ${INGRESS_TABLE}`]
      : [`flush chain ${TABLE} ${sentinel}`, `flush table ${TABLE}`, ...sets.map((set) => `flush ${set}`)]),
    renderBase(sentinel, policy, neighbours, place),
    ...(place === 'device' ? renderClaimed(follows) : []),
    ...renderExempt(exempt),
  ]);
}

/** A short name for one version of the base of ports that are on no bridge; the build has printed all it can list. */
export function deviceBaseDigest(policy: BasePolicy): string {
  const { sections } = policy;
  const print: Parameters<typeof sharedDigest<'nftables'>>[2] = (one) =>
    baseText({
      sentinel: '',
      policy: sections === undefined ? one : { ...one, sections },
      exempt: [],
      fresh: true,
      place: 'device',
    });
  return sharedDigest('nftables', { learn_timeout: DEFAULT_LEARN_SECONDS, ...policy }, print, deviceParts(policy));
}

/** For the build: the digest of every such base with these sections that can be listed, by its name. */
export function namedDeviceDigests(sections: Policy['sections']): [name: string, digest: string][] {
  return sharedPolicies('nftables')
    .filter(({ unmanaged }) => unmanaged === DEVICE_UNMANAGED)
    .map((policy) => [
      sharedName('nftables', policy, deviceParts({ sections })),
      deviceBaseDigest({ ...policy, sections }),
    ]);
}

function deviceParts(policy: Pick<BasePolicy, 'sections'>): string[] {
  return [...baseParts(policy), 'device'];
}

/**
 * Text that makes the rules of one vif what its plan says.
 *
 * @param sentinel of the base it builds upon; undefined where that stands in front of it, in the same transaction
 * @param there the programs of rules that need not be made
 */
export function portText(
  { port, plan, loaded, hadIngress }: PlannedPort,
  sentinel: string | undefined,
  there: ReadonlySet<string> = new Set(),
): string {
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
    ...(plan.program === undefined || there.has(programDigest(plan.program)) ? [] : programText(plan.program)),
    ...(plan.filter === undefined || there.has(chainDigest(plan.filter)) ? [] : chainProgramText(plan.filter)),
    ...addElements(now),
    ...(port.routed !== undefined ? renderDeviceChains(port, behindOf(plan.terms)) : []),
    ...(port.ingress ? renderIngress(plan.device, port.name, isObserved(plan.terms)) : []),
    ...(hadIngress && !port.ingress ? renderIngressRemoval(plan.device) : []),
  ]);
}

/** The same of many, each program once. */
export function portTexts(
  ports: readonly PlannedPort[],
  sentinel?: string,
  there: ReadonlySet<string> = new Set(),
): string[] {
  const made = new Set(there);
  return ports.map((planned, at) => {
    const text = portText(planned, at === 0 ? sentinel : undefined, made);
    for (const digest of digestsOfTerms(planned.plan.terms)) made.add(digest);
    return text;
  });
}

/** Text for a routed vif of which no plan is known, but its device: what has chains and no elements may do nothing. */
export function closedText(port: DevicePort): string {
  return text(renderDeviceChains(port, []));
}

/** Text that takes a vif out. */
export function leaveText({ device, loaded, hadIngress, routedAs }: LeavingPort, sentinel: string): string {
  return text([
    `# ${device} leaves`,
    ...guard(sentinel),
    ...former(loaded),
    ...(routedAs === undefined ? [] : renderDeviceRemoval(device, routedAs)),
    ...(hadIngress ? renderIngressRemoval(device) : []),
  ]);
}

/** Text that lets a port that had a pinned address live beside another one with the same MAC. */
export function ingressText(device: string, name: string): string {
  return text(renderIngress(device, name));
}

/** Nothing can be stale then; the ordinary case of a re-apply. */
function isSame(old: LoadedTerms, { values, flags, limits, learning, program, filter }: OwnTerms): boolean {
  const now = JSON.stringify([values, flags, limits, learning, program, filter]);
  return JSON.stringify([old.values, old.flags, old.limits, old.learning, old.program, old.filter]) === now;
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
