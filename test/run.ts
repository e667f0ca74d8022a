/**
 * `npm test`: all tests; a line for each file as it ends, whatever failed in full, and one line at the end that says
 * how many passed.
 *
 *   npm test                      everything but what is broad and what takes long; stress tests repeat themselves a
 *                                 quarter as often as they do with test:all
 *   npm run test:broad            what is broad, and has long been as it is: the same again for guests of other kinds
 *                                 (`*.broad.test.ts`)
 *   npm run test:all              everything, in both forms, also what takes long: files in a folder `long`, or called
 *                                 `*.long.test.ts`
 *   npm test -- kernel stress     only what has one of the words in its path, with a line for each test
 *   npm test -- --verbose         a line for each test
 *
 * Files run beside each other, $TEST_JOBS at once (as many as there are CPUs, and two more): each has its own network
 * namespaces, xenstored and folders. As long as there are any, a quarter of them are such as mostly wait for a time to
 * pass, so that the others have the CPUs. What measures, or needs the CPUs for itself, comes last, one after the other.
 */
import { readdirSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join, relative } from 'node:path';
import { Readable } from 'node:stream';
import { type EventData, run } from 'node:test';
import { spec } from 'node:test/reporters';

const HERE = new URL('.', import.meta.url).pathname;
/** Longest any one file may take, in milliseconds: something that hangs must not hang everything. */
const FILE_MS = 15 * 60_000;
/** Longest any one file that takes long may take. */
const LONG_FILE_MS = 60 * 60_000;
/** What runs alone: folders, and files that count what gets through while everything is busy. */
const ALONE = ['race/', 'long/', 'stress/parallel.', 'stress/reapply-under-traffic.'];
/** What sleeps for most of a long time (measured: less than a third of a CPU), the longest first. */
const WAITING = [
  'kernel/timeouts.',
  'xl/xl.',
  'kernel/routed.',
  'kernel/routed-host-accept.',
  'kernel/rules-programs.',
  'kernel/dhcp-programs.',
  'kernel/admin.',
  'effects/exec.',
];
/** What may be said besides words; a misspelled one would run something else than was meant. */
const OPTIONS = ['--all', '--broad', '--verbose'];
/** Files listed at the end. */
const SLOWEST = 15;

