/** The part of the rules that all vifs share: flushes, other people's tables, STP. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { guestGroup } from '../../src/port/guest-group.ts';
import { waitForForwarding } from '../lab/bench.ts';
import type { Wire } from '../lab/wire.ts';
import { type Dom0, obstacle, openDom0 } from './dom0.ts';
import { A, ALL, arp, frame, G, llc, station, TYPE, V } from './frames.ts';
import { GUEST_A, GUEST_V } from './verdict.ts';

const skip = obstacle();
const C = station('00:16:3e:00:03:00', '10.0.0.13', 'fd00::13');

const own = frame(ALL, A.mac, TYPE.arp, arp({ tpa: G.ip }));
const forged = frame(V.mac, A.mac, TYPE.arp, arp({ op: 2, spa: G.ip, tha: V.mac }));

async function arrives(wire: Wire, from: string, hex: string): Promise<string[]> {
  await wire.collect(0);
  await wire.send(from, hex);
  return (await wire.collect())
    .filter((seen) => seen.hex === hex)
    .map(({ iface }) => iface)
    .sort();
}

async function states(dom0: Dom0): Promise<string[]> {
  return (await dom0.status()).map(({ name, state }) => `${name} ${state}`);
}

async function isGuarded(wire: Wire): Promise<void> {
  assert.ok((await arrives(wire, 'guest1.0', own)).includes('gw0'), 'its own frame passes');
  assert.deepEqual(await arrives(wire, 'guest1.0', forged), [], 'a forged one does not');
}

test('nft flush ruleset', { skip, concurrency: 2 }, async (t) => {
  const REPAIRS: readonly (readonly [string, (dom0: Dom0) => Promise<unknown>])[] = [
    ['reapply --all', (dom0) => dom0.admin(['reapply', '--all'])],
    ['reapply of another vif', (dom0) => dom0.admin(['reapply', 'vif2.0'])],
    ['the online of another vif', (dom0) => dom0.start({ domid: 3, ip: C.ip })],
    ['its own online', (dom0) => dom0.hotplug('online', { domid: 1 }).then(() => waitForForwarding(dom0.ns, 'vif1.0'))],
    ['the offline of another vif', (dom0) => dom0.hotplug('offline', { domid: 2 })],
  ];
  for (const [name, repair] of REPAIRS) {
    await t.test(`is repaired by ${name}`, async (t) => {
      const dom0 = await openDom0(t);
      await dom0.start(GUEST_A);
      await dom0.start(GUEST_V);
      const wire = await dom0.openWire(['guest1.0', 'guest2.0', 'gw0']);
      await isGuarded(wire);
      await dom0.ns.check(['nft', 'flush', 'ruleset']);
      assert.deepEqual(await states(dom0), ['vif1.0 damaged', 'vif2.0 damaged']);
      assert.deepEqual(await arrives(wire, 'guest1.0', forged), ['guest2.0'], 'the rules are really gone');
      await repair(dom0);
      await isGuarded(wire);
      assert.ok((await states(dom0)).includes('vif1.0 managed'));
    });
  }

  await t.test('an offline after it leaves nothing of its vif', async (t) => {
    const dom0 = await openDom0(t);
    await dom0.start(GUEST_A);
    await dom0.ns.check(['nft', 'flush', 'ruleset']);
    assert.equal((await dom0.hotplug('offline', { domid: 1 })).status, 0);
    assert.doesNotMatch(await dom0.ruleset(), /vif1\.0/);
  });

  await t.test('a lost table alone is noticed as well', async (t) => {
    const dom0 = await openDom0(t);
    await dom0.start({ ...GUEST_A, type: 'vif_ioemu' });
    const wire = await dom0.openWire(['guest1.0', 'gw0']);
    for (const table of ['bridge', 'netdev']) {
      await dom0.ns.check(['nft', 'delete', 'table', table, 'xen-vif']);
      assert.equal((await dom0.admin(['reapply', '--all'])).status, 0);
      assert.match(await dom0.ruleset(), new RegExp(`table ${table} xen-vif`));
      await isGuarded(wire);
    }
  });
});

test('other tables', { skip }, async (t) => {
  const FOREIGN = `
    table inet filter {
      chain forward {
        type filter hook forward priority 0; policy accept;
      }
    }
    table bridge filter {
      set vif {
        type ether_addr
        elements = { 02:00:00:00:00:01 }
      }
      chain forward {
        type filter hook forward priority 0; policy accept;
        meta mark 1 counter accept
      }
    }
    table netdev mine {
      chain one {
        type filter hook ingress device "up0" priority 0; policy accept;
      }
    }
    table bridge xen-vif-other {
      chain c {
      }
    }
  `;
  await t.test('are never touched', async (t) => {
    const dom0 = await openDom0(t);
    await dom0.ns.check(['nft', '-f', '-'], { input: FOREIGN });
    const foreign = async (): Promise<string> =>
      (await dom0.ruleset()).replace(/table (bridge|netdev) xen-vif \{\n([\s\S]*?\n)??\}\n/g, '');
    const before = await dom0.ruleset();
    await dom0.start({ ...GUEST_A, type: 'vif_ioemu' });
    await dom0.start(GUEST_V);
    await dom0.admin(['reapply', '--all']);
    assert.equal(await foreign(), before);
    for (const command of ['offline', 'remove'] as const) await dom0.hotplug(command, { domid: 1 });
    assert.equal(await foreign(), before);
  });

  await t.test('that accept everything do not open a vif', async (t) => {
    const dom0 = await openDom0(t);
    await dom0.start(GUEST_A);
    const accept = ['prerouting', 'input', 'forward', 'postrouting', 'output']
      .map((hook) => `chain ${hook} { type filter hook ${hook} priority -300; policy accept; accept; }`)
      .join('\n');
    await dom0.ns.check(['nft', '-f', '-'], { input: `table bridge admin {\n${accept}\n}\n` });
    const wire = await dom0.openWire(['guest1.0', 'gw0']);
    await isGuarded(wire);
  });
});

test('spanning tree', { skip, concurrency: 2 }, async (t) => {
  // Root identifier 0000 and A's MAC: better than any bridge with the default priority.
  const bpdu = llc(
    '01:80:c2:00:00:00',
    A.mac,
    '424203 0000 00 00 00 000000163e000001 00000000 000000163e000001 8001 0000 1400 0200 0f00',
  );
  const root = async (dom0: Dom0): Promise<string> =>
    (await dom0.ns.check(['cat', '/sys/class/net/br0/bridge/root_id'])).trim();

  for (const type of ['vif', 'vif_ioemu'] as const) {
    await t.test(`a BPDU of a guest does not move the root (${type})`, async (t) => {
      const dom0 = await openDom0(t);
      await dom0.ns.check(['ip', 'link', 'set', 'br0', 'type', 'bridge', 'stp_state', '1']);
      dom0.configure({ ...GUEST_A, type });
      // A port waits for seconds before it forwards; BPDUs it takes at once.
      for (const [command, device] of [
        ['online', 'vif1.0'],
        ['add', 'vif1.0-emu'],
      ] as const) {
        if (type === 'vif' && command === 'add') continue;
        await dom0.bench.addVif(device);
        assert.equal((await dom0.hotplug(command, { domid: 1 })).status, 0);
      }
      const before = await root(dom0);
      const ends = type === 'vif' ? ['guest1.0'] : ['guest1.0', 'guest1.0-emu'];
      const wire = await dom0.openWire([...ends, 'gw0']);
      for (const end of ends) for (let n = 0; n < 3; n++) await wire.send(end, bpdu);
      assert.equal(await root(dom0), before);
      // The bench does see such a frame at work.
      await wire.send('gw0', bpdu);
      await sleep(20);
      assert.notEqual(await root(dom0), before);
    });
  }

  await t.test('nor does it when STP is switched on later', async (t) => {
    const dom0 = await openDom0(t);
    await dom0.start(GUEST_A);
    await dom0.ns.check(['ip', 'link', 'set', 'br0', 'type', 'bridge', 'stp_state', '1']);
    await waitForForwarding(dom0.ns, 'vif1.0');
    const before = await root(dom0);
    const wire = await dom0.openWire(['guest1.0']);
    await wire.send('guest1.0', bpdu);
    assert.equal(await root(dom0), before);
  });

  await t.test('a guest does not hear the BPDUs of the bridge', async (t) => {
    const dom0 = await openDom0(t);
    await dom0.start(GUEST_A);
    await dom0.ns.check(['ip', 'link', 'set', 'br0', 'type', 'bridge', 'stp_state', '1', 'hello_time', '100']);
    const wire = await dom0.openWire(['guest1.0', 'gw0']);
    await sleep(2_500);
    const heard = (await wire.collect()).filter(({ hex }) => hex.startsWith('0180c2000000')).map(({ iface }) => iface);
    assert.deepEqual([...new Set(heard)], ['gw0']);
  });
});

test('reapply', { skip, concurrency: 2 }, async (t) => {
  await t.test('takes changed keys into use, without taking the link down', async (t) => {
    const dom0 = await openDom0(t);
    await dom0.start({ ...GUEST_A, ip: V.ip });
    const wire = await dom0.openWire(['guest1.0', 'gw0']);
    assert.deepEqual(await arrives(wire, 'guest1.0', own), []);
    dom0.store.write('backend/vif/1/0/ip', A.ip);
    assert.equal((await dom0.admin(['reapply', 'vif1.0'])).status, 0);
    await isGuarded(wire);
    dom0.store.write('backend/vif/1/0/ip', V.ip);
    assert.equal((await dom0.admin(['reapply', '--all'])).status, 0);
    assert.deepEqual(await arrives(wire, 'guest1.0', own), []);
  });

  await t.test('with a bad key changes nothing and says so', async (t) => {
    const dom0 = await openDom0(t);
    await dom0.start(GUEST_A);
    dom0.store.write('backend/vif/1/0/ip', '10.0.0.300');
    const result = await dom0.admin(['reapply', 'vif1.0']);
    assert.equal(result.status, 1);
    assert.match(result.stderr, /10\.0\.0\.300/);
    const wire = await dom0.openWire(['guest1.0', 'gw0']);
    await isGuarded(wire);
    assert.equal(dom0.key(1, 'hotplug-status'), 'connected');
  });

  await t.test('uses the saved state when xenstore has gone, and xenstore again when it is back', async (t) => {
    const dom0 = await openDom0(t);
    await dom0.start({ ...GUEST_A, type: 'vif_ioemu' });
    const env = { XENSTORED_PATH: '/nowhere' };
    for (const args of [
      ['reapply', 'vif1.0'],
      ['reapply', '--all'],
    ]) {
      await dom0.ns.check(['nft', 'flush', 'ruleset']);
      const result = await dom0.admin(args, { env });
      assert.equal(result.status, 0, result.stderr);
      const wire = await dom0.openWire(['guest1.0', 'guest1.0-emu', 'gw0']);
      await isGuarded(wire);
      await wire.exit();
    }
    dom0.store.write('backend/vif/1/0/ip', C.ip);
    assert.equal((await dom0.admin(['reapply', '--all'])).status, 0);
    assert.deepEqual(
      (await dom0.status()).map(({ addresses }) => addresses),
      [[C.ip], [C.ip]],
    );
  });

  await t.test(
    'makes the rules anew when the kernel holds a block that overlaps the one there should be',
    async (t) => {
      const dom0 = await openDom0(t);
      await dom0.start({ ...GUEST_A, ip: '10.0.0.8/29' });
      const ifindex = Number(await dom0.ns.check(['cat', '/sys/class/net/vif1.0/ifindex']));
      // As a run leaves it that was killed between two loads; a set of intervals takes no second block that overlaps.
      const block = (last: string): string => `own-ip-block { ${guestGroup(ifindex)} . 0x0a000008-0x0a0000${last} }`;
      const input = `delete element bridge xen-vif ${block('0f')}\nadd element bridge xen-vif ${block('0b')}\n`;
      await dom0.ns.check(['nft', '-f', '-'], { input });
      const result = await dom0.admin(['reapply', 'vif1.0']);
      assert.equal(result.status, 0, result.stderr);
      const set = await dom0.ns.check(['nft', 'list', 'set', 'bridge', 'xen-vif', 'own-ip-block']);
      assert.match(set, /0xa000008-0xa00000f/);
      assert.doesNotMatch(set, /0xa00000b/);
      await isGuarded(await dom0.openWire(['guest1.0', 'gw0', 'br0']));
    },
  );

  await t.test('of a vif that nobody knows is an error', async (t) => {
    const dom0 = await openDom0(t);
    const result = await dom0.admin(['reapply', 'vif7.0']);
    assert.equal(result.status, 1);
    assert.match(result.stderr, /vif7\.0/);
  });
});

test('a port that somebody renames', { skip, concurrency: 2 }, async (t) => {
  const rename = async (dom0: Dom0, from: string, name: string): Promise<void> => {
    await dom0.ns.check(['ip', 'link', 'set', from, 'down']);
    await dom0.ns.check(['ip', 'link', 'set', from, 'name', name]);
    await dom0.ns.check(['ip', 'link', 'set', name, 'up']);
    await waitForForwarding(dom0.ns, name);
  };

  for (const [from, guest] of [
    ['vif1.0', GUEST_A],
    ['web0', { ...GUEST_A, vifname: 'web0' }],
  ] as const) {
    await t.test(`stays filtered (${from})`, async (t) => {
      const dom0 = await openDom0(t);
      await dom0.start(guest);
      await dom0.start(GUEST_V);
      await rename(dom0, from, 'stranger');
      const wire = await dom0.openWire(['guest1.0', 'guest2.0', 'gw0']);
      await isGuarded(wire);
    });

    await t.test(`is taken off the bridge by offline all the same (${from})`, async (t) => {
      const dom0 = await openDom0(t);
      await dom0.start(guest);
      await rename(dom0, from, 'stranger');
      assert.equal((await dom0.hotplug('offline', { domid: 1 })).status, 0);
      const link = await dom0.link('stranger');
      assert.deepEqual([link?.master, link?.flags.includes('UP')], [undefined, false]);
    });

    await t.test(`is filtered again after a flush and a repair (${from})`, async (t) => {
      const dom0 = await openDom0(t);
      await dom0.start(guest);
      await dom0.start(GUEST_V);
      await rename(dom0, from, 'stranger');
      await dom0.ns.check(['nft', 'flush', 'ruleset']);
      await dom0.admin(['reapply', 'vif2.0']);
      const wire = await dom0.openWire(['guest1.0', 'guest2.0', 'gw0']);
      await isGuarded(wire);
    });
  }
});
