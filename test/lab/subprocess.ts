import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { runner } from './runner.ts';

/** How a program is started. `env` is the whole environment, nothing of this process is added to it. */
export interface RunOptions {
  readonly env?: Readonly<Record<string, string>>;
  /** Bytes for stdin. Without it stdin is /dev/null, as it is for a script that libxl starts. */
  readonly input?: string | Uint8Array;
  readonly cwd?: string;
  /** Milliseconds after which the program and its process group get SIGKILL; 30 000 unless told. */
  readonly timeoutMs?: number;
}

/** How a program ended. `status` is null when a signal ended it. */
export interface RunResult {
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly timedOut: boolean;
  readonly stdout: string;
  readonly stderr: string;
}

/** The environment of programs for which a test sets none. */
export const PLAIN_ENV: Readonly<Record<string, string>> = {
  PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
  LC_ALL: 'C',
};

/** iproute2's, by full path, so that a test may hand in an environment without PATH. */
export const IP = ['/usr/sbin/ip', '/sbin/ip', '/usr/bin/ip', '/bin/ip'].find((path) => existsSync(path)) ?? 'ip';

const DEFAULT_TIMEOUT_MS = 30_000;
// A daemon that left its process group may keep the pipes open for ever: this long they are read after the end.
const DRAIN_MS = 1_000;

/**
 * Runs a program to its end, in a process group of its own.
 *
 * @param argv program and arguments; no shell
 * @param namespace the network namespace to run it in, if another one than this process's
 * @returns exit status and everything printed, as UTF-8
 * @throws Error when the program cannot be started at all
 */
export async function runProgram(
  argv: readonly string[],
  options: RunOptions = {},
  namespace?: string,
): Promise<RunResult> {
  if (argv.length === 0) throw new Error('runProgram: empty argv');
  const { env = PLAIN_ENV, cwd = process.cwd(), input, timeoutMs = DEFAULT_TIMEOUT_MS } = options;
  const starter = runner();
  if (starter !== undefined) return starter.run({ namespace, argv, environment: env, folder: cwd, input, timeoutMs });
  return runBySpawn(namespace === undefined ? argv : [IP, 'netns', 'exec', namespace, ...argv], options);
}

function runBySpawn([program = '', ...args]: readonly string[], options: RunOptions): Promise<RunResult> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      env: { ...(options.env ?? PLAIN_ENV) },
      cwd: options.cwd,
      detached: true,
      stdio: [options.input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
    });
    let stdout = '';
    let stderr = '';
    let timedOut = false;
    const timer = setTimeout(() => {
      timedOut = true;
      killGroup(child);
    }, options.timeoutMs ?? DEFAULT_TIMEOUT_MS);
    child.stdout?.setEncoding('utf8').on('data', (chunk: string) => {
      stdout += chunk;
    });
    child.stderr?.setEncoding('utf8').on('data', (chunk: string) => {
      stderr += chunk;
    });
    child.once('error', (error) => {
      clearTimeout(timer);
      reject(error);
    });
    child.once('exit', () => {
      setTimeout(() => {
        child.stdout?.destroy();
        child.stderr?.destroy();
      }, DRAIN_MS).unref();
    });
    child.once('close', (status, signal) => {
      clearTimeout(timer);
      resolve({
        status,
        signal,
        timedOut,
        stdout,
        stderr,
      });
    });
    // A program that ends without reading its input is no error of the test.
    child.stdin?.on('error', () => {});
    if (options.input !== undefined) child.stdin?.end(options.input);
  });
}

/**
 * The same, for commands that have to work: returns stdout.
 *
 * @throws Error with command line, exit status and stderr when the status is not 0
 */
export async function runChecked(
  argv: readonly string[],
  options: RunOptions = {},
  namespace?: string,
): Promise<string> {
  const result = await runProgram(argv, options, namespace);
  if (result.status === 0) return result.stdout;
  const end = result.timedOut ? 'timed out' : `ended with ${result.status ?? result.signal}`;
  throw new Error(`${argv.join(' ')} ${end}: ${result.stderr.trim() || result.stdout.trim()}`);
}

/** Kills a child that was started with `detached`, and all of its process group. */
export function killGroup(child: ChildProcess): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, 'SIGKILL');
  } catch {
    // ESRCH: all of them ended already.
  }
}
