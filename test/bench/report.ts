import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { chart } from './plot.ts';
import type { Ledger, Series } from './series.ts';
import { type Spread, spread } from './statistics.ts';
import { targets } from './targets.ts';

/** Where, when and of what a run was. */
export interface Setting {
  readonly program: string;
  readonly date: string;
  readonly cpu: string;
  readonly cpus: number;
  readonly kernel: string;
  readonly tools: Readonly<Record<string, string>>;
  /** Load average of the minute before: other work on the machine. */
  readonly load: number;
  readonly quick: boolean;
  readonly levels: readonly number[];
}

/**
 * Writes results.md, results.json and the plots.
 *
 * @returns the Markdown
 */
export function writeReport(folder: string, setting: Setting, ledger: Ledger): string {
  mkdirSync(folder, { recursive: true });
  const plots = drawPlots(ledger);
  const text = markdown(setting, ledger, Object.keys(plots));
  for (const [name, svg] of Object.entries(plots)) writeFileSync(join(folder, name), svg);
  const reached = targets(ledger, setting.levels).filter((one) => one.value !== undefined);
  const all = { setting, targets: reached, series: ledger.series.map(rounded) };
  writeFileSync(join(folder, 'results.json'), `${JSON.stringify(all, undefined, 1)}\n`);
  writeFileSync(join(folder, 'results.md'), text);
  return text;
}

function markdown(setting: Setting, ledger: Ledger, plots: readonly string[]): string {
  const reached = targets(ledger, setting.levels).filter((one) => one.value !== undefined);
  const figures = [...new Set(ledger.series.map((one) => one.figure))];
  return [
    '# Results of `npm run bench`',
    '',
    `xen-vif-bridge ${setting.program}, ${setting.date}${setting.quick ? ', **quick: too few samples to compare**' : ''}.`,
    `${setting.cpus} CPUs (${setting.cpu}), Linux ${setting.kernel};`,
    `${Object.entries(setting.tools)
      .map(([tool, version]) => `${tool} ${version}`)
      .join(', ')}.`,
    `Load average before the run: ${setting.load.toFixed(1)}.`,
    '',
    'Medians with quartiles [lower .. upper] and the number of samples; everything in one run, in',
    'turns. How it is measured: [performance](../../../docs/performance.md).',
    '',
    '## Targets',
    '',
    'Figure | Goal | Measured | CPU',
    '--- | --- | --- | ---',
    ...reached.map(
      ({ what, goal, value, cpu, unit }) => `${what} | ${goal} | ${shown(value, unit)} | ${shown(cpu, '')}`,
    ),
    '',
    ...figures.flatMap((figure) => table(figure, ledger)),
    ...plots.flatMap((name) => [`![${name.replace('.svg', '')}](${name})`, '']),
  ].join('\n');
}

function table(figure: string, ledger: Ledger): string[] {
  const rows = ledger.series.filter((one) => one.figure === figure);
  return [
    `## ${figure}`,
    '',
    'Whose | vifs | wall | CPU',
    '--- | --- | --- | ---',
    ...rows.map((one) => {
      const cpu = one.cpu === undefined || one.cpu.length === 0 ? '' : shown(spread(one.cpu), 'ms');
      return `${one.subject} | ${one.vifs} | ${shown(spread(one.samples), one.unit)} | ${cpu}`;
    }),
    '',
  ];
}

function shown(value: Spread | undefined, unit: string): string {
  if (value === undefined) return '';
  const number = (one: number): string => (one >= 100 ? one.toFixed(0) : one.toFixed(one >= 10 ? 1 : 2));
  return `${number(value.median)} ${unit} [${number(value.lower)} .. ${number(value.upper)}] (${value.count})`.replace(
    '  ',
    ' ',
  );
}

function drawPlots(ledger: Ledger): Record<string, string> {
  const plots: Record<string, string> = {};
  for (const [file, title, figure, unit] of [
    ['online.svg', 'online of one more vif', 'online', 'ms'],
    ['offline.svg', 'offline of one vif', 'offline', 'ms'],
    ['frame-in.svg', 'one frame from a guest', 'frame in', 'ns'],
    ['frame-out.svg', 'one frame to a guest', 'frame out', 'ns'],
    ['reapply-all.svg', 'reapply --all', 'reapply --all', 'ms'],
  ] as const) {
    const rows = ledger.series.filter((one) => one.figure === figure);
    if (rows.length === 0) continue;
    const levels = [...new Set(rows.map((one) => one.vifs))].sort((a, b) => a - b);
    const subjects = [...new Set(rows.map((one) => one.subject))];
    const lines = subjects.map((name) => ({ name, values: levels.map((vifs) => medianOf(rows, name, vifs)) }));
    plots[file] = chart(title, unit, 'vifs in service', levels.map(String), lines);
  }
  return plots;
}

/** What does not depend on other vifs (no filter) was measured once: it is drawn at each level. */
function medianOf(rows: readonly Series[], subject: string, vifs: number): number | undefined {
  const own = rows.filter((one) => one.subject === subject);
  const found = own.find((one) => one.vifs === vifs) ?? (subject === 'no filter' ? own[0] : undefined);
  return found === undefined ? undefined : spread(found.samples).median;
}

function rounded(one: Series): Series {
  const three = (value: number): number => Math.round(value * 1000) / 1000;
  return { ...one, samples: one.samples.map(three), ...(one.cpu === undefined ? {} : { cpu: one.cpu.map(three) }) };
}
