import { readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { setPriority } from 'node:os';
import { createInterface } from 'node:readline';
import { compile } from '../lab/compiler.ts';
import type { Namespace } from '../lab/namespace.ts';

/** A program to be timed: its whole environment and its argv, the program by full path. */
export interface Job {
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

/** Milliseconds. */
export interface Lap {
  readonly wall: number;
  /** User and system, with all children that were waited for. */
  readonly cpu: number;
}

/** Starts programs in a namespace and takes their time. */
export interface Stopwatch {
  /** Runs one. @throws Error with what it printed when it does not end with 0 */
  time(job: Job): Promise<Lap>;
  /** Starts all at once and waits for the last; `wall` is the time from the first start to the last end. */
  timeAll(jobs: readonly Job[]): Promise<{ readonly wall: number; readonly laps: readonly Lap[] }>;
  stop(): Promise<void>;
}

/** Niceness of everything that is measured, and of the xenstored it asks. */
export const PRIORITY = -15;

/*
 * A /dev of its own, for a /dev/log that is always there: syslog costs the same on every host, and its journal does not
 * hear of the benchmark.
 */
const PRIVATE_DEV = `set -e
mount --make-rprivate /
new=/dev/shm
mount -t tmpfs -o mode=755 xvb-dev $new
for node in null zero full random urandom tty; do
  [ -e /dev/$node ] || continue
  : >$new/$node; mount --bind /dev/$node $new/$node
done
ln -s /proc/self/fd $new/fd; mkdir $new/shm
mount --rbind $new /dev
exec "$@"`;

/**
 * @param output a file for what the programs print
 */
export async function openStopwatch(ns: Namespace, output: string): Promise<Stopwatch> {
  const child = ns.spawn([
    '/bin/sh',
    '-c',
    PRIVATE_DEV,
    'private-dev',
    compile('../bench/stopwatch.c', 'program'),
    output,
  ]);
  // Whoever else is busy on this machine waits; all that is measured is favoured alike.
  if (child.pid !== undefined) setPriority(child.pid, PRIORITY);
  writeFileSync(output, '');
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
    said += chunk;
  });
  const next = async (): Promise<number[]> => {
    const { value, done } = (await lines.next()) as { value?: string; done?: boolean };
    if (done === true || value === undefined) throw new Error(`the stopwatch has stopped: ${said}`);
    return value.replace(/^\. /, '').split(' ').map(Number);
  };
  const timeAll: Stopwatch['timeAll'] = async (jobs) => {
    truncateSync(output, 0);
    child.stdin.write(`${jobs.length}\n${jobs.map((job) => `${text(job)}\n`).join('')}`);
    const laps: Lap[] = [];
    const failed: string[] = [];
    for (const job of jobs) {
      const [status, wall = 0, user = 0, system = 0] = await next();
      if (status !== 0) failed.push(`${job.argv.join(' ')} ended with ${status}`);
      laps.push({ wall: wall / 1000, cpu: (user + system) / 1000 });
    }
    const [wall = 0] = await next();
    if (failed.length > 0) throw new Error(`${failed.join('\n')}:\n${readFileSync(output, 'utf8')}`);
    return { wall: wall / 1000, laps };
  };
  return {
    timeAll,
    async time(job) {
      const { laps } = await timeAll([job]);
      return laps[0] ?? { wall: Number.NaN, cpu: Number.NaN };
    },
    async stop() {
      child.stdin.end();
      await new Promise((resolve) => child.once('close', resolve));
    },
  };
}

function text(job: Job): string {
  const environment = Object.entries(job.env).map(([name, value]) => `${name}=${value}`);
  return `${environment.join('\x1f')}\x1e${job.argv.join('\x1f')}`;
}
