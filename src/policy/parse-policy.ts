import { parse } from 'ini';
import { Failure, shown } from '../errors.ts';
import { didYouMean } from './did-you-mean.ts';
import { isHostKey, KEY_NAMES, KEYS, type KeyName, SECTION_KINDS, type SectionKind, type Settings } from './keys.ts';
import { DEFAULT_POLICY, type Policy } from './policy.ts';
import { notPossible } from './value-kind.ts';

/** One thing that is wrong with a policy file. */
interface Problem {
  readonly line: number;
  readonly message: string;
  /** The word that was probably meant. */
  readonly meant?: string | undefined;
  readonly hint: string;
}

/** One `key = value` of the file; the value is left to `ini`. */
interface Assignment {
  readonly line: number;
  readonly section: SectionKind;
  readonly key: KeyName;
}

/**
 * Reads the policy file's text. Everything that is wrong is reported at once, each with its line.
 *
 * @param file its path, for errors
 * @throws Failure `input` naming file and line
 */
export function parsePolicy(text: string, file: string): Policy {
  const lines = linesOf(text);
  const { problems, assignments } = readLines(lines);
  const host: Settings = {};
  const ofVifs = new Map<SectionKind, Settings>();
  const values = valuesOf(lines);
  for (const assignment of assignments) {
    const { section, key } = assignment;
    const settings = isHostKey(key) ? host : (ofVifs.get(section) ?? {});
    problems.push(...setValue(settings, key, values(section, key), assignment.line));
    if (!isHostKey(key)) ofVifs.set(section, settings);
  }
  refuse(problems, file);
  return { ...DEFAULT_POLICY, ...host, sections: [...ofVifs].map(([kind, settings]) => ({ kind, settings })) };
}

/** @throws Failure if there is a problem: the first in full, of the others what is wrong and what was meant */
function refuse(problems: readonly Problem[], file: string): void {
  const [first, ...others] = [...problems].sort((a, b) => a.line - b.line);
  if (first === undefined) return;
  const rest = others.map(({ line, message, meant }) => {
    return `; line ${line}: ${message}${meant === undefined ? '' : ` (did you mean ${meant}?)`}`;
  });
  const hint = first.meant === undefined ? first.hint : `did you mean ${first.meant}? ${first.hint}`;
  throw new Failure('input', `${first.message}${rest.join('')}`, { at: `${file}:${first.line}`, hint });
}

/**
 * The lines as an admin sees them, without the blanks around. `ini` ends a line at any line break, and takes an
 * indented `[defaults]` (or one behind a byte order mark) for a key, losing all that follows: it gets these lines.
 */
function linesOf(text: string): string[] {
  return text.split(/\r\n|\r|\n/).map((line) => line.trim());
}

/**
 * What stands where, and what `ini` would read without complaint: text that is neither section, comment nor
 * `key = value`, unknown keys (it drops `__proto__` silently), and repeated keys.
 */
function readLines(lines: readonly string[]): { problems: Problem[]; assignments: Assignment[] } {
  const assignments: Assignment[] = [];
  let section: SectionKind | undefined;
  const problems = lines.flatMap((text, index): Problem[] => {
    const line = index + 1;
    if (text === '' || text.startsWith('#') || text.startsWith(';')) return [];
    const header = /^\[([^\]]*)\]$/.exec(text)?.[1]?.trim();
    if (header !== undefined) {
      section = SECTION_KINDS.find((kind) => kind === header);
      return section === undefined ? [{ line, ...unknownSection(header) }] : [];
    }
    const written = /^([^=]+?)\s*=/.exec(text)?.[1];
    if (written === undefined) {
      return [{ line, message: `${shown(text)} is no key = value`, hint: 'comments start with #' }];
    }
    if (section === undefined) {
      return [{ line, message: `${shown(written)} stands in no known section`, hint: `put it below ${SECTIONS}` }];
    }
    const key = keysIn(section).find((name) => name === written);
    if (key === undefined) return [{ line, ...unknownKey(written, section) }];
    const earlier = assignments.find((one) => one.section === section && one.key === key);
    if (earlier !== undefined) {
      return [{ line, message: `${shown(key)} is already set in line ${earlier.line}`, hint: 'keep one of them' }];
    }
    assignments.push({ line, section, key });
    return [];
  });
  return { problems, assignments };
}

const SECTIONS = SECTION_KINDS.map((kind) => `[${kind}]`).join(' ');

function keysIn(section: SectionKind): KeyName[] {
  return KEY_NAMES.filter((key) => KEYS[key].sections.some((kind) => kind === section));
}

function unknownSection(name: string): Omit<Problem, 'line'> {
  const meant = didYouMean(name, SECTION_KINDS);
  return {
    message: `unknown section ${shown(name)}`,
    meant: meant === undefined ? undefined : `[${meant}]`,
    hint: `known: ${SECTIONS}`,
  };
}

function unknownKey(written: string, section: SectionKind): Omit<Problem, 'line'> {
  const known = keysIn(section);
  return {
    message: `unknown key ${shown(written)}`,
    meant: didYouMean(written, known),
    hint: `known in [${section}]: ${known.join(', ')}`,
  };
}

/** What `ini` makes of the values: quotes and comments behind them are its business. */
function valuesOf(lines: readonly string[]): (section: SectionKind, key: KeyName) => unknown {
  const file: Readonly<Record<string, unknown>> = parse(lines.join('\n'));
  return (section, key) => {
    const values = file[section];
    return typeof values === 'object' && values !== null
      ? Object.entries(values).find(([name]) => name === key)?.[1]
      : undefined;
  };
}

function setValue<K extends KeyName>(settings: Settings, key: K, value: unknown, line: number): Problem[] {
  const { kind } = KEYS[key];
  // `ini` makes true, false, null and what is quoted JSON into values of their own: no key has such values.
  const read = typeof value === 'string' ? kind.read(value) : { wrong: [notPossible(String(value), undefined)] };
  if ('wrong' in read) {
    return read.wrong.map(({ what, meant }) => ({ line, message: `${key} ${what}`, meant, hint: kind.possible }));
  }
  settings[key] = read.value;
  return [];
}
