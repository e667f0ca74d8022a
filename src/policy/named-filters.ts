import { Failure } from '../errors.ts';
import { checkFilterTree } from '../nwfilter/program.ts';
import { filterFinder } from './filter-source.ts';
import type { NamedFilter } from './parse-policy.ts';
import type { Problem } from './problem.ts';

/** What is wrong with the filters of libvirt's that a policy names: each is read, with those that it refers to. */
export function namedFilterProblems(named: readonly NamedFilter[], folder: string): Problem[] {
  const find = filterFinder(folder);
  return named.flatMap(({ name, file, line }): Problem[] => {
    try {
      checkFilterTree(name, find);
      return [];
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      const where = error.at === undefined ? '' : ` (${error.at})`;
      return [{ file, line, message: `${error.message}${where}`, hint: error.hint ?? 'correct the filter' }];
    }
  });
}
