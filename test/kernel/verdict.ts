import assert from 'node:assert/strict';
import test from 'node:test';
import { fdb } from '../lab/bench.ts';
import type { Wire } from '../lab/wire.ts';
import { type Dom0, type Dom0Options, type Guest, openDom0, type Port } from './dom0.ts';
import { differences, explainAll, saidReasons } from './explained.ts';
import { A, G, H, V } from './frames.ts';

export type Who = 'A' | 'V' | 'G' | 'H';

/** A frame and what must become of it. */
export interface TestFrame {
  readonly name: string;
  readonly sender: Who;
  /** `from-guest`: A sends it. `to-guest`: it is on its way to A, and only whether A receives it counts. */
  readonly direction: 'from-guest' | 'to-guest';
  readonly expect: 'pass' | 'drop';
  /** The reason the kernel counts it under. Undefined: dropped where nothing counts. */
  readonly reason?: string | undefined;
  readonly hex: string;
  /** Forget where this MAC is before the frame is sent, so that it is flooded. */
  readonly forget?: string;
}

/** What became of it. */
export interface Verdict {
  /** Who received it, byte by byte as it was sent. */
  readonly arrived: readonly Who[];
  /** Addresses the bridge afterwards believed to be somewhere else than before. */
  readonly moved: readonly string[];
  /** How many frames were counted for its reason while no other frame of that reason was sent. */
  readonly counted: number;
  /** The same for every reason that it may be counted under. */
  readonly counts: ReadonlyMap<string, number>;
}

/** The two guests of the corpus. */
export const GUEST_A: Guest = { domid: 1, mac: A.mac, ip: `${A.ip} ${A.ip6}` };
export const GUEST_V: Guest = { domid: 2, mac: V.mac, ip: `${V.ip} ${V.ip6}` };

/** A host where both run. */
export async function openGuests(
  t: test.TestContext,
  a: Guest = GUEST_A,
  v: Guest = GUEST_V,
  options: Dom0Options = {},
): Promise<Dom0> {
  const dom0 = await openDom0(t, options);
  await dom0.start(a);
  await dom0.start(v);
  return dom0;
}

const INTERFACE: Readonly<Record<Who, string>> = { A: 'guest1.0', V: 'guest2.0', G: 'gw0', H: 'br0' };
const MAC: Readonly<Record<Who, string>> = { A: A.mac, V: V.mac, G: G.mac, H: H.mac };

/**
 * Sends every frame, and sees who got it. The gateway speaks first, so that the bridge has learned where it is.
 *
 * Frames are sent in rounds that hold each reason once: then the counters say for every single frame whether it was
 * counted, with one reading a round.
 *
 * What `explain` says of each of them beforehand must be what then happens.
 */
export async function judge(dom0: Dom0, frames: readonly TestFrame[]): Promise<Map<TestFrame, Verdict>> {
  const explained = await explainAll(dom0, frames);
  const wire = await dom0.openWire(Object.values(INTERFACE));
  await wire.send(INTERFACE.G, `${'ff'.repeat(6)}${G.mac.replaceAll(':', '')}88b5`);
  await wire.collect();
  const verdicts = new Map<TestFrame, Verdict>();
  let before = await dom0.drops();
  const reasonsOf = (one: TestFrame): string[] => [
    ...new Set([
      ...(one.expect === 'drop' && one.reason !== undefined ? [one.reason] : []),
      ...saidReasons(explained.get(one)),
    ]),
  ];
  for (const round of rounds(frames, reasonsOf)) {
    const seen: [TestFrame, Pick<Verdict, 'arrived' | 'moved'>][] = [];
    for (const one of round) seen.push([one, await sendOne(dom0, wire, one)]);
    const after = await dom0.drops();
    for (const [one, verdict] of seen) {
      const count = (reason: string | undefined): number => countOf(after, one, reason) - countOf(before, one, reason);
      const counts = new Map(reasonsOf(one).map((reason) => [reason, count(reason)]));
      verdicts.set(one, { ...verdict, counted: count(one.reason), counts });
    }
    before = after;
  }
  await wire.exit();
  await assertTold(dom0);
  assert.deepEqual(differences(explained, verdicts), [], 'explain says what the kernel does');
  return verdicts;
}

/** What `status` tells is what was counted before it, and what this host's own kernel may have said meanwhile. */
async function assertTold(dom0: Dom0): Promise<void> {
  const before = await dom0.drops();
  const told = (await dom0.status()).filter(({ state }) => state === 'managed');
  const after = await dom0.drops();
  const most = countsOf(after);
  const least = countsOf(before);
  const said = countsOf(told);
  const names = new Set(told.map(({ device }) => device));
  for (const key of new Set([...most.keys(), ...said.keys()])) {
    if (!names.has(key.split(' ')[0] ?? '')) continue;
    const [seen, from, to] = [said, least, most].map((counts) => counts.get(key) ?? 0) as [number, number, number];
    assert.ok(seen >= from && seen <= to, `${key}: status says ${seen}, counted were ${from} to ${to}`);
  }
}

/** By port, direction and reason. */
function countsOf(ports: readonly Pick<Port, 'device' | 'drops'>[]): Map<string, number> {
  return new Map(
    ports.flatMap(({ device, drops }) =>
      drops.map(({ direction, reason, packets }) => [`${device} ${direction} ${reason}`, packets] as const),
    ),
  );
}

