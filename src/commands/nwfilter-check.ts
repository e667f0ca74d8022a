import { readFileSync } from 'node:fs';
import { Failure } from '../errors.ts';
import { type FilterDocument, isReference, parseFilter } from '../nwfilter/document.ts';
import { impossibleIn } from '../nwfilter/impossible.ts';
import { type FilterProblem, problemLine } from '../nwfilter/problem.ts';
import type { Answer } from './policy.ts';

/** A file for programs. */
export interface CheckedFilter {
  readonly file: string;
  readonly accepted: boolean;
  readonly name: string | null;
  readonly problems: readonly FilterProblem[];
  readonly notes: readonly FilterProblem[];
  readonly impossible: readonly FilterProblem[];
}

/** A file as it was found. */
interface CheckedFile {
  readonly file: string;
  readonly filter?: FilterDocument;
  readonly problems: readonly FilterProblem[];
  /** Why no guest can have a filter that libvirt takes. */
  readonly impossible: readonly FilterProblem[];
}

/**
 * Whether files hold filters that can be followed: all that is wrong with all of them at once.
 *
 * @returns `failures`: the files that could not be read
 */
export function checkFilters(files: readonly string[]): {
  readonly answer: Answer;
  readonly failures: readonly Failure[];
} {
  const failures: Failure[] = [];
  const checked = files.flatMap((file): CheckedFile[] => {
    const text = readFilterFile(file);
    if (text instanceof Failure) {
      failures.push(text);
      return [];
    }
    const read = parseFilter(text, file);
    return 'filter' in read
      ? [{ file, filter: read.filter, problems: [], impossible: impossibleOf(read.filter) }]
      : [{ file, problems: read.problems, impossible: [] }];
  });
  const json = checked.map(
    ({ file, filter, problems, impossible }): CheckedFilter => ({
      file,
      accepted: filter !== undefined,
      name: filter?.name ?? null,
      problems,
      notes: filter?.notes ?? [],
      impossible,
    }),
  );
  const answer: Answer = {
    text: checked.map(fileText).join(''),
    json,
    status: checked.every(({ filter }) => filter !== undefined) ? 0 : 1,
  };
  return { answer, failures };
}

/** Also what cannot be read is an answer: others are to be checked. */
export function readFilterFile(file: string): string | Failure {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? 'error';
    return new Failure('input', `cannot read the filter (${code})`, { at: file, hint: 'correct its name' });
  }
}

function impossibleOf({ entries }: FilterDocument): FilterProblem[] {
  return entries.flatMap((entry): FilterProblem[] => {
    if (isReference(entry)) return [];
    const found = impossibleIn(entry);
    return found === undefined ? [] : [{ ...entry.at, element: entry.protocol ?? 'rule', ...found }];
  });
}

function fileText({ file, filter, problems, impossible }: CheckedFile): string {
  const list = (found: readonly FilterProblem[], what: string): string =>
    found.map((one) => `${what}${problemLine(one)}\n    hint: ${one.hint}\n`).join('');
  if (filter === undefined) return `${list(problems, '')}${file}: refused\n`;
  const end = impossible.length === 0 ? '' : '; no guest can have it here';
  return `${list([...filter.notes, ...impossible], 'note: ')}${file}: accepted, filter ${filter.name}${end}\n`;
}