function testFiles(words: readonly string[], which: 'all' | 'broad' | 'usual'): string[] {
  return readdirSync(HERE, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.test.ts'))
    .filter((file) => words.length === 0 || words.some((word) => file.includes(word)))
    .filter((file) => which === 'all' || !isLong(file) || words.some((word) => word.includes('long')))
    .filter((file) => which === 'all' || words.length > 0 || isBroad(file) === (which === 'broad'))
    .sort((a, b) => rank(a) - rank(b) || a.localeCompare(b));
}

function isLong(file: string): boolean {
  return file.endsWith('.long.test.ts') || file.split('/').includes('long');
}

function isBroad(file: string): boolean {
  return file.endsWith('.broad.test.ts');
}

function isAlone(file: string): boolean {
  return isLong(file) || ALONE.some((begin) => file.startsWith(begin));
}

/** Fast ones first: who breaks a parser need not wait for the kernel. */
const ORDER = [
  'architecture.test.ts',
  'net/',
  'json/',
  'port/',
  'policy/',
  'xen/',
  'filter/',
  'backends/',
  'effects/',
  'state/',
  'commands/',
  'golden/',
  'lab/',
  // The longest ones begin before the others, so that none is left over at the end.
  'stress/',
  'upgrade/',
  'install/',
  'kernel/',
  'kernel-ebtables/',
  'race/',
  'long/',
];

function rank(file: string): number {
  const place = ORDER.findIndex((begin) => file.startsWith(begin));
  return place < 0 ? ORDER.length : place;
}

/** Where among those that mostly wait; -1 for all others. */
function waits(file: string): number {
  return WAITING.findIndex((begin) => file.startsWith(begin));
}

interface Total {
  passed: number;
  failed: number;
  readonly skips: string[];
  readonly seconds: Map<string, number>;
}

/** Runs them, and resolves when all has been printed. */
async function runFiles(files: readonly string[], jobs: number, verbose: boolean, total: Total): Promise<void> {
  if (files.length === 0) return;
  const paths = files.map((file) => join(HERE, file));
  const timeout = files.some(isLong) ? LONG_FILE_MS : FILE_MS;
  const stream = run({ files: paths, concurrency: jobs, timeout });
  // Of each file as it ends; that its tests have ended is told in order of the files, later.
  stream.on('test:complete', ({ name, details }: EventData.TestComplete) => {
    if (!paths.includes(name)) return;
    const file = relative(HERE, name);
    total.seconds.set(file, details.duration_ms / 1000);
    const failed = details.passed ? '' : ' FAILED';
    if (!verbose) console.log(`[${total.seconds.size}] ${file} ${(details.duration_ms / 1000).toFixed(1)} s${failed}`);
  });
  stream.on('test:pass', (event) => {
    if (isContainer(event, paths)) return;
    if (event.skip !== undefined && event.skip !== false) {
      const why = event.skip === true ? 'no reason given' : event.skip;
      total.skips.push(`${relative(HERE, event.file ?? '')}: ${event.name} (${why})`);
    } else total.passed += 1;
  });
  stream.on('test:fail', (event) => {
    if (!isContainer(event, paths)) total.failed += 1;
  });
  const reporter = new spec();
  const printed = (verbose ? stream : Readable.from(onlyFailures(stream))).compose(reporter);
  for await (const text of printed) process.stdout.write(text);
}

/** What the reporter needs for tests that fail and for what their files say. */
async function* onlyFailures(events: AsyncIterable<{ type: string }>): AsyncGenerator<{ type: string }> {
  const wanted = ['test:fail', 'test:stderr'];
  for await (const event of events) if (wanted.includes(event.type)) yield event;
}

/**
 * A suite, or the file itself, which Node reports as a test too. It counts where it fails by itself: its code does not
 * run, or it takes too long.
 */
function isContainer(event: { name: string; details?: object }, paths: readonly string[]): boolean {
  const { type, error } = (event.details ?? {}) as { type?: string; error?: { failureType?: string } };
  if (type === 'suite') return true;
  return paths.includes(event.name) && (error === undefined || error.failureType === 'subtestsFailed');
}

const options = process.argv.slice(2).filter((word) => word.startsWith('-'));
const words = process.argv.slice(2).filter((word) => !word.startsWith('-'));
const unknown = options.find((option) => !OPTIONS.includes(option));
if (unknown !== undefined) {
  console.error(`${unknown} is no option of the tests: ${OPTIONS.join(', ')}`);
  process.exit(2);
}
const all = options.includes('--all');
const verbose = options.includes('--verbose') || (words.length > 0 && !all);
process.env.STRESS_ROUNDS ??= all ? '1' : '0.25';
const files = testFiles(words, all ? 'all' : options.includes('--broad') ? 'broad' : 'usual');
if (files.length === 0) {
  console.error('no test file has one of these words in its path');
  process.exit(2);
}
const jobs = Number(process.env.TEST_JOBS) || availableParallelism() + 2;
// What is printed of each test as it ends would be mixed.
const lanes = verbose ? 0 : Math.floor(jobs / 4);
const total: Total = { passed: 0, failed: 0, skips: [], seconds: new Map() };
const waiting = lanes === 0 ? [] : files.filter((file) => waits(file) >= 0).sort((a, b) => waits(a) - waits(b));
const beside = files.filter((file) => !isAlone(file) && !waiting.includes(file));
const alone = files.filter(isAlone);
if (!verbose) console.log(`${files.length} files of tests, ${jobs} at once`);
await Promise.all([
  runFiles(waiting, lanes, verbose, total),
  runFiles(beside, jobs - lanes, verbose, total).then(() => runFiles(alone, 1, verbose, total)),
]);
for (const skip of total.skips) console.log(`skipped: ${skip}`);
const slowest = [...total.seconds].sort(([, a], [, b]) => b - a).slice(0, SLOWEST);
console.log(`slowest, in seconds: ${slowest.map(([file, seconds]) => `${file} ${seconds.toFixed(0)}`).join(', ')}`);
const skipped = total.skips.length === 0 ? '' : `, ${total.skips.length} skipped`;
console.log(`${total.passed} passed, ${total.failed} failed${skipped}`);
process.exitCode = total.failed === 0 && total.passed > 0 ? 0 : 1;
