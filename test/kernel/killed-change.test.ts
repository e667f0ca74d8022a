/**
 * A run that is killed while it makes a guest another one (filtered, observed): what the port has is of before, and its
 * record is not. `status` and `verify` say so, and the next `reapply` leaves the port that a guest has from the start.
 */
import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import test from 'node:test';
import { formObstacle, program } from '../lab/program.ts';
import { type Dom0, obstacle, openDom0 } from './dom0.ts';

const skip = obstacle() ?? formObstacle('node') ?? false;
const POLICIES = { locked: '[defaults]\nmode = locked\n', observe: '[defaults]\nmode = observe\nhairpin = on\n' };

for (const [from, to] of [
  ['locked', 'observe'],
  ['observe', 'locked'],
] as const) {
  test(`a change from ${from} to ${to} that is killed`, { skip }, async (t) => {
    const dom0 = await openDom0(t, { policy: POLICIES[to] });
    await dom0.start({ domid: 2, mac: '00:16:3e:00:00:02', ip: '10.0.0.12' });
    const wished = await port(dom0, 'vif2.0', '00:16:3e:00:00:02');
    setPolicy(dom0, POLICIES[from]);
    await dom0.start({ domid: 1, mac: '00:16:3e:00:00:01', ip: '10.0.0.11' });
    assert.notDeepEqual(await port(dom0, 'vif1.0', '00:16:3e:00:00:01'), wished);
    setPolicy(dom0, POLICIES[to]);
    assert.notEqual((await killed(dom0, ['reapply', 'vif1.0'])).status, 0);
    assert.notDeepEqual(await port(dom0, 'vif1.0', '00:16:3e:00:00:01'), wished, 'it was killed before the port');

    const status = await dom0.admin(['status', 'vif1.0']);
    assert.match(status.stdout, /a run has begun to change it and has not ended: vif-bridge reapply vif1\.0/);
    const verified = await dom0.admin(['verify', 'vif1.0']);
    assert.equal(verified.status, 1);
    assert.match(verified.stdout, /settings.*has begun to change it/);

    assert.equal((await dom0.admin(['reapply', 'vif1.0'])).status, 0);
    assert.deepEqual(await port(dom0, 'vif1.0', '00:16:3e:00:00:01'), wished);
    const again = await dom0.admin(['verify', 'vif1.0']);
    assert.equal(again.status, 0, again.stdout);
    assert.doesNotMatch((await dom0.admin(['status', 'vif1.0'])).stdout, /has not ended/);
  });
}

function setPolicy(dom0: Dom0, text: string): void {
  writeFileSync(join(dom0.folder, 'vif-bridge.ini'), text);
}

/** Flags of a port, and how its MAC is entered. */
async function port(dom0: Dom0, name: string, mac: string): Promise<unknown> {
  const [link] = JSON.parse(await dom0.ns.check(['bridge', '-d', '-j', 'link', 'show', 'dev', name])) as Record<
    string,
    unknown
  >[];
  const { ifindex: _, ifname: __, link: ___, ...flags } = link ?? {};
  const entries = JSON.parse(await dom0.ns.check(['bridge', '-j', 'fdb', 'show', 'dev', name])) as {
    mac: string;
    state?: string;
    flags: string[];
  }[];
  const own = entries.filter((entry) => entry.mac === mac).map(({ state, flags: of }) => [state, of]);
  return { flags, own };
}

/**
 * A run that dies as soon as it sets anything of the bridge: it is asked for something first, ahead of time. The form
 * for Node, because the executable does without bridge(8).
 */
async function killed(dom0: Dom0, args: readonly string[]): Promise<{ status: number | null }> {
  const folder = join(dom0.folder, 'deadly');
  mkdirSync(folder, { recursive: true });
  const script = [
    '#!/bin/sh',
    'while read -r line; do case $line in "fdb show "*) ;; *) kill -KILL "$PPID" ;; esac; done',
  ];
  writeFileSync(join(folder, 'bridge'), `${script.join('\n')}\n`, { mode: 0o755 });
  const path = `${folder}:${dirname(process.execPath)}:/usr/sbin:/usr/bin:/sbin:/bin`;
  return dom0.admin(args, { program: program('node'), env: { PATH: path } });
}
