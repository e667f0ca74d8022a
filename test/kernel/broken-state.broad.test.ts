/** What somebody, a full disk or a reboot made of the state directory: no guest is opened, and all of it heals. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import type { Wire } from '../lab/wire.ts';
import { type Dom0, obstacle, openDom0 } from './dom0.ts';
import { A, ALL, arp, frame, G, TYPE, V } from './frames.ts';
import { GUEST_A, GUEST_V } from './verdict.ts';

const skip = obstacle();
const own = frame(ALL, A.mac, TYPE.arp, arp({ tpa: G.ip }));
const forged = frame(V.mac, A.mac, TYPE.arp, arp({ op: 2, spa: G.ip, tha: V.mac }));
const ownOfV = frame(ALL, V.mac, TYPE.arp, arp({ sha: V.mac, spa: V.ip, tpa: G.ip }));

/** What may stand in the place of a file. */
const BROKEN: Readonly<Record<string, (file: string) => void>> = {
  empty: (file) => writeFileSync(file, ''),
  cut: (file) => writeFileSync(file, readFileSync(file, 'utf8').slice(0, 60)),
  'of wrong types': (file) =>
    writeFileSync(
      file,
      readFileSync(file, 'utf8').replace(/"(sentinel|loaded|exempt)": ("[^"]*"|\[)/g, '"$1": 7, "x": $2'),
    ),
  'a directory': (file) => {
    rmSync(file);
    mkdirSync(join(file, 'more'), { recursive: true });
  },
  'a FIFO': (file) => {
    rmSync(file);
    execFileSync('mkfifo', [file]);
  },
  'a link': (file) => {
    rmSync(file);
    symlinkSync('/etc/passwd', file);
  },
};

async function arrives(wire: Wire, from: string, hex: string): Promise<string[]> {
  await wire.collect(0);
  await wire.send(from, hex);
  return (await wire.collect()).filter((seen) => seen.hex === hex).map(({ iface }) => iface);
}

async function isGuarded(dom0: Dom0): Promise<void> {
  const wire = await dom0.openWire(['guest1.0', 'guest2.0', 'gw0']);
  assert.ok((await arrives(wire, 'guest1.0', own)).includes('gw0'), 'its own frame passes');
  assert.deepEqual(await arrives(wire, 'guest1.0', forged), [], 'a forged one does not');
  assert.ok((await arrives(wire, 'guest2.0', ownOfV)).includes('gw0'), "the other guest's passes");
  await wire.exit();
}

/** The keys of all sets, or the chains of vifs: what is loaded for whom. */
async function loadedFor(dom0: Dom0, backend: string): Promise<string[]> {
  if (backend === 'ebtables') {
    const text = await dom0.ns.check(['ebtables', '-t', 'nat', '-L']);
    return [...text.matchAll(/^Bridge chain: (vif\S+?)-(?:in|out)[,/]/gm)].map(([, name = '']) => name);
  }
  const { nftables } = JSON.parse(await dom0.ns.check(['nft', '-j', 'list', 'table', 'bridge', 'xen-vif'])) as {
    nftables: { set?: { name: string; elem?: unknown[] } }[];
  };
  const keys = nftables.flatMap(({ set }) =>
    (set?.elem ?? [])
      // Of a port, `ports` has a hash of its index.
      .filter(() => !/^(?:drops|ports)/.test(set?.name ?? ''))
      .map((one) => JSON.stringify(one).match(/\d{10}/)?.[0] ?? ''),
  );
  return [...new Set(keys)];
}

const file = (dom0: Dom0, name: string): string => join(dom0.state, name);

async function two(t: TestContext, backend: string, vifname?: string): Promise<Dom0> {
  const dom0 = await openDom0(t, { policy: `[defaults]\nbackend = ${backend}\n` });
  await dom0.start({ ...GUEST_A, ...(vifname === undefined ? {} : { vifname }) });
  await dom0.start(GUEST_V);
  return dom0;
}

const isDown = async (dom0: Dom0, name: string): Promise<boolean> => !(await dom0.link(name))?.flags.includes('UP');

for (const backend of ['nftables', 'ebtables']) {
  const kinds = Object.entries(BROKEN).filter(([what]) => backend === 'nftables' || /cut|directory/.test(what));
  for (const [what, spoil] of kinds) {
    test(`${backend}: base.json is ${what}`, { skip }, async (t) => {
      const dom0 = await two(t, backend);
      const base = file(dom0, 'base.json');
      await t.test('online makes it anew with everybody', async () => {
        spoil(base);
        assert.equal((await dom0.hotplug('online', { domid: 2 })).status, 0);
        await isGuarded(dom0);
        assert.equal(JSON.parse(readFileSync(base, 'utf8')).schema, 1);
      });
      await t.test('so does reapply', async () => {
        spoil(base);
        const result = await dom0.admin(['reapply', '--all']);
        assert.equal(result.status, 0, result.stderr);
        await isGuarded(dom0);
      });
      await t.test('an online that fails closes, and is told to Xen', async () => {
        spoil(base);
        dom0.store.write('backend/vif/1/0/ip', '10.0.0.300');
        assert.equal((await dom0.hotplug('online', { domid: 1 })).status, 1);
        assert.match(dom0.key(1, 'hotplug-error') ?? '', /10\.0\.0\.300/);
        assert.equal(dom0.key(1, 'hotplug-status'), 'error');
        assert.equal(await isDown(dom0, 'vif1.0'), true);
      });
      await t.test('offline takes the port down and its rules out', async () => {
        if (!existsSync(base)) writeFileSync(base, '');
        assert.equal((await dom0.hotplug('offline', { domid: 2 })).status, 0);
        assert.equal(await isDown(dom0, 'vif2.0'), true);
        assert.equal((await dom0.link('vif2.0'))?.master, undefined);
        assert.equal(new Set(await loadedFor(dom0, backend)).size, 1, 'only the other one is left');
        assert.equal(existsSync(file(dom0, 'vif/vif2.0.json')), false);
      });
    });

    test(`${backend}: the record of a vif is ${what}`, { skip }, async (t) => {
      const dom0 = await two(t, backend);
      const record = file(dom0, 'vif/vif1.0.json');
      await t.test('reapply --all repairs it, and leaves nothing of before', async () => {
        dom0.store.write('backend/vif/1/0/ip', `${A.ip} 10.0.0.111`);
        assert.equal((await dom0.admin(['reapply', 'vif1.0'])).status, 0);
        spoil(record);
        dom0.store.write('backend/vif/1/0/ip', A.ip);
        const result = await dom0.admin(['reapply', '--all']);
        assert.equal(result.status, 0, result.stderr);
        await isGuarded(dom0);
        assert.doesNotMatch(await dom0.ruleset(), /10\.0\.0\.111/);
        assert.equal(JSON.parse(readFileSync(record, 'utf8')).device, 'vif1.0');
      });
      await t.test('offline takes the port down, and the rules out', async () => {
        spoil(record);
        assert.equal((await dom0.hotplug('offline', { domid: 1 })).status, 0);
        assert.equal(await isDown(dom0, 'vif1.0'), true);
        assert.equal(new Set(await loadedFor(dom0, backend)).size, 1, 'only the other one is left');
        assert.equal(existsSync(record), false);
      });
    });
  }

  const lost: Readonly<Record<string, (dom0: Dom0) => void>> = {
    'the whole directory': (dom0) => rmSync(dom0.state, { recursive: true }),
    'its record': (dom0) => rmSync(file(dom0, 'vif/vif1.0.json')),
    'all records': (dom0) => rmSync(file(dom0, 'vif'), { recursive: true }),
  };
  for (const vifname of [undefined, '1st_domU0']) {
    const name = vifname ?? 'vif1.0';
    test(`${backend}: somebody removed the state of ${name}`, { skip }, async (t) => {
      const dom0 = await two(t, backend, vifname);
      const before = (await loadedFor(dom0, backend)).sort();
      for (const [what, remove] of Object.entries(lost)) {
        for (const how of new Set(['--all', name])) {
          await t.test(`${what}: reapply ${how} finds it again`, async () => {
            dom0.store.write('backend/vif/1/0/ip', `${A.ip} 10.0.0.111`);
            assert.equal((await dom0.admin(['reapply', name])).status, 0);
            remove(dom0);
            dom0.store.write('backend/vif/1/0/ip', A.ip);
            const result = await dom0.admin(['reapply', how]);
            assert.equal(result.status, 0, result.stderr);
            await isGuarded(dom0);
            assert.deepEqual((await loadedFor(dom0, backend)).sort(), before);
            assert.doesNotMatch(await dom0.ruleset(), /10\.0\.0\.111/);
            const states = (await dom0.status()).map(({ state }) => state);
            assert.deepEqual(states, ['managed', 'managed']);
          });
        }
      }
      await t.test('a new guest is started: the running ones stay as they were', async () => {
        rmSync(dom0.state, { recursive: true });
        await dom0.start({ domid: 3, ip: '10.0.0.13' });
        await isGuarded(dom0);
      });
      await t.test('offline of it takes all out, and the others are not cut off', async () => {
        rmSync(dom0.state, { recursive: true });
        assert.equal((await dom0.hotplug('offline', { domid: 1 })).status, 0);
        assert.equal(await isDown(dom0, name), true);
        assert.equal(new Set(await loadedFor(dom0, backend)).size, 2);
        const wire = await dom0.openWire(['guest2.0', 'gw0']);
        assert.ok((await arrives(wire, 'guest2.0', ownOfV)).includes('gw0'));
      });
    });
  }

  test(`${backend}: a state directory that outlives the boot`, { skip }, async (t) => {
    const dom0 = await two(t, backend);
    assert.equal((await dom0.hotplug('offline', { domid: 2 })).status, 0);
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
    for (const name of readdirSync(dom0.state, { recursive: true, encoding: 'utf8' })) {
      const path = file(dom0, name);
      if (!name.endsWith('.json') && !name.startsWith('offline/')) continue;
      const text = readFileSync(path, 'utf8').replaceAll(boot, '11111111-2222-3333-4444-555555555555');
      writeFileSync(path, text.replace(/"ticket": [\d.]+/, '"ticket": 999999999').replace(/^[\d.]+ /, '999999999 '));
    }
    if (backend === 'nftables') await dom0.ns.check(['nft', 'flush', 'ruleset']);
    for (const name of ['vif1.0', 'vif2.0']) {
      await dom0.ns.check(['ip', 'link', 'set', name, 'down', 'nomaster', 'group', 'default']);
    }
    for (const domid of [1, 2]) {
      dom0.store.write(`backend/vif/${domid}/0/hotplug-status`, '');
      assert.equal((await dom0.hotplug('online', { domid })).status, 0);
      assert.equal(dom0.key(domid, 'hotplug-status'), 'connected');
    }
    await isGuarded(dom0);
    assert.equal((await dom0.hotplug('offline', { domid: 1 })).status, 0);
    assert.equal(await isDown(dom0, 'vif1.0'), true);
  });
}
