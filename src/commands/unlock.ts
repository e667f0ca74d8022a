import { recordedVif } from '../backends/base.ts';
import { Failure, shown } from '../errors.ts';
import type { Host } from '../host.ts';
import { opens, resolvePolicy } from '../policy/resolve-policy.ts';
import type { DropIns } from './drop-in.ts';
import type { Nic } from './nic.ts';

const UNITS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 86_400 };
const LONGEST_S = 7 * 86_400;

/**
 * `10m`: how long, in seconds.
 *
 * @throws Failure `input` for what is no such time, or longer than a week
 */
export function parseDuration(text: string): number {
  const [, count = '', unit = ''] = /^(\d{1,6})([smhd])$/.exec(text) ?? [];
  const seconds = Number(count) * (UNITS[unit] ?? 0);
  if (seconds > 0 && seconds <= LONGEST_S) return seconds;
  throw new Failure('input', `--for ${shown(text)} is no time`, {
    at: 'the command line',
    hint: 'write 90s, 10m, 2h or 1d; at most 7d',
  });
}

/** Says in the policy that nothing is kept from these NICs until then. The vifs are to be re-applied after it. */
export function unlock(files: DropIns, nics: readonly Nic[], seconds: number, now: string): string {
  files.removeEnded(now);
  const until = new Date(Math.ceil(Date.parse(now) / 1000) * 1000 + seconds * 1000).toISOString().replace('.000Z', 'Z');
  for (const { mac } of nics) files.write('unlock', mac, ['mode = unlocked', `until = ${until}`]);
  return until;
}

/** Takes that back. @returns the NICs for which it was said */
export function endUnlock(files: DropIns, nics: readonly Nic[], now: string): readonly Nic[] {
  const unlocked = nics.filter(({ mac }) => files.read('unlock', mac) !== undefined);
  for (const { mac } of unlocked) files.remove('unlock', mac);
  files.removeEnded(now);
  return unlocked;
}

/**
 * The first NIC that the policy, read again, does not unlock all the same: a section about its vif is stronger.
 *
 * @param host with the policy as it is after the change
 */
export function stillLocked(host: Host, nics: readonly Nic[]): Nic | undefined {
  return nics.find(({ record }) => {
    const policy = resolvePolicy(host.policy, { ...recordedVif(record), bridge: record.bridge }, host.now());
    return !(opens(policy) && policy.mode === 'unlocked');
  });
}

/** What becomes of `until`, in words. */
export function endText(until: string, isWatched: boolean): string {
  const text = `until ${until}`;
  return isWatched
    ? `${text}; vif-bridge-check.timer ends it then, within five minutes`
    : `${text}, and then with the next run: vif-bridge-check.timer is not enabled here, so say vif-bridge repair`;
}
