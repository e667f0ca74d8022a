import { Failure, oneLine } from '../errors.ts';
import type { Deadline } from './deadline.ts';
import { startBySpawn } from './spawn-starter.ts';
import { type Ended, killGroup, type Started, type Starter } from './starter.ts';

/** What a program said. */
export interface ToolResult {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface ToolOptions {
  readonly input?: string;
  /** Longest it may take, in milliseconds; the run's deadline may make it shorter. */
  readonly timeoutMs?: number;
  /** Extra file descriptors: the child sees them as 3, 4, ... */
  readonly fds?: readonly number[];
  /** It changes nothing that a lock protects, and does not keep one. */
  readonly lockless?: boolean;
  /** The most it may print on either stream, in bytes; one that prints more is killed. */
  readonly mostBytes?: number;
}

/** What a listing may take that grows with the number of vifs: 4000 with every counter there is make 40 MB. */
export const LISTING_BYTES = 256 * 2 ** 20;
/** Anything else: `ip -batch` says some words for each of thousands of lines. */
const MOST_BYTES = 4 * 2 ** 20;

/** Runs one program: no shell, clean locale, bounded time. */
export type RunTool = (tool: string, args: readonly string[], options?: ToolOptions) => Promise<ToolResult>;

export interface AheadOptions {
  /** As it will be run. */
  readonly lockless?: boolean;
  /** False if it will be run without any input. */
  readonly input?: boolean;
  /** The input begins with this, and it may be acted upon now. */
  readonly beginning?: string;
}

/**
 * Starts a program that will soon be run with these arguments, so that it is ready when its input is: `run` then takes
 * it. It is a matter of time only: nothing may depend on it.
 */
export type StartAhead = (tool: string, args: readonly string[], options?: AheadOptions) => void;

/** What runs programs. */
export interface Tools {
  readonly run: RunTool;
  readonly ahead: StartAhead;
  /** Ends what was started ahead and not used. */
  drop(): void;
}

const DEFAULT_TIMEOUT_MS = 8_000;
/** How long after its kill a child is waited for; one in uninterruptible sleep never comes. */
const REAP_MS = 500;

/** One that was started ahead. */
interface Waiting {
  readonly command: string;
  readonly started: Started | Promise<Started>;
  readonly input: boolean;
  readonly beginning: string;
  readonly lockless: boolean;
  readonly held: readonly number[];
}

/**
 * The real thing. Every child leads a process group of its own, so that a timeout ends its children too: libxl would
 * only kill us (libxl_aoutils.c: async_exec_timeout), and a shell script that hangs in `sleep` would survive.
 *
 * @param held descriptors that every child keeps open: those of the locks. A run may be killed while its nft works;
 *   the lock is then free when nft has ended, and the next run does not meet a change that comes late
 * @param outlived is told which of them a child still has that was killed and has not ended
 */
export function openTools(
  deadline: Deadline,
  held: Iterable<number> = [],
  starter: Starter = startBySpawn,
  outlived: (held: readonly number[]) => void = () => {},
): Tools {
  const start = withoutThrowing(starter);
  const waiting: Waiting[] = [];
  const keyOf = (tool: string, args: readonly string[]): string => [tool, ...args].join('\0');
  /** The first one that fits, and holds every lock that is held now. */
  const take = (tool: string, args: readonly string[], options: ToolOptions): Waiting | undefined => {
    if ((options.fds ?? []).length > 0) return undefined;
    const command = keyOf(tool, args);
    const index = waiting.findIndex(
      (one) =>
        one.command === command &&
        one.input === (options.input !== undefined) &&
        (options.input ?? '').startsWith(one.beginning) &&
        one.lockless === (options.lockless ?? false) &&
        (one.lockless || [...held].every((fd) => one.held.includes(fd))),
    );
    return index < 0 ? undefined : waiting.splice(index, 1)[0];
  };
  return {
    ahead(tool, args, { lockless = false, input = true, beginning = '' } = {}) {
      const fds = lockless ? [] : [...held];
      const started = start(tool, args, { input, fds, mostBytes: MOST_BYTES });
      waiting.push({ command: keyOf(tool, args), started, input, beginning, lockless, held: fds });
      if (beginning !== '') void whenStarted(started, (one) => one.feed(beginning));
    },
    async run(tool, args, options = {}) {
      const timeoutMs = deadline.allow(options.timeoutMs ?? DEFAULT_TIMEOUT_MS);
      const ready = take(tool, args, options);
      const { input, fds = [], lockless = false, mostBytes = MOST_BYTES } = options;
      const kept = ready?.held ?? (lockless ? [] : [...held]);
      const started =
        ready?.started ?? start(tool, args, { input: input !== undefined, fds: [...fds, ...kept], mostBytes });
      // It has its input before anything else is done here.
      const ended = await whenStarted(started, (child) => {
        if (input !== undefined) child.feed(input.slice(ready?.beginning.length ?? 0));
        child.endInput();
        return inTime(child, timeoutMs);
      });
      if (ended === 'late') outlived(kept);
      return outcome(tool, args, ended, timeoutMs);
    },
    drop() {
      for (const one of waiting.splice(0)) {
        void whenStarted(one.started, (child) => {
          killGroup(child.pid);
          child.letGo();
        });
      }
    },
  };
}

/**
 * The same without a way to start something ahead.
 *
 * @throws Failure `tool` if it cannot be started, `timeout` if it does not end in time. A non-zero status is a result.
 */
export function toolRunner(deadline: Deadline, held: Iterable<number> = [], start: Starter = startBySpawn): RunTool {
  return openTools(deadline, held, start).run;
}

/** The starter with every error told by `ended`: most come as events, but not all (a NUL in an argument, no memory). */
function withoutThrowing(start: Starter): Starter {
  return (...what) => {
    try {
      const started = start(...what);
      return started instanceof Promise ? started.catch(unstarted) : started;
    } catch (error) {
      return unstarted(error);
    }
  };
}

function unstarted(thrown: unknown): Started {
  const error = { code: (thrown as NodeJS.ErrnoException).code, message: String((thrown as Error).message) };
  const ended = { status: undefined, signal: undefined, error, stdout: '', stderr: '', endless: false };
  return { pid: undefined, feed: () => {}, endInput: () => {}, ended: Promise.resolve(ended), letGo: () => {} };
}

/** Does it at once where the starter does not need to wait. */
function whenStarted<T>(started: Started | Promise<Started>, work: (child: Started) => T): T | Promise<Awaited<T>> {
  return started instanceof Promise ? (started.then(work) as Promise<Awaited<T>>) : work(started);
}

/** How the program ended; `late` if it, or what it started, had to be killed and has not ended even so. */
async function inTime(child: Started, timeoutMs: number): Promise<Ended | 'late'> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<'late'>((resolve) => {
    timer = setTimeout(() => {
      killGroup(child.pid);
      timer = setTimeout(() => resolve('late'), REAP_MS);
    }, timeoutMs);
  });
  const ended = await Promise.race([child.ended, late]);
  clearTimeout(timer);
  // Whoever left the child's process group may keep its pipes open for ever: that must not keep this run alive.
  if (ended === 'late') child.letGo();
  return ended;
}

