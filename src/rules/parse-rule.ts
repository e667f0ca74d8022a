import { didYouMean } from '../did-you-mean.ts';
import { shown } from '../errors.ts';
import { type AddressRange, type Family, mergeRanges, parseAddressRange } from '../net/address-range.ts';
import {
  ICMP_TYPES,
  icmpTypeOf,
  isProtocolName,
  PROTOCOL_NAMES,
  PROTOCOLS,
  protocolOf,
  protocolText,
} from './protocols.ts';
import { type Limit, type NumberRange, RULE_DIRECTIONS, type Rule, type RulePlace, VERDICTS } from './rule.ts';

/** What is wrong with a line. */
export interface WrongRule {
  readonly message: string;
  readonly meant?: string | undefined;
  readonly hint: string;
}

/** `[addresses NAME]`, by name. */
export type AddressGroups = ReadonlyMap<string, readonly AddressRange[]>;

export const RULE_FORM =
  'in|out allow|drop|reject [PROTOCOL[,...] [PORTS|TYPES]] [from WHO] [to WHO] [sport PORTS] [stateless] [limit N/second] [log]';

/** The words that begin a part of a line, so none of them is the name of a group. */
const PARTS = ['from', 'to', 'sport', 'stateless', 'limit', 'log'] as const;
type Part = (typeof PARTS)[number];

/**
 * Reads one line of a `[rules NAME]` section.
 *
 * @param groups those of `[addresses NAME]`
 */
export function parseRule(
  text: string,
  groups: AddressGroups,
  at: RulePlace,
): { readonly rule: Rule } | { readonly wrong: WrongRule } {
  try {
    return { rule: new Line(text, groups, at).rule() };
  } catch (thrown) {
    if (thrown instanceof Wrong) return { wrong: thrown.what };
    throw thrown;
  }
}

class Wrong extends Error {
  readonly what: WrongRule;
  constructor(what: WrongRule) {
    super(what.message);
    this.what = what;
  }
}

function wrong(message: string, hint: string, meant?: string): Wrong {
  return new Wrong({ message, hint, meant });
}

/** The words of a line, read from the left. */
class Line {
  readonly #words: string[];
  readonly #groups: AddressGroups;
  readonly #at: RulePlace;

  constructor(text: string, groups: AddressGroups, at: RulePlace) {
    this.#words = wordsOf(text);
    this.#groups = groups;
    this.#at = at;
  }

  rule(): Rule {
    const direction = this.#choice(RULE_DIRECTIONS, 'begins with a direction');
    const verdict = this.#choice(VERDICTS, 'goes on with a verdict');
    const protocols = this.#protocols();
    const { ports, types } = this.#details(protocols);
    const parts: { from: AddressRange[]; to: AddressRange[]; sports: NumberRange[]; limit: Limit | undefined } = {
      from: [],
      to: [],
      sports: [],
      limit: undefined,
    };
    const seen = new Set<Part>();
    for (let part = this.#part(); part !== undefined; part = this.#part()) {
      if (seen.has(part)) throw wrong(`${part} stands there twice`, 'keep one of them');
      seen.add(part);
      if (part === 'from' || part === 'to') parts[part] = this.#who(part);
      if (part === 'sport') parts.sports = this.#portsOf('sport', protocols);
      if (part === 'limit') parts.limit = this.#limit();
    }
    const rule: Rule = {
      direction,
      verdict,
      family: undefined,
      protocols,
      ports,
      types,
      ...parts,
      stateless: seen.has('stateless'),
      log: seen.has('log'),
      at: this.#at,
    };
    if (verdict === 'reject' && direction === 'in') {
      throw wrong('`in reject` is not possible', 'the kernel cannot answer for a guest: write in drop');
    }
    if (verdict !== 'allow' && rule.stateless) {
      throw wrong(`stateless says nothing of ${verdict}`, 'it is for allow: answers need a rule of their own');
    }
    return ofOneFamily(rule);
  }

