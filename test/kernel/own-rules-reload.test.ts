/**
 * A host that loads its own rules anew, as nftables.service does: `flush ruleset` and all of its file in one
 * transaction. With our rules included no frame passes that must not, at no moment.
 */
import assert from 'node:assert/strict';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { DOM0_SIDE_MAC } from '../../src/net/mac-address.ts';
import { openWire } from '../lab/wire.ts';
import { type Dom0, obstacle, openDom0 } from './dom0.ts';
import { A, ALL, addressBytes, arp, frame, G, ip6, TYPE, udp6, V, X } from './frames.ts';
import { openRoutedSite } from './routed-site.ts';
import { GUEST_A, GUEST_V } from './verdict.ts';

const skip = obstacle();
const own = frame(ALL, A.mac, TYPE.arp, arp({ tpa: G.ip }));
const forged = frame(V.mac, A.mac, TYPE.arp, arp({ op: 2, spa: G.ip, tha: V.mac }));

/** What the unit of Debian runs, with another file in the place of /etc/nftables.conf. */
const UNIT = ['/usr/lib/systemd/system', '/lib/systemd/system']
  .map((folder) => join(folder, 'nftables.service'))
  .find((file) => existsSync(file));
const RELOAD = (UNIT === undefined ? undefined : /^ExecReload=(.*)$/m.exec(readFileSync(UNIT, 'utf8'))?.[1]) ?? '';

interface HostRules {
  readonly dom0: Dom0;
  /** Loads the host's rules anew. */
  readonly reload: () => Promise<void>;
  /** The files that nft finds, by name. */
  readonly included: () => Promise<string[]>;
}

async function openHost(t: TestContext): Promise<HostRules> {
  return withRules(await openDom0(t));
}

function withRules(dom0: Dom0): HostRules {
  const file = join(dom0.folder, 'nftables.conf');
  writeFileSync(
    file,
    `flush ruleset
    table inet filter {
      chain input { type filter hook input priority filter; }
    }
    include "${dom0.state}/nftables/*/*.nft"
    `,
  );
  const argv = (RELOAD === '' ? '/usr/sbin/nft -f /etc/nftables.conf' : RELOAD).replace('/etc/nftables.conf', file);
  return {
    dom0,
    reload: async () => void (await dom0.ns.check(argv.split(' '))),
    async included() {
      const { stdout } = await dom0.ns.run(['sh', '-c', `ls ${dom0.state}/nftables/*/*.nft`]);
      return stdout
        .split('\n')
        .filter((line) => line !== '')
        .map((path) => basename(path));
    },
  };
}

async function states(dom0: Dom0): Promise<string[]> {
  return (await dom0.status()).map(({ name, state }) => `${name} ${state}`);
}

