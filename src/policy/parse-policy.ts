import { parse } from 'ini';
import { didYouMean } from '../did-you-mean.ts';
import { Failure, shown } from '../errors.ts';
import { wrongListName } from '../rules/list-name.ts';
import { NO_FILTER, variableOf } from './filter-keys.ts';
import { isHostKey, isVifKey, KEY_NAMES, KEYS, type KeyName, type SectionKind, type Settings } from './keys.ts';
import { DEFAULT_POLICY, type HostPolicy, type Policy, type Section } from './policy.ts';
import type { Problem } from './problem.ts';
import {
  LIST_KINDS,
  type ListKind,
  type NamedLists,
  type RuleLists,
  readRuleLists,
  type WrittenList,
} from './rule-lists.ts';
import { FORMS, readSectionName, SECTION_FORMS, type SectionName, sectionText } from './section-name.ts';
import { notPossible } from './value-kind.ts';

/** A problem of a file that is known anyhow. */
type Finding = Omit<Problem, 'file'>;

/** Keys of the host and of vifs, as they stand below one head. */
interface WrittenKeys {
  readonly settings: Settings;
  readonly places: Partial<Record<KeyName, string>>;
  /** Keys with `+=`. */
  readonly adds: Set<KeyName>;
}

/** One section as a file says it. */
interface WrittenSection extends WrittenKeys {
  readonly of: SectionName;
  readonly line: number;
}

/** Where a line stands. */
interface Below {
  /** Of a head that is wrong they go nowhere: they are read for what is wrong with them. */
  readonly keys: WrittenKeys;
  /** Undefined where nobody can tell what the head was to be. */
  readonly kind: SectionKind | undefined;
  /** For people. */
  readonly head: string;
}

/** What one file says. */
export interface PolicyText {
  readonly sections: readonly WrittenSection[];
  /** `[rules NAME]` and `[addresses NAME]`: they are read when those of all files are known. */
  readonly lists: readonly WrittenList[];
  /** Where lists of rules are named. */
  readonly named: readonly NamedLists[];
  /** Where filters of libvirt's are named. */
  readonly filters: readonly NamedFilter[];
  /** In the order of the lines. */
  readonly problems: readonly Problem[];
}

/** `nwfilter = clean-traffic` */
export interface NamedFilter {
  readonly name: string;
  readonly file: string;
  readonly line: number;
}

/** One `key = value` of a file; the value is left to `ini`. */
interface Assignment {
  readonly line: number;
  /** The line of the head it stands below. */
  readonly head: number;
  readonly section: WrittenKeys;
  readonly key: KeyName;
  /** As it stands there: of several keys of variables each has its own. */
  readonly written: string;
  /** `+=` */
  readonly adds: boolean;
}

/**
 * Reads one policy file's text. Everything that is wrong is reported at once, each with its line.
 *
 * @param file its path, for errors and for where a value comes from
 */
export function parsePolicyText(text: string, file: string): PolicyText {
  const lines = linesOf(text);
  const { findings, assignments, sections, lists, bare } = readLines(lines, file);
  const values = valuesOf(lines.map((line, index) => (bare.has(index + 1) ? '' : line)));
  const named: NamedLists[] = [];
  const filters: NamedFilter[] = [];
  for (const { section, head, key, written, adds, line } of assignments) {
    const before = section.settings[VARIABLES];
    const wrong = setValue(section.settings, key, values(head, written), line, written);
    findings.push(...wrong);
    if (wrong.length > 0) continue;
    const place = `${file}:${line}`;
    if (key === VARIABLES) {
      nameVariable(section.settings, before, written);
      section.places[key] = [section.places[key], place].filter(Boolean).join(' ');
      // A stronger section takes the place of the variables that it names.
      section.adds.add(key);
      continue;
    }
    section.places[key] = place;
    if (adds) section.adds.add(key);
    if (key === 'rules') named.push({ names: section.settings.rules ?? [], file, line });
    const filter = key === 'nwfilter' ? section.settings.nwfilter : undefined;
    if (filter !== undefined && filter !== NO_FILTER) filters.push({ name: filter, file, line });
  }
  return {
    sections,
    lists,
    named,
    filters,
    problems: findings.sort((a, b) => a.line - b.line).map((finding) => ({ file, ...finding })),
  };
}

/** The lists of rules of some files together, which may name each other's. */
export function combineLists(texts: readonly PolicyText[]): ReturnType<typeof readRuleLists> {
  return readRuleLists(
    texts.flatMap(({ lists }) => lists),
    texts.flatMap(({ named }) => named),
  );
}

