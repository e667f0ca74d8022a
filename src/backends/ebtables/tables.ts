import { LISTING_BYTES, toolFailure } from '../../effects/exec.ts';
import { holding, type Lock } from '../../effects/lock.ts';
import { Failure } from '../../errors.ts';
import type { Host } from '../../host.ts';
import type { EbtTools } from '../../state/records.ts';
import type { Former } from '../backend.ts';
import { type Holder, lockBase } from '../base.ts';
import { type EbtListing, type ListedTable, parseListing, parsePolicies } from './listing.ts';
import type { EbtHook } from './text.ts';

/** What changes of the tables need to know. */
export interface Ebt {
  readonly host: Host;
  readonly tools: EbtTools;
  readonly holder: Holder;
  readonly former: Former;
}

/**
 * What `ebtables --concurrent` of the legacy variant locks, by flock(2) (2.0.11, libebtc.c: lock_file). Programs that
 * use it, like libvirt, then do not change the tables between our look and our change.
 */
const FOREIGN_LOCK = '/var/lib/ebtables/lock';
const FOREIGN_LOCK_MS = 6_000;
const LOAD_MS = 12_000;
/** A load that fails because somebody else changed the tables meanwhile is tried again. */
const ATTEMPTS = 4;
const PAUSE_MS = 40;

/** What a table of the kernel holds, with its counters. */
export async function listing(host: Host, tools: EbtTools, table: EbtHook['table']): Promise<EbtListing> {
  return parseListing(await listingText(host, tools, table));
}

/** Both tables that we use. */
export type ListedTables = Readonly<Record<EbtHook['table'], ListedTable>>;

export async function listedTables({ host, tools }: Pick<Ebt, 'host' | 'tools'>): Promise<ListedTables> {
  const listed = async (table: EbtHook['table']): Promise<ListedTable> => {
    const text = await listingText(host, tools, table);
    return { chains: parseListing(text), policies: parsePolicies(text) };
  };
  return { nat: await listed('nat'), filter: await listed('filter') };
}

async function listingText(host: Host, tools: EbtTools, table: EbtHook['table']): Promise<string> {
  const args = ['-t', table, '-L', '--Lc'];
  const result = await host.run(tools.list, args, { timeoutMs: LOAD_MS, mostBytes: LISTING_BYTES });
  if (result.status !== 0) throw toolFailure(tools.list, args, result);
  return result.stdout;
}

/** Loads text; all of it, or for ebtables-restore an error. */
export async function restore(host: Host, tools: EbtTools, input: string): Promise<void> {
  const args = ['--noflush'];
  const result = await host.run(tools.restore, args, { input, timeoutMs: LOAD_MS });
  if (result.status !== 0) throw toolFailure(tools.restore, args, result);
}

/** Somebody who takes no lock may change the tables at any time: look and load again, but not for ever. */
export async function retried(host: Host, attempt: () => Promise<void>): Promise<void> {
  for (let count = 1; ; count += 1) {
    try {
      await attempt();
      return;
    } catch (error) {
      if (count === ATTEMPTS || !isRefusal(error)) throw error;
      await host.sleep(PAUSE_MS * count);
    }
  }
}

/**
 * A program ended with an error, or crashed (ebtables-nft 1.8.9 aborts when it is to take a jump out of a table that
 * was flushed meanwhile); not: it is missing, or did not end in time.
 */
export function isRefusal(error: unknown): boolean {
  return error instanceof Failure && error.code === 'tool';
}

/** Neither a run of ours nor a program that locks the tables as ebtables itself can changes them meanwhile. */
export async function withTables(host: Host, work: () => Promise<void>): Promise<void> {
  await holding(await lockBase(host), () => withForeignLock(host, work));
}

/** The same for a caller who has the lock `base`. */
export async function withForeignLock(host: Host, work: () => Promise<void>): Promise<void> {
  const lock = await foreignLock(host);
  try {
    await work();
  } finally {
    await lock?.release();
  }
}

/**
 * Undefined, and logged, where the file cannot be: a read-only /var. Then only our own runs keep out of each other's
 * way.
 */
async function foreignLock(host: Host): Promise<Lock | undefined> {
  if (!host.locks.seenByOthers) return undefined;
  try {
    return await host.takeLock(FOREIGN_LOCK, FOREIGN_LOCK_MS);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? '';
    if (!['EROFS', 'EACCES', 'EPERM', 'ENOTDIR', 'ENOENT'].includes(code)) throw error;
    host.log.say('warning', `${FOREIGN_LOCK} cannot be locked (${code}): programs that lock it may interfere`);
    return undefined;
  }
}
