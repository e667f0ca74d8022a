import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import test from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { waitForForwarding } from '../lab/bench.ts';
import type { Stream } from '../lab/wire.ts';
import { clean, type Fleet, type Situation, type TestContext } from './fleet.ts';
import { datagram, EVERYBODY, type GuestVif, guestVif } from './guest-vif.ts';
import { openRoad, type Road } from './road.ts';
import { type BackendName, LAUNCHER, obstacle, PROGRAM, rounds } from './rounds.ts';
import { MOMENTS, type Moment, type Start, type ToolKiller, toolKiller } from './tool-killer.ts';

const skip = obstacle();
const HOSTILE = guestVif(1);
const VICTIM = guestVif(2);

interface Arena extends Road {
  readonly killer: ToolKiller;
}

/**
 * A dom0 with a hostile guest, which sends with the addresses of another one all the time, and that other guest, which
 * is on.
 */
async function arena(t: TestContext, backend: BackendName): Promise<Arena> {
  const ends = ({ bench }: Fleet): string[] => [bench.gateway, bench.bridge, guestEnd(HOSTILE), guestEnd(VICTIM)];
  const road = await openRoad(t, backend, [HOSTILE, VICTIM], VICTIM, ends);
  return { ...road, killer: toolKiller(road.fleet.folder) };
}

/** Spoofed streams, and counters for them everywhere; `end` fails if one frame has arrived anywhere. */
async function attack({ fleet, wire }: Arena): Promise<{ end(): Promise<void> }> {
  const frames = [
    datagram({ mac: HOSTILE.mac, ipv4: VICTIM.ipv4 }, 1, EVERYBODY),
    datagram({ mac: VICTIM.mac, ipv4: VICTIM.ipv4 }, 2, EVERYBODY),
  ];
  const places = [fleet.bench.gateway, fleet.bench.bridge, guestEnd(VICTIM)];
  const counters = await Promise.all(frames.flatMap((frame) => places.map((place) => wire.count(place, frame))));
  const streams: Stream[] = [];
  for (const frame of frames) streams.push(await wire.stream(guestEnd(HOSTILE), frame, 2_000));
  return {
    async end() {
      const sent = await Promise.all(streams.map((stream) => stream.stop()));
      for (const counter of counters) assert.deepEqual(await counter.stop(), { received: 0, dropped: 0 });
      // ENOBUFS counts as an error while the vif is down: what is left has really been on the wire.
      assert.ok(sent.every((one) => one.sent + one.errors > 0));
      assert.ok(
        sent.some((one) => one.sent > 0),
        'not one spoofed frame was sent',
      );
    },
  };
}

/** Both guests, the gateway and dom0 can talk to each other. */
async function legitimateTrafficFlows({ fleet, wire }: Arena): Promise<void> {
  await waitForForwarding(fleet.bench.ns, HOSTILE.device);
  await wire.collect();
  const places = [fleet.bench.gateway, fleet.bench.bridge, guestEnd(HOSTILE), guestEnd(VICTIM)];
  for (const vif of [HOSTILE, VICTIM]) {
    const frame = datagram(vif, 3, EVERYBODY);
    await wire.send(guestEnd(vif), frame);
    const seen = (await wire.collect()).filter((one) => one.hex === frame.toString('hex')).map((one) => one.iface);
    assert.deepEqual(seen.sort(), places.filter((place) => place !== guestEnd(vif)).sort(), vif.device);
    const gateway = { mac: '02:00:00:00:00:fe', ipv4: '10.0.0.254' };
    const answer = datagram(gateway, 4, vif);
    await wire.send(fleet.bench.gateway, answer);
    const got = (await wire.collect()).filter((one) => one.hex === answer.toString('hex')).map((one) => one.iface);
    // To its owner, and to no other guest; dom0 hears all while the test listens there.
    assert.deepEqual(
      got.filter((one) => one !== fleet.bench.bridge),
      [guestEnd(vif)],
    );
  }
}

/** All of them; with the other backend, which differs in few of the programs, one for each step. */
function moments(backend: BackendName, step: number): readonly Moment[] {
  return backend === 'nftables' ? MOMENTS : MOMENTS.filter((_, index) => index === step % MOMENTS.length);
}

type Operation = 'online' | 'offline' | 'reapply' | 'first online';

/** Brings everything into the situation in which an operation is to be killed. */
async function prepare({ fleet }: Arena, operation: Operation): Promise<void> {
  if (operation === 'online') return run(fleet, 'offline');
  if (operation === 'offline' || operation === 'reapply') return run(fleet, 'online');
  // As after a boot: no port, no rule in the kernel, nothing known, the victim not started yet.
  const ports = [HOSTILE, VICTIM].map(({ device }) => `link set dev ${device} down nomaster\n`).join('');
  await fleet.bench.ns.check(['ip', '-batch', '-'], { input: ports });
  await fleet.bench.ns.check(['nft', 'flush', 'ruleset']);
  rmSync(fleet.stateDirectory, { recursive: true, force: true });
}