function outcome(tool: string, args: readonly string[], ended: Ended | 'late', timeoutMs: number): ToolResult {
  const command = commandText(tool, args);
  if (ended !== 'late' && ended.endless) {
    const said = oneLine((ended.stderr || ended.stdout).slice(0, 1000), 80);
    throw new Failure('tool', `${command} printed without end and was killed: ${said}`, {
      hint: `run it by hand to see what it prints`,
    });
  }
  if (ended === 'late' || ended.signal === 'SIGKILL') {
    throw new Failure('timeout', `${command} did not end within ${(timeoutMs / 1000).toFixed(1)} s`, {
      hint: `run it by hand to see what it waits for`,
    });
  }
  if (ended.status === undefined) {
    if (ended.error?.code === 'ENOENT') {
      throw new Failure('not-installed', `${tool} is not installed`, {
        hint: `install the package that brings ${tool}`,
      });
    }
    throw new Failure('tool', `${command}: ${ended.signal ?? ended.error?.message ?? 'failed'}`);
  }
  return { status: ended.status, stdout: ended.stdout, stderr: ended.stderr };
}

/** The Failure for a program that ended with an error: its command line and what it said. */
export function toolFailure(tool: string, args: readonly string[], result: ToolResult): Failure {
  const said = oneLine(result.stderr.trim() === '' ? result.stdout : result.stderr, 160);
  return new Failure(
    'tool',
    `${commandText(tool, args)} failed (status ${result.status})${said === '' ? '' : `: ${said}`}`,
    { stderr: result.stderr },
  );
}

/** True for the Failure of a program that this host does not have. */
export function isNotInstalled(error: unknown): boolean {
  return error instanceof Failure && error.code === 'not-installed';
}

function commandText(tool: string, args: readonly string[]): string {
  return oneLine([tool, ...args].join(' '), 80);
}
