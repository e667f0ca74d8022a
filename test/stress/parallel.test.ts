import assert from 'node:assert/strict';
import test from 'node:test';
import { buildFleet, clean, type Situation } from './fleet.ts';
import { guestVif } from './guest-vif.ts';
import { BACKENDS, obstacle, rounds } from './rounds.ts';

const skip = obstacle();
const GUESTS = 50;

for (const backend of BACKENDS) {
  test(`${backend}: 50 online and 50 offline of different vifs at once leave each vif complete or wholly absent`, {
    skip,
  }, async (t) => {
    // Of each guest one vif is on and one is off, and each round swaps them.
    const vifs = Array.from({ length: GUESTS }, (_, guest) => [guestVif(guest + 1, 0), guestVif(guest + 1, 1)]).flat();
    const fleet = await buildFleet(t, backend, vifs);
    await fleet.learn();
    const now = new Map<string, Situation>(vifs.map((vif) => [vif.device, 'off']));
    for (let round = 1; round <= rounds(20); round += 1) {
      const goesOn = round % 2;
      const ended = vifs.map(async (vif) => {
        const command = (vif.devid === 0) === (goesOn === 1) ? 'online' : 'offline';
        now.set(vif.device, command === 'online' ? 'on' : 'off');
        const result = await fleet.run(command, vif);
        // What libxl does after an offline: the keys go, and come anew with the next guest.
        if (command === 'offline') fleet.store.write(`${vif.backend}/hotplug-status`, '');
        return result;
      });
      for (const result of await Promise.all(ended)) clean(result);
      assert.deepEqual(fleet.complaints(), [], `round ${round}`);
      await fleet.check(now, `round ${round}`);
    }
  });
}

for (const backend of BACKENDS) {
  test(`${backend}: of many runs for one vif at once, the one that Xen started last decides`, { skip }, async (t) => {
    const vifs = [guestVif(1, 0), guestVif(1, 1), guestVif(2, 0), guestVif(2, 1)];
    const fleet = await buildFleet(t, backend, vifs);
    await fleet.learn();
    for (let round = 1; round <= rounds(10); round += 1) {
      const last = new Map<string, Situation>();
      const order: string[] = [];
      const runs = Array.from({ length: 20 }, () => {
        const vif = vifs[Math.floor(Math.random() * vifs.length)] ?? guestVif(1);
        const command = Math.random() < 0.5 ? 'online' : 'offline';
        last.set(vif.device, command === 'online' ? 'on' : 'off');
        order.push(`${command} ${vif.device}`);
        return fleet.run(command, vif);
      });
      for (const result of await Promise.all(runs)) clean(result);
      const complaints = fleet
        .complaints()
        .filter((line) => !line.endsWith('a newer run has been here already; nothing done'));
      assert.deepEqual(complaints, [], `round ${round}`);
      for (const vif of vifs) {
        if (last.get(vif.device) === 'off') fleet.store.write(`${vif.backend}/hotplug-status`, '');
      }
      await fleet.check(last, `round ${round} (${order.join(', ')})`);
    }
  });
}