/** The next run of Xen, which must repair what a killed one left. */
async function run(fleet: Fleet, command: 'online' | 'offline'): Promise<void> {
  clean(await fleet.run(command, HOSTILE));
  if (command === 'offline') fleet.store.write(`${HOSTILE.backend}/hotplug-status`, '');
}

/** The operation on the hostile guest's vif. */
function started(fleet: Fleet, operation: Operation): Start {
  const argv = [...PROGRAM, ...argsOf(operation)];
  // More than a run may take on a machine that is busy with other things: RUN_MS, CLOSE_MS and REPORT_MS together.
  return (env) => fleet.bench.ns.run(argv, { env: { ...fleet.env(HOSTILE), ...env }, timeoutMs: 60_000 });
}

function argsOf(operation: Operation): string[] {
  if (operation === 'reapply') return ['reapply', HOSTILE.device];
  return [operation === 'offline' ? 'offline' : 'online', 'type_if=vif'];
}

/** The tests, in a file for each backend: together they would take too long for one. */
export function testKills(backend: BackendName): void {
  for (const operation of ['online', 'offline', 'reapply', 'first online'] as const) {
    const title = `${backend}: ${operation} killed before, in and after each program it starts lets no spoofed frame pass, and the next run repairs it`;
    test(title, { skip }, async (t) => {
      const place = await arena(t, backend);
      const { fleet, killer } = place;
      await prepare(place, operation);
      const whole = await killer.run(started(fleet, operation));
      assert.equal(whole.result.status, 0, whole.result.stderr);
      assert.ok(whole.tools.length >= 4, `only ${whole.tools.join(' ')}`);
      for (const [step, program] of whole.tools.entries()) {
        const spoofing = await attack(place);
        for (const [index, moment] of moments(backend, step).entries()) {
          const when = `killed: ${moment}, ${program}`;
          await prepare(place, operation);
          fleet.complaints();
          const { result, tools } = await killer.run(started(fleet, operation), { program, moment });
          const seen = { signal: result.signal, timedOut: result.timedOut, struck: tools.includes(program) };
          const more = `${when}; it had started ${tools.join(' ')} and said ${result.stderr}`;
          assert.deepEqual(seen, { signal: 'SIGKILL', timedOut: false, struck: true }, more);
          // Xen may end such a vif, or try again.
          const next: Situation = (step + index) % 2 === 0 ? 'on' : 'off';
          await run(fleet, next === 'on' ? 'online' : 'offline');
          if (moment === 'late') await killer.latecomer();
          if (operation === 'first online') clean(await fleet.run('online', VICTIM));
          await fleet.check(situations(next), when);
          assert.deepEqual(fleet.complaints(), [], when);
          if (next === 'off') await run(fleet, 'online');
          // Such as "a newer run has been here already", with which a run ends well too.
          assert.deepEqual(fleet.complaints(), [], `after ${when}`);
          await legitimateTrafficFlows(place).catch((error: unknown) => assert.fail(`after ${when}: ${String(error)}`));
        }
        await spoofing.end();
      }
      console.log(`${operation}: killed at ${whole.tools.length} programs (${whole.tools.join(' ')})`);
    });
  }

  test(`${backend}: runs killed at any time let no spoofed frame pass, and the next run repairs it`, {
    skip,
  }, async (t) => {
    const place = await arena(t, backend);
    const { fleet } = place;
    let killed = 0;
    const spoofing = await attack(place);
    for (let round = 1; round <= rounds(60, backend); round += 1) {
      const args = argsOf((['online', 'offline', 'reapply'] as const)[round % 3] ?? 'online');
      if (await killedAfter(fleet, args, Math.random() * 160)) killed += 1;
      if (round % 4 !== 0) continue;
      const next: Situation = Math.random() < 0.5 ? 'on' : 'off';
      await run(fleet, next === 'on' ? 'online' : 'offline');
      await fleet.check(situations(next), `round ${round}`);
    }
    await spoofing.end();
    await run(fleet, 'online');
    await legitimateTrafficFlows(place);
    assert.ok(killed > 0, 'no run was killed');
    console.log(`killed at random times: ${killed}`);
  });
}

function situations(hostile: Situation): Map<string, Situation> {
  return new Map([
    [HOSTILE.device, hostile],
    [VICTIM.device, 'on'],
  ]);
}

/** True if the run had not ended by itself. */
async function killedAfter(fleet: Fleet, args: readonly string[], ms: number): Promise<boolean> {
  // The kernel's process stays the same through ip, the launcher and Node: the signal ends the program itself.
  const argv = ['netns', 'exec', fleet.bench.ns.name, LAUNCHER, ...args];
  const child = spawn('ip', argv, { env: fleet.env(HOSTILE), stdio: 'ignore' });
  const ended = once(child, 'exit');
  await sleep(ms);
  child.kill('SIGKILL');
  return (await ended)[1] === 'SIGKILL';
}

function guestEnd(vif: GuestVif): string {
  return vif.device.replace('vif', 'guest');
}
