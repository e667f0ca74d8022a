import type { AddressRange, Family } from '../net/address-range.ts';

/** From the guest's point of view: what comes to it, and what it sends. */
export const RULE_DIRECTIONS = ['in', 'out'] as const;
export type RuleDirection = (typeof RULE_DIRECTIONS)[number];

/** `reject`: it is dropped, and the guest is told so. */
export const VERDICTS = ['allow', 'drop', 'reject'] as const;
export type Verdict = (typeof VERDICTS)[number];

/** First and last, which may be the same. */
export type NumberRange = readonly [first: number, last: number];

/** How often it may match. */
export interface Limit {
  readonly count: number;
  readonly per: 'second' | 'minute';
}

/** Where a rule is written. */
export interface RulePlace {
  readonly file: string;
  readonly line: number;
}

/** One line of a `[rules NAME]` section. What is empty was not asked for: it matches all there is. */
export interface Rule {
  readonly direction: RuleDirection;
  readonly verdict: Verdict;
  /** Of what it speaks alone; undefined: of both. */
  readonly family: Family | undefined;
  /** IP protocol numbers (IANA). */
  readonly protocols: readonly number[];
  /** Destination ports. */
  readonly ports: readonly NumberRange[];
  /** Source ports. */
  readonly sports: readonly NumberRange[];
  /** Types of ICMP or ICMPv6. */
  readonly types: readonly number[];
  readonly from: readonly AddressRange[];
  readonly to: readonly AddressRange[];
  /** Opens no conversation: answers need a rule of their own. */
  readonly stateless: boolean;
  readonly limit: Limit | undefined;
  readonly log: boolean;
  readonly at: RulePlace;
}

/** True for a line without any condition, which ends a direction. */
export function isLast(rule: Rule): boolean {
  const { family, protocols, ports, sports, types, from, to, limit } = rule;
  const asked = [protocols, ports, sports, types, from, to].some((list) => list.length > 0);
  return !asked && family === undefined && limit === undefined;
}
