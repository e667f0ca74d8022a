import { execa } from 'execa';
import { Failure, oneLine } from '../errors.ts';
import type { Deadline } from './deadline.ts';

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
}

/** Runs one program: no shell, clean locale, bounded time. */
export type RunTool = (tool: string, args: readonly string[], options?: ToolOptions) => Promise<ToolResult>;

const DEFAULT_TIMEOUT_MS = 8_000;
/** How long after its kill a child is waited for; one in uninterruptible sleep never comes. */
const REAP_MS = 500;

/**
 * The real thing. Every child leads a process group of its own, so that a timeout ends its children too: libxl would
 * only kill us (contract §1.6), and a shell script that hangs in `sleep` would survive.
 *
 * @param held descriptors that every child keeps open: those of the locks. A run may be killed while its nft works;
 *   the lock is then free when nft has ended, and the next run does not meet a change that comes late
 * @throws Failure `tool` if it cannot be started, `timeout` if it does not end in time. A non-zero status is a result.
 */
export function toolRunner(deadline: Deadline, held: Iterable<number> = []): RunTool {
  return async (tool, args, options = {}) => {
    const timeoutMs = deadline.allow(options.timeoutMs ?? DEFAULT_TIMEOUT_MS);
    const child = execa(tool, [...args], {
      reject: false,
      detached: true,
      cleanup: false,
      stripFinalNewline: false,
      // execa's types know no plain descriptors behind the first three; its documentation and code do.
      stdio: ['pipe', 'pipe', 'pipe', ...([...(options.fds ?? []), ...held] as unknown as 'inherit'[])],
      input: options.input ?? '',
      env: { LC_ALL: 'C' },
    });
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<'late'>((resolve) => {
      timer = setTimeout(() => {
        killGroup(child.pid);
        setTimeout(() => resolve('late'), REAP_MS);
      }, timeoutMs);
    });
    const ended = await Promise.race([child, late]);
    clearTimeout(timer);
    const command = commandText(tool, args);
    // Whoever left the child's process group may keep its pipes open for ever: that must not keep this run alive.
    if (ended === 'late') for (const pipe of child.stdio) pipe?.destroy();
    if (ended === 'late' || ended.signal === 'SIGKILL') {
      throw new Failure('timeout', `${command} did not end within ${(timeoutMs / 1000).toFixed(1)} s`, {
        hint: `run it by hand to see what it waits for`,
      });
    }
    if (ended.exitCode === undefined) {
      const missing = ended.code === 'ENOENT';
      throw new Failure(
        'tool',
        missing ? `${tool} is not installed` : `${command}: ${ended.signal ?? ended.originalMessage ?? 'failed'}`,
        {
          hint: missing ? `install the package that brings ${tool}` : undefined,
        },
      );
    }
    return { status: ended.exitCode, stdout: String(ended.stdout ?? ''), stderr: String(ended.stderr ?? '') };
  };
}

/** The Failure for a program that ended with an error: its command line and what it said. */
export function toolFailure(tool: string, args: readonly string[], result: ToolResult): Failure {
  const said = oneLine(result.stderr.trim() === '' ? result.stdout : result.stderr, 160);
  return new Failure(
    'tool',
    `${commandText(tool, args)} failed (status ${result.status})${said === '' ? '' : `: ${said}`}`,
  );
}

function commandText(tool: string, args: readonly string[]): string {
  return oneLine([tool, ...args].join(' '), 80);
}

function killGroup(pid: number | undefined): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // Gone in the meantime.
  }
}
