/**
 * The tables of README.md and docs that are made of the program's own data and of what was measured, so that they say
 * what is so.
 *
 *   tsx src/build/readme-tables.ts     writes them
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { reasonSupport } from '../backends/ebtables/gaps.ts';
import { ALL_REASONS, REASONS, type ReasonEntry } from '../filter/reasons.ts';
import { jsonTable } from './json-texts.ts';
import { optInTable, policyTable } from './policy-texts.ts';
import { CLASS_OF, REASON_CLASSES } from './reason-classes.ts';

/** The project's folder, with a slash at its end. */
export const ROOT = new URL('../../', import.meta.url).pathname;

/** Which page holds which tables, each between `<!-- mark -->` and `<!-- /mark -->`. */
const TABLES: Readonly<Record<string, Readonly<Record<string, () => string>>>> = {
  'README.md': { classes: classTable, speed: speedTable },
  'docs/threat-model.md': { classes: classTable },
  'docs/filter.md': { reasons: reasonTable },
  'docs/json.md': { json: jsonTable },
  'docs/performance.md': { bench: benchTable },
  'docs/policy.md': { allow: optInTable, policy: policyTable },
};

export const PAGES: readonly string[] = Object.keys(TABLES);

/**
 * The text of a page with its tables as they must be.
 *
 * @param page one of PAGES
 * @throws Error if the page has no place for one of its tables
 */
export function withTables(page: string, text: string): string {
  return Object.entries(TABLES[page] ?? {}).reduce((done, [mark, table]) => between(page, done, mark, table()), text);
}

const RESULTS = 'test/bench/results/results.json';

/** One line of what the last run of `npm run bench` compared with its goals. */
interface Target {
  readonly what: string;
  readonly goal: string;
  readonly unit: string;
  readonly value: { readonly median: number };
}

/**
 * What a reader of the README asks for: the question, and the lines of the benchmark that answer it; of several the
 * worst one counts.
 */
const ASKED: readonly {
  readonly question: string;
  readonly what: readonly string[];
  /** Runs before that day have no such lines. */
  readonly since?: string;
}[] = [
  { question: '`online` of a guest, against *stock*', what: ['`online`, standalone / stock'] },
  {
    question: 'stock and its `ebtables` calls, against `online`, with 1000 vifs',
    what: ['`online`, stock + ebtables / standalone, 1000 vifs'],
  },
  { question: '`online` with 4000 vifs, against the first one', what: ['`online`, standalone, 4000 vifs / 0 vifs'] },
  { question: '`reapply --all` of 1000 vifs', what: ['`reapply --all`, standalone, 1000 vifs'] },
  {
    question: 'one frame with 1000 vifs, against an unfiltered bridge',
    what: ['in', 'out'].map((way) => `frame ${way}, 1000 vifs, against an unfiltered bridge`),
  },
  {
    question: "`online` of a routed guest, against stock's `vif-route`",
    what: ['routed, `online`, standalone / stock vif-route'],
    since: '2026-12-01',
  },
  {
    question: 'one frame of a routed guest with 1000 vifs, against an unfiltered route',
    what: ['in', 'out'].map((way) => `routed, frame ${way}, 1000 vifs, against an unfiltered route`),
    since: '2026-12-01',
  },
  { question: '`status` of 1000 vifs', what: ['`status`, standalone, 1000 vifs'] },
];

function speedTable(): string {
  const { targets } = lastRun();
  const rows = ASKED.flatMap(({ question, what, since }) => {
    const found = what.flatMap((name) => {
      const target = targets.find((one) => one.what === name);
      if (target === undefined && since === undefined)
        throw new Error(`${RESULTS} has no ${name}: run all of npm run bench`);
      return target ?? [];
    });
    if (found.length === 0) return [];
    const worst = found.reduce((a, b) => (b.value.median > a.value.median ? b : a));
    return `${question} | ${worst.goal} | ${measured(worst, ' times')}`;
  });
  return ['Figure (standalone executable) | Goal | Measured', '--- | --- | ---', ...rows, '', verdict()].join('\n');
}

function benchTable(): string {
  const rows = lastRun().targets.map((one) => `${one.what} | ${one.goal} | ${measured(one, '')}`);
  return [verdict(), '', 'Figure | Goal | Measured', '--- | --- | ---', ...rows].join('\n');
}

function verdict(): string {
  const { setting, targets } = lastRun();
  const goals = targets.filter(({ goal }) => LIMIT.test(goal));
  const reached = goals.filter(isReached).length;
  return `Run of ${setting.date} on ${setting.cpus} CPUs: ${reached} of ${goals.length} goals reached.`;
}

/** A goal begins with `<=` or `>=` and a number, in the unit of the figure; others are read by people. */
const LIMIT = /^([<>]=) ([\d.]+)/;

function isReached({ goal, value }: Target): boolean {
  const [, sign, limit] = LIMIT.exec(goal) ?? [];
  if (sign === undefined) throw new Error(`${RESULTS}: ${goal} is no goal`);
  return sign === '<=' ? value.median <= Number(limit) : value.median >= Number(limit);
}

function lastRun(): { setting: { date: string; cpus: number }; targets: Target[] } {
  return JSON.parse(readFileSync(`${ROOT}${RESULTS}`, 'utf8')) as ReturnType<typeof lastRun>;
}

/** @param ratioUnit what to write behind a figure that is a ratio */
function measured({ value, unit }: Target, ratioUnit: string): string {
  return `${value.median.toFixed(value.median >= 100 ? 0 : 2)}${unit === '' ? ratioUnit : ` ${unit}`}`;
}

/** What is stopped, in a few lines, with the number of frames of the corpus that try it. */
function classTable(): string {
  const { frames } = JSON.parse(readFileSync(`${ROOT}test/corpus/frames.json`, 'utf8')) as {
    frames: { expect: string; reason: string | null }[];
  };
  const rows = Object.entries(REASON_CLASSES).flatMap(([name, stops]) => {
    const reasons: readonly string[] = ALL_REASONS.filter((reason) => CLASS_OF[reason] === name);
    const tried = frames.filter(({ expect, reason }) => expect === 'drop' && reasons.includes(reason ?? ''));
    // What an admin's own rules stop is nothing that a guest tries.
    return tried.length === 0 ? [] : [`${name} | ${stops} | ${tried.length}`];
  });
  return ['What | A guest cannot | Attacks tried', '--- | --- | ---', ...rows].join('\n');
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

function between(page: string, text: string, mark: string, body: string): string {
  const parts = text.split(new RegExp(`(<!-- /?${mark} -->)`));
  if (parts.length !== 5) throw new Error(`${page} has no place marked ${mark}`);
  return [parts[0], parts[1], `\n${body}\n`, parts[3], parts[4]].join('');
}

if (process.argv[1] !== undefined && import.meta.url.endsWith(process.argv[1].split('/').at(-1) ?? ' ')) {
  for (const page of PAGES) writeFileSync(`${ROOT}${page}`, withTables(page, readFileSync(`${ROOT}${page}`, 'utf8')));
}
