/** How much a guest may send of what others have to look at, on the kernel's own bridge. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { LIMIT_KINDS } from '../../src/filter/frame-limits.ts';
import { CHATTER } from './chatter.ts';
import { CORPUS } from './corpus.ts';
import { type Dom0, obstacle, openDom0 } from './dom0.ts';
import {
  assertCut,
  assertUntouched,
  FLOODS,
  flood,
  LIMIT_POLICY,
  limitLine,
  MLD_REPORT,
  mostSince,
  NEIGHBOUR,
  overLimit,
} from './limits.ts';
import { GUEST_A, GUEST_V, openGuests, testFrames } from './verdict.ts';

const skip = obstacle();
const ENDS = ['guest1.0', 'guest2.0', 'gw0'];
const OFF = LIMIT_KINDS.map((kind) => `limit_${kind} = off\n`).join('');

/** The elements of all sets of limits. */
async function elements(dom0: Dom0): Promise<string[]> {
  const { nftables } = JSON.parse(await dom0.ns.check(['nft', '-j', 'list', 'table', 'bridge', 'xen-vif'])) as {
    nftables: { set?: { name: string; elem?: unknown[] } }[];
  };
  return nftables.flatMap(({ set }) =>
    set?.name.startsWith('limit-') ? (set.elem ?? []).map((one) => `${set.name} ${JSON.stringify(one)}`) : [],
  );
}

async function policy(dom0: Dom0, text: string): Promise<void> {
  writeFileSync(join(dom0.folder, 'vif-bridge.ini'), text);
  const { status, stderr } = await dom0.admin(['reapply', '--all']);
  assert.equal(status, 0, stderr);
}

/** The softest limits there can be drop nothing more than the filter does without any; frames are sent one by one. */
if (!skip)
  testFrames('a guest with limits', CORPUS, (t) =>
    openGuests(t, GUEST_A, GUEST_V, { policy: `[defaults]\n${OFF.replaceAll('off', '10000/s burst 10000')}` }),
  );

