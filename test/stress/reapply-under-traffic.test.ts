import assert from 'node:assert/strict';
import test from 'node:test';
import { fileURLToPath } from 'node:url';
import { waitForForwarding } from '../lab/bench.ts';
import { type Counter, openWire, type Stream, type Wire } from '../lab/wire.ts';
import { buildFleet, clean, type Fleet, type TestContext } from './fleet.ts';
import { datagram, EVERYBODY, guestVif } from './guest-vif.ts';
import { BACKENDS, type BackendName, obstacle, rounds } from './rounds.ts';

const skip = obstacle();
const LOOP = fileURLToPath(new URL('reapply-loop.ts', import.meta.url));
const BUSY = guestVif(1);
const OTHER = guestVif(2);
const GATEWAY = { mac: '02:00:00:00:00:fe', ipv4: '10.0.0.254' };

interface Road {
  readonly fleet: Fleet;
  readonly wire: Wire;
}

async function road(t: TestContext, backend: BackendName): Promise<Road> {
  const fleet = await buildFleet(t, backend, [BUSY, OTHER]);
  await fleet.learn();
  clean(await fleet.run('online', BUSY));
  await waitForForwarding(fleet.bench.ns, BUSY.device);
  const wire = await openWire(fleet.bench.ns, [fleet.bench.gateway, 'guest1.0']);
  t.after(() => wire.exit());
  return { fleet, wire };
}

/** Frames per second of each stream: together what a test machine forwards without losing any. */
const RATE = 800;

/** Streams in both directions, good and spoofed, for as long as `work` takes. Every good frame arrives, no spoofed one does. */
async function underTraffic({ fleet, wire }: Road, work: () => Promise<void>): Promise<string> {
  const { gateway } = fleet.bench;
  const guest = 'guest1.0';
  const stranger = { ...BUSY, ipv4: '10.0.0.253' };
  const streams = [
    { from: guest, to: gateway, good: true, frame: datagram(BUSY, 1, EVERYBODY) },
    { from: guest, to: gateway, good: true, frame: datagram(BUSY, 2, GATEWAY) },
    { from: gateway, to: guest, good: true, frame: datagram(GATEWAY, 3, BUSY) },
    { from: guest, to: gateway, good: false, frame: datagram(stranger, 4, EVERYBODY) },
    { from: guest, to: gateway, good: false, frame: datagram(OTHER, 5, GATEWAY) },
    { from: gateway, to: guest, good: false, frame: datagram(GATEWAY, 6, stranger) },
  ];
  const running: { good: boolean; counter: Counter; stream: Stream }[] = [];
  for (const { from, to, frame, good } of streams) {
    const counter = await wire.count(to, frame);
    running.push({ good, counter, stream: await wire.stream(from, frame, RATE) });
  }
  await work();
  const totals = { good: 0, spoofed: 0 };
  // All streams end before a counter does.
  const sent: Awaited<ReturnType<Stream['stop']>>[] = [];
  for (const { stream } of running) sent.push(await stream.stop());
  for (const [index, { good, counter }] of running.entries()) {
    const one = sent[index];
    assert.ok(one !== undefined && one.sent > 0);
    assert.equal(one.errors, 0);
    assert.deepEqual(await counter.stop(), { received: good ? one.sent : 0, dropped: 0 }, `stream ${index + 1}`);
    totals[good ? 'good' : 'spoofed'] += one.sent;
  }
  return `${totals.good} good frames, 0 lost; ${totals.spoofed} spoofed, 0 arrived`;
}

/** The program's code in one process, which costs a third of a process each time. */
async function loop({ fleet }: Road, times: number, ...what: string[]): Promise<void> {
  const tsx = import.meta.resolve('tsx');
  const argv = [process.execPath, '--import', tsx, LOOP, String(times), ...what];
  const result = await fleet.inside(argv, 580_000);
  assert.deepEqual([result.stderr, result.status, result.stdout], ['', 0, `${times}\n`]);
}

for (const backend of BACKENDS) {
  test(`${backend}: 1000 re-applies of a vif lose no good frame and let no spoofed one pass`, { skip }, async (t) => {
    const place = await road(t, backend);
    const { fleet } = place;
    const times = rounds(980);
    const what = await underTraffic(place, async () => {
      await loop(place, times, BUSY.device);
      for (let round = 1; round <= rounds(20); round += 1) clean(await fleet.reapply(BUSY.device));
    });
    console.log(`${times} times in one process, ${rounds(20)} by the launcher: ${what}`);
    assert.deepEqual(fleet.complaints(), []);
    await fleet.check(new Map([[BUSY.device, 'on']]), 'at the end');
  });

  test(`${backend}: re-applying all lose no good frame and let no spoofed one pass while another vif comes and goes`, {
    skip,
  }, async (t) => {
    const place = await road(t, backend);
    const { fleet } = place;
    const times = rounds(100);
    let changes = 0;
    const what = await underTraffic(place, async () => {
      let ended = false;
      const all = loop(place, times, '--all').finally(() => {
        ended = true;
      });
      while (!ended) {
        clean(await fleet.run(changes % 2 === 0 ? 'online' : 'offline', OTHER));
        changes += 1;
      }
      await all;
    });
    clean(await fleet.run('online', OTHER));
    console.log(`${times} times all, ${changes} changes of another vif: ${what}`);
    assert.deepEqual(fleet.complaints(), []);
    await fleet.check(
      new Map([
        [BUSY.device, 'on'],
        [OTHER.device, 'on'],
      ]),
      'at the end',
    );
  });
}
