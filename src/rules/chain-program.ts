import type { Family } from '../net/address-range.ts';
import { textDigest } from '../text-digest.ts';
import type { RuleDirection, RulePlace } from './rule.ts';

/**
 * A program of chains, as nwfilter needs one: layer 2 first, then layer 4, with jumps, returns, masks and states. Like
 * the lists of `[rules NAME]` it is made once for all guests that have the same one.
 *
 * It stands behind the whole filter and behind the guest's own `[rules]`, so it only narrows: nothing in it can let a
 * frame through that was dropped before.
 */

/** What can be asked of a frame. Numbers are those on the wire. */
export type FrameField =
  | 'ether saddr'
  | 'ether daddr'
  | 'ether type'
  | 'arp htype'
  | 'arp ptype'
  | 'arp operation'
  | 'arp saddr ether'
  | 'arp saddr ip'
  | 'arp daddr ether'
  | 'arp daddr ip'
  | 'ip saddr'
  | 'ip daddr'
  | 'ip protocol'
  | 'ip tos'
  | 'ip dscp'
  | 'ip6 saddr'
  | 'ip6 daddr'
  | 'ip6 dscp'
  | 'l4proto'
  | 'sport'
  | 'dport'
  | 'icmp type'
  | 'icmp code'
  | 'tcp flags';

/**
 * What is the guest's own, whoever it is. As the sender of what comes from it an own address may also be none (0.0.0.0,
 * ::): the filter in front lets such a packet pass only where it belongs to getting or probing an address.
 */
export type OwnName = 'mac' | 'ip' | 'ip6';

export type FrameTest =
  | { readonly field: FrameField; readonly within: readonly [first: bigint, last: bigint]; readonly not: boolean }
  /** Equal in the bits of the mask. */
  | { readonly field: 'tcp flags'; readonly masked: readonly [mask: number, value: number]; readonly not: boolean }
  | { readonly field: FrameField; readonly own: OwnName; readonly not: boolean }
  | { readonly tcpOption: number; readonly not: boolean }
  /** An ARP packet whose sender and target have one IP address. */
  | { readonly gratuitous: true; readonly not: boolean }
  /** One of these holds as a whole. */
  | { readonly anyOf: readonly (readonly FrameTest[])[] };

/**
 * What a packet is of its conversation, as conntrack tells it: `new` and `established` go the way of the first packet
 * (`established` when there was an answer), `reply` the other way; `related` is an error about one; `other` has none.
 */
export const PACKET_CLASSES = ['new', 'established', 'reply', 'related', 'other'] as const;
export type PacketClass = (typeof PACKET_CLASSES)[number];

export type ChainOutcome =
  /** It may pass, as far as this program goes. */
  | 'pass'
  | 'drop'
  /** Dropped, and the guest is told. */
  | 'reject'
  | 'return'
  | { readonly jump: number }
  | { readonly goto: number }
  /** By what it is of its conversation. */
  | { readonly classes: Readonly<Record<PacketClass, number>>; readonly family: Family }
  /** It passes, and its conversation is noted. */
  | { readonly note: Family };

/** The rule of the filter that a rule of a chain is made of. */
export interface RuleOrigin {
  readonly text: string;
  readonly at: RulePlace;
}

export interface ChainRule {
  readonly when: readonly FrameTest[];
  readonly so: ChainOutcome;
  /** Undefined for what only leads on. It is no part of what a program does. */
  readonly origin?: RuleOrigin;
}

export interface FilterChain {
  readonly direction: RuleDirection;
  readonly about: string;
  /** The end of a chain is like `return`. */
  readonly rules: readonly ChainRule[];
}

/** A rule of the filter, as people are shown it. */
export interface ListedRule {
  readonly direction: RuleDirection;
  readonly layer: 2 | 4;
  readonly chain: string;
  readonly text: string;
  /** What of its text others have to know. */
  readonly action: 'drop' | 'accept' | 'reject' | 'return' | 'continue';
  readonly bothWays: boolean;
  readonly tracked: boolean;
  readonly at: RulePlace;
  /** Of layer 4. */
  readonly family?: Family | undefined;
  /** What it asks, where that is all there is to it: without states. */
  readonly native?: readonly FrameTest[] | undefined;
  /** Why it can have no effect here. */
  readonly inert?: string | undefined;
}

export interface ChainProgram {
  /** Of the filter. */
  readonly name: string;
  /** Where it begins, for each direction: numbers of chains. Undefined: nothing is asked. */
  readonly start: Readonly<Record<RuleDirection, number | undefined>>;
  readonly chains: readonly FilterChain[];
  readonly listing: readonly ListedRule[];
  /** What an admin should know. */
  readonly notes: readonly string[];
}

/** What a backend counts a rule by: where it stands, so programs that do the same agree about it. */
export function countKey(chain: number, rule: number): string {
  return `filter ${chain}.${rule}`;
}

/**
 * By what keys the rules are counted that were made of one rule of the filter: for several states, several values of
 * its own, and the other direction where that is not listed by itself.
 */
export function countKeys({ chains, listing }: ChainProgram, listed: ListedRule): string[] {
  const isOf = ({ text, at }: RuleOrigin, one: ListedRule): boolean =>
    one.text === text && one.at.file === at.file && one.at.line === at.line;
  return chains.flatMap(({ direction, rules }, chain) =>
    rules.flatMap(({ origin }, rule) => {
      if (origin === undefined || !isOf(origin, listed)) return [];
      const mine = listed.direction === direction;
      const hasOwn = listing.some((one) => one.direction === direction && isOf(origin, one));
      return mine || !hasOwn ? [countKey(chain, rule)] : [];
    }),
  );
}

/** True if some rule of it answers. */
export function rejects({ chains }: ChainProgram): boolean {
  return chains.some(({ rules }) => rules.some(({ so }) => so === 'reject'));
}

/** A name for what it does, and how many chains it has: one more where it rejects. */
export function chainDigest(program: ChainProgram): string {
  const { start, chains } = program;
  return `${textDigest(meaningText([start, chains]))}.${chains.length + Number(rejects(program))}`;
}

/** Whether it keeps conversations in mind. */
export function tracks({ chains }: ChainProgram): boolean {
  return chains.some(({ rules }) => rules.some(({ so }) => typeof so === 'object' && 'note' in so));
}

/** Chains, or rules, as text, without where they are written. */
export function meaningText(what: unknown): string {
  return JSON.stringify(what, (key, value: unknown) => {
    if (key === 'origin') return undefined;
    return typeof value === 'bigint' ? `0x${value.toString(16)}` : value;
  });
}
