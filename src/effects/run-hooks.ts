import { closeSync, mkdirSync, openSync, readFileSync, unlinkSync } from 'node:fs';
import { join } from 'node:path';
import { Failure, oneLine } from '../errors.ts';
import type { RunTool } from './exec.ts';
import { HOOK_SHELL } from './hook-shell.ts';
import { hooksFolder, postHooks } from './post-hooks.ts';

/** What stock's scripts tell a hook. */
export interface HookFacts {
  readonly command: string;
  /** The final name of the device. */
  readonly dev: string;
  readonly vif: string;
  readonly INTERFACE: string;
  readonly bridge: string;
  readonly ip: string;
  readonly type_if: string;
  readonly XENBUS_PATH: string;
}

/** Where Xen's scripts are, for hooks that look for others of them. */
const SCRIPTS = '/etc/xen/scripts';
/** A hook of all: Xen waits 40 s for a run. */
const HOOK_MS = 10_000;

/**
 * Runs the hooks of the host for one vif, one after the other: bash, only where there is one. None of them gets a lock
 * of this run: what it leaves running would keep it.
 *
 * @param directory for a file that is gone at once
 * @throws Failure `tool` or `timeout` with the name of the hook that failed: as by stock, the next ones are not run
 */
export async function runHooks(run: RunTool, facts: HookFacts, directory: string): Promise<void> {
  for (const name of postHooks()) await runHook(run, name, facts, directory);
}

async function runHook(run: RunTool, name: string, facts: HookFacts, directory: string): Promise<void> {
  const variables = { ...facts, netdev: '', script: `${SCRIPTS}/vif-bridge`, dir: SCRIPTS };
  const given = Object.entries(variables).map(([key, value]) => `${key}=${value}`);
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const file = join(directory, `hook-${process.pid}`);
  // A file and no pipe: what the hook leaves running holds it open.
  const fd = openSync(file, 'w+', 0o600);
  try {
    unlinkSync(file);
    const shell = ['bash', '-c', HOOK_SHELL, 'vif-bridge', join(hooksFolder(), name), 'vif', 'post'];
    const { status } = await run('env', [...given, ...shell], { timeoutMs: HOOK_MS, lockless: true, fds: [fd] });
    if (status === 0) return;
    const why = oneLine(readFileSync(`/proc/self/fd/${fd}`, 'utf8').trim(), 160);
    throw new Failure('tool', `the hook ${name} failed: ${why === '' ? `status ${status}` : why}`, {
      at: join(hooksFolder(), name),
      hint: 'what it printed is in /var/log/xen/xen-hotplug.log and in syslog',
    });
  } finally {
    closeSync(fd);
  }
}
