/**
 * The whole corpus at the device of a routed vif: what a bridged guest may send and hear passes there too, and nothing
 * else. A chain behind ours counts what it lets through; the frames go in one after the other.
 */
import assert from 'node:assert/strict';
import test from 'node:test';
import type { Wire, WireError } from '../lab/wire.ts';
import { CORPUS } from './corpus.ts';
import { type Dom0, obstacle } from './dom0.ts';
import { A } from './frames.ts';
import { openRoutedSite } from './routed-site.ts';
import type { TestFrame } from './verdict.ts';

const skip = obstacle();
const COUNTERS = `table netdev behind {
  chain in { type filter hook ingress device "vif1.0" priority 0; counter; }
  chain out { type filter hook egress device "vif1.0" priority 0; counter; }
}
`;

/** So many frames ours let through, in either direction. */
async function passed(dom0: Dom0, chain: 'in' | 'out'): Promise<number> {
  const listed = await dom0.ns.check(['nft', 'list', 'chain', 'netdev', 'behind', chain]);
  return Number(/packets (\d+)/.exec(listed)?.[1] ?? Number.NaN);
}

/** Those of these frames that did not do what they should. */
async function wrong(dom0: Dom0, wire: Wire, frames: readonly TestFrame[]): Promise<string[]> {
  const [first] = frames;
  if (first === undefined) return [];
  const [chain, iface] =
    first.direction === 'from-guest' ? (['in', 'guest1.0'] as const) : (['out', 'vif1.0'] as const);
  const before = await passed(dom0, chain);
  for (const { hex } of frames) {
    // Who sends into a chain that drops at egress is told so.
    await wire.send(iface, hex).catch((error: WireError) => assert.equal(error.code, 'ENOBUFS'));
  }
  await wire.collect(20);
  const count = (await passed(dom0, chain)) - before;
  if (count === (first.expect === 'pass' ? frames.length : 0)) return [];
  if (frames.length === 1) return [`${first.direction} ${first.expect} ${first.name}`];
  const half = Math.ceil(frames.length / 2);
  return [...(await wrong(dom0, wire, frames.slice(0, half))), ...(await wrong(dom0, wire, frames.slice(half)))];
}

test('the corpus at a routed port: no leak, no loss', { skip }, async (t) => {
  const site = await openRoutedSite(t, { policy: '[defaults]\nlimit_arp = off\nlimit_nd = off\nlimit_dhcp = off\n' });
  const { dom0 } = site;
  await site.start({ domid: 1, mac: A.mac, ip: `${A.ip}/24 ${A.ip6}` });
  await dom0.ns.check(['nft', '-f', '-'], { input: COUNTERS });
  const wire = await dom0.openWire(['guest1.0', 'vif1.0']);
  const ours = CORPUS.filter(({ sender, direction }) => direction === 'to-guest' || sender === 'A');
  // A routed guest has no subnet of its host: its own netmask tells the broadcast.
  // Without a reason it is the bridge that drops it, or nobody has its MAC there.
  const judged = ours.filter(({ expect, reason }) => expect === 'pass' || reason !== undefined);
  for (const direction of ['from-guest', 'to-guest'] as const) {
    for (const expect of ['pass', 'drop'] as const) {
      const some = judged.filter((one) => one.direction === direction && one.expect === expect);
      assert.ok(some.length > 10, `${some.length} frames ${direction} ${expect}`);
      assert.deepEqual(await wrong(dom0, wire, some), []);
    }
  }
});
