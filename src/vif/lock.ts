import { startDeadline } from '../effects/deadline.ts';
import type { Lock, LockSigns, TakeLock } from '../effects/lock.ts';
import type { Host } from '../host.ts';
import type { VifIdentity } from '../xen/vif-identity.ts';

/** How locks are taken, and seen. */
interface Locks {
  readonly takeLock: TakeLock;
  readonly locks: LockSigns;
}

/** Held by `reapply --all` while it works on many vifs. No device can be called so (net/core/dev.c: dev_valid_name). */
const ALL = ':all';

const VIF_LOCK_MS = 15_000;
/** Who re-applies all may wait for another one who does. */
const ALL_LOCK_MS = 120_000;

/**
 * One run at a time for one vif, and none while `reapply --all` has them all.
 *
 * A flock(1) for each of 4000 vifs would take `reapply --all` 5 seconds, so it takes one lock for all, and the two
 * sides look at each other's claim (Dekker): this side claims its vif, then looks whether all are claimed; the other
 * one claims all, then looks which vifs are claimed (`idleOf`). Each writes before it reads, in system calls of their
 * own, so of two that come at the same moment at least one sees the other:
 *
 * - this one sees the other: it gives its lock back before it waits, so it never has what the other one may want, and
 *   tries again when the other has ended. The other one never waits for a vif's lock while it has all of them: it
 *   leaves out who is claimed and comes back to him at the end, by this function. So nobody waits in a circle;
 * - only the other one sees this one: the vif is left out, as above.
 *
 * A claim that a killed run left does no harm: its lock is free, or is kept by what the run had started until that has
 * ended (flockLocks, `held`). Who finds all claimed waits by `pass`, which ends at once if nobody holds it, and takes
 * the claim away; a vif whose claim was left is left out once and then has its turn through its lock, which is really
 * free.
 *
 * Order is kept as it is for waiting runs: whoever gets the lock later but was started earlier finds a newer ticket.
 */
async function takeVifLock(host: Locks, device: string): Promise<Lock> {
  const end = startDeadline(VIF_LOCK_MS);
  for (;;) {
    const lock = await host.takeLock(device, end.left());
    if (!host.locks.isClaimed(ALL)) return lock;
    await lock.release();
    await host.locks.pass(ALL, end.left());
  }
}

/**
 * The lock that keeps every run out that has not begun. Nothing that waits for the lock of a vif may be done under it.
 */
export function takeAllLock(host: Pick<Locks, 'takeLock'>): Promise<Lock> {
  return host.takeLock(ALL, ALL_LOCK_MS);
}

/** Final names are locked too, where two vifs may want the same one (`vifname=`). Taken after the vif's own lock. */
function nameLock(name: string): string {
  return `name-${name}`;
}

/** True if a run is at work on this vif, or has its final name locked. */
export function isBusy(claimed: ReadonlySet<string>, vif: { readonly device: string; readonly name: string }): boolean {
  return claimed.has(vif.device) || claimed.has(nameLock(vif.name));
}

/** One run at a time for one vif, around reading, applying and reporting: until the caller's block ends. */
export async function lockVif(host: Host, device: string): Promise<AsyncDisposable> {
  return untilEnd(host, await takeVifLock(host, device));
}

const NAME_LOCK_MS = 15_000;

/** Two vifs may want one name (`vifname=` over a reboot): the second waits. Always taken after the vif's own lock. */
export async function lockName(host: Host, vif: VifIdentity): Promise<AsyncDisposable | undefined> {
  if (vif.name === vif.device) return undefined;
  return untilEnd(host, await host.takeLock(nameLock(vif.name), NAME_LOCK_MS));
}

/** What was started ahead and not used holds the lock too, so it is ended before the lock is given back. */
function untilEnd(host: Host, lock: Lock): AsyncDisposable {
  return {
    async [Symbol.asyncDispose]() {
      host.close();
      await lock.release();
    },
  };
}

/** True if a run that started later has already done its work for this vif: the order of online and offline is kept. */
export function overtaken(host: Host, device: string): boolean {
  const newer = Math.max(host.state.readOffline(device), host.state.readVif(device)?.ticket ?? 0);
  if (newer <= host.ticket) return false;
  host.log.say('warning', `${device}: a newer run has been here already; nothing done`);
  return true;
}
