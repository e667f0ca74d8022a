import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Failure } from '../errors.ts';
import { type FilterDocument, parseFilter } from '../nwfilter/document.ts';
import type { FindFilter } from '../nwfilter/instance.ts';
import { problemLine } from '../nwfilter/problem.ts';
import { filterProgram } from '../nwfilter/program.ts';
import type { OwnName } from '../rules/chain-program.ts';
import type { FilterVariables } from './filter-keys.ts';
import type { FilteredGuest, FilterSource, Policy } from './policy.ts';

/** Reads the filters of a folder, each once. */
export function filterFinder(folder: string): FindFilter {
  const read = new Map<string, FilterDocument>();
  return (name) => {
    const known = read.get(name);
    if (known !== undefined) return known;
    const file = join(folder, `${name}.xml`);
    const found = parseFilter(textOf(file, name), file);
    if ('problems' in found) {
      const [first, ...more] = found.problems;
      const others = more.length === 0 ? '' : ` (and ${more.length} more: vif-bridge nwfilter check ${file})`;
      throw new Failure('input', `${first === undefined ? 'it is refused' : problemLine(first)}${others}`, {
        at: file,
        hint: first?.hint,
      });
    }
    if (found.filter.name !== name) {
      throw new Failure('input', `the filter in ${file} is called ${found.filter.name}`, { hint: 'name both alike' });
    }
    read.set(name, found.filter);
    return found.filter;
  };
}

function textOf(file: string, name: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? 'error';
    throw new Failure('input', `there is no filter ${name} (${code})`, {
      at: file,
      hint: 'nwfilter_dir of the policy says where filters are',
    });
  }
}

/** What the filters of a policy are made of. */
export function filterSource({ nwfilter_dir }: Pick<Policy, 'nwfilter_dir'>): FilterSource {
  const find = filterFinder(nwfilter_dir);
  return {
    program(name, given, guest, place) {
      try {
        return filterProgram(name, find, variablesOf(given, guest));
      } catch (error) {
        if (!(error instanceof Failure)) throw error;
        const at = [place, error.at].filter((one) => one !== undefined).join(', ');
        throw new Failure(error.code, error.message, { at: at === '' ? undefined : at, hint: error.hint });
      }
    },
  };
}

/** What the policy gives wins over what the guest has. */
export function variablesOf(given: FilterVariables, guest: FilteredGuest): Parameters<typeof filterProgram>[2] {
  const own: readonly (readonly [string, OwnName, readonly string[]])[] = [
    ['MAC', 'mac', [guest.mac]],
    ['IP', 'ip', guest.ip],
    ['IPV6', 'ip6', guest.ip6],
  ];
  const written = new Map([...given].filter(([, values]) => values.length > 0));
  const mine = own.filter(([name]) => !written.has(name));
  return {
    values: new Map([
      ...mine.flatMap(([name, , values]) => (values.length === 0 ? [] : [[name, values] as const])),
      ...written,
    ]),
    own: new Map(mine.map(([name, what]) => [name, what])),
    unknown: new Set(guest.learns && !written.has('IP') ? ['IP'] : []),
  };
}
