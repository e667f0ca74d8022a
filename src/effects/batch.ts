import { Failure, oneLine } from '../errors.ts';
import type { BatchLine } from '../port/port-setup.ts';
import type { RunTool } from './exec.ts';

const BATCH_MS = 6_000;

/**
 * Runs the lines in one process (`ip -batch -`, `bridge -batch -`), going on after a line that failed.
 *
 * @returns what was lost by optional lines that failed, for the log
 * @throws Failure `tool` for a line that must succeed
 */
export async function runBatch(run: RunTool, tool: 'ip' | 'bridge', lines: readonly BatchLine[]): Promise<string[]> {
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

/**
 * Runs the lines in one process, going on after a line that failed.
 *
 * @returns what the program said of each line that failed, by its number from 1
 * @throws Failure `tool` if it failed and named no line
 */
export async function failuresOf(
  run: RunTool,
  tool: 'ip' | 'bridge',
  lines: readonly BatchLine[],
  timeoutMs: number,
): Promise<ReadonlyMap<number, string>> {
  if (lines.length === 0) return new Map();
  const input = lines.map((line) => `${line.text}\n`).join('');
  const result = await run(tool, ['-force', '-batch', '-'], { input, timeoutMs });
  if (result.status === 0) return new Map();
  const failed = failedLines(result.stderr);
  if (failed.size === 0) {
    throw new Failure('tool', `${tool} -batch failed (status ${result.status}): ${oneLine(result.stderr, 160)}`);
  }
  return failed;
}

/**
 * iproute2 says what went wrong, then `Command failed -:3` with the line's number (lib/utils.c: do_batch). It does so for
 * what the kernel refused and for unknown options of a link type; for other words that its parser does not know it exits
 * at once, without a number (lib/utils.c: invarg), and nothing behind that line is done.
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
