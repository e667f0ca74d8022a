/**
 * One virtual NIC, two ports: netback's and the emulated one. The guest moves from one to the other, and nobody tells
 * the script. So do stub domains, and both ends of a migration to the same host.
 */
import assert from 'node:assert/strict';
import test from 'node:test';
import { fdb } from '../lab/bench.ts';
import type { Wire } from '../lab/wire.ts';
import { type Dom0, type HotplugOptions, LAUNCHER, obstacle, openDom0 } from './dom0.ts';
import { A, ALL, arp, frame, G, H, ip4, llc, TYPE, udp, V, X } from './frames.ts';
import { GUEST_A, GUEST_V } from './verdict.ts';

const skip = obstacle();
const FIRST = 'guest1.0';
const SECOND = 'guest1.0-emu';

const announces = (from = A): string =>
  frame(ALL, from.mac, TYPE.arp, arp({ sha: from.mac, spa: from.ip, tpa: from.ip }));
const toA = frame(A.mac, G.mac, TYPE.ip, ip4({ src: G.ip, dst: A.ip }, udp(9, 9)));
const fromA = frame(G.mac, A.mac, TYPE.ip, ip4({}, udp(9, 9)));

async function pair(t: test.TestContext, kernel: HotplugOptions = {}): Promise<{ dom0: Dom0; wire: Wire }> {
  const dom0 = await openDom0(t);
  await dom0.start({ ...GUEST_A, type: 'vif_ioemu' }, kernel);
  await dom0.start(GUEST_V);
  const wire = await dom0.openWire([FIRST, SECOND, 'guest2.0', 'gw0']);
  await wire.send('gw0', announces(G));
  await wire.collect();
  return { dom0, wire };
}

/** Who receives what is sent. */
async function arrives(wire: Wire, from: string, hex: string): Promise<string[]> {
  await wire.collect(0);
  await wire.send(from, hex);
  return (await wire.collect())
    .filter((seen) => seen.hex === hex)
    .map(({ iface }) => iface)
    .sort();
}

/** The guest says something through one of its ports, and is then reached there and nowhere else. */
async function usesAndIsReached(wire: Wire, port: string): Promise<void> {
  assert.deepEqual(await arrives(wire, port, fromA), ['gw0'], `sent through ${port}`);
  assert.deepEqual(await arrives(wire, 'gw0', toA), [port], `the answer to ${port}`);
}

/** Where the bridge has an address, apart from permanent entries. */
async function whereIs(dom0: Dom0, mac: string): Promise<string[]> {
  return (await fdb(dom0.ns, 'br0'))
    .filter((one) => one.mac === mac)
    .map(({ dev }) => dev)
    .sort();
}

/** uname(2) says 2.6 (personality(2), UNAME26): the chain at the device itself needs 6.16. */
const OLD_KERNEL: HotplugOptions = { program: ['setarch', '--uname-2.6', LAUNCHER] };

const GROUPS = ['00', '01', '02', '03', '05', '0a', '0d', '0e', '0f'].map((last) => `01:80:c2:00:00:${last}`);

/** Everything that could make the bridge believe that somebody else's address is at this port. */
const thefts = (mac: string): string[] => [
  frame(ALL, mac, TYPE.arp, arp({ sha: mac, spa: A.ip, tpa: G.ip })),
  frame(G.mac, mac, TYPE.ip, ip4({}, udp(9, 9))),
  frame(ALL, mac, 0x88b5, '00'.repeat(46)),
  frame(ALL, mac, [TYPE.vlan, 0, TYPE.arp], arp({})),
  frame(ALL, mac, [TYPE.qinq, 5, TYPE.arp], arp({})),
  llc('01:80:c2:00:00:00', mac, `424203${'00'.repeat(35)}`),
  ...GROUPS.flatMap((group) => [0x8809, 0x888e, 0x88cc].map((type) => frame(group, mac, type, '00'.repeat(46)))),
];