test('the host loads its own rules anew, ours included', { skip, concurrency: 2 }, async (t) => {
  await t.test('no forged frame passes meanwhile, and nothing has to be repaired', async (t) => {
    const { dom0, reload } = await openHost(t);
    await dom0.start({ ...GUEST_A, ip: `${A.ip} 10.0.7.0/28 ${A.ip6}`, type: 'vif_ioemu' });
    await dom0.start(GUEST_V);
    const before = await dom0.ns.check(['nft', '-s', 'list', 'table', 'bridge', 'xen-vif']);
    const wire = await dom0.openWire(['guest1.0', 'guest2.0', 'gw0']);
    let sending = true;
    const seen: string[] = [];
    const flood = (async (): Promise<void> => {
      while (sending) {
        for (let count = 0; count < 50; count += 1) {
          await wire.send('guest1.0', forged);
          await wire.send('guest1.0', own);
        }
        seen.push(...(await wire.collect(0)).map(({ hex }) => hex));
      }
    })();
    for (let round = 0; round < 25; round += 1) await reload();
    sending = false;
    await flood;
    seen.push(...(await wire.collect()).map(({ hex }) => hex));
    assert.equal(seen.filter((hex) => hex === forged).length, 0);
    assert.ok(seen.filter((hex) => hex === own).length > 20, 'its own frames pass');
    assert.match(await dom0.ruleset(), /table inet filter/);
    const after = await dom0.ns.check(['nft', '-s', 'list', 'table', 'bridge', 'xen-vif']);
    assert.ok(sorted(after) === sorted(before), 'the same rules, sets and elements');
    assert.deepEqual([...new Set((await states(dom0)).map((state) => state.split(' ')[1]))], ['managed']);
    // The state still belongs to the table.
    await dom0.start({ domid: 3, ip: '10.0.0.13' });
    assert.deepEqual([...new Set((await states(dom0)).map((state) => state.split(' ')[1]))], ['managed']);
  });

  await t.test('who has left does not come back', async (t) => {
    const { dom0, reload, included } = await openHost(t);
    await dom0.start(GUEST_A);
    await dom0.start(GUEST_V);
    assert.deepEqual(await included(), ['base.nft', 'vif1.0.nft', 'vif2.0.nft']);
    await dom0.hotplug('offline', { domid: 1 });
    assert.deepEqual(await included(), ['base.nft', 'vif2.0.nft']);
    await reload();
    assert.doesNotMatch(await dom0.ruleset(), /00:16:3e:00:01:00/);
    await dom0.hotplug('offline', { domid: 2 });
    assert.deepEqual(await included(), []);
    // Nothing to include is no error.
    await reload();
    assert.doesNotMatch(await dom0.ruleset(), /xen-vif/);
  });

  await t.test('what a re-apply has changed comes back, also after a repair', async (t) => {
    const { dom0, reload } = await openHost(t);
    await dom0.start(GUEST_A);
    await dom0.start(GUEST_V);
    dom0.store.write('backend/vif/1/0/ip', '10.0.0.77');
    assert.equal((await dom0.admin(['reapply', 'vif1.0'])).status, 0);
    await reload();
    assert.match(await dom0.ruleset(), /10\.0\.0\.77/);
    await dom0.ns.check(['nft', 'flush', 'ruleset']);
    assert.equal((await dom0.admin(['reapply', '--all'])).status, 0);
    await reload();
    assert.deepEqual(await states(dom0), ['vif1.0 managed', 'vif2.0 managed']);
  });

  await t.test('a device that is gone does not keep the host from its rules', async (t) => {
    const { dom0, reload } = await openHost(t);
    await dom0.start({ ...GUEST_A, type: 'vif_ioemu' });
    for (const name of ['vif1.0', 'vif1.0-emu']) await dom0.bench.removeVif(name);
    await reload();
    assert.match(await dom0.ruleset(), /table inet filter/);
  });

  await t.test('of routed vifs too; and one whose device is gone is not included', async (t) => {
    const site = await openRoutedSite(t);
    const { dom0, far } = site;
    await site.start({ domid: 1, mac: A.mac, ip: `${A.ip} ${A.ip6}` });
    await site.start({ domid: 2, mac: V.mac, ip: V.ip });
    const { reload, included } = withRules(dom0);
    const tables = async (): Promise<string> =>
      sorted(
        (await dom0.ns.check(['nft', '-s', 'list', 'table', 'netdev', 'xen-vif-route'])) +
          (await dom0.ns.check(['nft', '-s', 'list', 'table', 'inet', 'xen-vif-route'])),
      );
    const before = await tables();
    const to = '2001:db8:ffff::9';
    const from = (src: string): string =>
      frame(DOM0_SIDE_MAC, A.mac, TYPE.ip6, ip6({ src, dst: to }, udp6({ src, dst: to }, 9, 9)));
    const [wire, end] = [await dom0.openWire(['guest1.0']), await openWire(far, ['eth0'])];
    t.after(() => end.exit());
    /** Of which of these sources something has come since the last call. */
    const arrived = async (...sources: string[]): Promise<string[]> => {
      const seen = (await end.collect(100)).map(({ hex }) => hex.slice(44, 76));
      return sources.filter((src) => seen.includes(addressBytes(src).toString('hex')));
    };
    await wire.send('guest1.0', from(A.ip6));
    assert.deepEqual(await arrived(A.ip6, V.ip6, X.ip6), [A.ip6]);
    const streams = [await wire.stream('guest1.0', from(V.ip6), 500), await wire.stream('guest1.0', from(X.ip6), 500)];
    const forged: string[] = [];
    for (let round = 0; round < 10; round += 1) {
      await reload();
      forged.push(...(await arrived(V.ip6, X.ip6)));
    }
    for (const stream of streams) assert.ok((await stream.stop()).sent > 0);
    assert.deepEqual(forged, []);
    await wire.send('guest1.0', from(A.ip6));
    assert.deepEqual(await arrived(A.ip6, V.ip6, X.ip6), [A.ip6]);
    assert.equal(await tables(), before);
    assert.deepEqual(await states(dom0), ['vif1.0 managed', 'vif2.0 managed']);
    assert.deepEqual(await included(), ['routed.nft', 'rules.nft', 'rules.nft']);

    await dom0.bench.removeVif('vif2.0');
    assert.deepEqual(await included(), ['routed.nft', 'rules.nft']);
    await reload();
    assert.deepEqual(await states(dom0), ['vif1.0 managed']);
    for (const domid of [1, 2]) assert.equal((await dom0.hotplug('offline', { domid })).status, 0);
    assert.deepEqual(await included(), []);
    await reload();
    assert.doesNotMatch(await dom0.ruleset(), /xen-vif/);
  });
});

/** Without what was counted meanwhile; blocks are listed in any order. */
function sorted(text: string): string {
  const rest = text.replace(/\tset drops[\s\S]*?\n\t\}\n/g, '');
  const words = rest.split('\n').map((line) => line.replace(/elements = \{|[,}]+$/g, '').trim());
  return words.sort().join('\n');
}