test('limits', { skip, concurrency: 2 }, async (t) => {
  await t.test('a flood of each kind is cut off and counted, nothing else is', async (t) => {
    const dom0 = await openGuests(t);
    const wire = await dom0.openWire(ENDS);
    for (const kind of LIMIT_KINDS) {
      await t.test(kind, async () => {
        // What goes to a group is counted as that too, so one at a time.
        await policy(dom0, `[guest guest1]\n${limitLine(kind)}`);
        await assertCut(dom0, wire, kind);
        await assertUntouched(wire);
      });
    }
    await t.test('MLD counts as IGMP', async () => {
      await policy(dom0, `[guest guest1]\n${limitLine('igmp')}`);
      const began = Date.now();
      const first = await flood(wire, 'guest1.0', FLOODS.igmp);
      const before = await overLimit(dom0, 'igmp');
      const passed = await flood(wire, 'guest1.0', MLD_REPORT);
      assert.ok(first + passed <= mostSince(began), `${first} and ${passed} passed`);
      assert.equal((await overLimit(dom0, 'igmp')) - before, 15 - passed);
    });
    await t.test('of the guest beside it nothing was counted', async () => {
      const drops = (await dom0.status()).find(({ name }) => name === 'vif2.0')?.drops ?? [];
      assert.deepEqual(
        drops.filter(({ reason, direction }) => reason.startsWith('limit-') && direction === 'from-guest'),
        [],
      );
    });
  });

  await t.test(
    'a re-apply gives no new burst; another policy is taken in; nothing is left of who leaves',
    async (t) => {
      const dom0 = await openGuests(t, GUEST_A, GUEST_V, { policy: `[guest guest1]\nlimit_arp = 1/s burst 5\n` });
      const wire = await dom0.openWire(ENDS);
      const arp = (): Promise<number> => flood(wire, 'guest1.0', FLOODS.arp);
      const began = Date.now();
      const first = await arp();
      assert.equal((await dom0.admin(['reapply', 'vif1.0'])).status, 0);
      assert.ok(first + (await arp()) <= mostSince(began), 'the burst is used up');
      await policy(dom0, '[guest guest1]\nlimit_arp = 1/s burst 10\n');
      const then = Date.now();
      const more = await arp();
      assert.ok(more >= 10 && more <= mostSince(then, 10), `${more} of 10`);
      await policy(dom0, '[guest guest1]\nlimit_arp = off\n');
      assert.equal(await arp(), 15);
      assert.ok((await elements(dom0)).some((one) => one.startsWith('limit-dhcp')));
      await policy(dom0, `[guest guest1]\n${OFF}`);
      assert.equal((await elements(dom0)).length, 5, 'of the guest beside it alone');
      await policy(dom0, `[guest guest1]\n${LIMIT_POLICY}`);
      assert.equal((await elements(dom0)).length, 11);
      await dom0.ns.check(['nft', 'flush', 'ruleset']);
      assert.equal((await dom0.admin(['repair'])).status, 0);
      assert.equal((await elements(dom0)).length, 11);
      const later = Date.now();
      assert.ok((await arp()) <= mostSince(later));
      assert.deepEqual(
        (await dom0.status()).map(({ state }) => state),
        ['managed', 'managed'],
      );
      assert.equal((await dom0.hotplug('offline', { domid: 1 })).status, 0);
      assert.equal((await elements(dom0)).length, 5);
    },
  );

  await t.test('a limit that somebody took away is missed, and put back', async (t) => {
    const dom0 = await openGuests(t);
    const [arp = ''] = (await elements(dom0)).filter((one) => one.startsWith('limit-arp'));
    const group = /"val": ?(\d+)/.exec(arp)?.[1] ?? '';
    await dom0.ns.check(['nft', 'delete', 'element', 'bridge', 'xen-vif', 'limit-arp', `{ ${group} }`]);
    assert.equal((await dom0.status()).filter(({ state }) => state === 'damaged').length, 1);
    assert.equal((await dom0.admin(['reapply', '--all'])).status, 0);
    assert.equal((await elements(dom0)).filter((one) => one.startsWith('limit-arp')).length, 2);
  });

  await t.test('the defaults touch nobody: all services at once, at boot, and a scan of a /22', async (t) => {
    const dom0 = await openGuests(t);
    const wire = await dom0.openWire(ENDS);
    await wire.collect(0);
    // Twenty guests' worth of services in one, which all start in the same second, and say all twice.
    for (let times = 0; times < 2; times += 1) for (const { hex } of CHATTER) await wire.send('guest1.0', hex);
    await wire.collect();
    assert.equal(await flood(wire, 'guest1.0', FLOODS.arp, 900), 900, 'an ARP scan');
    assert.equal(await flood(wire, 'guest1.0', FLOODS.nd, 900), 900, 'the same for IPv6');
    assert.equal(await flood(wire, 'guest1.0', FLOODS.multicast, 3000), 3000, 'video');
    for (const kind of LIMIT_KINDS) assert.equal(await overLimit(dom0, kind), 0, kind);
  });

  await t.test('no set grows by what one guest sends', async (t) => {
    const dom0 = await openDom0(t, { policy: `[defaults]\n${LIMIT_POLICY}` });
    await dom0.start(GUEST_A);
    await dom0.start(GUEST_V);
    const wire = await dom0.openWire(ENDS);
    // Whatever it sends: forged MACs, addresses, ports, groups.
    for (let seed = 1; seed <= 400; seed += 1) {
      const two = seed.toString(16).padStart(4, '0');
      const forged = `${FLOODS.broadcast.slice(0, 20)}${two}${FLOODS.broadcast.slice(24)}`;
      const source = `${FLOODS.broadcast.slice(0, 52)}0a01${two}${FLOODS.broadcast.slice(60)}`;
      const sender = `${FLOODS.arp.slice(0, 56)}0a01${two}${FLOODS.arp.slice(64)}`;
      for (const hex of [forged, source, sender, NEIGHBOUR]) await wire.send('guest1.0', hex);
    }
    const rules = await dom0.ns.check(['nft', 'list', 'table', 'bridge', 'xen-vif']);
    const dynamic = [...rules.matchAll(/^\tset (\S+) \{\n((?:\t\t.*\n)*)/gm)].filter(([, , set = '']) =>
      /^\t\tflags .*dynamic/m.test(set),
    );
    assert.deepEqual(dynamic.map(([, name]) => name).sort(), ['drops', 'drops-unmanaged', 'learned']);
    // One for each reason, direction and port at most: what the guest sends is no part of any key.
    for (const [, name, set = ''] of dynamic) {
      const elements = set.match(/counter packets/g)?.length ?? 0;
      assert.ok(elements <= 20, `${elements} in ${name}`);
      if (name === 'drops') assert.ok(elements >= 3, set);
    }
  });
});
