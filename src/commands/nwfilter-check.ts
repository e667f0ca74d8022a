import { readFileSync } from 'node:fs';
import { Failure } from '../errors.ts';
import { type FilterDocument, parseFilter } from '../nwfilter/document.ts';
import { type FilterProblem, problemLine } from '../nwfilter/problem.ts';
import type { Answer } from './policy.ts';

/** A file as it was found. */
interface CheckedFile {
  readonly file: string;
  readonly filter?: FilterDocument;
  readonly problems: readonly FilterProblem[];
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
    return 'filter' in read ? [{ file, filter: read.filter, problems: [] }] : [{ file, problems: read.problems }];
  });
  const answer: Answer = {
    text: checked.map(fileText).join(''),
    json: checked.map(({ file, filter, problems }) => ({
      file,
      accepted: filter !== undefined,
      name: filter?.name ?? null,
      problems,
      notes: filter?.notes ?? [],
    })),
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

function fileText({ file, filter, problems }: CheckedFile): string {
  const list = (found: readonly FilterProblem[], what: string): string =>
    found.map((one) => `${what}${problemLine(one)}\n    hint: ${one.hint}\n`).join('');
  if (filter === undefined) return `${list(problems, '')}${file}: refused\n`;
  return `${list(filter.notes, 'note: ')}${file}: accepted, filter ${filter.name}\n`;
}
