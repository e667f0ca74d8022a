/**
 * Where the program stands, in numbers.
 *
 *   npm run bench                       everything; about half an hour
 *   npm run bench -- --quick            a little of everything, under a minute: does the harness work?
 *   npm run bench -- hotplug packets    only these: start, hotplug, whole, storm, packets, words, rules,
 *                                       routed
 *   npm run bench -- --into=FOLDER      instead of test/bench/results
 *   npm run bench -- --levels=0,1000    numbers of vifs in service
 *   npm run bench -- --rounds=9
 *
 * It compares and never fails for being slow.
 */
import { cpus, loadavg, release } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { cacheFolder } from '../lab/cache.ts';
import { namespaceObstacle } from '../lab/namespace.ts';
import { FORMS, formObstacle, launcher } from '../lab/program.ts';
import { runProgram } from '../lab/subprocess.ts';
import { type Launchers, measureHotplug, measureWhole } from './hotplug.ts';
import { measurePackets } from './packets.ts';
import { type Setting, writeReport } from './report.ts';
import { measureRouted } from './routed.ts';
import { measureRules } from './rules.ts';
import { openLedger } from './series.ts';
import { measureStart } from './start.ts';
import { measureStorm } from './storm.ts';
import { measureWords } from './words.ts';

const PARTS = ['start', 'hotplug', 'packets', 'words', 'rules', 'routed', 'whole', 'storm'] as const;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    quick: { type: 'boolean', default: false },
    into: { type: 'string' },
    levels: { type: 'string' },
    rounds: { type: 'string' },
  },
});
const unknown = positionals.find((part) => !(PARTS as readonly string[]).includes(part));
if (unknown !== undefined) throw new Error(`${unknown}: one of ${PARTS.join(', ')}`);
const obstacle = namespaceObstacle();
if (obstacle !== undefined) {
  console.log(`skipped: ${obstacle}`);
  process.exit(0);
}

const { quick } = values;
const levels = values.levels?.split(',').map(Number) ?? (quick ? [0, 10] : [0, 1000, 4000]);
const rounds = Number(values.rounds ?? (quick ? 2 : 21));
const launchers: Launchers = Object.fromEntries(
  FORMS.filter((form) => {
    const missing = formObstacle(form);
    if (missing !== undefined) console.log(`left out: ${form} ${missing}`);
    return missing === undefined;
  }).map((form) => [form, launcher(form)]),
);
const [script] = Object.values(launchers);
if (script === undefined) throw new Error('neither form is built: npm run build');

const load = loadavg()[0] ?? 0;
const ledger = openLedger();
const measures: Readonly<Record<(typeof PARTS)[number], () => Promise<void>>> = {
  start: () => measureStart({ launchers, rounds }, ledger),
  hotplug: () => measureHotplug({ launchers, levels, rounds, everyClassic: quick ? 2 : 3 }, ledger),
  packets: () =>
    measurePackets(
      {
        script,
        levels: quick ? [1, 10] : [1, 100, ...levels.filter((level) => level > 100)],
        rounds: quick ? 1 : Math.ceil(rounds / 3),
        milliseconds: quick ? 50 : 500,
      },
      ledger,
    ),
  // Short and often: the difference that is looked for is small.
  words: () => measureWords({ script, rounds: quick ? 2 : rounds, milliseconds: quick ? 50 : 100 }, ledger),
  rules: () =>
    measureRules(
      {
        script,
        levels: quick ? [1, 10] : [1, 201, ...levels.filter((level) => level > 201)],
        rounds: quick ? 1 : Math.ceil(rounds / 3),
        milliseconds: quick ? 50 : 500,
        programs: quick ? 9 : 200,
      },
      ledger,
    ),
  // More than a thousand nobody has asked for.
  routed: () =>
    measureRouted(
      {
        launchers,
        levels: quick ? [0, 3] : [0, 100, ...levels.filter((level) => level > 100 && level <= 1000)],
        rounds: quick ? 1 : rounds,
        milliseconds: quick ? 50 : 200,
      },
      ledger,
    ),
  whole: () =>
    measureWhole(
      { launchers, levels: levels.filter((level) => level > 0), rounds: quick ? 1 : 3, statusRounds: quick ? 1 : 7 },
      ledger,
    ),
  storm: () => measureStorm({ launchers, guests: quick ? 3 : 100, vifsPerGuest: 2, rounds: quick ? 1 : 3 }, ledger),
};
for (const part of PARTS.filter((name) => positionals.length === 0 || positionals.includes(name))) {
  const begin = performance.now();
  try {
    await measures[part]();
    console.log(`${part}: ${((performance.now() - begin) / 1000).toFixed(0)} s`);
  } catch (error) {
    // What was measured before, half an hour of it perhaps, is worth a report.
    console.error(`${part}: it did not work, so it is not in the report:`, error);
    process.exitCode = 1;
  }
}
const folder =
  values.into ?? (quick ? join(cacheFolder(), 'bench-quick') : fileURLToPath(new URL('results', import.meta.url)));
console.log(`\n${writeReport(folder, await setting(), ledger)}\nwritten into ${folder}`);

async function setting(): Promise<Setting> {
  const said = async (argv: readonly string[], pattern: RegExp): Promise<string> =>
    pattern.exec((await runProgram(argv).catch(() => undefined))?.stdout ?? '')?.[1] ?? 'not found';
  return {
    program: await said([script ?? '', '--version'], /(.*)/),
    date: new Date().toISOString().slice(0, 10),
    cpu: cpus()[0]?.model ?? 'unknown',
    cpus: cpus().length,
    kernel: release(),
    tools: {
      Node: process.version.slice(1),
      nft: await said(['nft', '--version'], /v([\d.]+)/),
      iproute2: await said(['ip', '-V'], /iproute2-([\w.]+)/),
      ebtables: await said(['ebtables-nft', '--version'], /([\d.]+)/),
    },
    load,
    quick,
    levels,
  };
}
