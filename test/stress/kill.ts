import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import test from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { waitForForwarding } from '../lab/bench.ts';
import type { Stream } from '../lab/wire.ts';
import { clean, type Fleet, type Situation, type TestContext } from './fleet.ts';
import { guestVif } from './guest-vif.ts';
import { type Lane, type Lanes, lanesOf } from './lanes.ts';
import { openRoad, type Road } from './road.ts';
import { type Form, LAUNCHER, obstacle, PROGRAM, rounds } from './rounds.ts';
import { MOMENTS, type Moment, type Start, type ToolKiller, toolKiller } from './tool-killer.ts';

const skip = obstacle();
const HOSTILE = guestVif(1);
const VICTIM = guestVif(2);

interface Arena extends Road {
  readonly killer: ToolKiller;
  readonly form: Form;
  readonly lanes: Lanes;
}

/**
 * A dom0 with a hostile guest, which sends with the addresses of another one all the time, and that other guest, which
 * is on.
 */
async function arena(t: TestContext, form: Form): Promise<Arena> {
  const lanes = lanesOf(form);
  const ends = ({ bench }: Fleet): string[] => lanes.places(bench, HOSTILE, VICTIM);
  const road = await openRoad(t, form, [HOSTILE, VICTIM], VICTIM, ends);
  return { ...road, killer: toolKiller(road.fleet.folder), form, lanes };
}

/** Spoofed streams, and counters for them everywhere; `end` fails if one frame has arrived anywhere. */
async function attack({ fleet, wire, lanes }: Arena): Promise<{ end(): Promise<void> }> {
  const forged = lanes.forged(fleet.bench, HOSTILE, VICTIM);
  const counters = await Promise.all(
    forged.flatMap(({ to }) => to.map(({ place, frame }) => wire.count(place, frame))),
  );
  const streams: Stream[] = [];
  for (const { from, frame } of forged) streams.push(await wire.stream(from, frame, 2_000));
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
async function legitimateTrafficFlows({ fleet, wire, lanes, form }: Arena): Promise<void> {
  const { bench } = fleet;
  if (form !== 'route') await waitForForwarding(bench.ns, HOSTILE.device);
  await wire.collect();
  const places = lanes.places(bench, HOSTILE, VICTIM);
  for (const [vif, other] of [
    [HOSTILE, VICTIM],
    [VICTIM, HOSTILE],
  ] as const) {
    for (const { from, frame, to } of lanes.own(bench, vif, other)) {
      await wire.send(from, frame);
      const seen = await wire.collect();
      // Of what comes from outside dom0 hears all while the test listens there.
      const listening = places.filter((place) => place !== bench.bridge || from !== bench.gateway);
      assert.deepEqual(
        seen
          .filter(({ iface, hex }) => listening.includes(iface) && hex === expected(to, iface))
          .map(({ iface }) => iface)
          .sort(),
        to.map(({ place }) => place).sort(),
        `${vif.device}, sent at ${from}`,
      );
    }
  }
}

/** What a place is to hear; nothing that is a frame where it is to hear none. */
function expected(to: Lane['to'], place: string): string {
  return to.find((one) => one.place === place)?.frame ?? to[0]?.frame ?? '';
}

/** Which moments of each program: every one, or the next one with each program. */
export type Which = 'every' | 'one';

function moments(which: Which, step: number): readonly Moment[] {
  return which === 'every' ? MOMENTS : MOMENTS.filter((_, index) => index === step % MOMENTS.length);
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
  await fleet.bench.ns.check(['sh', '-e'], {
    input: 'ip neigh show proxy | while read -r to _ device _; do ip neigh del proxy $to dev $device; done',
  });
  rmSync(fleet.stateDirectory, { recursive: true, force: true });
}

/** The next run of Xen, which must repair what a killed one left. */
async function run(fleet: Fleet, command: 'online' | 'offline'): Promise<void> {
  clean(await fleet.run(command, HOSTILE));
  if (command === 'offline') fleet.store.write(`${HOSTILE.backend}/hotplug-status`, '');
}

/** The operation on the hostile guest's vif. */
function started({ fleet, form }: Arena, operation: Operation): Start {
  const argv = [...PROGRAM, ...argsOf(operation, form)];
  // More than a run may take on a machine that is busy with other things: RUN_MS, CLOSE_MS and REPORT_MS together.
  return (env) => fleet.bench.ns.run(argv, { env: { ...fleet.env(HOSTILE), ...env }, timeoutMs: 60_000 });
}

function argsOf(operation: Operation, form: Form): string[] {
  if (operation === 'reapply') return ['reapply', HOSTILE.device];
  // As xen-scripts/vif-route says it.
  const mode = form === 'route' ? ['mode=route'] : [];
  return [...mode, operation === 'offline' ? 'offline' : 'online', 'type_if=vif'];
}

/** The tests, in a file for each form: together they would take too long for one. */
export function testKills(form: Form, which: Which): void {
  testKillsAtPrograms(form, which);
  testKillsAtAnyTime(form);
}

export function testKillsAtPrograms(form: Form, which: Which): void {
  for (const operation of ['online', 'offline', 'reapply', 'first online'] as const) {
    const title = `${form}: ${operation} killed ${which === 'every' ? 'before, in and after' : 'before, in or after'} each program it starts lets no spoofed frame pass, and the next run repairs it`;
    test(title, { skip }, async (t) => {
      const place = await arena(t, form);
      const { fleet, killer } = place;
      await prepare(place, operation);
      const whole = await killer.run(started(place, operation));
      assert.equal(whole.result.status, 0, whole.result.stderr);
      assert.ok(whole.tools.length >= 4, `only ${whole.tools.join(' ')}`);
      for (const [step, program] of whole.tools.entries()) {
        const spoofing = await attack(place);
        for (const [index, moment] of moments(which, step).entries()) {
          const when = `killed: ${moment}, ${program}`;
          await prepare(place, operation);
          fleet.complaints();
          const { result, tools } = await killer.run(started(place, operation), { program, moment });
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
}

export function testKillsAtAnyTime(form: Form): void {
  test(`${form}: runs killed at any time let no spoofed frame pass, and the next run repairs it`, {
    skip,
  }, async (t) => {
    const place = await arena(t, form);
    const { fleet } = place;
    let killed = 0;
    const spoofing = await attack(place);
    for (let round = 1; round <= rounds(60, form); round += 1) {
      const args = argsOf((['online', 'offline', 'reapply'] as const)[round % 3] ?? 'online', form);
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
