import { readFileSync } from 'node:fs';
import { startDeadline } from './effects/deadline.ts';
import { openTools, toolRunner } from './effects/exec.ts';
import { flockLocks } from './effects/lock.ts';
import { lockfileLocks } from './effects/lockfile-lock.ts';
import type { Log } from './effects/log.ts';
import { rtnetlink } from './effects/rtnetlink.ts';
import { startBySpawn } from './effects/spawn-starter.ts';
import type { Starter } from './effects/starter.ts';
import { bootId, deviceNames, disableIpv6, readDevice, routes } from './effects/sysfs.ts';
import type { Host } from './host.ts';
import type { Policy } from './policy/policy.ts';
import { openState } from './state/state.ts';

/** What a run is, for locks and log. */
export interface RunSettings {
  readonly policy: Policy;
  readonly stateDirectory: string;
  /** "online vif1.0": named in the lock that others wait for. */
  readonly who: string;
  readonly log: Log;
  /** All the time there is, in milliseconds. */
  readonly deadlineMs: number;
  /** A person runs it; otherwise Xen waits for it. */
  readonly byPerson?: boolean;
}

/** Loaded only where it is used (measured: 9 ms, with Node 25). */
const startByExeca: Starter = async (...what) => (await import('./effects/execa-starter.ts')).startByExeca(...what);

/** The real host: real programs, real files, real time. */
export function systemHost(settings: RunSettings): Host {
  const deadline = startDeadline(settings.deadlineMs);
  const held = new Set<number>();
  const start = settings.byPerson === true ? startByExeca : startBySpawn;
  const outlived = new Set<number>();
  const { run, ahead, drop } = openTools(deadline, held, start, (fds) => {
    for (const fd of fds) outlived.add(fd);
  });
  const lockDirectory = `${settings.stateDirectory}/lock`;
  const locks =
    settings.policy.lock === 'flock'
      ? flockLocks(lockDirectory, settings.who, toolRunner(deadline, [], start), held, outlived)
      : lockfileLocks(lockDirectory, settings.who);
  return {
    run,
    ahead,
    close: drop,
    rtnetlink,
    log: settings.log,
    sendLog: () => settings.log.begin(run),
    takeLock: (name, waitMs) => locks.take(name, deadline.allow(waitMs)),
    locks: { ...locks, pass: (name, waitMs) => locks.pass(name, deadline.allow(waitMs)) },
    state: openState(settings.stateDirectory),
    policy: settings.policy,
    readDevice,
    deviceNames,
    disableIpv6,
    routes,
    sleep: (ms) => new Promise((resolve) => setTimeout(resolve, deadline.allow(ms))),
    bootId,
    ticket: startOrder(),
    now: () => new Date().toISOString(),
  };
}

/**
 * The place of this run among all runs, by when Xen started it: clock ticks since boot, and within one tick by process
 * id. It stays the same through exec, so the launcher and Node, which may start later than the Node of a run that Xen
 * started after this one, do not change the order.
 */
function startOrder(): number {
  return startTicks() + process.pid / PID_LIMIT;
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

/** When this process was started, in clock ticks since boot: field 22 of proc_pid_stat(5). */
function startTicks(): number {
  const stat = readFileSync('/proc/self/stat', 'utf8');
  // The name of the program, field 2, stands in parentheses and may hold anything.
  return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[22 - 3]);
}
