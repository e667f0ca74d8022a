/**
 * The tables of README.md that are made of the program's own data, so that they say what it does.
 *
 *   tsx src/build/readme-tables.ts     writes them into README.md
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { ALL_REASONS, REASONS, type ReasonEntry } from '../filter/reasons.ts';
import { DEFAULT_KEYS, type PolicyKey } from '../policy/keys.ts';

export const README = new URL('../../README.md', import.meta.url).pathname;

/** The text with its tables as they must be. */
export function withTables(readme: string): string {
  return between(between(readme, 'reasons', reasonTable()), 'policy', policyTable());
}

function reasonTable(): string {
  const rows = ALL_REASONS.map((reason) => {
    const entry: ReasonEntry = REASONS[reason];
    return `\`${reason}\` | ${entry.from ?? ''} | ${entry.to ?? ''}`;
  });
  return ['Reason | A guest cannot | A guest does not hear', '--- | --- | ---', ...rows].join('\n');
}

function policyTable(): string {
  const rows = Object.entries(DEFAULT_KEYS).map(([key, entry]: [string, PolicyKey]) => {
    const choices = entry.choices.map((choice, index) => (index === 0 ? `**${choice}**` : choice)).join(', ');
    return `\`${key}\` | ${choices} | ${entry.help}`;
  });
  return ['Key | Values (default first) | Meaning', '--- | --- | ---', ...rows].join('\n');
}

function between(text: string, mark: string, body: string): string {
  const parts = text.split(new RegExp(`(<!-- /?${mark} -->)`));
  if (parts.length !== 5) throw new Error(`README.md has no place marked ${mark}`);
  return [parts[0], parts[1], `\n${body}\n`, parts[3], parts[4]].join('');
}

if (process.argv[1] !== undefined && import.meta.url.endsWith(process.argv[1].split('/').at(-1) ?? ' ')) {
  writeFileSync(README, withTables(readFileSync(README, 'utf8')));
}
