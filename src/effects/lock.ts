import { closeSync, ftruncateSync, mkdirSync, openSync, readdirSync, readFileSync, statSync, writeSync } from 'node:fs';
import { dirname, isAbsolute, join } from 'node:path';
import { Failure, oneLine } from '../errors.ts';
import type { RunTool } from './exec.ts';

/** A held lock. */
export interface Lock {
  release(): Promise<void>;
}

/** Does the work, then gives the lock back, however the work ends. */
export async function holding<T>(lock: Lock, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } finally {
    await lock.release();
  }
}

export type TakeLock = (name: string, waitMs: number) => Promise<Lock>;

/** What can be known of locks without taking them. */
export interface LockSigns {
  /** Other programs see them: what they lock by flock(2) can be locked here too, by the path of that file. */
  readonly seenByOthers: boolean;
  /**
   * True while somebody holds it. Costs one look at a file, no process. Also true after a holder was killed, until the
   * next run takes the lock: who finds it claimed and wants to be sure has to take it, or to `pass`.
   */
  isClaimed(name: string): boolean;
  /** Who holds it, for people; what is not known is `another run`. */
  holder(name: string): string;
  /** The names of all that are claimed. */
  claimed(): string[];
  /**
   * Waits until nobody holds it, without keeping anybody else waiting; a claim that a killed holder left is gone then.
   *
   * @throws Failure `timeout`
   */
  pass(name: string, waitMs: number): Promise<void>;
}

export interface Locks extends LockSigns {
  readonly take: TakeLock;
}

/**
 * Locks by flock(2) on a file of our own.
 *
 * The kernel releases such a lock when the last descriptor of the open file is closed, so also when a run is killed
 * (libxl's SIGKILL after 40 s). flock(1) takes it through an inherited descriptor and exits; this process then owns it
 * (measured: 1.3 ms). The descriptor is close-on-exec, but what this process runs while it holds the lock gets it
 * handed down (`held`): a change that outlives a killed run still has the lock. flock(1) itself does not, or one that
 * waits for the second lock of a killed run would keep the first. The file is never unlinked: that would need the
 * dev/inode dance of Xen's locking.sh.
 *
 * proper-lockfile is not this: its lock is a directory that outlives a killed run until it counts as stale (measured:
 * 9.3 s). See lockfile-lock.ts for where it is used.
 *
 * While it is held the file has text; release takes it out. That is what `isClaimed` sees, at the price of one stat(2)
 * instead of a process. The text of a lock that a program still has which would not end stays, as after a kill.
 *
 * @param directory where the lock files are; a name that is an absolute path is a file of other software
 * @param who what this run is, for those who wait: "online vif1.0"
 * @param run for flock(1); must not hand down `held`
 * @param held the descriptors of all locks that are held, kept up to date
 * @param outlived those of them that a program has which could not be ended
 */
export function flockLocks(
  directory: string,
  who: string,
  run: RunTool,
  held: Set<number>,
  outlived: Set<number> = new Set(),
): Locks {
  const fileOf = (name: string): string => (isAbsolute(name) ? name : join(directory, `${name}${SUFFIX}`));
  const holderOf = (name: string): string => (isAbsolute(name) ? 'another program' : holder(fileOf(name)));

  /** The open file with the lock, for the caller to close. */
  async function locked(name: string, how: '-x' | '-s', waitMs: number): Promise<number> {
    const file = fileOf(name);
    mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
    const fd = openSync(file, 'a+', 0o600);
    try {
      const seconds = Math.max(0.1, waitMs / 1000).toFixed(1);
      const result = await run('flock', [how, '-w', seconds, '3'], { fds: [fd], timeoutMs: waitMs + 1000 });
      if (result.status === 0) return fd;
      // Where the time is up util-linux' says nothing. That of BusyBox knows no -w.
      if (result.stderr.trim() !== '') {
        throw new Failure('tool', `flock cannot lock ${name}: ${oneLine(result.stderr, 100)}`, {
          hint: 'flock of util-linux is needed (BusyBox has no -w), or lock = lockfile in the policy',
        });
      }
      const by = holderOf(name);
      throw new Failure('timeout', `${name} is locked by ${by} for more than ${seconds} s`, {
        at: file,
        hint: 'wait for that run to end, or see why it hangs',
      });
    } catch (error) {
      closeSync(fd);
      throw error;
    }
  }

  return {
    seenByOthers: true,
    async take(name, waitMs) {
      // A path is the lock of other software: it is only held, nothing is written into it.
      const foreign = isAbsolute(name);
      const fd = await locked(name, '-x', waitMs);
      if (!foreign) {
        ftruncateSync(fd, 0);
        writeSync(fd, `${who}, process ${process.pid}`, 0);
      }
      held.add(fd);
      return {
        async release() {
          held.delete(fd);
          const free = !outlived.delete(fd);
          // Text is a claim. Besides, on tmpfs it costs a page, and there is a file for every vif there ever was.
          if (free && !foreign) ftruncateSync(fd, 0);
          closeSync(fd);
        },
      };
    },
    holder: holderOf,
    isClaimed: (name) => (statSync(fileOf(name), { throwIfNoEntry: false })?.size ?? 0) > 0,
    claimed() {
      const names = lockNames(directory, SUFFIX);
      return names.filter((name) => (statSync(fileOf(name), { throwIfNoEntry: false })?.size ?? 0) > 0);
    },
    async pass(name, waitMs) {
      if (statSync(fileOf(name), { throwIfNoEntry: false }) === undefined) return;
      const fd = await locked(name, '-s', waitMs);
      // Nobody can hold it alone now, so text is what a killed holder left.
      ftruncateSync(fd, 0);
      closeSync(fd);
    },
  };
}

const SUFFIX = '.lock';

/** What in a folder has this ending, without it. */
export function lockNames(directory: string, suffix: string): string[] {
  try {
    return readdirSync(directory).flatMap((file) => (file.endsWith(suffix) ? [file.slice(0, -suffix.length)] : []));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}

/** What the holder wrote about itself. */
export function holder(file: string): string {
  try {
    const text = readFileSync(file, 'utf8').trim();
    return text === '' ? 'another run' : text.slice(0, 100).replace(/[^\x20-\x7e]/g, '?');
  } catch {
    return 'another run';
  }
}
