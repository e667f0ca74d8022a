import ipaddr from 'ipaddr.js';
import { Failure } from '../../errors.ts';
import type { OwnTerms } from '../../filter/own-terms.ts';
import type { Reason } from '../../filter/reasons.ts';
import {
  type FieldMatch,
  type Match,
  type OwnAddress,
  type OwnValue,
  sameTest,
  type Value,
} from '../../filter/stage.ts';
import { LLC_LENGTHS } from '../../filter/wire.ts';
import { macText } from '../../net/mac-address.ts';
import { type EbtField, ebtField, type Options, type Protocol, protocolName, type SpecialTest } from './fields.ts';

/** A condition in ebtables' words. */
export type Spelled =
  /** True if one of these matches; never, if there is none. */
  | { readonly when: readonly Options[]; readonly roughly?: true; readonly misses?: readonly Reason[] }
  /** True if none of these matches; always, if there is none. */
  | {
      readonly unless: readonly Options[];
      readonly roughly?: true;
      readonly misses?: readonly Reason[];
      /** Instead, where what is missed may not be missed. */
      readonly strictly?: readonly Options[];
      /** To ask is to count: only frames that match all else may be asked about. */
      readonly counts?: true;
    }
  /** There are no words for it: what would have to be seen. */
  | { readonly unseen: string; readonly negative: boolean };

const ALWAYS: Spelled = { unless: [] };
const NEVER: Spelled = { when: [] };

/** Options that a rule can have only once, and whose values can be compared as text. */
const COMPARABLE = ['-p', '--ip-protocol', '--ip6-protocol', '--arp-opcode'] as const;
/** "Any, if it can be read": gives way to a real value. */
const WILDCARDS: readonly string[] = ['0:65535', '0:255', '0.0.0.0/0.0.0.0', '00:00:00:00:00:00/00:00:00:00:00:00'];

/**
 * One condition of a stage.
 *
 * @param protocol what is known of the frame by now
 */
export function spell(match: Match, protocol: Protocol | undefined, terms: OwnTerms): Spelled {
  if ('vif' in match) return terms.flags.includes(match.vif) ? ALWAYS : NEVER;
  if ('over' in match) {
    const limit = terms.limits?.[match.over];
    // ebt_limit matches what is within its limit.
    return limit === undefined
      ? NEVER
      : { counts: true, unless: [{ '--limit': `${limit.rate}/s`, '--limit-burst': String(limit.burst) }] };
  }
  if ('own' in match && isAddress(match.own) && terms.flags.includes('any')) return ALWAYS;
  const field = ebtField(match.field);
  const negative = 'isNot' in match || 'notWithin' in match || 'notMasked' in match || 'notOwn' in match;
  const special = field.special?.find((one) => sameTest(one.of, match));
  if (special !== undefined) return spellSpecial(special, protocol, negative);
  if ('unseen' in field) return { unseen: field.unseen, negative };
  if (field.in !== undefined && (protocol === undefined || !field.in.includes(protocol))) return NEVER;
  const any = valuesOf(match, field, terms).map((value) => optionsFor(field, value, protocol));
  if (!negative) return { when: any, ...missesOf(field) };
  const [only, ...more] = any;
  if (only === undefined || more.length > 0) return { unless: any, ...missesOf(field) };
  const option = optionName(field, protocol);
  return { when: [{ ...only, [option]: `! ${only[option]}` }], ...missesOf(field) };
}

function isAddress(own: OwnValue): own is OwnAddress {
  return own === 'ip' || own === 'ip6' || own === 'solicited';
}

/**
 * Both together: undefined if no frame can match both.
 *
 * @throws Failure `internal` where one rule of ebtables cannot say it
 */
export function both(a: Options, b: Options): Options | undefined {
  const merged: Record<string, string> = { ...a };
  for (const [option, value] of Object.entries(b)) {
    const present = merged[option];
    if (present === undefined || present === value || WILDCARDS.includes(present)) {
      merged[option] = value;
      continue;
    }
    if (WILDCARDS.includes(value)) continue;
    const together = maskedBoth(present, value);
    if (together === 'never') return undefined;
    if (together !== undefined) {
      merged[option] = together;
      continue;
    }
    if (!(COMPARABLE as readonly string[]).includes(option) || `${present}${value}`.includes('!')) {
      throw new Failure('internal', `one rule of ebtables cannot say ${option} ${present} and ${value}`);
    }
    return undefined;
  }
  return merged;
}

/** Two conditions on one address, each an address or a masked one, as one: all bits that either of them asks for. */
function maskedBoth(a: string, b: string): string | 'never' | undefined {
  const [first, second] = [maskedBits(a), maskedBits(b)];
  if (first === undefined || second === undefined || first.kind !== second.kind) return undefined;
  if (((first.value ^ second.value) & first.mask & second.mask) !== 0n) return 'never';
  const mask = first.mask | second.mask;
  if (mask === first.mask) return a;
  if (mask === second.mask) return b;
  const value = (first.value & first.mask) | (second.value & second.mask);
  const text = first.kind === 'mac' ? macText : (bits: bigint): string => ipv4Text(Number(bits));
  return `${text(value)}/${text(mask)}`;
}

