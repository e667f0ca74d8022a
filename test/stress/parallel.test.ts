import assert from 'node:assert/strict';
import test from 'node:test';
import { setImmediate } from 'node:timers/promises';
import type { RunResult } from '../lab/subprocess.ts';
import { buildFleet, clean, type Situation } from './fleet.ts';
import { guestVif } from './guest-vif.ts';
import { FORMS, obstacle, rounds } from './rounds.ts';

const skip = obstacle();
const GUESTS = 50;

/**
 * Starts one run after the other and waits for all. Starting a process takes this one some milliseconds, in which its
 * xenstored cannot answer: so there is a round of the event loop between any two.
 */
async function allAtOnce(starts: readonly (() => Promise<RunResult>)[]): Promise<RunResult[]> {
  const runs: Promise<RunResult>[] = [];
  for (const start of starts) {
    runs.push(start());
    await setImmediate();
  }
  return Promise.all(runs);
}

for (const form of FORMS) {
  test(`${form}: 50 online and 50 offline of different vifs at once leave each vif complete or wholly absent`, {
    skip,
  }, async (t) => {
    // Of each guest one vif is on and one is off, and each round swaps them.
    const vifs = Array.from({ length: GUESTS }, (_, guest) => [guestVif(guest + 1, 0), guestVif(guest + 1, 1)]).flat();
    const fleet = await buildFleet(t, form, vifs);
    await fleet.learn();
    const now = new Map<string, Situation>(vifs.map((vif) => [vif.device, 'off']));
    for (let round = 1; round <= rounds(20, form); round += 1) {
      const goesOn = round % 2;
      const starts = vifs.map((vif) => async () => {
        const command = (vif.devid === 0) === (goesOn === 1) ? 'online' : 'offline';
        now.set(vif.device, command === 'online' ? 'on' : 'off');
        const result = await fleet.run(command, vif);
        // What libxl does after an offline: the keys go, and come anew with the next guest.
        if (command === 'offline') fleet.store.write(`${vif.backend}/hotplug-status`, '');
        return result;
      });
      const results = await allAtOnce(starts);
      assert.deepEqual(fleet.complaints(), [], `round ${round}`);
      for (const result of results) clean(result);
      await fleet.check(now, `round ${round}`);
    }
  });
}

for (const form of FORMS) {
  test(`${form}: of many runs for one vif at once, the one that Xen started last decides`, { skip }, async (t) => {
    const vifs = [guestVif(1, 0), guestVif(1, 1), guestVif(2, 0), guestVif(2, 1)];
    const fleet = await buildFleet(t, form, vifs);
    await fleet.learn();
    for (let round = 1; round <= rounds(10, form); round += 1) {
      const last = new Map<string, Situation>();
      const order: string[] = [];
      const starts = Array.from({ length: 20 }, () => () => {
        const vif = vifs[Math.floor(Math.random() * vifs.length)] ?? guestVif(1);
        const command = Math.random() < 0.5 ? 'online' : 'offline';
        last.set(vif.device, command === 'online' ? 'on' : 'off');
        order.push(`${command} ${vif.device}`);
        return fleet.run(command, vif);
      });
      const results = await allAtOnce(starts);
      const complaints = fleet
        .complaints()
        .filter((line) => !line.endsWith('a newer run has been here already; nothing done'));
      assert.deepEqual(complaints, [], `round ${round}`);
      for (const result of results) clean(result);
      for (const vif of vifs) {
        if (last.get(vif.device) === 'off') fleet.store.write(`${vif.backend}/hotplug-status`, '');
      }
      await fleet.check(last, `round ${round} (${order.join(', ')})`);
    }
  });
}
