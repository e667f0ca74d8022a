/**
 * Who was not started by this program is not touched: guests of Debian's own script beside ours, before the first of
 * ours, after the last one; and what `unmanaged = closed` makes of them.
 */
import assert from 'node:assert/strict';
import test, { type TestContext } from 'node:test';
import { waitForForwarding } from '../lab/bench.ts';
import { type StockScripts, stockScripts } from '../lab/stock.ts';
import { vifBackend } from '../lab/vif-backend.ts';
import type { Wire } from '../lab/wire.ts';
import { type Dom0, type Guest, obstacle, openDom0 } from './dom0.ts';
import { A, ALL, arp, frame, G, ip4, station, TYPE, udp } from './frames.ts';

type Backend = 'nftables' | 'ebtables';

const skip = obstacle();
const C = station('00:16:3e:00:03:00', '10.0.0.13', 'fd00::13');
const ONE: Guest = { domid: 1, mac: A.mac, ip: A.ip };
const TWO: Guest = { domid: 2, ip: '10.0.0.12' };
const THREE: Guest = { domid: 3, mac: C.mac, ip: C.ip };

const asks = (who: typeof A): string => frame(ALL, who.mac, TYPE.arp, arp({ sha: who.mac, spa: who.ip, tpa: G.ip }));
const answer = (who: typeof A): string => frame(who.mac, G.mac, TYPE.ip, ip4({ src: G.ip, dst: who.ip }, udp(9, 9)));
/** A frame that no guest of ours may send: another's address. */
const forged = frame(ALL, A.mac, TYPE.arp, arp({ op: 2, sha: A.mac, spa: G.ip, tha: C.mac }));
const STP = frame('01:80:c2:00:00:00', C.mac, 0x0026, '00'.repeat(46));

async function arrives(wire: Wire, from: string, hex: string, at: string): Promise<boolean> {
  await wire.collect(0);
  await wire.send(from, hex);
  return (await wire.collect()).some((seen) => seen.iface === at && seen.hex === hex);
}

/** What passes the port of guest 3: what it sends, and what it is sent. */
async function passes(wire: Wire): Promise<string[]> {
  return [
    ...((await arrives(wire, 'guest3.0', asks(C), 'gw0')) ? ['asks'] : []),
    ...((await arrives(wire, 'gw0', answer(C), 'guest3.0')) ? ['hears'] : []),
  ];
}

async function isGuarded(wire: Wire): Promise<void> {
  assert.ok(await arrives(wire, 'guest1.0', asks(A), 'gw0'), 'its own frame passes');
  assert.ok(!(await arrives(wire, 'guest1.0', forged, 'gw0')), 'a forged one does not');
}

async function states(dom0: Dom0): Promise<string[]> {
  return (await dom0.status()).map(({ name, state }) => `${name} ${state}`);
}

async function said(dom0: Dom0, name: string): Promise<string> {
  return (await dom0.status()).find((port) => port.name === name)?.open.join('\n') ?? '';
}

/** A port on the bridge, up, as somebody else than this program would leave it. */
async function plug(dom0: Dom0, name: string): Promise<void> {
  await dom0.bench.addVif(name);
  await dom0.ns.check(['ip', 'link', 'set', name, 'master', 'br0', 'up']);
  await waitForForwarding(dom0.ns, name);
}

/** All that is in the packet filters, without the empty tables that ebtables-nft makes for itself. */
async function rules(dom0: Dom0): Promise<string> {
  return (await dom0.ruleset())
    .split('\n')
    .filter((line) => line.includes('xen-vif'))
    .join('\n');
}

interface Host {
  readonly dom0: Dom0;
  readonly stock: StockScripts;
  /** Starts guest 3, or ends it, by Debian's own script. */
  readonly byStock: (command: 'online' | 'offline') => Promise<void>;
}

