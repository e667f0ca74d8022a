import { Failure, shown } from '../errors.ts';
import { VARIABLE_NAME, VARIABLE_VALUE } from '../nwfilter/names.ts';
import { nativeLines } from '../nwfilter/native.ts';
import { filterProgram } from '../nwfilter/program.ts';
import { filterFinder, variablesOf } from '../policy/filter-source.ts';
import type { ListedRule } from '../rules/chain-program.ts';
import { RULE_DIRECTIONS } from '../rules/rule.ts';
import type { Answer } from './policy.ts';

/** What stands for a guest of which nothing is known. */
const NOBODY = { mac: '00:16:3e:00:00:00', ip: ['192.0.2.1'], ip6: ['2001:db8::1'], learns: false } as const;

/** A filter for programs. */
export interface ShownFilter {
  readonly name: string;
  readonly rules: readonly (Pick<ListedRule, 'direction' | 'layer' | 'chain' | 'text' | 'at' | 'family'> & {
    readonly inert: string | null;
  })[];
  readonly notes: readonly string[];
}

/** The same as lines of the policy. */
export interface NativeFilter {
  readonly name: string;
  readonly lines: readonly string[];
}

/**
 * The rules that a filter makes, in the order in which they are asked. Of a guest's own addresses none need be given:
 * they stay `$MAC`, `$IP`, `$IPV6`.
 *
 * @param given `DSTPORTS=80,443`
 * @throws Failure `input`
 */
export function showFilter(name: string, given: readonly string[], options: { dir: string; native: boolean }): Answer {
  const program = filterProgram(name, filterFinder(options.dir), variablesOf(parseVariables(given), NOBODY));
  if (options.native) {
    const lines = nativeLines(program);
    return { text: `${lines.join('\n')}\n`, json: { name, lines } satisfies NativeFilter, status: 0 };
  }
  const rows = RULE_DIRECTIONS.flatMap((direction) => {
    const rules = program.listing.filter((one) => one.direction === direction);
    const head = `${direction}: ${direction === 'in' ? 'to the guest' : 'from the guest'}`;
    const list = rules.map(({ layer, chain, text, at, inert }) => {
      const mark = inert === undefined ? '' : `\n       no effect here: ${inert}`;
      return `  L${layer} ${chain.padEnd(12)} ${text}  # ${at.file}:${at.line}${mark}`;
    });
    return [head, ...(list.length === 0 ? ['  no rule: all passes'] : [...list, '  else: it passes'])];
  });
  const json: ShownFilter = {
    name,
    rules: program.listing.map(({ direction, layer, chain, text, at, family, inert }) => {
      return { direction, layer, chain, text, at, family, inert: inert ?? null };
    }),
    notes: program.notes,
  };
  return {
    text: [`filter ${name}`, ...rows, ...program.notes.map((note) => `note: ${note}`), ''].join('\n'),
    json,
    status: 0,
  };
}

function parseVariables(given: readonly string[]): ReadonlyMap<string, readonly string[]> {
  return new Map(
    given.map((word): [string, readonly string[]] => {
      const [, name = '', text = ''] = /^([^=]*)=(.*)$/s.exec(word) ?? [];
      const values = text.split(/[\s,]+/).filter((one) => one !== '');
      const wrong = values.find((one) => !VARIABLE_VALUE.test(one));
      if (!VARIABLE_NAME.test(name) || values.length === 0 || wrong !== undefined) {
        throw new Failure('input', `${shown(word)} is no variable`, {
          at: 'the command line',
          hint: 'write NAME=VALUE or NAME=VALUE,VALUE; values have letters, digits, _ . and :',
        });
      }
      return [name, values];
    }),
  );
}