/** The policy that some files make together: of one key of one section, the later file's value holds. */
export function combine(texts: readonly PolicyText[], ruleLists: RuleLists = combineLists(texts).lists): Policy {
  let host: HostPolicy = DEFAULT_POLICY;
  let places: Policy['places'] = {};
  const sections: Section[] = [];
  for (const section of texts.flatMap((text) => text.sections)) {
    host = { ...host, ...only(section.settings, isHostKey) };
    places = { ...places, ...only(section.places, isHostKey) };
    sections.push({
      of: section.of,
      settings: only(section.settings, isVifKey),
      places: only(section.places, isVifKey),
      adds: section.adds,
    });
  }
  return { ...DEFAULT_POLICY, ...host, sections, ruleLists, places };
}

/** Those of a section that are wanted: there may be a section for each of many vifs, and each has few keys. */
function only<T extends Partial<Record<KeyName, unknown>>, K extends KeyName>(
  all: T,
  isWanted: (key: KeyName) => key is K,
): Pick<T, K & keyof T> {
  const wanted = Object.entries(all).filter(([key]) => isWanted(key as KeyName));
  return Object.fromEntries(wanted) as Pick<T, K & keyof T>;
}

/** @throws Failure if there is a problem: the first in full, of the others what is wrong and what was meant */
export function refuse(problems: readonly Problem[]): void {
  const [first, ...others] = problems;
  if (first === undefined) return;
  const rest = others.map(({ file, line, message, meant }) => {
    const where = file === first.file ? `line ${line}` : `${file}:${line}`;
    return `; ${where}: ${message}${meant === undefined ? '' : ` (did you mean ${meant}?)`}`;
  });
  throw new Failure('input', `${first.message}${rest.join('')}`, {
    at: `${first.file}:${first.line}`,
    hint: hintOf(first),
  });
}

/** What to do about a problem, for people. */
export function hintOf({ meant, hint }: Problem): string {
  return meant === undefined ? hint : `did you mean ${meant}? ${hint}`;
}

/**
 * The lines as an admin sees them, without the blanks around. `ini` ends a line at any line break, and takes an
 * indented `[defaults]` (or one behind a byte order mark) for a key, losing all that follows: it gets these lines.
 */
function linesOf(text: string): string[] {
  return text.split(/\r\n|\r|\n/).map((line) => line.trim());
}

/** What stands between the brackets of a section's head; undefined for any other line. */
function headOf(line: string): string | undefined {
  return /^\[([^\]]*)\]$/.exec(line)?.[1]?.trim();
}

/**
 * What stands where, and what `ini` would read without complaint: text that is neither section, comment nor
 * `key = value`, unknown keys (it drops `__proto__` silently), and repeated keys and sections.
 */
function readLines(
  lines: readonly string[],
  file: string,
): {
  findings: Finding[];
  assignments: Assignment[];
  sections: WrittenSection[];
  lists: WrittenList[];
  /** The lines that are in lists: `ini` has no such thing. */
  bare: ReadonlySet<number>;
} {
  const assignments: Assignment[] = [];
  const sections: WrittenSection[] = [];
  const known = new Map<string, WrittenSection>();
  const lists: WrittenList[] = [];
  const bare = new Set<number>();
  let list: { line: number; text: string }[] | undefined;
  let below: Below | undefined;
  let headLine = 0;

  function listHead(kind: ListKind, name: string, line: number): Finding[] {
    list = [];
    lists.push({ kind, name, file, line, lines: list });
    const wrong = wrongListName(name);
    return wrong === undefined ? [] : [{ line, message: `[${kind}]: ${wrong}`, hint: `write [${kind} web]` }];
  }

  function head(text: string, line: number): Finding[] {
    list = undefined;
    headLine = line;
    const kind = listKindOf(text);
    if (kind !== undefined) return listHead(kind, text.slice(kind.length).trim(), line);
    const read = readSectionName(text);
    if ('wrong' in read) {
      const { kind: meant, ...wrong } = read.wrong;
      const finding = { line, ...wrong };
      // All that is wrong is said in one run: what stands below is read as if the head was right.
      if (isListKind(meant)) return [finding, ...listHead(meant, text.replace(/^\S+\s*/, ''), line)];
      below = { keys: noKeys(), kind: meant, head: meant === undefined ? `[${text}]` : FORMS[meant] };
      return [finding];
    }
    const of = read.value;
    const whole = sectionText(of);
    const earlier = known.get(whole);
    const section = earlier ?? { of, line, ...noKeys() };
    below = { keys: section, kind: of.kind, head: whole };
    if (earlier !== undefined) {
      return [{ line, message: `${whole} is already there in line ${earlier.line}`, hint: KEEP_ONE }];
    }
    sections.push(section);
    known.set(whole, section);
    return [];
  }

  function assignment(written: string, adds: boolean, line: number): Finding[] {
    if (below === undefined) {
      return [{ line, message: `${shown(written)} stands in no section`, hint: `put it below ${SECTION_FORMS}` }];
    }
    const { keys: section, kind, head: place } = below;
    const key = variableOf(written) === undefined ? KEY_NAMES.find((name) => name === written) : VARIABLES;
    if (key === undefined) return [{ line, ...unknownKey(written, kind) }];
    if (kind !== undefined && !KEYS[key].sections.some((one) => one === kind)) {
      const message = `${shown(key)} cannot stand in ${place}`;
      return [{ line, message, hint: `put it below ${KEYS[key].sections.map((one) => FORMS[one]).join(' ')}` }];
    }
    if (adds && (KEYS[key].kind.add === undefined || key === VARIABLES)) {
      return [{ line, message: `${written} has one value, and += adds to a list`, hint: `write ${written} = ...` }];
    }
    const earlier = assignments.find((one) => one.section === section && one.written === written);
    if (earlier !== undefined) {
      return [{ line, message: `${shown(written)} is already set in line ${earlier.line}`, hint: KEEP_ONE }];
    }
    assignments.push({ line, head: headLine, section, key, written, adds });
    return [];
  }

  const findings = lines.flatMap((text, index): Finding[] => {
    const line = index + 1;
    if (text === '' || text.startsWith('#') || text.startsWith(';')) return [];
    const name = headOf(text);
    if (name !== undefined) return head(name, line);
    if (list !== undefined) {
      list.push({ line, text });
      bare.add(line);
      return [];
    }
    const [, written, plus] = /^([^=]+?)\s*(\+?)=/.exec(text) ?? [];
    if (written !== undefined) return assignment(written, plus === '+', line);
    // Below a head of which nobody can tell what it was to be, it may be a rule, or an address.
    if (below !== undefined && below.kind === undefined) return [];
    return [{ line, message: `${shown(text)} is no key = value`, hint: 'comments start with #' }];
  });
  return { findings, assignments, sections, lists, bare };
}

