import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Failure } from '../errors.ts';
import { holder, type Locks, lockNames, type TakeLock } from './lock.ts';

/** A lock directory counts as left behind when it was not touched for this long; its owner touches it every half. */
const STALE_MS = 5_000;
const RETRY_MS = 50;

/**
 * `lock = lockfile`: for hosts without flock(1). A lock is a directory made by mkdir(2), kept fresh by its owner. After
 * a kill the next run waits until it is stale, which is why this is not the default.
 */
export function lockfileLocks(directory: string, who: string): Locks {
  const folderOf = (name: string): string => join(directory, `${name}${SUFFIX}`);
  const take: TakeLock = async (name, waitMs) => {
    // Loaded only where it is used (measured: 4 ms).
    const { lock } = await import('proper-lockfile');
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    const file = join(directory, `${name}.lock`);
    try {
      const release = await lock(file, {
        realpath: false,
        lockfilePath: folderOf(name),
        stale: STALE_MS,
        retries: { retries: Math.ceil(waitMs / RETRY_MS), factor: 1, minTimeout: RETRY_MS, maxTimeout: RETRY_MS },
      });
      writeFileSync(file, `${who}, process ${process.pid}`, { mode: 0o600 });
      return { release };
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ELOCKED') throw error;
      throw new Failure(
        'timeout',
        `${name} is locked by ${holder(file)} for more than ${(waitMs / 1000).toFixed(1)} s`,
        {
          at: file,
          hint: 'wait for that run to end, or see why it hangs',
        },
      );
    }
  };
  return {
    seenByOthers: false,
    take,
    holder: (name) => holder(join(directory, `${name}.lock`)),
    isClaimed: (name) => existsSync(folderOf(name)),
    claimed: () => lockNames(directory, SUFFIX),
    async pass(name, waitMs) {
      if (existsSync(folderOf(name))) await (await take(name, waitMs)).release();
    },
  };
}

const SUFFIX = '.lock.d';