test('an HVM guest', { skip, concurrency: 2 }, async (t) => {
  await t.test('is reached at the port it talked through last, and only there', async (t) => {
    const { wire } = await pair(t);
    for (const port of [SECOND, FIRST, SECOND, FIRST, FIRST, SECOND]) await usesAndIsReached(wire, port);
  });

  await t.test('is reached through either port before it has said anything', async (t) => {
    const { wire } = await pair(t);
    assert.deepEqual(await arrives(wire, 'gw0', toA), [FIRST, SECOND]);
  });

  await t.test('does not hear its own broadcast at its other port', async (t) => {
    const { wire } = await pair(t);
    assert.deepEqual(await arrives(wire, FIRST, announces()), ['guest2.0', 'gw0']);
    assert.deepEqual(await arrives(wire, SECOND, announces()), ['guest2.0', 'gw0']);
  });

  await t.test('steals no address of anybody through either port', async (t) => {
    const { dom0, wire } = await pair(t);
    await usesAndIsReached(wire, FIRST);
    for (const port of [FIRST, SECOND]) {
      for (const [who, mac] of [
        ['the victim', V.mac],
        ['the gateway', G.mac],
        ['dom0', H.mac],
        ['nobody', X.mac],
      ] as const) {
        const before = await whereIs(dom0, mac);
        for (const hex of thefts(mac))
          assert.deepEqual(await arrives(wire, port, hex), [], `${who} through ${port}: ${hex}`);
        assert.deepEqual(await whereIs(dom0, mac), before, `${who} through ${port}`);
      }
    }
    await usesAndIsReached(wire, FIRST);
  });

  await t.test('steals none on a kernel that cannot load a chain for a device that is not there', async (t) => {
    const { dom0, wire } = await pair(t, OLD_KERNEL);
    assert.doesNotMatch(await dom0.ruleset(), /hook ingress/);
    await usesAndIsReached(wire, FIRST);
    for (const port of [FIRST, SECOND]) {
      for (const { mac } of [V, G, X]) {
        const before = await whereIs(dom0, mac);
        for (const hex of thefts(mac))
          assert.deepEqual(await arrives(wire, port, hex), [], `${mac} through ${port}: ${hex}`);
        assert.deepEqual(await whereIs(dom0, mac), before, `${mac} through ${port}`);
      }
    }
    await usesAndIsReached(wire, FIRST);
    const counted = (await dom0.status()).flatMap(({ drops }) => drops.filter(({ reason }) => reason === 'link-local'));
    assert.equal(counted.length, 2);
  });

  await t.test('has the chain on such a kernel where STP is on', async (t) => {
    const dom0 = await openDom0(t);
    await dom0.ns.check(['ip', 'link', 'set', 'br0', 'type', 'bridge', 'stp_state', '1', 'forward_delay', '200']);
    await dom0.start({ ...GUEST_A, type: 'vif_ioemu' }, OLD_KERNEL);
    assert.equal((await dom0.ruleset()).match(/hook ingress/g)?.length, 2);
  });

  await t.test('loses no frame to another guest that forges its address', async (t) => {
    const { dom0, wire } = await pair(t);
    for (const port of [FIRST, SECOND]) {
      await usesAndIsReached(wire, port);
      const before = await whereIs(dom0, A.mac);
      for (const hex of thefts(A.mac)) assert.deepEqual(await arrives(wire, 'guest2.0', hex), []);
      assert.deepEqual(await whereIs(dom0, A.mac), before);
      assert.deepEqual(await arrives(wire, 'gw0', toA), [port]);
    }
  });

  await t.test('is filtered at both ports alike', async (t) => {
    const { dom0, wire } = await pair(t);
    const poison = frame(V.mac, A.mac, TYPE.arp, arp({ op: 2, spa: G.ip, tha: V.mac }));
    for (const port of [FIRST, SECOND]) {
      assert.deepEqual(await arrives(wire, port, poison), []);
      assert.deepEqual(await arrives(wire, port, frame(G.mac, A.mac, TYPE.ip, ip4({ src: V.ip }, udp(9, 9)))), []);
    }
    const counted = (await dom0.status()).map(({ name, drops }) => [
      name,
      drops.find(({ reason }) => reason === 'arp-spa')?.packets,
    ]);
    assert.deepEqual(counted, [
      ['vif1.0', 1],
      ['vif1.0-emu', 1],
      ['vif2.0', undefined],
    ]);
  });

  await t.test('counts link-local frames as well', async (t) => {
    const { dom0, wire } = await pair(t);
    await wire.send(FIRST, frame('01:80:c2:00:00:0e', A.mac, 0x88cc, '00'.repeat(46)));
    const port = (await dom0.status()).find(({ name }) => name === 'vif1.0');
    assert.deepEqual(
      port?.drops.map(({ reason, packets }) => [reason, packets]),
      [['link-local', 1]],
    );
  });

  await t.test('keeps one port when the other is removed', async (t) => {
    const { dom0, wire } = await pair(t);
    assert.equal((await dom0.hotplug('remove', { domid: 1 })).status, 0);
    await usesAndIsReached(wire, FIRST);
    for (const hex of thefts(V.mac)) assert.deepEqual(await arrives(wire, FIRST, hex), []);
    assert.deepEqual(await arrives(wire, SECOND, fromA), []);
  });

  await t.test('works with its ports set up at the same moment, and in the other order', async (t) => {
    for (const order of [['online', 'add'] as const, ['add', 'online'] as const]) {
      const dom0 = await openDom0(t);
      dom0.configure({ ...GUEST_A, type: 'vif_ioemu' });
      for (const device of ['vif1.0', 'vif1.0-emu']) await dom0.bench.addVif(device);
      const ends = await Promise.all(order.map((command) => dom0.hotplug(command, { domid: 1 })));
      assert.deepEqual(
        ends.map(({ status }) => status),
        [0, 0],
      );
      const wire = await dom0.openWire([FIRST, SECOND, 'gw0']);
      for (const port of [SECOND, FIRST, SECOND]) await usesAndIsReached(wire, port);
    }
  });

  await t.test('survives re-apply and a flush of all rules at either port', async (t) => {
    const { dom0, wire } = await pair(t);
    for (const repair of [
      ['reapply', '--all'],
      ['reapply', 'vif1.0-emu'],
      ['reapply', 'vif1.0'],
    ]) {
      await dom0.ns.check(['nft', 'flush', 'ruleset']);
      assert.equal((await dom0.admin(repair)).status, 0);
      for (const port of [SECOND, FIRST]) {
        await usesAndIsReached(wire, port);
        for (const hex of thefts(V.mac)) assert.deepEqual(await arrives(wire, port, hex), []);
      }
      assert.deepEqual(await whereIs(dom0, V.mac), ['vif2.0']);
    }
  });

  await t.test('with vifname= works alike', async (t) => {
    const dom0 = await openDom0(t);
    await dom0.start({ ...GUEST_A, type: 'vif_ioemu', vifname: 'web' });
    const wire = await dom0.openWire([FIRST, SECOND, 'gw0']);
    await wire.send('gw0', announces(G));
    for (const port of [SECOND, FIRST, SECOND]) {
      await usesAndIsReached(wire, port);
      for (const hex of thefts(X.mac)) assert.deepEqual(await arrives(wire, port, hex), []);
    }
    assert.deepEqual(await whereIs(dom0, X.mac), []);
  });
});

