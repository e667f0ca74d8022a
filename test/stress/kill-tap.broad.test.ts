/**
 * The tap of a guest with a virtio card goes behind its port in several steps: a run that is killed between two of them
 * must leave the guest closed, not a tap on the bridge.
 */
import assert from 'node:assert/strict';
import test from 'node:test';
import { PROGRAM } from '../kernel/dom0.ts';
import { ATTACKS, added, aroundTap, changesNothing, type Stage, TAP } from '../kernel/virtio-guest.ts';
import type { WireError } from '../lab/wire.ts';
import { obstacle } from './rounds.ts';
import { MOMENTS, type Start, type ToolKiller, toolKiller } from './tool-killer.ts';

const skip = obstacle();
const ONE = { domid: 1 };
/** What makes the way of the frames. Others may be started ahead and never used: they kill when they are started. */
const WAY = ['ip', 'tc', 'ethtool'];

type Operation = 'add' | 'remove' | 'reapply';

/** What the operation begins with. */
async function prepare({ dom0 }: Stage, operation: Operation): Promise<void> {
  const wanted = operation === 'add' ? 'remove' : 'add';
  const result = await dom0.hotplug(wanted, ONE);
  assert.equal(result.status, 0, `${wanted}: ${dom0.key(1, 'hotplug-error')}`);
  if (operation !== 'reapply') return;
  // As stock leaves it: the tap is on the bridge, and nothing is known of it.
  assert.equal((await dom0.hotplug('remove', ONE)).status, 0);
  await dom0.ns.check(['ip', 'link', 'set', TAP, 'down', 'master', 'br0']);
}

function start({ dom0 }: Stage, operation: Operation): Start {
  return (env) => {
    if (operation !== 'reapply') return dom0.hotplug(operation, ONE, { program: PROGRAM, env });
    return dom0.hotplug('add', ONE, { program: PROGRAM, args: ['reapply', TAP], env });
  };
}

async function forgesNothing({ arrives }: Stage, when: string): Promise<void> {
  for (const { sent, header, forged } of ATTACKS.slice(0, 3)) {
    const seen = await arrives(sent, header).catch((error: WireError) => {
      assert.equal(error.code, 'EIO', `${when}: ${error.message}`);
      return [] as string[];
    });
    assert.ok(!seen.includes(forged), `${when}: forged`);
  }
}

async function killEverywhere(place: Stage, killer: ToolKiller, operation: Operation): Promise<string[]> {
  await prepare(place, operation);
  const whole = await killer.run(start(place, operation));
  assert.equal(whole.result.status, 0, whole.result.stderr);
  let round = 0;
  for (const program of whole.tools) {
    for (const moment of WAY.includes(program.split('.')[0] ?? '') ? MOMENTS : (['started'] as const)) {
      const when = `${operation} killed: ${moment}, ${program}`;
      await prepare(place, operation);
      const { result } = await killer.run(start(place, operation), { program, moment });
      assert.equal(result.signal, 'SIGKILL', `${when}: ${result.stderr}`);
      await forgesNothing(place, when);
      // Xen may end such a vif, or try again.
      const next = round++ % 2 === 0 || moment === 'late' ? 'add' : 'remove';
      const repair = await place.dom0.hotplug(next, ONE);
      assert.equal(repair.status, 0, `${next} after ${when}: ${place.dom0.key(1, 'hotplug-error')}`);
      if (moment === 'late') await killer.latecomer();
      await forgesNothing(place, `${next} after ${when}`);
      if (next === 'remove') assert.deepEqual(await aroundTap(place.dom0), [TAP], when);
      else await changesNothing(place.arrives).catch((error: unknown) => assert.fail(`${when}: ${String(error)}`));
    }
  }
  return whole.tools;
}

for (const operation of ['add', 'remove', 'reapply'] as const) {
  test(`${operation} of a sealed tap, killed before, in and after each program, forges nothing and is repaired`, {
    skip,
  }, async (t) => {
    const place = await added(t);
    const tools = await killEverywhere(place, toolKiller(place.dom0.folder), operation);
    console.log(`${operation}: killed at ${tools.length} programs (${tools.join(' ')})`);
  });
}
