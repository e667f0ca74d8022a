import { NFTABLES } from '../backends/nftables.ts';
import type { Host } from '../host.ts';
import type { Policy } from '../policy/keys.ts';
import { startDeadline } from './deadline.ts';
import { toolRunner } from './exec.ts';
import { flockLocks } from './lock.ts';
import { lockfileLocks } from './lockfile-lock.ts';
import type { Log } from './log.ts';
import { openState } from './state.ts';
import { bootId, deviceNames, disableIpv6, readDevice, routes } from './sysfs.ts';

/** What a run is, for locks and log. */
export interface RunSettings {
  readonly policy: Policy;
  readonly stateDirectory: string;
  /** "online vif1.0": named in the lock that others wait for. */
  readonly who: string;
  readonly log: Log;
  /** All the time there is, in milliseconds. */
  readonly deadlineMs: number;
}

/** The real host: real programs, real files, real time. */
export function systemHost(settings: RunSettings): Host {
  const deadline = startDeadline(settings.deadlineMs);
  const run = toolRunner(deadline);
  const lockDirectory = `${settings.stateDirectory}/lock`;
  const takeLock =
    settings.policy.lock === 'flock'
      ? flockLocks(lockDirectory, settings.who, run)
      : lockfileLocks(lockDirectory, settings.who);
  return {
    run,
    log: settings.log,
    takeLock: (name, waitMs) => takeLock(name, deadline.allow(waitMs)),
    state: openState(settings.stateDirectory),
    policy: settings.policy,
    backend: NFTABLES,
    readDevice,
    deviceNames,
    disableIpv6,
    routes,
    sleep: (ms) => new Promise((resolve) => setTimeout(resolve, deadline.allow(ms))),
    bootId,
    ticket: startedAt(),
    now: () => new Date().toISOString(),
  };
}

/** When this process started, in microseconds of CLOCK_MONOTONIC (what hrtime counts), the same clock for all processes. */
function startedAt(): number {
  return Number(process.hrtime.bigint() / 1000n) - Math.round(performance.now() * 1000);
}
