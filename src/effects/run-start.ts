import { readFileSync } from 'node:fs';
import { once } from '../once.ts';
import { LAUNCHER } from './launcher.ts';

/**
 * The place of this run among all runs, by when Xen started it: clock ticks since boot, and within one tick by process
 * id. The launcher's, which Xen starts: this program may start later than that of a run which Xen started after this
 * one.
 */
export function startOrder(): number {
  return startTicks() + (LAUNCHER ?? process.pid) / PID_LIMIT;
}

/** PID_MAX_LIMIT of include/linux/threads.h. */
const PID_LIMIT = 2 ** 22;

/**
 * Milliseconds since Xen started this run: the launcher may have waited for its turn before it became this program, and
 * Xen counts from there.
 */
export function sinceStart(): number {
  const uptime = Number(readFileSync('/proc/uptime', 'utf8').split(' ')[0]);
  return Math.max(0, uptime * 1000 - startTicks() * (1000 / TICKS_PER_SECOND));
}

/** USER_HZ, which is 100 on every architecture that Xen runs on. */
const TICKS_PER_SECOND = 100;

/** When Xen started this run, in clock ticks since boot: field 22 of proc_pid_stat(5), of its first process. */
const startTicks = once((): number => {
  const stat = readFileSync(`/proc/${LAUNCHER ?? 'self'}/stat`, 'utf8');
  // The name of the program, field 2, stands in parentheses and may hold anything.
  return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[22 - 3]);
});
