import assert from 'node:assert/strict';
import test from 'node:test';
import { setImmediate } from 'node:timers/promises';
import type { RunResult } from '../lab/subprocess.ts';
import { openWire } from '../lab/wire.ts';
import { buildFleet, clean, type Situation } from './fleet.ts';
import { datagram, EVERYBODY, guestVif } from './guest-vif.ts';
import { BACKENDS, obstacle, rounds } from './rounds.ts';

const skip = obstacle();
const AT_ONCE = 30;
const OVERTAKEN = 'a newer run has been here already; nothing done';

for (const backend of BACKENDS) {
  test(`${backend}: 30 online and offline at once while all are re-applied again and again: what Xen wanted last is there, nobody waits in vain, no foreign address passes`, {
    skip,
  }, async (t) => {
    // The last one stays on and sends with the address of its neighbour all the time.
    const vifs = Array.from({ length: 16 }, (_, index) => guestVif(index + 1));
    const fleet = await buildFleet(t, backend, vifs);
    await fleet.learn();
    const hostile = vifs.at(-1) ?? guestVif(16);
    const victim = vifs.at(-2) ?? guestVif(15);
    for (const vif of [hostile, victim]) clean(await fleet.run('online', vif));
    const wire = await openWire(fleet.bench.ns, [fleet.bench.gateway, hostile.device.replace('vif', 'guest')]);
    t.after(() => wire.exit());
    const spoofed = datagram({ mac: hostile.mac, ipv4: victim.ipv4 }, 1, EVERYBODY);
    const counter = await wire.count(fleet.bench.gateway, spoofed);
    const stream = await wire.stream(hostile.device.replace('vif', 'guest'), spoofed, 500);
    const changing = vifs.slice(0, -2);
    for (let round = 1; round <= rounds(6, backend); round += 1) {
      const last = new Map<string, Situation>([hostile, victim].map(({ device }) => [device, 'on']));
      const order: string[] = [];
      const runs: Promise<RunResult>[] = [];
      let working = true;
      let times = 0;
      const again = (async () => {
        for (; working || times === 0; times += 1) clean(await fleet.reapply('--all'));
      })();
      for (let index = 0; index < AT_ONCE; index += 1) {
        const vif = changing[Math.floor(Math.random() * changing.length)] ?? victim;
        const command = Math.random() < 0.5 ? 'online' : 'offline';
        last.set(vif.device, command === 'online' ? 'on' : 'off');
        order.push(`${command} ${vif.device}`);
        runs.push(fleet.run(command, vif));
        await setImmediate();
      }
      const results = await Promise.all(runs);
      working = false;
      await again;
      for (const result of results) clean(result);
      const complaints = fleet.complaints().filter((line) => !line.endsWith(OVERTAKEN));
      assert.deepEqual(complaints, [], `round ${round}`);
      for (const vif of changing) {
        if (last.get(vif.device) === 'off') fleet.store.write(`${vif.backend}/hotplug-status`, '');
      }
      await fleet.check(last, `round ${round}, ${times} re-applies (${order.join(', ')})`);
    }
    assert.ok((await stream.stop()).sent > 0);
    assert.deepEqual(await counter.stop(), { received: 0, dropped: 0 });
  });
}