test('two domains with one MAC', { skip, concurrency: 2 }, async (t) => {
  await t.test('a stub domain, then its guest: each is reached after it talks', async (t) => {
    const dom0 = await openDom0(t);
    await dom0.start({ ...GUEST_A, domid: 5, vifname: 'web-emu' });
    await dom0.start({ ...GUEST_A, domid: 4, vifname: 'web' });
    const wire = await dom0.openWire(['guest5.0', 'guest4.0', 'gw0']);
    await wire.send('gw0', announces(G));
    for (const port of ['guest5.0', 'guest4.0', 'guest5.0']) await usesAndIsReached(wire, port);
    for (const port of ['guest5.0', 'guest4.0'])
      for (const hex of thefts(X.mac)) assert.deepEqual(await arrives(wire, port, hex), []);
    assert.deepEqual(await whereIs(dom0, X.mac), []);
  });

  await t.test('migration to the same host: the first is pinned, the second takes over, the first goes', async (t) => {
    const dom0 = await openDom0(t);
    await dom0.start({ ...GUEST_A, domid: 1 });
    const wire = await dom0.openWire(['guest1.0', 'gw0']);
    await wire.send('gw0', announces(G));
    await usesAndIsReached(wire, 'guest1.0');
    await dom0.start({ ...GUEST_A, domid: 2 });
    await wire.open('guest2.0');
    await usesAndIsReached(wire, 'guest1.0');
    await usesAndIsReached(wire, 'guest2.0');
    await dom0.bench.removeVif('vif1.0');
    assert.equal((await dom0.hotplug('offline', { domid: 1 })).status, 0);
    await usesAndIsReached(wire, 'guest2.0');
    for (const hex of thefts(X.mac)) assert.deepEqual(await arrives(wire, 'guest2.0', hex), []);
    assert.deepEqual(await whereIs(dom0, X.mac), []);
  });

  await t.test('set up at the same moment', async (t) => {
    const dom0 = await openDom0(t);
    const domids = [1, 2, 3];
    for (const domid of domids) {
      dom0.configure({ ...GUEST_A, domid });
      await dom0.bench.addVif(`vif${domid}.0`);
    }
    const ends = await Promise.all(domids.map((domid) => dom0.hotplug('online', { domid })));
    assert.deepEqual(
      ends.map(({ status }) => status),
      [0, 0, 0],
    );
    const wire = await dom0.openWire([...domids.map((domid) => `guest${domid}.0`), 'gw0']);
    await wire.send('gw0', announces(G));
    for (const domid of [...domids, ...domids]) await usesAndIsReached(wire, `guest${domid}.0`);
  });
});
