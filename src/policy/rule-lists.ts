import { didYouMean } from '../did-you-mean.ts';
import { Failure, shown } from '../errors.ts';
import { type AddressRange, parseAddressRange } from '../net/address-range.ts';
import { type AddressGroups, parseRule, wordsOf } from '../rules/parse-rule.ts';
import { joinLists, type RuleList, type RuleProgram, wrongProgram } from '../rules/program.ts';
import { RULE_DIRECTIONS, type Rule, type RuleDirection } from '../rules/rule.ts';
import type { Problem } from './problem.ts';

/** The kinds of sections that hold bare lines. */
export const LIST_KINDS = ['rules', 'addresses'] as const;
export type ListKind = (typeof LIST_KINDS)[number];

/** `[rules NAME]` or `[addresses NAME]` as a file says it. */
export interface WrittenList {
  readonly kind: ListKind;
  readonly name: string;
  readonly file: string;
  readonly line: number;
  readonly lines: readonly { readonly line: number; readonly text: string }[];
}

/** Where lists of rules are named: `rules = web base`. */
export interface NamedLists {
  readonly names: readonly string[];
  readonly file: string;
  readonly line: number;
}

export type RuleLists = ReadonlyMap<string, RuleList>;

/** All lists of all files, and what is wrong with them: only where nothing is, they can be followed. */
export function readRuleLists(
  written: readonly WrittenList[],
  named: readonly NamedLists[],
): { readonly lists: RuleLists; readonly problems: readonly Problem[] } {
  const problems = [...repeated(written)];
  const groups = new Map<string, readonly AddressRange[]>();
  for (const list of written.filter(({ kind }) => kind === 'addresses')) groups.set(list.name, group(list, problems));
  const lists = new Map<string, RuleList>();
  const unread = new Map<string, string[]>();
  for (const { name, file, lines, line } of written.filter(({ kind }) => kind === 'rules')) {
    const read = lines.map((one) => ({ text: one.text, ...parsedRule(one, file, groups) }));
    problems.push(...read.flatMap((one) => ('problem' in one ? [one.problem] : [])));
    if (lines.length === 0) problems.push({ file, line, message: `[rules ${name}] is empty`, hint: 'write in allow' });
    unread.set(
      name,
      read.flatMap((one) => ('problem' in one ? [one.text] : [])),
    );
    lists.set(name, { name, rules: read.flatMap((one) => ('rule' in one ? [one.rule] : [])) });
  }
  const used = new Set(named.flatMap(({ names }) => names));
  for (const one of named) problems.push(...wrongNames(one, lists));
  const wholes = [
    ...named.map(({ names }) => names.filter((name) => lists.has(name))),
    ...[...lists.keys()].filter((name) => !used.has(name)).map((name) => [name]),
  ];
  for (const names of wholes) {
    const openEnds = RULE_DIRECTIONS.filter((way) =>
      names.some((name) => unread.get(name)?.some((text) => mayEnd(text, way))),
    );
    problems.push(
      ...wrongProgram(program(lists, names), openEnds).flatMap(({ at, ...what }) =>
        at ? [{ ...at.at, ...what }] : [],
      ),
    );
  }
  return { lists, problems: distinct(problems) };
}

/**
 * The program that some lists make.
 *
 * @throws Failure `input` for a name that no list has
 */
export function program(lists: RuleLists, names: readonly string[]): RuleProgram {
  return joinLists(
    names.map((name) => {
      const list = lists.get(name);
      if (list === undefined) throw new Failure('input', `there is no [rules ${name}]`, { at: 'the policy file' });
      return list;
    }),
  );
}

/** A line that could not be read, and may be meant to have no conditions: `in alow`, `inn drop`. */
function mayEnd(text: string, direction: RuleDirection): boolean {
  const [first = '', , ...more] = wordsOf(text);
  const isOfOther = RULE_DIRECTIONS.some((way) => way === first && way !== direction);
  return !isOfOther && (first !== direction || more.length === 0);
}

function repeated(written: readonly WrittenList[]): Problem[] {
  const first = new Map<string, WrittenList>();
  return written.flatMap((list) => {
    const head = `[${list.kind} ${list.name}]`;
    const earlier = first.get(head);
    if (earlier === undefined) {
      first.set(head, list);
      return [];
    }
    const message = `${head} is already there in ${earlier.file}:${earlier.line}`;
    return [{ file: list.file, line: list.line, message, hint: 'keep one of them' }];
  });
}

/** Addresses, in lines or side by side. */
function group({ name, file, line, lines }: WrittenList, problems: Problem[]): AddressRange[] {
  const ranges: AddressRange[] = [];
  for (const { line: at, text } of lines) {
    for (const word of wordsOf(text).flatMap((one) => one.split(',').filter((each) => each !== ''))) {
      const range = parseAddressRange(word);
      if (range !== undefined) ranges.push(range);
      else problems.push({ file, line: at, message: `${shown(word)} is no address`, hint: ADDRESS_FORM });
    }
  }
  if (lines.length === 0) problems.push({ file, line, message: `[addresses ${name}] is empty`, hint: ADDRESS_FORM });
  return ranges;
}

const ADDRESS_FORM = 'write 192.0.2.1, 192.0.2.0/24 (without host bits), 192.0.2.1-192.0.2.9 or 2001:db8::/64';

function parsedRule(
  { line, text }: WrittenList['lines'][number],
  file: string,
  groups: AddressGroups,
): { readonly rule: Rule } | { readonly problem: Problem } {
  const read = parseRule(text, groups, { file, line });
  return 'rule' in read ? read : { problem: { file, line, ...read.wrong } };
}

function wrongNames({ names, file, line }: NamedLists, lists: RuleLists): Problem[] {
  return names
    .filter((name) => !lists.has(name))
    .map((name) => ({
      file,
      line,
      message: `there is no [rules ${name}]`,
      meant: didYouMean(name, [...lists.keys()]),
      hint: lists.size === 0 ? 'no file has a [rules NAME]' : `known: ${[...lists.keys()].join(' ')}`,
    }));
}

function distinct(problems: readonly Problem[]): Problem[] {
  return [...new Map(problems.map((one) => [`${one.file}:${one.line} ${one.message}`, one])).values()];
}
