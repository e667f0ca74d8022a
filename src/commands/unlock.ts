import { recordedVif, underPolicy } from '../backends/base.ts';
import { Failure, shown } from '../errors.ts';
import { isUnbound as isUnboundPlan } from '../filter/plan.ts';
import type { Host } from '../host.ts';
import { opens, resolvePolicy } from '../policy/resolve-policy.ts';
import { liveVifs } from '../state/present-devices.ts';
import { isUnbound } from '../state/records.ts';
import type { DropIns } from './drop-in.ts';
import { macOf, type Nic } from './nic.ts';

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
export function unlock(host: Host, files: DropIns, nics: readonly Nic[], seconds: number): string {
  const now = host.now();
  files.removeEnded(now, stillOpen(host));
  const until = new Date(Math.ceil(Date.parse(now) / 1000) * 1000 + seconds * 1000).toISOString().replace('.000Z', 'Z');
  for (const { mac } of nics) files.write('unlock', mac, ['mode = unlocked', `until = ${until}`]);
  return until;
}

/** Takes that back. @returns the NICs for which it was said */
export function endUnlock(host: Host, files: DropIns, nics: readonly Nic[]): readonly Nic[] {
  const unlocked = nics.filter(({ mac }) => files.read('unlock', mac) !== undefined);
  for (const { mac } of unlocked) files.remove('unlock', mac);
  files.removeEnded(host.now(), stillOpen(host));
  return unlocked;
}

/** Tells MACs of vifs from which nothing is kept, as they are loaded. */
function stillOpen(host: Host): (mac: string) => boolean {
  const open = new Set<string>(
    liveVifs(host).flatMap(({ record }) => (isUnbound(record) ? (macOf(record) ?? []) : [])),
  );
  return (mac) => open.has(mac);
}

/** Whether nothing is kept from it though the policy says otherwise: its file has gone, and nobody re-applied it. */
export function isLeftOpen(host: Host, { record }: Nic): boolean {
  const { plan } = underPolicy(host, record);
  return isUnbound(record) && !isUnboundPlan(plan);
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

const CHECK_TIMER = 'vif-bridge-check.timer';

/**
 * Whether somebody on this host closes it again: the rules do not know the time. A timer that is enabled runs from the
 * next boot on, so it is systemd that is asked.
 */
export async function isEnded({ run }: Pick<Host, 'run'>): Promise<boolean> {
  try {
    return (await run('systemctl', ['is-active', '--quiet', CHECK_TIMER], { timeoutMs: 5_000 })).status === 0;
  } catch (error) {
    // No systemd at all, or one that does not answer.
    if (error instanceof Failure) return false;
    throw error;
  }
}

/** What becomes of `until`, in words. */
export function endText(until: string, ended: boolean): string {
  return `until ${until}${ended ? `; ${CHECK_TIMER} ends it then, within five minutes` : ''}`;
}

/** Where nobody ends it. */
export function endlessText(ports: readonly string[], until: string): string {
  const reapply = ports.map((port) => `vif-bridge reapply ${port}`).join('; ');
  return `warning: nothing on this host ends it by itself, ${CHECK_TIMER} does not run: it stays open after ${until}
hint: systemctl enable --now ${CHECK_TIMER}; or say then: ${reapply}
`;
}
