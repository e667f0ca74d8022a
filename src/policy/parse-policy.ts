import { parse } from 'ini';
import { Failure, shown } from '../errors.ts';
import { DEFAULT_KEYS, DEFAULT_POLICY, type DefaultKey, type Policy } from './keys.ts';

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
  const problems = [...lineProblems(text), ...valueProblems(text)].sort((a, b) => a.line - b.line);
  const first = problems[0];
  if (first !== undefined) {
    const rest = problems.slice(1).map((problem) => `; line ${problem.line}: ${problem.message}`);
    throw new Failure('input', `${first.message}${rest.join('')}`, { at: `${file}:${first.line}`, hint: first.hint });
  }
  const section = (parse(text) as Record<string, Record<string, string>>)[SECTION] ?? {};
  return { ...DEFAULT_POLICY, ...(section as Partial<Policy>) };
}

/** What `ini` would read without complaint: text that is neither section, comment nor `key = value`, and repeated keys. */
function lineProblems(text: string): Problem[] {
  const seen = new Map<string, number>();
  let section = '';
  return text.split('\n').flatMap((raw, index): Problem[] => {
    const line = raw.trim();
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
    const earlier = seen.get(key);
    seen.set(key, at);
    return earlier === undefined
      ? []
      : [{ line: at, message: `${shown(key)} is already set in line ${earlier}`, hint: 'keep one of them' }];
  });
}

function valueProblems(text: string): Problem[] {
  const section: unknown = (parse(text) as Record<string, unknown>)[SECTION];
  if (typeof section !== 'object' || section === null) return [];
  return Object.entries(section).flatMap(([key, value]): Problem[] => {
    const line = lineOf(text, key);
    if (!Object.hasOwn(DEFAULT_KEYS, key)) {
      const known = Object.keys(DEFAULT_KEYS).join(', ');
      return [{ line, message: `unknown key ${shown(key)}`, hint: `known in [${SECTION}]: ${known}` }];
    }
    const choices: readonly string[] = DEFAULT_KEYS[key as DefaultKey].choices;
    if (typeof value === 'string' && choices.includes(value)) return [];
    return [
      { line, message: `${key} = ${shown(String(value))} is not possible`, hint: `one of ${choices.join(', ')}` },
    ];
  });
}

/** The line of a key, counted from 1; `ini` does not tell. */
function lineOf(text: string, key: string): number {
  const index = text.split('\n').findIndex((line) => line.split('=')[0]?.trim().replace(/\[\]$/, '') === key);
  return index + 1;
}