/** `address`, `address/length` or `address/mask`, of IPv4 or Ethernet. */
function maskedBits(text: string): { kind: 'mac' | 'ipv4'; value: bigint; mask: bigint } | undefined {
  const [address = '', given] = text.split('/');
  const kind = /^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/.test(address)
    ? 'mac'
    : ipaddr.IPv4.isValidFourPartDecimal(address)
      ? 'ipv4'
      : undefined;
  if (kind === undefined) return undefined;
  const bits = (one: string): bigint =>
    kind === 'mac'
      ? BigInt(`0x${one.replaceAll(':', '')}`)
      : one.split('.').reduce((sum, part) => sum * 256n + BigInt(part), 0n);
  const all = kind === 'mac' ? 2n ** 48n - 1n : 2n ** 32n - 1n;
  const mask = given === undefined ? all : /^\d+$/.test(given) ? all ^ (all >> BigInt(given)) : bits(given);
  return { kind, value: bits(address), mask };
}

/** Every combination of one of each. */
export function combined(first: readonly Options[], second: readonly Options[]): Options[] {
  return first.flatMap((a) =>
    second.flatMap((b): Options[] => {
      const merged = both(a, b);
      return merged === undefined ? [] : [merged];
    }),
  );
}

/** True if one rule can hold both. */
export function compatible(a: Options, b: Options): boolean {
  try {
    both(a, b);
    return true;
  } catch {
    return false;
  }
}

function missesOf(field: EbtField): { misses?: readonly Reason[] } {
  return field.misses === undefined ? {} : { misses: field.misses };
}

function spellSpecial(special: SpecialTest, protocol: Protocol | undefined, negative: boolean): Spelled {
  const inside = (all: readonly Options[]): Options[] =>
    all
      .filter((options) => options['-p'] === undefined || options['-p'] === protocol)
      .map((options) => (protocol === undefined ? options : { '-p': protocol, ...options }));
  const { of: _of, any, strictly, ...more } = special;
  if (!negative) return { when: inside(any), ...more };
  return { unless: inside(any), ...more, ...(strictly === undefined ? {} : { strictly: inside(strictly) }) };
}

/** The values of a condition, each as ebtables writes it. */
function valuesOf(match: FieldMatch, field: EbtField, terms: OwnTerms): string[] {
  if ('is' in match) return [valueText(field, match.is)];
  if ('isNot' in match) return [valueText(field, match.isNot)];
  if ('within' in match) return rangeTexts(field, match.within);
  if ('notWithin' in match) return rangeTexts(field, match.notWithin);
  if ('masked' in match) return [maskedText(field, match.masked)];
  if ('notMasked' in match) return [maskedText(field, match.notMasked)];
  if ('block' in match) return [match.block];
  // A record of another version of this program may lack a kind of value.
  return (terms.values['own' in match ? match.own : match.notOwn] ?? []).map((value) => valueText(field, value));
}

function valueText(field: EbtField, value: Value | string): string {
  return field.takes === 'ethertype' ? protocolName(Number(value)) : String(value);
}

function rangeTexts(field: EbtField, [first, last]: readonly [Value, Value]): string[] {
  switch (field.takes) {
    // IEEE 802.3: what is below 0x0600 is a length.
    case 'ethertype':
      if (first === LLC_LENGTHS[0] && last === LLC_LENGTHS[1]) return ['LENGTH'];
      break;
    case 'range':
      return [`${first}:${last}`];
    case 'number':
      return Array.from({ length: Number(last) - Number(first) + 1 }, (_, index) => String(Number(first) + index));
    case 'ipv4':
      return ipv4Blocks(ipv4Number(first), ipv4Number(last));
    default:
      break;
  }
  throw new Failure('internal', `ebtables has no range ${first}-${last} for ${JSON.stringify(field.option)}`);
}

function maskedText(field: EbtField, [mask, value]: readonly [Value, Value]): string {
  if (field.takes !== 'ipv6') return `${value}/${mask}`;
  const length = ipaddr.IPv6.parse(String(mask)).prefixLengthFromSubnetMask();
  return `${value}/${length ?? mask}`;
}

function optionName(field: EbtField, protocol: Protocol | undefined): string {
  const name = typeof field.option === 'string' ? field.option : protocol && field.option[protocol];
  if (name === undefined) throw new Failure('internal', `no option for ${JSON.stringify(field.option)} in ${protocol}`);
  return name;
}

function optionsFor(field: EbtField, value: string, protocol: Protocol | undefined): Options {
  const [before, after] = field.around ?? ['', ''];
  return {
    ...(field.in === undefined || protocol === undefined ? {} : { '-p': protocol }),
    ...needsOf(field, protocol),
    [optionName(field, protocol)]: `${before}${value}${after}`,
  };
}

function needsOf(field: EbtField, protocol: Protocol | undefined): Options {
  const needs: Readonly<Record<string, string | Options>> = field.needs ?? {};
  const entries = Object.entries(needs).flatMap(([key, value]): [string, string][] => {
    if (typeof value === 'string') return [[key, value]];
    return key === protocol ? Object.entries(value) : [];
  });
  return Object.fromEntries(entries);
}

/** The blocks that make up a range of addresses. */
function ipv4Blocks(from: number, to: number): string[] {
  const blocks: string[] = [];
  for (let start = from; start <= to; ) {
    let size = 2 ** 32;
    while (start % size !== 0 || start + size - 1 > to) size /= 2;
    blocks.push(`${ipv4Text(start)}/${32 - Math.log2(size)}`);
    start += size;
  }
  return blocks;
}

function ipv4Text(value: number): string {
  return [24, 16, 8, 0].map((shift) => (value >>> shift) & 0xff).join('.');
}

function ipv4Number(address: Value): number {
  return String(address)
    .split('.')
    .reduce((sum, part) => sum * 256 + Number(part), 0);
}
