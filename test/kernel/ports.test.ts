/** What becomes of the interface: bridge, name, MTU, address, and how it compares with Debian's own script. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { stockScripts } from '../lab/stock.ts';
import { type Dom0, type Guest, obstacle, openDom0 } from './dom0.ts';

const skip = obstacle();
const ONE = { domid: 1 };

async function waiting(t: test.TestContext, guest: Partial<Guest> = {}, options = {}): Promise<Dom0> {
  const dom0 = await openDom0(t, options);
  await dom0.bench.addVif('vif1.0');
  dom0.configure({ ...ONE, ip: '10.0.0.11', ...guest });
  return dom0;
}

async function succeeds(dom0: Dom0, command: 'online' | 'offline' | 'add' | 'remove', id = ONE): Promise<void> {
  const result = await dom0.hotplug(command, id);
  assert.deepEqual([result.status, result.stdout], [0, ''], dom0.key(id.domid, 'hotplug-error'));
}

async function master(dom0: Dom0, name: string): Promise<string | undefined> {
  return (await dom0.link(name))?.master;
}

test('the bridge', { skip, concurrency: 2 }, async (t) => {
  await t.test('xenbr0 that is not there is eth0 where that is a bridge', async (t) => {
    const dom0 = await waiting(t, { bridge: 'xenbr3' }, { bridge: 'eth3' });
    await succeeds(dom0, 'online');
    assert.equal(await master(dom0, 'vif1.0'), 'eth3');
    await succeeds(dom0, 'offline');
    assert.equal(await master(dom0, 'vif1.0'), undefined);
  });

  await t.test('xenbr0 that is there is taken', async (t) => {
    const dom0 = await waiting(t, { bridge: 'xenbr3' }, { bridge: 'eth3' });
    await dom0.ns.check(['ip', 'link', 'add', 'xenbr3', 'type', 'bridge']);
    await succeeds(dom0, 'online');
    assert.equal(await master(dom0, 'vif1.0'), 'xenbr3');
  });

  await t.test('eth0 that is no bridge is not taken for xenbr0', async (t) => {
    const dom0 = await waiting(t, { bridge: 'xenbr0' });
    await dom0.ns.check(['ip', 'link', 'add', 'eth0', 'type', 'veth', 'peer', 'name', 'other0']);
    assert.equal((await dom0.hotplug('online', ONE)).status, 1);
    assert.match(dom0.key(1, 'hotplug-error') ?? '', /^Could not find bridge device xenbr0\b/);
  });

  for (const [how, key] of [
    ['the key is absent', undefined],
    ['the key is empty', ''],
  ] as const) {
    await t.test(`is found when ${how}`, async (t) => {
      const dom0 = await waiting(t);
      if (key === undefined) dom0.store.remove('backend/vif/1/0/bridge');
      else dom0.store.write('backend/vif/1/0/bridge', key);
      await succeeds(dom0, 'online');
      assert.equal(await master(dom0, 'vif1.0'), 'br0');
    });
  }

  await t.test('comes from the arguments when the key is absent', async (t) => {
    const dom0 = await waiting(t);
    dom0.store.remove('backend/vif/1/0/bridge');
    await dom0.ns.check(['ip', 'link', 'add', 'other', 'type', 'bridge']);
    await dom0.hotplug('online', ONE, { args: ['online', 'bridge=other'] });
    assert.equal(await master(dom0, 'vif1.0'), 'other');
  });

  await t.test('there is none', async (t) => {
    const dom0 = await waiting(t);
    dom0.store.remove('backend/vif/1/0/bridge');
    await dom0.ns.check(['ip', 'link', 'delete', 'br0']);
    assert.equal((await dom0.hotplug('online', ONE)).status, 1);
    assert.match(dom0.key(1, 'hotplug-error') ?? '', /^Could not find bridge, and none was specified\b/);
  });

  await t.test('that has gone does not keep offline from cleaning up', async (t) => {
    const dom0 = await waiting(t);
    await succeeds(dom0, 'online');
    await dom0.ns.check(['ip', 'link', 'delete', 'br0']);
    await succeeds(dom0, 'offline');
    assert.doesNotMatch(await dom0.ruleset(), /vif1\.0/);
    assert.equal((await dom0.link('vif1.0'))?.flags.includes('UP'), false);
  });

  await t.test('another one in the key moves the vif', async (t) => {
    const dom0 = await waiting(t);
    await succeeds(dom0, 'online');
    await dom0.ns.check(['ip', 'link', 'add', 'other', 'type', 'bridge']);
    dom0.store.write('backend/vif/1/0/bridge', 'other');
    await succeeds(dom0, 'online');
    assert.equal(await master(dom0, 'vif1.0'), 'other');
    assert.match(await dom0.ns.check(['bridge', 'fdb', 'show', 'br', 'other']), /00:16:3e:00:01:00 dev vif1\.0/);
    assert.doesNotMatch(await dom0.ns.check(['bridge', 'fdb', 'show', 'br', 'br0']), /00:16:3e:00:01:00/);
  });
});

test('the device', { skip, concurrency: 2 }, async (t) => {
  for (const ms of [300, 2_500]) {
    await t.test(`may come ${ms} ms after the script`, async (t) => {
      const dom0 = await openDom0(t);
      dom0.configure({ ...ONE, ip: '10.0.0.11' });
      const run = dom0.hotplug('online', ONE);
      await sleep(ms);
      await dom0.bench.addVif('vif1.0');
      assert.equal((await run).status, 0);
      assert.deepEqual([await master(dom0, 'vif1.0'), dom0.key(1, 'hotplug-status')], ['br0', 'connected']);
    });
  }

  await t.test('that never comes is an error in good time', async (t) => {
    const dom0 = await openDom0(t);
    dom0.configure({ ...ONE, ip: '10.0.0.11' });
    const start = Date.now();
    assert.equal((await dom0.hotplug('online', ONE)).status, 1);
    assert.ok(Date.now() - start < 30_000);
    assert.match(dom0.key(1, 'hotplug-error') ?? '', /^vif1\.0 did not appear\b/);
  });

  await t.test('that has gone does not matter to offline, and nothing is left', async (t) => {
    const dom0 = await waiting(t);
    await succeeds(dom0, 'online');
    await dom0.bench.removeVif('vif1.0');
    await succeeds(dom0, 'offline');
    assert.doesNotMatch(await dom0.ruleset(), /vif1\.0/);
    assert.deepEqual(await dom0.status(), []);
  });

  await t.test('that vanishes during offline does not matter either', async (t) => {
    const dom0 = await openDom0(t);
    for (const delay of [0, 20, 40, 60, 80, 120, 160, 240]) {
      await dom0.bench.addVif('vif1.0');
      dom0.configure({ ...ONE, ip: '10.0.0.11' });
      await succeeds(dom0, 'online');
      const run = dom0.hotplug('offline', ONE);
      await sleep(delay);
      await dom0.bench.removeVif('vif1.0');
      const result = await run;
      assert.deepEqual([result.status, result.stdout], [0, ''], `after ${delay} ms`);
      assert.doesNotMatch(await dom0.ruleset(), /vif1\.0/, `after ${delay} ms`);
    }
  });

  await t.test('that vanishes during online is an error, and nothing of it is left after offline', async (t) => {
    const dom0 = await openDom0(t);
    for (const delay of [60, 100, 140, 200]) {
      await dom0.bench.addVif('vif1.0');
      dom0.configure({ ...ONE, ip: '10.0.0.11' });
      const run = dom0.hotplug('online', ONE);
      await sleep(delay);
      await dom0.bench.removeVif('vif1.0');
      const result = await run;
      if (result.status !== 0) assert.equal(dom0.key(1, 'hotplug-status'), 'error', `after ${delay} ms`);
      await succeeds(dom0, 'offline');
      assert.doesNotMatch(await dom0.ruleset(), /vif1\.0/, `after ${delay} ms`);
    }
  });

  await t.test('that is made anew under its old name does not inherit the filter', async (t) => {
    const dom0 = await waiting(t);
    await succeeds(dom0, 'online');
    await dom0.bench.removeVif('vif1.0');
    await dom0.bench.addVif('vif1.0');
    await dom0.ns.check(['ip', 'link', 'set', 'vif1.0', 'master', 'br0', 'up']);
    assert.equal((await dom0.status())[0]?.state, 'unmanaged');
    dom0.store.write('backend/vif/1/0/ip', '10.0.0.12');
    await succeeds(dom0, 'online');
    assert.deepEqual((await dom0.status())[0]?.addresses, ['10.0.0.12']);
    await succeeds(dom0, 'offline');
    assert.doesNotMatch(await dom0.ruleset(), /vif1\.0/);
  });
});

test('any order', { skip, concurrency: 2 }, async (t) => {
  const snapshot = async (dom0: Dom0): Promise<string> =>
    `${await dom0.ns.check(['ip', 'address'])}${await dom0.ns.check(['bridge', '-d', 'link'])}${(await dom0.ruleset()).replace(/base\/\w+-\w+/g, 'base').replace(/counter packets \d+ bytes \d+/g, '')}`;

  await t.test('online twice is online once', async (t) => {
    const dom0 = await waiting(t);
    await succeeds(dom0, 'online');
    const once = await snapshot(dom0);
    await succeeds(dom0, 'online');
    assert.equal((await snapshot(dom0)).replace(/state UP/g, ''), once.replace(/state UP/g, ''));
    assert.equal(dom0.key(1, 'hotplug-status'), 'connected');
  });

  await t.test('offline twice, and offline without online', async (t) => {
    const dom0 = await waiting(t);
    await succeeds(dom0, 'offline');
    await succeeds(dom0, 'online');
    assert.match(await dom0.ruleset(), /vif1\.0/);
    await succeeds(dom0, 'offline');
    assert.doesNotMatch(await dom0.ruleset(), /vif1\.0/);
    const off = await snapshot(dom0);
    await succeeds(dom0, 'offline');
    assert.equal(await snapshot(dom0), off);
    assert.equal(await master(dom0, 'vif1.0'), undefined);
  });

  await t.test('add without online, remove without add', async (t) => {
    const dom0 = await waiting(t, { type: 'vif_ioemu' });
    await dom0.bench.addVif('vif1.0-emu');
    await succeeds(dom0, 'remove');
    await succeeds(dom0, 'add');
    assert.equal(await master(dom0, 'vif1.0-emu'), 'br0');
    assert.equal(await master(dom0, 'vif1.0'), undefined);
    await succeeds(dom0, 'offline');
    assert.equal(await master(dom0, 'vif1.0-emu'), 'br0');
    await succeeds(dom0, 'remove');
    assert.doesNotMatch(await dom0.ruleset(), /vif1\.0/);
  });

  await t.test('online after offline', async (t) => {
    const dom0 = await waiting(t);
    for (const command of ['online', 'offline', 'online', 'online', 'offline', 'offline', 'online'] as const)
      await succeeds(dom0, command);
    assert.equal(await master(dom0, 'vif1.0'), 'br0');
    assert.equal((await dom0.status())[0]?.state, 'managed');
  });

  await t.test('online after a failed online', async (t) => {
    const dom0 = await waiting(t, { bridge: 'later' });
    assert.equal((await dom0.hotplug('online', ONE)).status, 1);
    await dom0.ns.check(['ip', 'link', 'add', 'later', 'type', 'bridge']);
    await succeeds(dom0, 'online');
    assert.deepEqual([await master(dom0, 'vif1.0'), dom0.key(1, 'hotplug-status')], ['later', 'connected']);
  });

  await t.test('one domain is online before the other is offline, with the same address and MAC', async (t) => {
    const dom0 = await openDom0(t);
    const guest = { mac: '00:16:3e:00:00:01', ip: '10.0.0.11 fd00::11' };
    await dom0.start({ domid: 3, ...guest });
    await dom0.start({ domid: 4, ...guest });
    await dom0.bench.removeVif('vif3.0');
    await succeeds(dom0, 'offline', { domid: 3 });
    const ports = await dom0.status();
    assert.deepEqual(
      ports.map(({ name, state }) => [name, state]),
      [['vif4.0', 'managed']],
    );
    assert.doesNotMatch(await dom0.ruleset(), /vif3\.0/);
  });

  await t.test('names that begin alike are not mixed up', async (t) => {
    const dom0 = await openDom0(t);
    for (const domid of [1, 11, 111]) await dom0.start({ domid, ip: `10.0.0.${domid}` });
    await dom0.start({ domid: 1, devid: 1, ip: '10.0.0.21' });
    await dom0.start({ domid: 1, devid: 10, ip: '10.0.0.31' });
    await succeeds(dom0, 'offline', { domid: 1 });
    assert.deepEqual(
      (await dom0.status()).map(({ name, state }) => `${name} ${state}`),
      ['vif1.0 unmanaged', 'vif1.1 managed', 'vif1.10 managed', 'vif11.0 managed', 'vif111.0 managed'],
    );
  });
});

test('vifname=', { skip, concurrency: 2 }, async (t) => {
  await t.test('renames the vif, and the tap with -emu', async (t) => {
    const dom0 = await openDom0(t);
    await dom0.start({ ...ONE, ip: '10.0.0.11', vifname: 'web0', type: 'vif_ioemu' });
    assert.deepEqual([await master(dom0, 'web0'), await master(dom0, 'web0-emu')], ['br0', 'br0']);
    assert.equal(await dom0.link('vif1.0'), undefined);
    assert.deepEqual(
      (await dom0.status()).map(({ name, device, state }) => [name, device, state]),
      [
        ['web0', 'vif1.0', 'managed'],
        ['web0-emu', 'vif1.0-emu', 'managed'],
      ],
    );
    await dom0.hotplug('offline', ONE);
    await dom0.hotplug('remove', ONE);
    assert.deepEqual([await master(dom0, 'web0'), await master(dom0, 'web0-emu')], [undefined, undefined]);
    assert.doesNotMatch(await dom0.ruleset(), /vif1\.0|web0/);
  });

  await t.test('a second online finds it', async (t) => {
    const dom0 = await openDom0(t);
    await dom0.start({ ...ONE, ip: '10.0.0.11', vifname: 'web0' });
    await succeeds(dom0, 'online');
    assert.deepEqual([await master(dom0, 'web0'), dom0.key(1, 'hotplug-status')], ['br0', 'connected']);
  });

  await t.test('so does an online after offline, while the device is still there', async (t) => {
    const dom0 = await openDom0(t);
    await dom0.start({ ...ONE, ip: '10.0.0.11', vifname: 'web0' });
    await succeeds(dom0, 'offline');
    await succeeds(dom0, 'online');
    assert.equal(await master(dom0, 'web0'), 'br0');
  });

  await t.test("a name that is taken is an error in stock's words, and its owner is not touched", async (t) => {
    const dom0 = await openDom0(t);
    await dom0.start({ ...ONE, ip: '10.0.0.11', vifname: 'web0' });
    await dom0.bench.addVif('vif2.0');
    dom0.configure({ domid: 2, ip: '10.0.0.12', vifname: 'web0' });
    assert.equal((await dom0.hotplug('online', { domid: 2 })).status, 1);
    assert.match(
      dom0.key(2, 'hotplug-error') ?? '',
      /^Cannot rename interface vif2\.0\. An interface with name web0 already exists\./,
    );
    assert.equal((await dom0.hotplug('offline', { domid: 2 })).status, 0);
    const link = await dom0.link('web0');
    assert.deepEqual([link?.master, link?.flags.includes('UP')], ['br0', true]);
    assert.deepEqual(
      (await dom0.status()).map(({ name, state }) => `${name} ${state}`),
      ['vif2.0 unmanaged', 'web0 managed'],
    );
  });

  await t.test('a name of some other interface is not taken over', async (t) => {
    const dom0 = await waiting(t, { vifname: 'up0' });
    assert.equal((await dom0.hotplug('online', ONE)).status, 1);
    await succeeds(dom0, 'offline');
    assert.equal(await master(dom0, 'up0'), 'br0');
  });

  await t.test('a late offline of the old domain does not disarm the new one of that name', async (t) => {
    const dom0 = await openDom0(t);
    const guest = { mac: '00:16:3e:00:00:01', ip: '10.0.0.11', vifname: 'web0' };
    await dom0.start({ domid: 3, ...guest });
    await dom0.bench.removeVif('vif3.0');
    await dom0.start({ domid: 4, ...guest });
    await succeeds(dom0, 'offline', { domid: 3 });
    const link = await dom0.link('web0');
    assert.deepEqual([link?.master, link?.flags.includes('UP')], ['br0', true]);
    assert.deepEqual(
      (await dom0.status()).map(({ name, device, state }) => [name, device, state]),
      [['web0', 'vif4.0', 'managed']],
    );
    await succeeds(dom0, 'offline', { domid: 3 });
    assert.equal(await master(dom0, 'web0'), 'br0');
    await succeeds(dom0, 'offline', { domid: 4 });
    assert.equal(await master(dom0, 'web0'), undefined);
  });

  await t.test('a late offline that knows nothing any more does not either', async (t) => {
    const dom0 = await openDom0(t);
    const guest = { mac: '00:16:3e:00:00:01', ip: '10.0.0.11', vifname: 'web0' };
    dom0.configure({ domid: 3, ...guest });
    await dom0.start({ domid: 4, ...guest });
    await succeeds(dom0, 'offline', { domid: 3 });
    assert.equal(await master(dom0, 'web0'), 'br0');
  });
});

test('MTU', { skip, concurrency: 2 }, async (t) => {
  await t.test("is the bridge's without a key, and the guest is told", async (t) => {
    const dom0 = await waiting(t, {}, { mtu: 4000 });
    await succeeds(dom0, 'online');
    assert.deepEqual([(await dom0.link('vif1.0'))?.mtu, dom0.frontendKey(1, 'mtu')], [4000, '4000']);
  });

  await t.test("is the key's, smaller or larger than the bridge's", async (t) => {
    for (const mtu of [1400, 9000]) {
      const dom0 = await waiting(t, { mtu });
      await succeeds(dom0, 'online');
      assert.deepEqual([(await dom0.link('vif1.0'))?.mtu, dom0.frontendKey(1, 'mtu')], [mtu, String(mtu)]);
    }
  });

  await t.test('is written for the right guest also with vifname=', async (t) => {
    const dom0 = await waiting(t, { mtu: 1400, vifname: 'web0' });
    await succeeds(dom0, 'online');
    assert.equal(dom0.frontendKey(1, 'mtu'), '1400');
    assert.deepEqual(dom0.store.list('/local/domain')?.sort(), ['0', '1']);
  });

  await t.test('of a tap is set as well', async (t) => {
    const dom0 = await openDom0(t);
    await dom0.start({ ...ONE, ip: '10.0.0.11', mtu: 1400, type: 'vif_ioemu' });
    assert.equal((await dom0.link('vif1.0-emu'))?.mtu, 1400);
  });
});

test("Debian's script and this one leave the same port behind", { skip, concurrency: 1 }, async (t) => {
  const CASES: readonly (readonly [string, Partial<Guest>, object])[] = [
    ['plain', {}, {}],
    ['with mtu=', { mtu: 1400 }, {}],
    ['with vifname=', { vifname: 'web0' }, {}],
    ['of an HVM guest', { type: 'vif_ioemu', mtu: 1400, vifname: 'web0' }, {}],
    ['on eth0 for xenbr0', { bridge: 'xenbr0' }, { bridge: 'eth0' }],
    ['on a bridge with a large MTU', {}, { mtu: 4000 }],
  ];
  for (const [name, guest, options] of CASES) {
    await t.test(name, async (t) => {
      const stock = await stockScripts();
      t.after(() => stock.remove());
      const seen: unknown[] = [];
      for (const program of [[stock.vifBridge], undefined]) {
        const dom0 = await waiting(t, guest, options);
        const hvm = guest.type === 'vif_ioemu';
        if (hvm) await dom0.bench.addVif('vif1.0-emu');
        const more = program === undefined ? {} : { program };
        for (const command of hvm ? (['online', 'add'] as const) : (['online'] as const)) {
          const result = await dom0.hotplug(command, ONE, more);
          assert.equal(result.status, 0, `${program ?? 'ours'}: ${stock.hotplugLog()}`);
        }
        const ports = async (): Promise<unknown> =>
          (JSON.parse(await dom0.ns.check(['ip', '-j', 'address'])) as Record<string, unknown>[])
            .filter(({ ifname }) => /^(vif|web0|br0|eth0)/.test(String(ifname)))
            .map(({ ifname, master, mtu, address, flags, addr_info }) => ({
              ifname,
              master,
              mtu,
              address,
              up: (flags as string[]).includes('UP'),
              ipv4: (addr_info as { family: string; local: string }[]).filter(({ family }) => family === 'inet'),
            }));
        const online = await ports();
        const keys = { status: dom0.key(1, 'hotplug-status'), mtu: dom0.frontendKey(1, 'mtu') };
        for (const command of hvm ? (['offline', 'remove'] as const) : (['offline'] as const)) {
          assert.equal((await dom0.hotplug(command, ONE, more)).status, 0);
        }
        // Stock's bug: with vifname= it writes the MTU below /local/domain/web0.
        seen.push({ online, offline: await ports(), keys: guest.vifname === undefined ? keys : keys.status });
      }
      assert.deepEqual(seen[1], seen[0]);
    });
  }
});
