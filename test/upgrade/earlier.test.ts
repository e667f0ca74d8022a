/**
 * Another version in the place of the program, while guests run: a newer one takes over what an older one has loaded
 * and written down, and the older one its own again, without a frame lost, and without a forged one that passes.
 *
 * This is no theory: the first run of a newer version once left running guests without a frame passing, and the older
 * one could not take its own back and left chains behind.
 */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import test from 'node:test';
import { type Dom0, type Guest, obstacle, openDom0 } from '../kernel/dom0.ts';
import { waitForForwarding } from '../lab/bench.ts';
import { PLAIN_ENV } from '../lab/subprocess.ts';
import type { Counter, Stream, Wire } from '../lab/wire.ts';
import { datagram, guestVif } from '../stress/guest-vif.ts';
import { EARLIER, Installation, type Version } from './installed.ts';

const skip = obstacle();
const BUSY = guestVif(1);
const OTHER = guestVif(2);
const GATEWAY = { mac: '02:00:00:00:00:fe', ipv4: '10.0.0.254' };
/** Frames per second of each stream. */
const RATE = 500;

function guest({ domid, mac, ipv4, ipv6 }: typeof BUSY): Guest {
  return { domid, mac, ip: `${ipv4} ${ipv6}` };
}

/** The names of all chains and sets, without those that are made at random. */
async function rulesOf({ dom0 }: Pick<Host, 'dom0'>): Promise<string[]> {
  const text = await dom0.ns.check(['nft', 'list', 'ruleset']);
  const heads = text.split('\n').filter((line) => /^\s*(table|chain|set|map|elements) /.test(line));
  return heads.map((line) => line.replace(/-[0-9a-f]{8} \{$/, ' {'));
}

/** What a version leaves when its only guest has ended, if no other version was ever there. */
async function leftBy(t: test.TestContext, version: Version): Promise<string[]> {
  const host = await hostWith(t, version);
  await host.offline(BUSY);
  return rulesOf(host);
}

interface Host {
  readonly dom0: Dom0;
  readonly wire: Wire;
  readonly installed: Installation;
  online(vif: typeof BUSY): Promise<void>;
  offline(vif: typeof BUSY): Promise<void>;
  admin(...words: string[]): Promise<{ status: number | null; stdout: string; stderr: string }>;
}

/** A host on which a version runs, with one guest in service. */
async function hostWith(t: test.TestContext, version: Version): Promise<Host> {
  const dom0 = await openDom0(t);
  const installed = new Installation(`${dom0.folder}/installed`);
  installed.become(version);
  const run = async (command: 'online' | 'offline', vif: typeof BUSY): Promise<void> => {
    const done = await dom0.hotplug(command, { domid: vif.domid }, { program: [installed.script] });
    assert.equal(done.status, 0, `${command}: ${dom0.key(vif.domid, 'hotplug-error')} ${done.stderr}`);
  };
  const host: Omit<Host, 'wire'> = {
    dom0,
    installed,
    async online(vif) {
      dom0.configure(guest(vif));
      if ((await dom0.link(vif.device)) === undefined) await dom0.bench.addVif(vif.device);
      await run('online', vif);
      await waitForForwarding(dom0.ns, vif.device);
    },
    offline: (vif) => run('offline', vif),
    admin: (...words) =>
      dom0.ns.run([installed.script, ...words], {
        env: {
          ...PLAIN_ENV,
          XENSTORED_PATH: dom0.store.socket,
          VIF_BRIDGE_STATE_DIR: dom0.state,
          VIF_BRIDGE_CONFIG: `${dom0.folder}/vif-bridge.ini`,
        },
        timeoutMs: 60_000,
      }),
  };
  await host.online(BUSY);
  return { ...host, wire: await dom0.openWire([dom0.bench.gateway, 'guest1.0']) };
}

/** Streams in both directions for as long as `work` takes: every good frame arrives, and no forged one. */
async function nothingIsLost({ dom0, wire }: Host, work: () => Promise<unknown>): Promise<void> {
  const outside = dom0.bench.gateway;
  const stranger = { ...BUSY, ipv4: '10.0.0.253' };
  const streams = [
    { from: 'guest1.0', to: outside, good: true, frame: datagram(BUSY, 1, GATEWAY) },
    { from: outside, to: 'guest1.0', good: true, frame: datagram(GATEWAY, 2, BUSY) },
    { from: 'guest1.0', to: outside, good: false, frame: datagram(stranger, 3, GATEWAY) },
    { from: 'guest1.0', to: outside, good: false, frame: datagram(OTHER, 4, GATEWAY) },
    { from: outside, to: 'guest1.0', good: false, frame: datagram(GATEWAY, 5, stranger) },
  ];
  const running: { good: boolean; counter: Counter; stream: Stream }[] = [];
  for (const { from, to, frame, good } of streams) {
    const counter = await wire.count(to, frame);
    running.push({ good, counter, stream: await wire.stream(from, frame, RATE) });
  }
  await work();
  const sent: number[] = [];
  for (const { stream } of running) {
    const one = await stream.stop();
    assert.equal(one.errors, 0);
    assert.ok(one.sent > 0);
    sent.push(one.sent);
  }
  for (const [index, { good, counter }] of running.entries()) {
    const { received, dropped } = await counter.stop();
    assert.equal(dropped, 0, 'the counter was too slow');
    assert.equal(received, good ? sent[index] : 0, `${good ? 'good' : 'forged'} frames of stream ${index + 1}`);
  }
}

/** Everything is as a host has it that never had another version. */
async function isOurs(host: Host, vifs: readonly (typeof BUSY)[]): Promise<void> {
  const ports = await host.dom0.status();
  assert.deepEqual(
    ports.map(({ name, state }) => `${name} ${state}`).sort(),
    vifs.map(({ device }) => `${device} managed`).sort(),
  );
}

const TAKING_OVER: readonly {
  readonly by: string;
  readonly vifs: readonly (typeof BUSY)[];
  readonly run: (host: Host) => Promise<unknown>;
}[] = [
  { by: 'the online of another guest', vifs: [BUSY, OTHER], run: (host) => host.online(OTHER) },
  { by: 'reapply --all', vifs: [BUSY], run: (host) => done(host.admin('reapply', '--all')) },
  { by: 'reapply of one', vifs: [BUSY], run: (host) => done(host.admin('reapply', BUSY.device)) },
  { by: 'repair', vifs: [BUSY], run: (host) => done(host.admin('repair')) },
];

async function done(running: ReturnType<Host['admin']>): Promise<void> {
  const { status, stderr } = await running;
  assert.equal(status, 0, stderr);
}

for (const earlier of EARLIER) {
  test(`from ${earlier}`, { skip }, async (t) => {
    for (const { by, vifs, run } of TAKING_OVER) {
      await t.test(`${by} takes over, without a frame lost; the end leaves nothing`, async (t) => {
        const host = await hostWith(t, earlier);
        host.installed.become('this');
        await nothingIsLost(host, () => run(host));
        // What only the newer one has (settings of the port) comes with a re-apply.
        await nothingIsLost(host, () => done(host.admin('reapply', '--all')));
        await isOurs(host, vifs);
        for (const vif of vifs) await host.offline(vif);
        assert.equal(await host.dom0.ns.check(['nft', 'list', 'ruleset']), '');
      });
    }

    await t.test('the offline of another guest takes over, without a frame lost', async (t) => {
      const host = await hostWith(t, earlier);
      await host.online(OTHER);
      host.installed.become('this');
      await nothingIsLost(host, () => host.offline(OTHER));
      await host.dom0.bench.removeVif(OTHER.device);
      await nothingIsLost(host, () => done(host.admin('reapply', '--all')));
      await isOurs(host, [BUSY]);
    });

    await t.test('a guest of the older one ends with the newer one: nothing is left', async (t) => {
      const host = await hostWith(t, earlier);
      host.installed.become('this');
      await host.offline(BUSY);
      assert.equal(await host.dom0.ns.check(['nft', 'list', 'ruleset']), '');
    });

    await t.test('and back: the older one takes its own again, without a frame lost, and leaves nothing', async (t) => {
      const host = await hostWith(t, earlier);
      host.installed.become('this');
      await host.online(OTHER);
      await done(host.admin('reapply', '--all'));
      host.installed.become(earlier);
      await nothingIsLost(host, () => host.offline(OTHER));
      await nothingIsLost(host, () => done(host.admin('reapply', '--all')));
      host.installed.become('this');
      await nothingIsLost(host, () => done(host.admin('reapply', '--all')));
      host.installed.become(earlier);
      await host.offline(BUSY);
      assert.deepEqual(await rulesOf(host), await leftBy(t, earlier));
    });

    await t.test(
      'a policy that only the newer one can read: the older one says so, and touches no guest',
      async (t) => {
        const host = await hostWith(t, earlier);
        host.installed.become('this');
        writeFileSync(`${host.dom0.folder}/vif-bridge.ini`, '[defaults]\nan_answer_of_tomorrow = 42\n');
        host.installed.become(earlier);
        await nothingIsLost(host, () =>
          assert.rejects(host.online(OTHER), /an_answer_of_tomorrow|unknown key|no key/, 'the run names the key'),
        );
        assert.deepEqual((await host.dom0.link(OTHER.device))?.flags.includes('UP'), false);
      },
    );

    await t.test('a run that is killed while it takes over: the next one does', async (t) => {
      const host = await hostWith(t, earlier);
      host.installed.become('this');
      for (const seconds of ['0.1', '0.2', '0.3', '0.5']) {
        await nothingIsLost(host, () =>
          host.dom0.ns.run(['timeout', '-s', 'KILL', seconds, host.installed.script, 'reapply', '--all'], {
            env: { ...PLAIN_ENV, XENSTORED_PATH: host.dom0.store.socket, VIF_BRIDGE_STATE_DIR: host.dom0.state },
          }),
        );
      }
      await nothingIsLost(host, () => done(host.admin('reapply', '--all')));
      await isOurs(host, [BUSY]);
    });
  });
}