function noKeys(): WrittenKeys {
  return { settings: {}, places: {}, adds: new Set() };
}

function listKindOf(head: string): ListKind | undefined {
  return LIST_KINDS.find((kind) => kind === head || head.startsWith(`${kind} `));
}

function isListKind(kind: SectionKind | ListKind | undefined): kind is ListKind {
  return LIST_KINDS.some((one) => one === kind);
}

const KEEP_ONE = 'keep one of them';

/** @param section undefined: in any */
function keysIn(section: SectionKind | undefined): KeyName[] {
  return KEY_NAMES.filter((key) => section === undefined || KEYS[key].sections.some((kind) => kind === section));
}

/** Keys that people look for, and why there is none. */
const NOT_THERE: ReadonlyMap<string, string> = new Map([
  ['state', 'rules keep conversations in sets of their own; there is no state = conntrack: leave the line out'],
]);

function unknownKey(written: string, section: SectionKind | undefined): Omit<Finding, 'line'> {
  const known = keysIn(section);
  return {
    message: `unknown key ${shown(written)}`,
    meant: didYouMean(written, known),
    hint: NOT_THERE.get(written) ?? `known${section === undefined ? '' : ` in [${section}]`}: ${known.join(', ')}`,
  };
}

/**
 * What `ini` makes of the values: quotes and comments behind them are its business. Heads are given to it as plain
 * words, because it takes a dot in one for a section within a section.
 */
function valuesOf(lines: readonly string[]): (head: number, key: string) => unknown {
  const plain = lines.map((line, index) => (headOf(line) === undefined ? line : `[line${index + 1}]`));
  const file: Readonly<Record<string, unknown>> = parse(plain.join('\n'));
  return (head, key) => {
    const values = file[`line${head}`];
    return typeof values === 'object' && values !== null
      ? Object.entries(values).find(([name]) => name.replace(/\s*\+$/, '') === key)?.[1]
      : undefined;
  };
}

const VARIABLES = 'nwfilter.NAME' satisfies KeyName;

/** The kind reads the values; whose they are is in the key. */
function nameVariable(settings: Settings, before: Settings[typeof VARIABLES], written: string): void {
  const values = settings[VARIABLES]?.get('') ?? [];
  settings[VARIABLES] = new Map([...(before ?? []), [variableOf(written) ?? '', values]]);
}

function setValue<K extends KeyName>(
  settings: Settings,
  key: K,
  value: unknown,
  line: number,
  written: string,
): Finding[] {
  const { kind } = KEYS[key];
  // `ini` makes true, false, null and what is quoted JSON into values of their own: no key has such values.
  const read = typeof value === 'string' ? kind.read(value) : { wrong: [notPossible(String(value), undefined)] };
  if ('wrong' in read) {
    return read.wrong.map(({ what, meant }) => ({ line, message: `${written} ${what}`, meant, hint: kind.possible }));
  }
  settings[key] = read.value;
  return [];
}
