import type { OwnTerms } from '../../filter/own-terms.ts';
import { ALL_REASONS, DEFAULT_GAPS, DIRECTIONS, type Direction, type Reason } from '../../filter/reasons.ts';
import { type Compiled, compileStages, type Shortfall } from './stages.ts';

const ONE = { rate: 1, burst: 1 };

/** A vif that has everything a vif can have, so that every stage is reached. */
const EVERYTHING: OwnTerms = {
  values: {
    mac: ['00:16:3e:00:00:01'],
    extra: [],
    ip: ['192.0.2.10'],
    ip6: ['2001:db8::10'],
    solicited: ['ff02::1:ff00:10'],
    broadcast: ['192.0.2.255'],
    sole: ['192.0.2.10'],
    sole6: ['2001:db8::10'],
    route: ['198.51.100.0/28'],
    route6: ['2001:db8:1::/56'],
    gateway: [],
    gateway4: [],
    gatewayGroups: [],
    ethertype: [],
    protocol: [],
    vlan: [],
  },
  flags: ['managed', 'ipv4', 'ipv6'],
  limits: { arp: ONE, broadcast: ONE, multicast: ONE, dhcp: ONE, nd: ONE, igmp: ONE },
};

/** Answers for a policy: may all of these reasons be missed? */
export function acceptsGaps(gaps: readonly string[]): (reasons: readonly Reason[]) => boolean {
  const accepted = new Set(gaps);
  return (reasons) => reasons.every((reason) => accepted.has(reason));
}

/** Everything of the filter that ebtables cannot see, with what a policy makes of it. */
export function shortfallsOf(gaps: readonly string[]): Shortfall[] {
  return compileAll(gaps).flatMap((one) => one.shortfalls);
}

function compileAll(gaps: readonly string[]): Compiled[] {
  const accepts = acceptsGaps(gaps);
  return DIRECTIONS.map((direction) => compileStages('vif', direction, EVERYTHING, accepts));
}

/** The reasons whose acceptance lets something pass that would be closed: what POSSIBLE_GAPS must say. */
export function possibleGaps(): readonly Reason[] {
  const needed = new Set(shortfallsOf(ALL_REASONS).flatMap((shortfall) => shortfall.reasons));
  return ALL_REASONS.filter((reason) => needed.has(reason));
}

/**
 * How far ebtables stops what a reason stands for.
 * - `yes`: all of it; - `partly`: what it can see of it, the rest passes; - `closed`: all of it, and with it what
 *   cannot be told from it. Both of the last may be, in different places.
 */
export type Support = 'yes' | 'partly' | 'closed';

/** One row of the README's table. nftables stops every reason in full. */
export interface ReasonSupport {
  readonly reason: Reason;
  readonly ebtables: readonly Support[];
  /** `ebtables_gaps` may name it. */
  readonly gap: boolean;
  /** What ebtables would have to see. */
  readonly unseen: readonly string[];
}

/**
 * Reason by reason what ebtables stops, from the same data the rules are made of.
 *
 * @param gaps `ebtables_gaps` of the policy
 */
export function reasonSupport(gaps: readonly string[] = DEFAULT_GAPS): ReasonSupport[] {
  const compiled = compileAll(gaps);
  const shortfalls = compiled.flatMap((one) => one.shortfalls);
  const possible = shortfallsOf(ALL_REASONS);
  const rules = compiled.flatMap((one) => one.chains).flatMap((chain) => chain.rules);
  const checked = new Set([...rules.map((rule) => rule.reason), ...CHECKED_ELSEWHERE]);
  return ALL_REASONS.map((reason) => {
    const own = shortfalls.filter((one) => one.reasons.includes(reason));
    const support = new Set(own.map((one): Support => (one.handling === 'accepted' ? 'partly' : 'closed')));
    // A check that no rule makes stands behind something that is closed as a whole.
    if (support.size === 0) support.add(checked.has(reason) ? 'yes' : 'closed');
    const all = [...own, ...possible.filter((one) => one.reasons.includes(reason))];
    return {
      reason,
      ebtables: [...support].sort(),
      gap: possibleGaps().includes(reason),
      unseen: [...new Set(all.map((one) => one.unseen))],
    };
  });
}

/** Dropped by rules that no stage has, or for vifs without an address. */
const CHECKED_ELSEWHERE: readonly Reason[] = ['unmanaged', 'link-local', 'no-address'];

/** One line of what a vif's rules close or leave open, for the log, `--dry-run` and `status`. */
export interface Limit {
  readonly handling: Shortfall['handling'];
  readonly directions: readonly Direction[];
  readonly reasons: readonly Reason[];
  readonly unseen: readonly string[];
}

/** Shortfalls as few lines: by what happens and to which reason. */
export function limitsOf(shortfalls: readonly Shortfall[]): Limit[] {
  const byReason = new Map<string, { first: Shortfall; all: Shortfall[] }>();
  for (const one of shortfalls) {
    const key = `${one.handling} ${one.reasons.join(' ')}`;
    const entry = byReason.get(key);
    if (entry === undefined) byReason.set(key, { first: one, all: [one] });
    else entry.all.push(one);
  }
  return [...byReason.values()].map(({ first, all }) => ({
    handling: first.handling,
    directions: [...new Set(all.map((one) => one.direction))],
    reasons: first.reasons,
    unseen: [...new Set(all.map((one) => one.unseen))],
  }));
}

/** A limit for people. */
export function limitText({ handling, directions, reasons, unseen }: Limit): string {
  const where = directions.join(' and ');
  const what = reasons.join(' ');
  const why = `ebtables does not show: ${unseen.join(', ')}`;
  return handling === 'accepted'
    ? `not fully checked: ${what} (${where}; ${why}; accepted by ebtables_gaps)`
    : `closed: ${what} (${where}; ${why}; to open it, add ${what} to ebtables_gaps)`;
}
