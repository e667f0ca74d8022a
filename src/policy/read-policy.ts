import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Failure } from '../errors.ts';
import { combine, combineLists, type PolicyText, parsePolicyText, refuse } from './parse-policy.ts';
import { DEFAULT_POLICY, type Policy } from './policy.ts';
import type { Problem } from './problem.ts';
import type { RuleLists } from './rule-lists.ts';

export const DEFAULT_POLICY_FILE = '/etc/xen/vif-bridge.ini';

/** What the files of a policy say, be it right or wrong. */
export interface PolicyFiles {
  /** Those that were read, in their order. */
  readonly files: readonly string[];
  readonly texts: readonly PolicyText[];
  readonly ruleLists: RuleLists;
  readonly problems: readonly Problem[];
}

/**
 * The policy of this host: a file, then those of the folder beside it. A missing file at the default place means the
 * defaults; a file that was named must exist.
 *
 * @throws Failure `input` for a file that is broken or cannot be read: guessing what an admin meant is not safe
 */
export function readPolicy(named: string | undefined): Policy {
  const { files, texts, ruleLists, problems } = readPolicyFiles(named);
  refuse(problems);
  return files.length === 0 ? DEFAULT_POLICY : combine(texts, ruleLists);
}

/**
 * The same, with all that is wrong with them instead of an error.
 *
 * @throws Failure `input` for a file that cannot be read
 */
export function readPolicyFiles(named: string | undefined): PolicyFiles {
  const main = named ?? DEFAULT_POLICY_FILE;
  const files: string[] = [];
  const texts: PolicyText[] = [];
  for (const file of [main, ...filesBeside(main)]) {
    const text = readText(file, file === main && named === undefined);
    if (text === undefined) continue;
    files.push(file);
    texts.push(parsePolicyText(text, file));
  }
  const { lists, problems } = combineLists(texts);
  const all = [...texts.flatMap((text) => text.problems), ...problems];
  return { files, texts, ruleLists: lists, problems: byPlace(files, all) };
}

/** In the order of the files, and of their lines. */
export function byPlace(files: readonly string[], problems: readonly Problem[]): Problem[] {
  return [...problems].sort((a, b) => files.indexOf(a.file) - files.indexOf(b.file) || a.line - b.line);
}

/** `vif-bridge.d/*.ini` beside `vif-bridge.ini`, in the order of their names, whatever the locale. */
function filesBeside(main: string): string[] {
  if (!main.endsWith(ENDING)) return [];
  const folder = `${main.slice(0, -ENDING.length)}.d`;
  try {
    return readdirSync(folder)
      .filter((name) => name.endsWith(ENDING) && !name.startsWith('.'))
      .sort()
      .map((name) => join(folder, name));
  } catch (error) {
    const code = codeOf(error);
    if (code === 'ENOENT' || code === 'ENOTDIR') return [];
    throw unreadable(folder, code);
  }
}

const ENDING = '.ini';

/** @returns undefined for a file that is not there, and need not be */
function readText(file: string, optional: boolean): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    const code = codeOf(error);
    if (code === 'ENOENT' && optional) return undefined;
    throw unreadable(file, code);
  }
}

function codeOf(error: unknown): string {
  return (error as NodeJS.ErrnoException).code ?? 'error';
}

function unreadable(at: string, code: string): Failure {
  // A person who may not read it cannot correct it.
  const hint = code === 'EACCES' ? 'run it as root' : 'correct --config or the file';
  return new Failure('input', `cannot read the policy file (${code})`, { at, hint });
}
