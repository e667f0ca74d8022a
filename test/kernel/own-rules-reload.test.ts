/**
 * A host that loads its own rules anew, as nftables.service does: `flush ruleset` and all of its file in one
 * transaction. With our rules included no frame passes that must not, at no moment.
 */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { type Dom0, obstacle, openDom0 } from './dom0.ts';
import { A, ALL, arp, frame, G, TYPE, V } from './frames.ts';
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
  readonly included: () => string[];
}

async function openHost(t: TestContext): Promise<HostRules> {
  const dom0 = await openDom0(t);
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
    included: () =>
      ['0', '1'].flatMap((folder) => {
        const path = join(dom0.state, 'nftables', folder);
        return existsSync(path) ? readdirSync(path) : [];
      }),
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
    assert.deepEqual(included(), ['base.nft', 'vif1.0.nft', 'vif2.0.nft']);
    await dom0.hotplug('offline', { domid: 1 });
    assert.deepEqual(included(), ['base.nft', 'vif2.0.nft']);
    await reload();
    assert.doesNotMatch(await dom0.ruleset(), /00:16:3e:00:01:00/);
    await dom0.hotplug('offline', { domid: 2 });
    assert.deepEqual(included(), []);
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
});

/** Without what was counted meanwhile; blocks are listed in any order. */
function sorted(text: string): string {
  const rest = text.replace(/\tset drops[\s\S]*?\n\t\}\n/g, '');
  const words = rest.split('\n').map((line) => line.replace(/elements = \{|[,}]+$/g, '').trim());
  return words.sort().join('\n');
}
