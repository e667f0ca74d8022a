/**
 * `npm test`: all tests, one file after the other (they send real traffic and count real processes), and one line at
 * the end that says how many passed.
 *
 *   npm test                      everything but what takes long: files in a folder `long`, or called `*.long.test.ts`;
 *                                 stress tests repeat themselves a quarter as often as they do with test:all
 *   npm run test:all              everything, in both forms
 *   npm test -- kernel stress     only what has one of the words in its path
 */

import { readdirSync } from 'node:fs';
import { join, relative } from 'node:path';
import { run } from 'node:test';
import { spec } from 'node:test/reporters';

const HERE = new URL('.', import.meta.url).pathname;
/** Longest any one file may take, in milliseconds: something that hangs must not hang everything. */
const FILE_MS = 15 * 60_000;

interface Total {
  passed: number;
  failed: number;
  skipped: number;
}

/** Longest any one file that takes long may take. */
const LONG_FILE_MS = 60 * 60_000;

function testFiles(words: readonly string[], all: boolean): string[] {
  return readdirSync(HERE, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.test.ts'))
    .filter((file) => words.length === 0 || words.some((word) => file.includes(word)))
    .filter((file) => all || !isLong(file) || words.some((word) => word.includes('long')))
    .sort((a, b) => rank(a) - rank(b) || a.localeCompare(b))
    .map((file) => join(HERE, file));
}

function isLong(file: string): boolean {
  return file.endsWith('.long.test.ts') || file.split('/').includes('long');
}

/** Fast ones first: who breaks a parser need not wait for the kernel. */
function rank(file: string): number {
  const order = [
    'architecture.test.ts',
    'net',
    'json',
    'port',
    'policy',
    'xen',
    'filter',
    'backends',
    'effects',
    'state',
    'commands',
    'golden',
    'lab',
    'kernel',
    'kernel-ebtables',
    'xl',
    'race',
    'stress',
    'long',
  ];
  const place = order.indexOf(file.split('/')[0] ?? '');
  return place < 0 ? order.length : place;
}

const words = process.argv.slice(2).filter((word) => word !== '--all');
const all = process.argv.includes('--all');
process.env.STRESS_ROUNDS ??= all ? '1' : '0.25';
const files = testFiles(words, all);
if (files.length === 0) {
  console.error('no test file has one of these words in its path');
  process.exit(2);
}
const total: Total = { passed: 0, failed: 0, skipped: 0 };
const skips: string[] = [];
const timeout = files.some((file) => isLong(relative(HERE, file))) ? LONG_FILE_MS : FILE_MS;
const stream = run({ files, concurrency: 1, timeout });
const seconds = new Map<string, number>();
let since = performance.now();
// Files run one after the other, and each reports its tests as they end.
function took({ file }: { file?: string }): void {
  const now = performance.now();
  if (file !== undefined) seconds.set(file, (seconds.get(file) ?? 0) + (now - since) / 1000);
  since = now;
}
stream.on('test:pass', took);
stream.on('test:fail', took);
stream.on('test:pass', (event) => {
  if (isContainer(event)) return;
  if (event.skip !== undefined && event.skip !== false) {
    total.skipped += 1;
    skips.push(
      `${relative(HERE, event.file ?? '')}: ${event.name} (${event.skip === true ? 'no reason given' : event.skip})`,
    );
  } else total.passed += 1;
});
stream.on('test:fail', (event) => {
  if (!isContainer(event)) total.failed += 1;
});
stream.compose(new spec()).pipe(process.stdout);
stream.on('end', () => {
  // The reporter still has to print what it holds.
  setImmediate(() => {
    for (const skip of skips) console.log(`skipped: ${skip}`);
    const slowest = [...seconds].sort(([, a], [, b]) => b - a).slice(0, 10);
    const list = slowest.map(([file, s]) => `${relative(HERE, file)} ${s.toFixed(0)}`);
    console.log(`slowest, in seconds: ${list.join(', ')}`);
    console.log(
      `${total.passed} passed, ${total.failed} failed${total.skipped === 0 ? '' : `, ${total.skipped} skipped`}`,
    );
    process.exitCode = total.failed === 0 && total.passed > 0 ? 0 : 1;
  });
});

/**
 * A suite, or the file itself, which Node reports as a test too. It counts where it fails by itself: its code does not
 * run, or it takes too long.
 */
function isContainer(event: { name: string; details?: object }): boolean {
  const { type, error } = (event.details ?? {}) as { type?: string; error?: { failureType?: string } };
  if (type === 'suite') return true;
  return files.includes(event.name) && (error === undefined || error.failureType === 'subtestsFailed');
}
