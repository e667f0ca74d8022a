/**
 * A guest that runs on another host by now, while its old port is still here: paused, kept by `xl save -c`, left by a
 * migration that failed. The bridge holds its MAC fast at that port, also while the link is down.
 */
import assert from 'node:assert/strict';
import test from 'node:test';
import { fdb, waitForForwarding } from '../lab/bench.ts';
import type { Wire } from '../lab/wire.ts';
import { type Dom0, obstacle, openDom0 } from './dom0.ts';
import { A, frame, ip4, TYPE, udp, V } from './frames.ts';
import { GUEST_A, GUEST_V } from './verdict.ts';

const skip = obstacle();
const fromNeighbour = frame(A.mac, V.mac, TYPE.ip, ip4({ src: V.ip, dst: A.ip }, udp(9, 9)));
const toNeighbour = frame(V.mac, A.mac, TYPE.ip, ip4({ src: A.ip, dst: V.ip }, udp(9, 9)));

async function arrives(wire: Wire, from: string, hex: string): Promise<string[]> {
  await wire.collect(0);
  await wire.send(from, hex);
  return (await wire.collect())
    .filter((seen) => seen.hex === hex)
    .map(({ iface }) => iface)
    .sort();
}

async function pinnedAt({ ns }: Dom0): Promise<string[]> {
  return (await fdb(ns, 'br0')).filter(({ mac }) => mac === A.mac).map(({ dev, state }) => `${state} at ${dev}`);
}

for (const backend of ['nftables', 'ebtables'] as const) {
  test(`a guest whose port has no carrier is reached where it runs now, ${backend}`, { skip }, async (t) => {
    const dom0 = await openDom0(t, { policy: `[defaults]\nbackend = ${backend}\n` });
    await dom0.start(GUEST_A);
    await dom0.start(GUEST_V);
    const wire = await dom0.openWire(['guest1.0', 'guest2.0', 'gw0']);
    assert.deepEqual(await arrives(wire, 'guest2.0', fromNeighbour), ['guest1.0']);

    await dom0.ns.check(['ip', 'link', 'set', 'guest1.0', 'down']);
    assert.deepEqual(await arrives(wire, 'guest2.0', fromNeighbour), ['gw0'], 'to where it runs now');
    assert.deepEqual(await arrives(wire, 'gw0', toNeighbour), ['guest2.0'], 'from where it runs now');
    assert.deepEqual(await arrives(wire, 'gw0', fromNeighbour), [], 'nothing goes back to where it came from');
    assert.deepEqual(await pinnedAt(dom0), ['static at vif1.0']);

    // It comes back, or was only slow to connect.
    await dom0.ns.check(['ip', 'link', 'set', 'guest1.0', 'up']);
    await waitForForwarding(dom0.ns, 'vif1.0');
    assert.deepEqual(await arrives(wire, 'guest2.0', fromNeighbour), ['guest1.0']);
    assert.deepEqual(await arrives(wire, 'guest1.0', toNeighbour), ['guest2.0']);
  });
}

test('a bridge that gets its uplink later is given it by reapply', { skip }, async (t) => {
  const dom0 = await openDom0(t);
  await dom0.ns.check(['ip', 'link', 'set', 'up0', 'nomaster']);
  await dom0.start(GUEST_A);
  await dom0.start(GUEST_V);
  await dom0.ns.check(['ip', 'link', 'set', 'up0', 'master', 'br0']);
  const wire = await dom0.openWire(['guest2.0', 'gw0']);
  await dom0.ns.check(['ip', 'link', 'set', 'guest1.0', 'down']);
  assert.deepEqual(await arrives(wire, 'guest2.0', fromNeighbour), []);
  assert.equal((await dom0.admin(['reapply', '--all'])).status, 0);
  assert.deepEqual(await arrives(wire, 'guest2.0', fromNeighbour), ['gw0']);
});
