import { Failure, oneLine } from '../errors.ts';
import type { RunTool, StartAhead } from './exec.ts';

const BATCH_MS = 6_000;
/** Of a batch that went on to its end (iproute2, lib/utils.c: do_batch). */
const WITH_FAILURES = 1;
const ARGS = ['-force', '-batch', '-'] as const;

type BatchTool = 'ip' | 'bridge' | 'tc';

/** One line of an `ip -batch` or `bridge -batch`, and whether the port may go into service without it. */
export interface BatchLine {
  readonly text: string;
  /** What is lost when a line that may fail does. Undefined: the line must succeed. */
  readonly optional?: string;
}

/**
 * The first line that `bridge` gets. Its `fdb` lists all devices of the host first, whatever it is to do (iproute2,
 * bridge/fdb.c: do_fdb, ll_init_map; measured: 20 ms with 4000): this one lets that happen while other programs work,
 * and does nothing else: `lo` is no port of a bridge.
 */
const OPENING: Readonly<Record<BatchTool, readonly string[]>> = { ip: [], bridge: ['fdb show dev lo'], tc: [] };

/**
 * Starts the tool, for a `runBatch` that is sure to come soon.
 *
 * @param beginning its first lines, which are done now; one that fails is told by `runBatch`
 */
export function batchAhead(
  host: { readonly ahead: StartAhead },
  tool: BatchTool,
  beginning: readonly BatchLine[] = [],
): void {
  host.ahead(tool, ARGS, { beginning: textOf(tool, beginning) });
}

function textOf(tool: BatchTool, lines: readonly BatchLine[]): string {
  return [...OPENING[tool], ...lines.map((line) => line.text)].map((line) => `${line}\n`).join('');
}

/**
 * Runs the lines in one process (`ip -batch -`, `bridge -batch -`, `tc -batch -`), going on after a line that failed.
 *
 * @returns what was lost by optional lines that failed, for the log
 * @throws Failure `tool` for a line that must succeed
 */
export async function runBatch(run: RunTool, tool: BatchTool, lines: readonly BatchLine[]): Promise<string[]> {
  const failed = await failuresOf(run, tool, lines, BATCH_MS);
  const lost: string[] = [];
  for (const [number, said] of failed) {
    const line = lines[number - 1];
    if (line?.optional === undefined) {
      throw new Failure('tool', `${tool} ${line?.text ?? ''} failed: ${said}`);
    }
    lost.push(`${line.optional} (${tool} ${line.text}: ${said})`);
  }
  return lost;
}

/** What the program prints of lines that ask; one that fails says nothing. */
export async function saidByBatch(
  run: RunTool,
  tool: BatchTool,
  lines: readonly BatchLine[],
  timeoutMs: number,
): Promise<string> {
  return (await run(tool, ARGS, { input: textOf(tool, lines), timeoutMs })).stdout;
}

/**
 * Runs the lines in one process, going on after a line that failed.
 *
 * @returns what the program said of each line that failed, by its number from 1
 * @throws Failure `tool` if it failed and named no line
 */
export async function failuresOf(
  run: RunTool,
  tool: BatchTool,
  lines: readonly BatchLine[],
  timeoutMs: number,
): Promise<ReadonlyMap<number, string>> {
  if (lines.length === 0) return new Map();
  const result = await run(tool, ARGS, { input: textOf(tool, lines), timeoutMs });
  if (result.status === 0) return new Map();
  const failed = failedLines(result.stderr);
  // Another status: it has ended at one line, and what it says of others before is not all.
  if (failed.size === 0 || result.status !== WITH_FAILURES) {
    throw new Failure('tool', `${tool} -batch failed (status ${result.status}): ${oneLine(result.stderr, 160)}`);
  }
  const before = OPENING[tool].length;
  return new Map([...failed].flatMap(([number, said]) => (number > before ? [[number - before, said]] : [])));
}

/**
 * iproute2 says what went wrong, then `Command failed -:3` with the line's number (lib/utils.c: do_batch). It does so
 * for what the kernel refused and for unknown options of a link type; for other words that its parser does not know it
 * exits at once, without a number (lib/utils.c: invarg), and nothing behind that line is done.
 */
function failedLines(stderr: string): Map<number, string> {
  const failed = new Map<number, string>();
  let said: string[] = [];
  for (const line of stderr.split('\n')) {
    const number = /^Command failed -:(\d+)$/.exec(line.trim())?.[1];
    if (number === undefined) {
      if (line.trim() !== '') said.push(line.trim());
      continue;
    }
    failed.set(Number(number), oneLine(said.join(' '), 120) || 'no reason given');
    said = [];
  }
  return failed;
}
