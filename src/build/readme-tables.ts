/**
 * The tables of README.md that are made of the program's own data, so that they say what it does.
 *
 *   tsx src/build/readme-tables.ts     writes them into README.md
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { reasonSupport } from '../backends/ebtables/gaps.ts';
import { ALL_REASONS, REASONS, type ReasonEntry } from '../filter/reasons.ts';
import { policyTable } from './policy-texts.ts';

export const README = new URL('../../README.md', import.meta.url).pathname;

/** The text with its tables as they must be. */
export function withTables(readme: string): string {
  const own = between(between(readme, 'reasons', reasonTable()), 'policy', policyTable());
  return between(own, 'bench', benchTable());
}

const RESULTS = new URL('../../test/bench/results/results.json', import.meta.url).pathname;

/** The targets and what the last run of `npm run bench` measured. */
function benchTable(): string {
  const { targets } = JSON.parse(readFileSync(RESULTS, 'utf8')) as {
    targets: { what: string; goal: string; unit: string; value: { median: number } }[];
  };
  const text = (value: number): string => value.toFixed(value >= 100 ? 0 : 2);
  return [
    'Figure | Goal | Measured',
    '--- | --- | ---',
    ...targets.map(({ what, goal, unit, value }) => `${what} | ${goal} | ${text(value.median)} ${unit}`.trimEnd()),
  ].join('\n');
}

function reasonTable(): string {
  const support = new Map(reasonSupport().map((one) => [one.reason, one]));
  const rows = ALL_REASONS.map((reason) => {
    const entry: ReasonEntry = REASONS[reason];
    const ebtables = (support.get(reason)?.ebtables ?? []).join(', ');
    return `\`${reason}\` | ${entry.from ?? ''} | ${entry.to ?? ''} | yes | ${ebtables}`;
  });
  return [
    'Reason | A guest cannot | A guest does not hear | nftables | ebtables',
    '--- | --- | --- | --- | ---',
    ...rows,
  ].join('\n');
}

function between(text: string, mark: string, body: string): string {
  const parts = text.split(new RegExp(`(<!-- /?${mark} -->)`));
  if (parts.length !== 5) throw new Error(`README.md has no place marked ${mark}`);
  return [parts[0], parts[1], `\n${body}\n`, parts[3], parts[4]].join('');
}

if (process.argv[1] !== undefined && import.meta.url.endsWith(process.argv[1].split('/').at(-1) ?? ' ')) {
  writeFileSync(README, withTables(readFileSync(README, 'utf8')));
}
