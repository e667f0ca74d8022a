/** What a run says of vifs. */
import assert from 'node:assert/strict';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Dom0, type HotplugOptions, PROGRAM } from './dom0.ts';

/** What `online` of a vif logs: lines that begin with their priority (RFC 5424 §6.2.1): 28 a warning, 30 a note */
export async function loggedBy(
  dom0: Dom0,
  id: { domid: number; devid?: number },
  more: Pick<HotplugOptions, 'args'> = {},
): Promise<string> {
  const file = join(dom0.folder, 'log');
  // A run may tell something after it has told Xen.
  rmSync(file, { force: true });
  writeFileSync(join(dom0.folder, 'logger'), `#!/bin/sh\nexec cat >>'${file}'\n`, { mode: 0o755 });
  const run = await dom0.hotplug('online', id, { ...withToolsOf(dom0), ...more });
  assert.equal(run.status, 0, run.stderr);
  return readFileSync(file, 'utf8');
}

/** A run of the program that finds its tools in the folder of this host first. */
export function withToolsOf(dom0: Dom0): Pick<HotplugOptions, 'program' | 'env'> {
  const PATH = `${dom0.folder}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin`;
  return { program: PROGRAM, env: { PATH } };
}

/** The lines that begin so, without that. */
export function wordsAfter(text: string, before: string): string[] {
  return text.split('\n').flatMap((line) => (line.startsWith(before) ? [line.slice(before.length)] : []));
}