  #choice<T extends string>(known: readonly T[], what: string): T {
    const word = this.#words.shift();
    const found = known.find((one) => one === word);
    if (found !== undefined) return found;
    if (word === undefined) throw wrong('the line ends too early', RULE_FORM);
    throw wrong(`a rule ${what} (${known.join(', ')}), not ${shown(word)}`, RULE_FORM, didYouMean(word, known));
  }

  #protocols(): number[] {
    const [word] = this.#words;
    if (word === undefined || isPart(word)) return [];
    this.#words.shift();
    return unique(
      word.split(',').map((one) => {
        if (isProtocolName(one)) return PROTOCOLS[one].number;
        if (/^(0|[1-9][0-9]{0,2})$/.test(one) && Number(one) <= 255) return Number(one);
        throw wrong(
          `${shown(one)} is no protocol`,
          `known: ${PROTOCOL_NAMES.join(' ')}, or a number up to 255; ${RULE_FORM}`,
          didYouMean(one, [...PROTOCOL_NAMES, ...PARTS]),
        );
      }),
    );
  }

  /** What may stand behind protocols: ports, or types of ICMP. */
  #details(protocols: readonly number[]): { ports: NumberRange[]; types: number[] } {
    const [word] = this.#words;
    if (word === undefined || isPart(word) || protocols.length === 0) return { ports: [], types: [] };
    const [first] = protocols;
    const name = PROTOCOL_NAMES.find((one) => PROTOCOLS[one].number === first);
    if (name !== 'icmp' && name !== 'icmp6') return { ports: this.#portsOf('', protocols), types: [] };
    if (protocols.length > 1) throw wrong('types of ICMP stand behind icmp or icmp6 alone', 'write two lines');
    this.#words.shift();
    return { ports: [], types: unique(word.split(',').map((one) => icmpType(name, one))) };
  }

  #portsOf(what: string, protocols: readonly number[]): NumberRange[] {
    const label = what === '' ? 'ports' : what;
    const without = protocols.find((number) => !protocolOf(number).ports);
    if (protocols.length === 0 || without !== undefined) {
      const whose = without === undefined ? 'no protocol' : protocolText(without);
      throw wrong(`${label} need a protocol that has ports, not ${whose}`, 'write tcp 80, or udp,tcp 53');
    }
    const word = this.#value(label);
    const ranges = word.split(',').map((one): NumberRange => {
      const [, from = '', , to] = /^([0-9]{1,5})(-([0-9]{1,5}))?$/.exec(one) ?? [];
      const [first, last] = [Number(from), Number(to ?? from)];
      if (from === '' || first > last || last > 65_535) {
        throw wrong(`${shown(one)} is no port`, 'write 80, 80,443 or 6000-6010; there are no names of services');
      }
      return [first, last];
    });
    return mergePorts(ranges);
  }

  #who(part: 'from' | 'to'): AddressRange[] {
    const ranges = this.#value(part)
      .split(',')
      .flatMap((one) => {
        const range = parseAddressRange(one);
        if (range !== undefined) return [range];
        const group = this.#groups.get(one);
        if (group !== undefined) return [...group];
        throw wrong(
          `${shown(one)} is no address, and there is no [addresses ${one}]`,
          'write 192.0.2.1, 192.0.2.0/24 (without host bits), 192.0.2.1-192.0.2.9, 2001:db8::/64 or the name of a group',
          didYouMean(one, [...this.#groups.keys()]),
        );
      });
    return mergeRanges(ranges);
  }

  #limit(): Limit {
    const word = this.#value('limit');
    const [, count = '', per] = /^([1-9][0-9]{0,5})\/(second|minute)$/.exec(word) ?? [];
    if (per !== 'second' && per !== 'minute') {
      throw wrong(`limit ${shown(word)} is not possible`, 'write limit 10/second or limit 30/minute');
    }
    return { count: Number(count), per };
  }

  #part(): Part | undefined {
    const word = this.#words.shift();
    if (word === undefined) return undefined;
    const part = PARTS.find((one) => one === word);
    if (part === undefined) {
      throw wrong(`${shown(word)} does not belong here`, RULE_FORM, didYouMean(word, PARTS));
    }
    return part;
  }

  #value(part: string): string {
    const word = this.#words.shift();
    if (word === undefined || isPart(word)) throw wrong(`nothing stands behind ${part}`, RULE_FORM);
    return word;
  }
}

/** True for words that cannot be the name of a group, or of a list. */
export function isReserved(name: string): boolean {
  return name === 'none' || isPart(name) || isProtocolName(name);
}

/** In order, with nothing twice. */
function mergePorts(ranges: readonly NumberRange[]): NumberRange[] {
  const merged: NumberRange[] = [];
  for (const [first, last] of [...ranges].sort((a, b) => a[0] - b[0])) {
    const before = merged.at(-1);
    if (before === undefined || first > before[1] + 1) merged.push([first, last]);
    else merged[merged.length - 1] = [before[0], Math.max(before[1], last)];
  }
  return merged;
}

function isPart(word: string): boolean {
  return PARTS.some((one) => one === word);
}

/** The words of a line. `#` begins a comment where it stands behind a blank; `80, 443` is one word. */
export function wordsOf(text: string): string[] {
  return text
    .replace(/(^|\s)[#;].*$/, '')
    .replace(/\s*,\s*/g, ',')
    .split(/\s+/)
    .filter((word) => word !== '');
}

function icmpType(of: 'icmp' | 'icmp6', word: string): number {
  const number = icmpTypeOf(PROTOCOLS[of].number, word);
  if (number !== undefined) return number;
  const names = Object.keys(ICMP_TYPES[of]);
  throw wrong(`${of} has no type ${shown(word)}`, `known: ${names.join(' ')}, or a number`, didYouMean(word, names));
}

function unique<T>(list: readonly T[]): T[] {
  return [...new Set(list)];
}

/**
 * The family that a rule speaks of, because its protocol or its addresses are of one. A group of both families stands
 * for those of its addresses that can be meant.
 */
function ofOneFamily(rule: Rule): Rule {
  const possible = ([4, 6] as const).filter((family) =>
    [rule.from, rule.to].every((list) => list.length === 0 || list.some((range) => range.family === family)),
  );
  const families = rule.protocols.map((number) => protocolOf(number).family);
  const mixed = rule.protocols.find((_, at) => {
    const family = families[at];
    return family !== undefined && !possible.some((one) => one === family);
  });
  if (possible.length === 0 || mixed !== undefined) {
    throw wrong('IPv4 and IPv6 are mixed: no packet can match', 'write a line for each family');
  }
  const [first] = families;
  const spoken = first !== undefined && families.every((one) => one === first) ? [first] : possible;
  const family: Family | undefined = spoken.length === 1 ? spoken[0] : undefined;
  const keep = (list: readonly AddressRange[]): AddressRange[] =>
    list.filter((range) => spoken.some((one) => one === range.family));
  return { ...rule, family, from: keep(rule.from), to: keep(rule.to) };
}
