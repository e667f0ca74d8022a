/**
 * What becomes of one frame: it walks from stage to stage, as the kernel lets it. A backend prints the same stages;
 * test/kernel sends every frame of its suites through both.
 *
 * What only the kernel knows is assumed: no limit is used up, and of guests with rules no conversation is allowed yet.
 */
import { Failure } from '../errors.ts';
import { vlanRange } from '../net/vlan-range.ts';
import { bitsOf, blockBits, isAmong } from './field-values.ts';
import type { Frame } from './frame.ts';
import { readBits, readField, routerAddresses, widthOf } from './frame-fields.ts';
import type { LimitKind } from './frame-limits.ts';
import { GATES } from './gateways.ts';
import type { LoadedTerms } from './own-terms.ts';
import type { Direction } from './reasons.ts';
import {
  type FieldMatch,
  isSwitch,
  type Match,
  type Outcome,
  type OwnValue,
  type Stage,
  type Step,
  type Switch,
  type Value,
} from './stage.ts';
import { STAGES } from './stages.ts';

/** What the stages ask a vif for. */
export interface Walker {
  readonly terms: Pick<LoadedTerms, 'values' | 'flags'>;
  /** IPv4 addresses that it has learned. */
  readonly learned: readonly string[];
}

/** Where a frame's way ended. */
export interface WayEnd {
  readonly stage: string;
  readonly outcome: Exclude<Outcome, { readonly goto: string }>;
  /** What the step says of itself that decided; undefined where the end of the stage did, or it says nothing. */
  readonly why: string | undefined;
  /** The stages it went through, the last one included. */
  readonly way: readonly string[];
  /** The limits that it was counted against, and that it is assumed to keep. */
  readonly limits: readonly LimitKind[];
}

/** @throws Failure `internal` for stages that lead nowhere */
export function walk(
  direction: Direction,
  walker: Walker,
  frame: Frame,
  stages: readonly Stage[] = STAGES[direction],
): WayEnd {
  const limits: LimitKind[] = [];
  const way: string[] = [];
  const all: readonly Stage[] = [...GATES[direction], ...stages];
  const follow = (name: string): WayEnd => {
    const stage = all.find((one) => one.name === name);
    if (stage === undefined || way.includes(name)) throw new Failure('internal', `no stage ${name}`);
    way.push(name);
    if (direction === 'from-guest' && name === 'dhcp/address' && givesBack(walker, frame)) {
      return { stage: name, outcome: { accept: true }, why: GIVEN_BACK, way, limits };
    }
    for (const step of stage.steps) {
      const so = isSwitch(step) ? switched(step, frame) : taken(step, walker, frame, limits);
      if (so !== undefined) return end(name, so, step.why);
    }
    return end(name, stage.otherwise, undefined);
  };
  const end = (stage: string, outcome: Outcome, why: string | undefined): WayEnd =>
    'goto' in outcome ? follow(outcome.goto) : { stage, outcome, why, way, limits };
  return follow(walker.terms.flags.includes('gated') ? 'gateways' : 'start');
}

const GIVEN_BACK = 'it gives back an address that it has learned (RFC 2131 §4.4.6)';

/** See src/backends/nftables/learning.ts: what was learned is let go by DHCPRELEASE from that address. */
function givesBack({ learned }: Walker, frame: Frame): boolean {
  if (readBits(frame, 'upper', 1984, 24) !== 0x350107n) return false;
  const has = (bits: bigint | undefined): boolean =>
    bits !== undefined && learned.some((address) => bitsOf(address) === bits);
  return has(readField(frame, 'ip saddr')) && has(readField(frame, 'dhcp ciaddr'));
}

function switched({ switch: field, cases }: Switch, frame: Frame): Outcome | undefined {
  const value = readField(frame, field);
  return cases.find(({ values }) => values.some((one) => BigInt(one) === value))?.so;
}

/** The kernel asks one condition after the other, and no more than it must. */
function taken({ when, so }: Step, walker: Walker, frame: Frame, limits: LimitKind[]): Outcome | undefined {
  return when.every((match) => holds(match, walker, frame, limits)) ? so : undefined;
}

function holds(match: Match, walker: Walker, frame: Frame, limits: LimitKind[]): boolean {
  if ('vif' in match) return walker.terms.flags.includes(match.vif);
  if ('over' in match) {
    limits.push(match.over);
    return false;
  }
  return 'own' in match ? isOwn(match.own, match, walker, frame) : compares(match, walker, frame);
}

function compares(match: Exclude<FieldMatch, { readonly own: unknown }>, walker: Walker, frame: Frame): boolean {
  if ('block' in match) return isInBlock(frame, match.field, match.block);
  if ('notOwn' in match && match.field === 'ra lladdr') {
    const own = ownValues(walker, match.notOwn).map(bitsOf);
    return routerAddresses(frame).some((address) => !own.includes(address));
  }
  const value = readField(frame, match.field);
  if (value === undefined) return false;
  if ('is' in match) return value === bitsOf(match.is);
  if ('isNot' in match) return value !== bitsOf(match.isNot);
  if ('within' in match) return isWithin(value, match.within);
  if ('notWithin' in match) return !isWithin(value, match.notWithin);
  if ('masked' in match) return isMasked(value, match.masked);
  if ('notMasked' in match) return !isMasked(value, match.notMasked);
  return !ownValues(walker, match.notOwn).some((mac) => bitsOf(mac) === value);
}

function isWithin(value: bigint, [first, last]: readonly [Value, Value]): boolean {
  return value >= bitsOf(first) && value <= bitsOf(last);
}

function isMasked(value: bigint, [mask, wanted]: readonly [Value, Value]): boolean {
  return (value & bitsOf(mask)) === bitsOf(wanted);
}

/** Only the first bits are looked at: of a packet that is cut off behind them too. */
function isInBlock(frame: Frame, field: FieldMatch['field'], block: string): boolean {
  const { first, length } = blockBits(block);
  return readField(frame, field, length) === first;
}

/** An address is one of those assigned, in a block, or learned; or the vif may use any, which nobody compares. */
function isOwn(own: OwnValue, { field }: FieldMatch, walker: Walker, frame: Frame): boolean {
  const isAddress = own === 'ip' || own === 'ip6' || own === 'solicited';
  if (isAddress && walker.terms.flags.includes('any')) return true;
  const value = readField(frame, field);
  if (value === undefined) return false;
  if (own === 'vlan') {
    return ownValues(walker, own)
      .map(vlanRange)
      .some(([first, last]) => value >= first && value <= last);
  }
  return isAmong([...ownValues(walker, own), ...(own === 'ip' ? walker.learned : [])], value, widthOf(field));
}

function ownValues({ terms: { values } }: Walker, own: OwnValue): readonly string[] {
  // A record of another version of this program may lack a kind of value.
  const found: readonly string[] | undefined = values[own];
  return found ?? [];
}
