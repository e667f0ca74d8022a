import { asFailure, Failure } from '../errors.ts';
import { type BatchLine, failuresOf } from './batch.ts';
import type { RunTool } from './exec.ts';

/** What went wrong, by device. A device that is not in it has what it should have. */
export type Failures = Map<string, Failure>;

/** How often a piece of work for many is tried in parts before it counts as failed for all that are left. */
const ATTEMPTS = 64;

/**
 * Does something for many at once. Where that fails it is tried for each half, so that one that cannot have it fails
 * alone (2 * log2(n) attempts) and all others get it.
 *
 * Not for failures that would be the same for all: a program that is missing, or does not end.
 */
export async function together<T extends { readonly device: string }>(
  all: readonly T[],
  work: (some: readonly T[]) => Promise<void>,
): Promise<Failures> {
  const failures: Failures = new Map();
  let attempts = 0;
  const tryWith = async (some: readonly T[]): Promise<void> => {
    if (some.length === 0) return;
    attempts += 1;
    try {
      await work(some);
    } catch (error) {
      const failure = asFailure(error);
      if (some.length === 1 || attempts > ATTEMPTS || failure.code !== 'tool') {
        for (const { device } of some) failures.set(device, failure);
        return;
      }
      const half = Math.ceil(some.length / 2);
      await tryWith(some.slice(0, half));
      await tryWith(some.slice(half));
    }
  };
  await tryWith(all);
  return failures;
}

/** The lines of one device. */
export interface DeviceLines {
  readonly device: string;
  readonly lines: readonly BatchLine[];
}

/** For one line, in milliseconds; a hundred times what it takes. */
const LINE_MS = 10;
const BATCH_MS = 6_000;

/**
 * One `ip -batch -` or `bridge -batch -` for many devices. A line that fails concerns its own device only.
 *
 * @param lost is told what an optional line that failed would have brought
 */
export async function runTogether(
  run: RunTool,
  tool: 'ip' | 'bridge',
  all: readonly DeviceLines[],
  lost: (device: string, what: string) => void,
): Promise<Failures> {
  const failures: Failures = new Map();
  const unnamed = await together(all, async (some) => {
    const lines = some.flatMap(({ device, lines: own }) => own.map((line) => ({ ...line, device })));
    const timeoutMs = BATCH_MS + LINE_MS * lines.length;
    for (const [number, said] of await failuresOf(run, tool, lines, timeoutMs)) {
      const line = lines[number - 1];
      if (line === undefined) throw new Failure('tool', `${tool} -batch failed in line ${number}: ${said}`);
      if (line.optional !== undefined) lost(line.device, `${line.optional} (${tool} ${line.text}: ${said})`);
      else if (!failures.has(line.device)) {
        failures.set(line.device, new Failure('tool', `${tool} ${line.text} failed: ${said}`));
      }
    }
  });
  return new Map([...unnamed, ...failures]);
}
