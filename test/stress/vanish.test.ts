import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { buildFleet, clean, type Fleet, type Situation } from './fleet.ts';
import { type GuestVif, guestVif } from './guest-vif.ts';
import { FORMS, obstacle, rounds } from './rounds.ts';

const skip = obstacle();
const AT_ONCE = 6;

/** The device goes some time after the run has begun to change things, and before it has ended. */
async function vanishesDuringOnline(fleet: Fleet, vif: GuestVif): Promise<'connected' | 'failed'> {
  let ended = false;
  const run = fleet.run('online', vif).finally(() => {
    ended = true;
  });
  const begun = join(fleet.stateDirectory, 'vif', `${vif.device}.json`);
  while (!ended && !existsSync(begun)) await sleep(1);
  await sleep(Math.random() * 300);
  await fleet.bench.removeVif(vif.device);
  const { status } = await run;
  assert.ok(status === 0 || status === 1);
  const hotplugStatus = fleet.store.read(`${vif.backend}/hotplug-status`);
  assert.equal(hotplugStatus, status === 0 ? 'connected' : 'error', vif.device);
  clean(await fleet.run('offline', vif));
  return status === 0 ? 'connected' : 'failed';
}

async function vanishesDuringOffline(fleet: Fleet, vif: GuestVif): Promise<void> {
  clean(await fleet.run('online', vif));
  const run = fleet.run('offline', vif);
  await sleep(Math.random() * 200);
  await fleet.bench.removeVif(vif.device);
  clean(await run);
}

for (const form of FORMS) {
  test(`${form}: of a vif whose device goes while online or offline run, nothing remains after its offline`, {
    skip,
  }, async (t) => {
    const lasting = [guestVif(1), guestVif(2)];
    const fleeting = Array.from({ length: rounds(8, form) * AT_ONCE }, (_, index) => guestVif(3 + (index % 90), 0));
    const fleet = await buildFleet(t, form, lasting, [...new Map(fleeting.map((vif) => [vif.device, vif])).values()]);
    // The first of an HVM guest makes a table that stays.
    const first = fleeting[0] ?? guestVif(3);
    await fleet.attach(first, 'vif_ioemu');
    clean(await fleet.run('online', first));
    await vanishesDuringOffline(fleet, first);
    await fleet.learn();
    const ends = { connected: 0, failed: 0, offline: 0 };
    for (let from = 0; from < fleeting.length; from += AT_ONCE) {
      const batch = fleeting.slice(from, from + AT_ONCE);
      await Promise.all(
        batch.map(async (vif, index) => {
          await fleet.attach(vif, index % 2 === 0 ? 'vif' : 'vif_ioemu');
          if (index % 3 === 2) {
            await vanishesDuringOffline(fleet, vif);
            ends.offline += 1;
          } else {
            ends[await vanishesDuringOnline(fleet, vif)] += 1;
          }
        }),
      );
      const complaints = fleet.complaints().filter((line) => /offline/.test(line));
      assert.deepEqual(complaints, []);
      await fleet.check(
        new Map(batch.map((vif): [string, Situation] => [vif.device, 'gone'])),
        `after ${from + AT_ONCE}`,
      );
    }
    // Of the few rounds of the other backend it may be none.
    if (form === 'nftables') assert.ok(ends.failed > 0, 'no device went while its online ran');
    console.log(
      `gone during online: ${ends.failed} failed, ${ends.connected} connected before; during offline: ${ends.offline}`,
    );
  });
}
