import { recordedVif, underPolicy } from '../backends/base.ts';
import { Failure, shown } from '../errors.ts';
import { isUnbound as isUnboundPlan } from '../filter/plan.ts';
import type { Host } from '../host.ts';
import type { MacAddress } from '../net/mac-address.ts';
import { parseVifName } from '../net/vif-name.ts';
import { opens, resolvePolicy } from '../policy/resolve-policy.ts';
import { liveVifs } from '../state/present-devices.ts';
import { isUnbound } from '../state/records.ts';
import { guestNames, portsNamed } from '../vif/guest-ports.ts';
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

/** What a run that locks it again is started with: as the one that unlocked it was. */
export interface EndRun {
  /** The launcher of this installation. */
  readonly program: string;
  readonly env: Readonly<Record<string, string | undefined>>;
}

const ENV_OF_END = ['VIF_BRIDGE_CONFIG', 'VIF_BRIDGE_STATE_DIR', 'XENSTORED_PATH', 'PATH'];

/** Who locks it again. */
export type Ender = 'its own timer' | typeof CHECK_TIMER;

/**
 * Sees to it that somebody re-applies these NICs when the time is over: the rules do not know the time.
 *
 * @returns undefined where nobody does
 */
export async function arrangeEnd(
  host: Host,
  nics: readonly Nic[],
  until: string,
  end: EndRun,
): Promise<Ender | undefined> {
  const [first] = nics;
  if (first === undefined) return undefined;
  if (await scheduleEnd(host, first.mac, await lastingWords(host, nics), until, end)) return 'its own timer';
  // One that is only enabled runs from the next boot on.
  return (await systemdDoes(host, 'systemctl', ['is-active', '--quiet', CHECK_TIMER])) ? CHECK_TIMER : undefined;
}

/**
 * Has systemd re-apply vifs when the time is over, whatever timers an admin has enabled: transient timers of
 * systemd-run(1), which go with their end and with the boot. They re-apply these alone, and what has been locked or
 * unlocked anew by then stays so.
 *
 * @param mac tells their names from those of other guests
 * @param words what to re-apply
 * @param until ISO 8601, UTC, in whole seconds
 * @returns false where that cannot be
 */
export async function scheduleEnd(
  host: Pick<Host, 'run'>,
  mac: MacAddress,
  words: readonly string[],
  until: string,
  { program, env }: EndRun,
): Promise<boolean> {
  // A second behind it, because `until` is the first moment at which it is over.
  const at = new Date(Date.parse(until) + 1000)
    .toISOString()
    .replace('T', ' ')
    .replace(/\.\d+Z$/, ' UTC');
  const environment = ENV_OF_END.flatMap((name) => (env[name] === undefined ? [] : [`--setenv=${name}=${env[name]}`]));
  for (const [index, word] of words.entries()) {
    const unit = `vif-bridge-lock-${mac.replaceAll(':', '')}-${Date.parse(until) / 1000}-${index}`;
    const timer = [`--unit=${unit}`, `--on-calendar=${at}`, '--timer-property=AccuracySec=1s'];
    const args = ['--quiet', '--collect', ...timer, ...environment, '--', program, 'reapply', word];
    if (!(await systemdDoes(host, 'systemd-run', args))) return false;
  }
  return true;
}

/** False where there is no systemd, or one that does not answer. */
async function systemdDoes(
  { run }: Pick<Host, 'run'>,
  tool: 'systemctl' | 'systemd-run',
  args: readonly string[],
): Promise<boolean> {
  try {
    return (await run(tool, args, { timeoutMs: 5_000 })).status === 0;
  } catch (error) {
    if (error instanceof Failure) return false;
    throw error;
  }
}

/**
 * What will be re-applied: by the guest's name, because one that is started anew has another vif; but by the names of
 * the ports where its name means others too, or is one that systemd reads: it puts what it knows in the place of
 * `$name`.
 */
async function lastingWords(host: Host, nics: readonly Nic[]): Promise<readonly string[]> {
  const ports = nics.flatMap((nic) => nic.ports);
  const domid = nics[0] && parseVifName(nics[0].record.device)?.domid;
  const name = domid === undefined ? undefined : (await guestNames(host, [domid])).get(domid);
  if (name === undefined || !PLAIN_NAME.test(name)) return ports;
  const named = await portsNamed(host, name);
  return named.length === ports.length && ports.every((port) => named.includes(port)) ? [name] : ports;
}

const PLAIN_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]*$/;

/** What becomes of `until`, in words. */
export function endText(until: string, by: Ender | undefined): string {
  if (by === undefined) return `until ${until}`;
  return `until ${until}; ${by === CHECK_TIMER ? `${by} ends it then, within five minutes` : 'a timer of systemd ends it then'}`;
}

/** Where nobody ends it. */
export function endlessText(ports: readonly string[], until: string): string {
  const reapply = ports.map((port) => `vif-bridge reapply ${port}`).join('; ');
  return `warning: nothing on this host ends it by itself (systemd-run made no timer, ${CHECK_TIMER} does not run): it stays open after ${until}
hint: systemctl enable --now ${CHECK_TIMER}; or say then: ${reapply}
`;
}
