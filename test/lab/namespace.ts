import { type ChildProcessByStdio, spawn, spawnSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import type { Readable, Writable } from 'node:stream';
import { IP, PLAIN_ENV, type RunOptions, type RunResult, runChecked, runProgram } from './subprocess.ts';

export type PipedChild = ChildProcessByStdio<Writable, Readable, Readable>;

/** A private network namespace: the host of one test. */
export interface Namespace {
  /** The name `ip netns` knows it by. */
  readonly name: string;
  readonly label: string;
  /** Runs a program inside to its end; /sys/class/net inside shows the namespace's interfaces. */
  run(argv: readonly string[], options?: RunOptions): Promise<RunResult>;
  /** The same for commands that have to work: stdout, or an Error with command line, status and stderr. */
  check(argv: readonly string[], options?: RunOptions): Promise<string>;
  /** Starts a program inside and leaves it running, with pipes at its stdin, stdout and stderr. */
  spawn(argv: readonly string[], options?: Pick<RunOptions, 'env' | 'cwd'>): PipedChild;
  /** Kills what still runs inside and deletes the namespace. Calling it twice is fine. */
  remove(): Promise<void>;
}

const alive = new Set<string>();
let count = 0;

/** Why network namespaces cannot be made here, or undefined when they can. For the `skip` of a test. */
export function namespaceObstacle(): string | undefined {
  if (process.getuid?.() !== 0) return 'needs root for network namespaces';
  if (spawnSync(IP, ['netns', 'list']).status !== 0) return 'needs iproute2 (ip netns)';
  return undefined;
}

/**
 * Makes a network namespace named `xvb-<pid>-<n>`. It is removed at the end of this process at the latest; what a
 * killed test process left behind is removed by the next one.
 *
 * @param label what it is for; only shown in messages
 * @throws Error when it cannot be made, mostly for want of root
 */
export async function createNamespace(label: string): Promise<Namespace> {
  if (count === 0) {
    removeOrphans();
    removeAtExit();
  }
  count += 1;
  const name = `xvb-${process.pid}-${count}`;
  await runChecked([IP, 'netns', 'add', name]).catch((error: Error) => {
    throw new Error(`cannot make a network namespace for ${label}: ${error.message}`);
  });
  alive.add(name);
  await runChecked([IP, 'link', 'set', 'lo', 'up'], {}, name);

  return {
    name,
    label,
    run: (argv, options) => runProgram(argv, options, name),
    check: (argv, options) => runChecked(argv, options, name),
    spawn: (argv, options = {}) =>
      spawn(IP, ['netns', 'exec', name, ...argv], {
        env: { ...(options.env ?? PLAIN_ENV) },
        cwd: options.cwd,
        stdio: ['pipe', 'pipe', 'pipe'],
      }),
    remove: async () => removeNamespace(name),
  };
}

function removeNamespace(name: string): void {
  if (!alive.delete(name)) return;
  destroy(name);
}

// Synchronous because an exit handler cannot wait.
function destroy(name: string): void {
  // Twice: a process may fork between the listing and the kill.
  for (let round = 0; round < 2; round++) {
    const pids = spawnSync(IP, ['netns', 'pids', name], { encoding: 'utf8' }).stdout ?? '';
    for (const pid of pids.split(/\s+/).filter(Boolean)) {
      try {
        process.kill(Number(pid), 'SIGKILL');
      } catch {
        // ESRCH: it ended by itself.
      }
    }
  }
  spawnSync(IP, ['netns', 'delete', name]);
}

function removeOrphans(): void {
  if (!existsSync('/run/netns')) return;
  for (const name of readdirSync('/run/netns')) {
    const owner = /^xvb-(\d+)-\d+$/.exec(name)?.[1];
    if (owner !== undefined && (Number(owner) === process.pid || !existsSync(`/proc/${owner}`))) destroy(name);
  }
}

function removeAtExit(): void {
  process.once('exit', () => {
    for (const name of alive) destroy(name);
  });
  for (const [signal, status] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
    ['SIGHUP', 129],
  ] as const) {
    process.once(signal, () => process.exit(status));
  }
}
