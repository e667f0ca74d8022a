import type { Readable, Writable } from 'node:stream';

/** How a program ended, and what it said. */
export interface Ended {
  /** Undefined if a signal ended it, or if it never ran. */
  readonly status: number | undefined;
  readonly signal: string | undefined;
  /** Why it could not be started. */
  readonly error: { readonly code: string | undefined; readonly message: string } | undefined;
  /** All of it, unless it was endless. */
  readonly stdout: string;
  readonly stderr: string;
  /** It printed more than it may, and was killed. */
  readonly endless: boolean;
}

/** A program that runs. */
export interface Started {
  /** Undefined if it could not be started. */
  readonly pid: number | undefined;
  /** Hands over more of its input; what it does not take is no error. */
  feed(text: string): void;
  /** There is no more input. */
  endInput(): void;
  /** Settles, and never rejects, when the program has ended and its output has no writer any more. */
  readonly ended: Promise<Ended>;
  /** Gives its pipes up: whoever holds their other end does not keep this process alive. */
  letGo(): void;
}

/** What both starters' child processes have. */
interface Child {
  readonly pid?: number | undefined;
  readonly stdin: Writable | null;
  readonly stdout: Readable | null;
  readonly stderr: Readable | null;
}

/** Kills a child and all that is in its process group. */
export function killGroup(pid: number | undefined): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // Gone in the meantime.
  }
}

/** The handle of a child process, whoever started it. */
export function startedAs(child: Child, ended: Promise<Ended>): Started {
  const { stdin, stdout, stderr } = child;
  // A program need not read its input (EPIPE).
  stdin?.on('error', () => {});
  return {
    pid: child.pid,
    feed: (text) => void stdin?.write(text),
    endInput: () => void stdin?.end(),
    ended,
    letGo() {
      for (const pipe of [stdin, stdout, stderr]) pipe?.destroy();
    },
  };
}

export interface StartOptions {
  /** False for one that gets no input at all. */
  readonly input: boolean;
  /** Descriptors that it sees as 3, 4, ... */
  readonly fds: readonly number[];
  /**
   * The most that is kept of what it prints on either stream, in bytes; one that prints more is killed, with its group.
   */
  readonly mostBytes: number;
}

/**
 * Starts a program as the leader of a process group of its own, with our environment and a plain locale. May throw.
 */
export type Starter = (tool: string, args: readonly string[], options: StartOptions) => Started | Promise<Started>;