async function openHost(t: TestContext, backend: Backend, unmanaged?: 'open' | 'closed'): Promise<Host> {
  const policy = [
    '[defaults]',
    `backend = ${backend}`,
    ...(unmanaged === undefined ? [] : [`unmanaged = ${unmanaged}`]),
  ];
  const dom0 = await openDom0(t, { policy: policy.join('\n') });
  const stock = await stockScripts();
  t.after(() => stock.remove());
  return {
    dom0,
    stock,
    async byStock(command) {
      if (command === 'online') {
        dom0.store.load(vifBackend({ ...THREE, bridge: 'br0', script: stock.vifBridge }));
        await dom0.bench.addVif('vif3.0');
      }
      const result = await dom0.hotplug(command, THREE, {
        program: [stock.vifBridge],
        env: { script: stock.vifBridge },
      });
      assert.equal(result.status, 0, stock.hotplugLog());
      if (command === 'online') await waitForForwarding(dom0.ns, 'vif3.0');
    },
  };
}

/** All stories, with one backend. */
export function testStrangers(backend: Backend): void {
  test(`a trial with one guest (${backend})`, { skip, concurrency: 2 }, async (t) => {
    await t.test('guest 3, by stock and later, passes frames, and status says so loudly', async (t) => {
      const { dom0, byStock } = await openHost(t, backend);
      await dom0.start(ONE);
      await byStock('online');
      const wire = await dom0.openWire(['guest1.0', 'guest3.0', 'gw0']);
      assert.deepEqual(await passes(wire), ['asks', 'hears']);
      await isGuarded(wire);
      assert.deepEqual(await states(dom0), ['vif1.0 managed', 'vif3.0 unmanaged']);
      assert.match(await said(dom0, 'vif3.0'), /^unfiltered: .*vif-bridge reapply vif3\.0/);
      const text = (await dom0.admin(['status'])).stdout;
      assert.match(text, /vif3\.0 +unmanaged .*\n +NOT FILTERED\n +unfiltered/);
      // Neither its end nor a repair touches it.
      await byStock('offline');
      await isGuarded(wire);
    });

    await t.test('guest 3 is taken over when it is asked for, and only then', async (t) => {
      const { dom0, byStock } = await openHost(t, backend);
      await byStock('online');
      await dom0.start(ONE);
      const wire = await dom0.openWire(['guest1.0', 'guest3.0', 'gw0']);
      assert.deepEqual(await passes(wire), ['asks', 'hears']);
      assert.equal((await dom0.admin(['reapply', 'vif1.0'])).status, 0);
      assert.deepEqual(await states(dom0), ['vif1.0 managed', 'vif3.0 unmanaged']);
      assert.equal((await dom0.admin(['reapply', 'vif3.0'])).status, 0);
      assert.deepEqual(await states(dom0), ['vif1.0 managed', 'vif3.0 managed']);
      assert.deepEqual(await passes(wire), ['asks', 'hears']);
      assert.ok(!(await arrives(wire, 'guest3.0', asks(A), 'gw0')));
    });

    await t.test('what others filter for guest 3 holds', async (t) => {
      const { dom0, byStock } = await openHost(t, backend);
      await dom0.start(ONE);
      await byStock('online');
      await dom0.ns.check(['ebtables', '-t', 'nat', '-A', 'PREROUTING', '-i', 'vif3.0', '-j', 'DROP']);
      const wire = await dom0.openWire(['guest1.0', 'guest3.0', 'gw0']);
      assert.deepEqual(await passes(wire), ['hears']);
    });
  });

  test(`the uninstall (${backend})`, { skip, concurrency: 2 }, async (t) => {
    for (const unmanaged of ['open', 'closed'] as const) {
      await t.test(`the last vif takes all rules with it (unmanaged = ${unmanaged})`, async (t) => {
        const { dom0, byStock } = await openHost(t, backend, unmanaged);
        await dom0.start({ ...ONE, type: backend === 'nftables' ? 'vif_ioemu' : 'vif' });
        await dom0.start(TWO);
        assert.match(await rules(dom0), /xen-vif/);
        if (backend === 'nftables') assert.equal((await dom0.hotplug('remove', ONE)).status, 0);
        assert.equal((await dom0.hotplug('offline', ONE)).status, 0);
        assert.match(await rules(dom0), /xen-vif/, 'one is left');
        const dry = await dom0.admin(['offline', '--dry-run', 'vif=vif2.0']);
        assert.match(dry.stdout, /^# note: it is the last one of ours/m);
        assert.equal((await dom0.hotplug('offline', TWO)).status, 0);
        assert.equal(await rules(dom0), '');
        await byStock('online');
        const wire = await dom0.openWire(['guest3.0', 'gw0']);
        assert.deepEqual(await passes(wire), ['asks', 'hears']);
        assert.ok((await states(dom0)).includes('vif3.0 unmanaged'));
      });
    }

    await t.test('a guest of ours that starts again is filtered again', async (t) => {
      const { dom0 } = await openHost(t, backend);
      await dom0.start(ONE);
      assert.equal((await dom0.hotplug('offline', ONE)).status, 0);
      assert.equal((await dom0.hotplug('online', ONE)).status, 0);
      await waitForForwarding(dom0.ns, 'vif1.0');
      await isGuarded(await dom0.openWire(['guest1.0', 'gw0']));
    });

    await t.test('vifs that went without an offline do not keep the rules', async (t) => {
      const { dom0 } = await openHost(t, backend);
      for (const guest of [ONE, TWO]) await dom0.start(guest);
      await dom0.bench.removeVif('vif1.0');
      assert.equal((await dom0.hotplug('offline', TWO)).status, 0);
      assert.equal(await rules(dom0), '');
    });

    await t.test('reapply --all where nobody is any more takes away what a killed offline left', async (t) => {
      const { dom0 } = await openHost(t, backend);
      await dom0.start(ONE);
      await dom0.bench.removeVif('vif1.0');
      assert.match(await rules(dom0), /xen-vif/);
      assert.equal((await dom0.admin(['reapply', '--all'])).status, 0);
      assert.equal(await rules(dom0), '');
    });
  });

  test(`the last offline beside a first online (${backend})`, { skip }, async (t) => {
    const { dom0 } = await openHost(t, backend);
    await dom0.start(ONE);
    await dom0.start(TWO);
    await dom0.hotplug('offline', TWO);
    const wire = await dom0.openWire(['guest1.0', 'guest2.0', 'gw0']);
    const [going, coming] = [
      [ONE, TWO],
      [TWO, ONE],
    ] as const;
    for (let round = 0; round < 12; round += 1) {
      const [leaves, comes] = round % 2 === 0 ? going : coming;
      const runs = [dom0.hotplug('offline', leaves), dom0.hotplug('online', comes)];
      const [off, on] = await Promise.all(round % 3 === 0 ? runs.reverse() : runs);
      assert.deepEqual([off?.status, on?.status], [0, 0]);
      const device = `vif${comes.domid}.0`;
      await waitForForwarding(dom0.ns, device);
      assert.ok((await states(dom0)).includes(`${device} managed`));
      const bad = frame(ALL, comes.mac ?? '00:16:3e:00:02:00', TYPE.arp, arp({ op: 2, spa: G.ip }));
      assert.ok(!(await arrives(wire, `guest${comes.domid}.0`, bad, 'gw0')), `round ${round}`);
    }
  });

  test(`unmanaged = closed (${backend})`, { skip, concurrency: 2 }, async (t) => {
    await t.test('closes a port that nobody is known to have started', async (t) => {
      const { dom0 } = await openHost(t, backend, 'closed');
      await dom0.start(ONE);
      await plug(dom0, 'vif3.0');
      const wire = await dom0.openWire(['guest1.0', 'guest3.0', 'gw0', 'br0']);
      assert.deepEqual(await passes(wire), []);
      assert.ok(!(await arrives(wire, 'guest3.0', STP, 'br0')));
      assert.deepEqual(await states(dom0), ['vif1.0 managed', 'vif3.0 unmanaged']);
      assert.match(await said(dom0, 'vif3.0'), /^closed: .*vif-bridge reapply vif3\.0/);
      await isGuarded(wire);
    });

    await t.test('closes a port of ours whose online has not come', async (t) => {
      const { dom0 } = await openHost(t, backend, 'closed');
      dom0.configure(THREE);
      await plug(dom0, 'vif3.0');
      await dom0.start(ONE);
      const wire = await dom0.openWire(['guest3.0', 'gw0']);
      assert.deepEqual(await passes(wire), []);
    });

    await t.test('leaves alone whom Xen started with another script, also after a repair', async (t) => {
      const { dom0, byStock } = await openHost(t, backend, 'closed');
      await byStock('online');
      await dom0.start(ONE);
      const wire = await dom0.openWire(['guest1.0', 'guest3.0', 'gw0']);
      for (const repair of [undefined, ['reapply', 'vif1.0']]) {
        if (repair !== undefined) {
          await dom0.ns.check(['nft', 'flush', 'ruleset']);
          await dom0.admin(repair);
        }
        assert.deepEqual(await states(dom0), ['vif1.0 managed', 'vif3.0 exempt']);
        assert.match(await said(dom0, 'vif3.0'), /^unfiltered: .*another script/);
        assert.deepEqual(await passes(wire), ['asks', 'hears']);
        await isGuarded(wire);
      }
      // What is taken over is not exempt any more, also after a repair.
      assert.equal((await dom0.admin(['reapply', 'vif3.0'])).status, 0);
      for (const repair of [undefined, ['reapply', '--all']]) {
        if (repair !== undefined) {
          await dom0.ns.check(['nft', 'flush', 'ruleset']);
          await dom0.admin(repair);
        }
        assert.deepEqual(await states(dom0), ['vif1.0 managed', 'vif3.0 managed']);
        assert.ok(!(await arrives(wire, 'guest3.0', asks(A), 'gw0')));
        assert.ok(!(await arrives(wire, 'guest3.0', STP, 'gw0')));
      }
    });

    await t.test('does not pass an exemption on to a later port of that name', async (t) => {
      const { dom0, byStock } = await openHost(t, backend, 'closed');
      await byStock('online');
      await dom0.start(ONE);
      await dom0.bench.removeVif('vif3.0');
      dom0.configure(THREE);
      await plug(dom0, 'vif3.0');
      if (backend === 'ebtables') await dom0.start(TWO);
      const wire = await dom0.openWire(['guest3.0', 'gw0']);
      assert.deepEqual(await passes(wire), []);
    });
  });

  test(`a port of ours (${backend})`, { skip, concurrency: 2 }, async (t) => {
    await t.test('whose configuration failed stays closed, also if somebody sets it up', async (t) => {
      const { dom0 } = await openHost(t, backend);
      await dom0.start(ONE);
      dom0.configure({ ...THREE, ip: '10.0.0.300' });
      await plug(dom0, 'vif3.0');
      assert.equal((await dom0.hotplug('online', THREE)).status, 1);
      assert.equal((await dom0.link('vif3.0'))?.flags.includes('UP'), false);
      const wire = await dom0.openWire(['guest3.0', 'gw0']);
      assert.deepEqual(await passes(wire), []);
      if (backend === 'ebtables') return;
      await dom0.ns.check(['ip', 'link', 'set', 'vif3.0', 'up']);
      await waitForForwarding(dom0.ns, 'vif3.0');
      assert.deepEqual(await passes(wire), []);
    });

    await t.test('is closed again when it has been offline', async (t) => {
      const { dom0 } = await openHost(t, backend, backend === 'ebtables' ? 'closed' : 'open');
      await dom0.start(TWO);
      await dom0.start(THREE);
      await dom0.hotplug('offline', THREE);
      await dom0.ns.check(['ip', 'link', 'set', 'vif3.0', 'master', 'br0', 'up']);
      await waitForForwarding(dom0.ns, 'vif3.0');
      const wire = await dom0.openWire(['guest3.0', 'gw0']);
      assert.deepEqual(await passes(wire), []);
    });
  });

  test(`ports that are no vifs are left alone (${backend})`, { skip }, async (t) => {
    const { dom0 } = await openHost(t, backend, 'closed');
    await dom0.start(ONE);
    await dom0.ns.check(['ip', 'link', 'add', 'tap0', 'type', 'veth', 'peer', 'name', 'other0']);
    await dom0.ns.check(['ip', 'link', 'set', 'tap0', 'master', 'br0', 'up']);
    await dom0.ns.check(['ip', 'link', 'set', 'other0', 'up']);
    await waitForForwarding(dom0.ns, 'tap0');
    assert.ok(await arrives(await dom0.openWire(['other0', 'gw0']), 'other0', asks(C), 'gw0'));
  });
}
