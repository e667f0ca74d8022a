import { startDeadline } from './effects/deadline.ts';
import { openTools, toolRunner } from './effects/exec.ts';
import { kernelHas } from './effects/kernel-release.ts';
import { flockLocks } from './effects/lock.ts';
import { lockfileLocks } from './effects/lockfile-lock.ts';
import type { Log } from './effects/log.ts';
import { netlink } from './effects/netlink.ts';
import { isOwnScript } from './effects/own-script.ts';
import { rtnetlink } from './effects/rtnetlink.ts';
import { startOrder } from './effects/run-start.ts';
import { startBySpawn } from './effects/spawn-starter.ts';
import type { Starter } from './effects/starter.ts';
import {
  bootId,
  callsHostFilter,
  deviceNames,
  disableIpv6,
  hasVnetHeader,
  netTable,
  portKind,
  portsOf,
  readDevice,
  readSetting,
  showsThisNetwork,
  writeSetting,
} from './effects/sysfs.ts';

import { transmitChecksum } from './effects/transmit-checksum.ts';
import type { Host } from './host.ts';
import type { Policy } from './policy/policy.ts';
import { uplink } from './port/bridge.ts';
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
  /** What of the time of the run had gone before, in milliseconds. */
  readonly beforeMs?: number;
  /** Programs are started by execa, which takes time to load; otherwise as for Xen, which waits. */
  readonly byPerson?: boolean;
}

/** Loaded only where it is used (measured: 9 ms, with Node 25). */
const startByExeca: Starter = async (...what) => (await import('./effects/execa-starter.ts')).startByExeca(...what);

/** The real host: real programs, real files, real time. */
export function systemHost(settings: RunSettings): Host {
  const deadline = startDeadline(settings.deadlineMs, { before: settings.beforeMs ?? 0 });
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
    netlink,
    transmitChecksum,
    log: settings.log,
    sendLog: () => settings.log.begin(run),
    takeLock: (name, waitMs) => deadline.waiting(locks.holder(name), () => locks.take(name, deadline.allow(waitMs))),
    locks: {
      ...locks,
      pass: (name, waitMs) => deadline.waiting(locks.holder(name), () => locks.pass(name, deadline.allow(waitMs))),
    },
    state: openState(settings.stateDirectory, { bootId, log: settings.log }),
    policy: settings.policy,
    readDevice,
    deviceNames,
    showsThisNetwork,
    limitsGroups: () => kernelHas(6, 3),
    uplinkOf: (bridge) => uplink(portsOf(bridge), portKind),
    isOwnScript,
    hasVnetHeader,
    callsHostFilter,
    disableIpv6,
    readSetting,
    writeSetting,
    netTable,
    sleep: (ms) => new Promise((resolve) => setTimeout(resolve, deadline.allow(ms))),
    bootId,
    ticket: startOrder(),
    now: () => new Date().toISOString(),
  };
}
