import { parse } from 'ini';
import { Failure, shown } from '../errors.ts';
import { DEFAULT_KEYS, DEFAULT_POLICY, type DefaultKey, LIST_KEYS, type ListKey, type Policy } from './keys.ts';

/** One thing that is wrong with a policy file. */
interface Problem {
  readonly line: number;
  readonly message: string;
  readonly hint: string;
}

const SECTION = 'defaults';

/**
 * Reads the policy file's text. Everything that is wrong is reported at once, each with its line.
 *
 * @param file its path, for errors
 * @throws Failure `input` naming file and line
 */
export function parsePolicy(text: string, file: string): Policy {
  const lines = linesOf(text);
  const { problems: lineProblems, lineOfKey } = readLines(lines);
  const values = valuesOf(lines);
  const problems = [...lineProblems, ...valueProblems(values, lineOfKey)].sort((a, b) => a.line - b.line);
  const first = problems[0];
  if (first !== undefined) {
    const rest = problems.slice(1).map((problem) => `; line ${problem.line}: ${problem.message}`);
    throw new Failure('input', `${first.message}${rest.join('')}`, { at: `${file}:${first.line}`, hint: first.hint });
  }
  const read = values.map(([key, value]) => [key, isListKey(key) ? wordsOf(String(value)) : value]);
  return { ...DEFAULT_POLICY, ...(Object.fromEntries(read) as Partial<Policy>) };
}

function isListKey(key: string): key is ListKey {
  return Object.hasOwn(LIST_KEYS, key);
}

/** The words of a list; `none` is the empty one, which cannot be written as nothing: a value may have been forgotten. */
function wordsOf(value: string): string[] {
  const words = value.split(/[\s,]+/).filter((word) => word !== '');
  return words.length === 1 && words[0] === 'none' ? [] : [...new Set(words)];
}

/**
 * The lines as an admin sees them, without the blanks around. `ini` ends a line at any line break, and takes an indented
 * `[defaults]` (or one behind a byte order mark) for a key, losing all that follows: it gets these lines.
 */
function linesOf(text: string): string[] {
  return text.split(/\r\n|\r|\n/).map((line) => line.trim());
}

/**
 * What `ini` would read without complaint: text that is neither section, comment nor `key = value`, unknown keys (it
 * drops `__proto__` silently), and repeated keys.
 */
function readLines(lines: readonly string[]): { problems: Problem[]; lineOfKey: ReadonlyMap<string, number> } {
  const lineOfKey = new Map<string, number>();
  let section = '';
  const problems = lines.flatMap((line, index): Problem[] => {
    const at = index + 1;
    if (line === '' || line.startsWith('#') || line.startsWith(';')) return [];
    const header = /^\[([^\]]*)\]$/.exec(line);
    if (header !== null) {
      section = header[1]?.trim() ?? '';
      return section === SECTION
        ? []
        : [{ line: at, message: `unknown section ${shown(section)}`, hint: `known: [${SECTION}]` }];
    }
    const key = /^([^=]+?)\s*=/.exec(line)?.[1];
    if (key === undefined) {
      return [{ line: at, message: `${shown(line)} is no key = value`, hint: 'comments start with #' }];
    }
    if (section !== SECTION) {
      return [{ line: at, message: `${shown(key)} stands in no known section`, hint: `put it below [${SECTION}]` }];
    }
    if (!Object.hasOwn(DEFAULT_KEYS, key) && !isListKey(key)) {
      const known = [...Object.keys(DEFAULT_KEYS), ...Object.keys(LIST_KEYS)].join(', ');
      return [{ line: at, message: `unknown key ${shown(key)}`, hint: `known in [${SECTION}]: ${known}` }];
    }
    const earlier = lineOfKey.get(key);
    if (earlier === undefined) lineOfKey.set(key, at);
    return earlier === undefined
      ? []
      : [{ line: at, message: `${shown(key)} is already set in line ${earlier}`, hint: 'keep one of them' }];
  });
  return { problems, lineOfKey };
}

function valuesOf(lines: readonly string[]): [key: string, value: unknown][] {
  const section: unknown = (parse(lines.join('\n')) as Record<string, unknown>)[SECTION];
  return typeof section === 'object' && section !== null ? Object.entries(section) : [];
}

/** Unknown keys are in `readLines`' list already. */
function valueProblems(
  values: readonly (readonly [key: string, value: unknown])[],
  lineOfKey: ReadonlyMap<string, number>,
): Problem[] {
  return values.flatMap(([key, value]): Problem[] => {
    const line = lineOfKey.get(key);
    if (line === undefined) return [];
    if (isListKey(key)) return listProblems(key, value, line);
    const choices: readonly string[] = DEFAULT_KEYS[key as DefaultKey].choices;
    if (typeof value === 'string' && choices.includes(value)) return [];
    return [
      { line, message: `${key} = ${shown(String(value))} is not possible`, hint: `one of ${choices.join(', ')}` },
    ];
  });
}

function listProblems(key: ListKey, value: unknown, line: number): Problem[] {
  const possible: readonly string[] = LIST_KEYS[key].words();
  const words = typeof value === 'string' ? wordsOf(value) : [];
  const hint = `some of ${possible.join(' ')}; or none`;
  if (typeof value !== 'string' || /^[\s,]*$/.test(value)) {
    return [{ line, message: `${key} = ${shown(String(value))} is not possible`, hint }];
  }
  return words
    .filter((word) => !possible.includes(word))
    .map((word) => ({ line, message: `${key} has no ${shown(word)}`, hint }));
}