/** Judges all frames in a test of its own each. The first test of all is that the host could be built. */
export function testFrames(
  title: string,
  frames: readonly TestFrame[],
  build: (t: test.TestContext) => Promise<Dom0>,
): void {
  test(title, async (t) => {
    const verdicts = await judge(await build(t), frames);
    for (const one of frames) {
      await t.test(
        `${one.name} ${one.expect === 'pass' ? 'arrives' : `is dropped${one.reason ? `: ${one.reason}` : ''}`}`,
        () => assertVerdict(one, verdicts.get(one)),
      );
    }
  });
}

/** A passed frame reached everybody it was for; a dropped one nobody, and moved nothing in the bridge. */
export function assertVerdict(one: TestFrame, verdict: Verdict | undefined): void {
  assert.ok(verdict);
  if (one.expect === 'pass') {
    for (const who of receivers(one)) assert.ok(verdict.arrived.includes(who), `${who} did not receive it`);
  } else {
    const unwanted = one.direction === 'to-guest' ? verdict.arrived.filter((who) => who === 'A') : verdict.arrived;
    assert.deepEqual(unwanted, [], 'nobody receives it');
    // Dom0's own kernel may say something of the same kind meanwhile.
    const enough = one.direction === 'to-guest' ? verdict.counted >= 1 : verdict.counted === 1;
    if (one.reason !== undefined) assert.ok(enough, `counted ${verdict.counted} times as ${one.reason}`);
  }
  assert.deepEqual(verdict.moved, [], 'no address moves in the bridge');
}

/** Who has to get a frame that passes: its one station, or for a group those that filter nothing. */
function receivers(one: TestFrame): Who[] {
  if (one.direction === 'to-guest') return ['A'];
  const dst = one.hex.slice(0, 12);
  const group = (Number.parseInt(dst.slice(0, 2), 16) & 1) === 1;
  if (group) return ['G', 'H'];
  return (Object.keys(MAC) as Who[]).filter((who) => MAC[who].replaceAll(':', '') === dst);
}

async function sendOne(dom0: Dom0, wire: Wire, one: TestFrame): Promise<Pick<Verdict, 'arrived' | 'moved'>> {
  const { ns, bench } = dom0;
  const source = one.hex.slice(12, 24);
  const isOf = ({ mac }: { readonly mac: string }): boolean => source === mac.replaceAll(':', '');
  // Others may bring any MAC into the bridge, but none of a guest.
  const foreign = one.sender === 'A' ? !isOf(A) : source !== MAC[one.sender].replaceAll(':', '') && [A, V].some(isOf);
  if (one.forget !== undefined) await ns.check(['bridge', 'fdb', 'del', one.forget, 'dev', 'vif2.0', 'master']);
  const before = foreign ? await places(dom0) : new Map<string, string>();
  await wire.collect(0);
  await wire.send(INTERFACE[one.sender], one.hex);
  const seen = await wire.collect();
  const after = foreign ? await places(dom0) : before;
  if (one.forget !== undefined) {
    await ns.check(['bridge', 'fdb', 'replace', one.forget, 'dev', 'vif2.0', 'master', 'static', 'sticky']);
  }
  const ends = Object.entries(INTERFACE) as [Who, string][];
  return {
    arrived: ends
      .filter(([, name]) => seen.some(({ iface, hex }) => iface === name && hex === one.hex))
      .map(([who]) => who),
    moved: [...new Set([...before.keys(), ...after.keys()])]
      .filter((mac) => before.get(mac) !== after.get(mac))
      .map((mac) => `${mac}: ${before.get(mac) ?? 'unknown'} -> ${after.get(mac) ?? 'unknown'} on ${bench.bridge}`),
  };
}

/** Every address the bridge knows, and all ports it is entered for. */
async function places({ ns, bench }: Dom0): Promise<Map<string, string>> {
  const found = new Map<string, string[]>();
  for (const { mac, dev, state } of await fdb(ns, bench.bridge)) {
    found.set(mac, [...(found.get(mac) ?? []), `${dev} ${state ?? 'learned'}`].sort());
  }
  return new Map([...found].map(([mac, devices]) => [mac, devices.join(', ')]));
}

/** @param reasonsOf what a frame may be counted under: no two frames of a round share one */
function rounds(frames: readonly TestFrame[], reasonsOf: (one: TestFrame) => readonly string[]): TestFrame[][] {
  const all: { frames: TestFrame[]; reasons: Set<string> }[] = [];
  const counted = frames.filter((one) => reasonsOf(one).length > 0);
  for (const one of counted) {
    let round = all.find(({ reasons }) => !reasonsOf(one).some((reason) => reasons.has(reason)));
    if (round === undefined) {
      round = { frames: [], reasons: new Set() };
      all.push(round);
    }
    round.frames.push(one);
    for (const reason of reasonsOf(one)) round.reasons.add(reason);
  }
  // The others may be counted under any reason, so they are kept apart.
  return [frames.filter((one) => reasonsOf(one).length === 0), ...all.map((round) => round.frames)];
}

/** Drops for a reason: at A's port, and for what V sends to A also at V's own. */
function countOf(ports: readonly Pick<Port, 'device' | 'drops'>[], one: TestFrame, reason: string | undefined): number {
  const at = (device: string, direction: string): number =>
    ports
      .filter((port) => port.device === device)
      .flatMap((port) => port.drops)
      .filter((drop) => drop.reason === reason && drop.direction === direction)
      .reduce((sum, drop) => sum + drop.packets, 0);
  return at('vif1.0', one.direction) + (one.sender === 'V' ? at('vif2.0', 'from-guest') : 0);
}
