/** `reapply --all` against `reapply` of one vif after the other: the same end, whatever the vifs are. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { waitForForwarding } from '../lab/bench.ts';
import { type Dom0, obstacle, openDom0 } from './dom0.ts';
import { A, ALL, arp, frame, G, TYPE, V } from './frames.ts';
import { GUEST_A, GUEST_V } from './verdict.ts';

const skip = obstacle();
const own = frame(ALL, A.mac, TYPE.arp, arp({ tpa: G.ip }));
const forged = frame(V.mac, A.mac, TYPE.arp, arp({ op: 2, spa: G.ip, tha: V.mac }));

/** Everything that can be seen of vifs and rules. What is drawn by chance, counts or is a time is left out. */
async function picture(dom0: Dom0): Promise<Record<string, unknown>> {
  const sorted = (text: string): string[] => text.split('\n').sort();
  const ports = await dom0.ns.check(['bridge', '-d', 'link']);
  const links = JSON.parse(await dom0.ns.check(['ip', '-j', 'link'])) as Record<string, unknown>[];
  const fdb = await dom0.ns.check(['bridge', 'fdb', 'show']);
  const rules = JSON.parse(await dom0.ns.check(['nft', '-j', 'list', 'ruleset'])) as {
    nftables: { rule?: { table: string; chain: string } }[];
  };
  const plain = (key: string, value: unknown): unknown => {
    if (['handle', 'packets', 'bytes', 'metainfo'].includes(key)) return undefined;
    return key === 'elem' && Array.isArray(value) ? value.map((one) => JSON.stringify(one)).sort() : value;
  };
  const rulesIn = new Map<string, number>();
  /** A rule's place in its chain: chains may come in any order, the rules of one not. */
  const place = ({ rule }: { rule?: { table: string; chain: string } }): string => {
    if (rule === undefined) return '';
    const chain = chance(`${rule.table} ${rule.chain}`);
    const number = (rulesIn.get(chain) ?? 0) + 1;
    rulesIn.set(chain, number);
    return `${chain} ${number}: `;
  };
  const chance = (text: string): string => text.replace(/base\/[0-9a-f]+-[0-9a-f]+/g, '<sentinel>');
  return {
    ports: sorted(ports).map((line) => line.replace(/ cost \d+/, '')),
    links: links.map(({ ifname, flags, mtu, master, group, address, ifalias }) => ({
      ifname,
      up: (flags as string[]).includes('UP'),
      mtu,
      master,
      group,
      address,
      ifalias,
    })),
    fdb: sorted(fdb).filter((line) => /static/.test(line)),
    rules: rules.nftables
      .filter((one) => !JSON.stringify(one).includes('"name":"drops"'))
      .map((one) => `${place(one)}${chance(JSON.stringify(one, plain))}`)
      .sort(),
    state: files(join(dom0.state)).map(([name, text]) => [
      name,
      text === '' ? '' : JSON.parse(chance(text), (key, value) => (LEFT_OUT.has(key) ? undefined : value)),
    ]),
  };
}

const LEFT_OUT = new Set(['since', 'ticket', 'bootId', 'listing']);

function files(folder: string): [string, string][] {
  return ['vif', 'mac', 'base.json'].flatMap((name) => {
    const place = join(folder, name);
    if (name.endsWith('.json')) return [[name, readFileSync(place, 'utf8')] as [string, string]];
    return readdirSync(place, { recursive: true, encoding: 'utf8' })
      .filter((file) => name === 'mac' || file.endsWith('.json'))
      .sort()
      .map((file): [string, string] => [
        `${name}/${file}`,
        name === 'mac' ? '' : readFileSync(join(place, file), 'utf8'),
      ]);
  });
}

const C = '00:16:3e:00:0c:00';

/**
 * One of every kind: two that stock started (one as a twin of the other, one with vifname=), an HVM pair, one with
 * vifname=, one that was renamed by hand, one without ip=, two domains with one MAC, one that has gone without an
 * offline, one that Xen has forgotten; and then everything is put out of order.
 */
async function everyKind(dom0: Dom0): Promise<string[]> {
  const plug = async (name: string, as = name): Promise<void> => {
    await dom0.bench.addVif(name);
    if (as !== name) await dom0.ns.check(['ip', 'link', 'set', name, 'name', as, 'alias', name]);
    await dom0.ns.check(['ip', 'link', 'set', as, 'master', 'br0', 'up']);
    await waitForForwarding(dom0.ns, as);
  };
  for (const name of ['vif11.0', 'vif12.0']) await plug(name);
  await dom0.start({ ...GUEST_A, type: 'vif_ioemu' });
  await dom0.start(GUEST_V);
  await dom0.start({ domid: 3, ip: '10.0.0.13', vifname: 'web3' });
  await dom0.start({ domid: 4, ip: '10.0.0.14' });
  await dom0.start({ domid: 5 });
  for (const domid of [6, 7]) await dom0.start({ domid, ip: '10.0.0.16', mac: C });
  await dom0.start({ domid: 8, ip: '10.0.0.18' });
  await dom0.start({ domid: 9, ip: '10.0.0.19 fd00::19' });
  for (const domid of [11, 12]) dom0.configure({ domid, ip: '10.0.0.21', mac: '00:16:3e:00:0b:00' });

  await dom0.ns.check(['ip', 'link', 'set', 'vif4.0', 'down']);
  await dom0.ns.check(['ip', 'link', 'set', 'vif4.0', 'name', 'stranger']);
  await dom0.ns.check(['ip', 'link', 'set', 'stranger', 'up']);
  await dom0.bench.removeVif('vif8.0');
  dom0.store.remove('backend/vif/9');
  dom0.store.write('backend/vif/2/0/ip', '10.0.0.77');
  const breakage = [
    'link set dev vif2.0 type bridge_slave learning on',
    'link set dev vif2.0 type bridge_slave locked off',
    'link set dev vif1.0 type bridge_slave learning off',
    'link set dev vif1.0-emu group default',
    'link set dev vif5.0 down',
  ];
  await dom0.ns.check(['ip', '-batch', '-'], { input: `${breakage.join('\n')}\n` });
  await dom0.ns.check(['bridge', 'fdb', 'del', V.mac, 'dev', 'vif2.0', 'master']);
  return ['vif1.0', 'vif1.0-emu', 'vif2.0', 'vif3.0', 'vif4.0', 'vif5.0', 'vif6.0', 'vif7.0', 'vif9.0'].concat([
    'vif11.0',
    'vif12.0',
  ]);
}

for (const no_ip of ['mac-only', 'deny', 'unrestricted']) {
  test(`all at once ends as one by one (no_ip = ${no_ip})`, { skip }, async (t) => {
    const policy = `[defaults]\nno_ip = ${no_ip}\n`;
    const [one, all] = [await openDom0(t, { policy }), await openDom0(t, { policy })];
    const vifs = await everyKind(one);
    await everyKind(all);
    for (const vif of vifs) {
      const result = await one.admin(['reapply', vif]);
      assert.equal(result.status, 0, `${vif}: ${result.stderr}`);
    }
    // What is left of one that has gone is nobody's to re-apply.
    assert.equal((await one.admin(['offline', 'vif=vif8.0'])).status, 0);
    const result = await all.admin(['reapply', '--all']);
    assert.equal(result.status, 0, result.stderr);
    assert.deepEqual(await picture(all), await picture(one));
    // Nothing is left to do.
    const before = await picture(all);
    assert.equal((await all.admin(['reapply', '--all'])).status, 0);
    assert.deepEqual(await picture(all), before);
  });
}

test('a vif with bad input is named and left as it was; the others are re-applied', { skip }, async (t) => {
  const dom0 = await openDom0(t);
  for (const domid of [1, 2, 3]) await dom0.start({ domid, ip: `10.0.0.1${domid}` });
  dom0.store.write('backend/vif/2/0/ip', '10.0.0.300');
  for (const domid of [1, 3]) dom0.store.write(`backend/vif/${domid}/0/ip`, `10.0.0.2${domid}`);
  const result = await dom0.admin(['reapply', '--all']);
  assert.equal(result.status, 1);
  assert.match(result.stderr, /1 vifs could not be re-applied:\s+vif2\.0: ./);
  assert.deepEqual(
    (await dom0.status()).map(({ name, state, addresses }) => [name, state, ...addresses]),
    [
      ['vif1.0', 'managed', '10.0.0.21'],
      ['vif2.0', 'managed', '10.0.0.12'],
      ['vif3.0', 'managed', '10.0.0.23'],
    ],
  );
});

test('a port that cannot be set up is named; the others are re-applied', { skip }, async (t) => {
  const dom0 = await openDom0(t);
  for (const domid of [1, 2, 3]) await dom0.start({ domid, ip: `10.0.0.1${domid}` });
  await dom0.ns.check(['ip', 'link', 'add', 'full0', 'mtu', '1500', 'type', 'bridge']);
  // A bridge takes no bridge's port for its own.
  await dom0.ns.check(['ip', 'link', 'set', 'vif2.0', 'nomaster']);
  await dom0.ns.check(['ip', 'link', 'add', 'up2', 'link', 'vif2.0', 'type', 'macvlan', 'mode', 'passthru']);
  for (const domid of [1, 3]) dom0.store.write(`backend/vif/${domid}/0/ip`, `10.0.0.2${domid}`);
  const result = await dom0.admin(['reapply', '--all']);
  assert.equal(result.status, 1, result.stdout);
  assert.match(result.stderr, /1 vifs could not be re-applied:\s+vif2\.0: ./);
  const found = (await dom0.status()).map(({ name, addresses }) => [name, ...addresses]);
  assert.deepEqual(found[0], ['vif1.0', '10.0.0.21']);
  assert.deepEqual(found[2], ['vif3.0', '10.0.0.23']);
});

test('repairs what somebody did to our table, and loads nothing that is there', { skip, concurrency: 2 }, async (t) => {
  const table = 'bridge xen-vif';
  for (const [what, commands] of [
    ['emptied sets', ['flush set bridge xen-vif own-mac', 'flush set bridge xen-vif managed']],
    ['emptied a hook', ['flush chain bridge xen-vif prerouting']],
    ['added a rule that accepts all', ['insert rule bridge xen-vif prerouting accept']],
    ['emptied a chain of the stages', ['flush chain bridge xen-vif from-guest/start']],
  ] as const) {
    await t.test(what, async (t) => {
      const dom0 = await openDom0(t);
      await dom0.start(GUEST_A);
      await dom0.start(GUEST_V);
      const before = await picture(dom0);
      await dom0.ns.check(['nft', '-f', '-'], { input: `${commands.join('\n')}\n` });
      assert.notDeepEqual(await picture(dom0), before);
      const result = await dom0.admin(['reapply', '--all']);
      assert.equal(result.status, 0, result.stderr);
      assert.deepEqual(await picture(dom0), before);
      const wire = await dom0.openWire(['guest1.0', 'gw0']);
      await wire.collect(0);
      for (const hex of [own, forged]) await wire.send('guest1.0', hex);
      assert.deepEqual(
        (await wire.collect()).filter(({ iface }) => iface === 'gw0').map(({ hex }) => hex),
        [own],
      );
    });
  }

  await t.test('nothing at all', async (t) => {
    const dom0 = await openDom0(t);
    await dom0.start(GUEST_A);
    // Handles count what is made: a rule that is loaded again gets another one.
    const handles = async (): Promise<string[]> =>
      (await dom0.ns.check(['nft', '-a', 'list', 'table', ...table.split(' ')]))
        .split('\n')
        .filter((line) => /goto|drop|hook/.test(line) && !/counter packets/.test(line));
    const before = await handles();
    assert.ok(before.length > 10);
    assert.equal((await dom0.admin(['reapply', '--all'])).status, 0);
    const own = (lines: readonly string[]): string[] =>
      lines.filter((line) => !/# handle/.test(line) || !/nd-target/.test(line));
    assert.deepEqual(own(await handles()), own(before));
  });
});

test('a broken state file is made anew from Xen, and costs no other anything', { skip }, async (t) => {
  const dom0 = await openDom0(t);
  for (const domid of [1, 2]) await dom0.start({ domid, ip: `10.0.0.1${domid}` });
  const file = join(dom0.state, 'vif', 'vif1.0.json');
  assert.ok(existsSync(file));
  writeFileSync(file, '{');
  dom0.store.write('backend/vif/2/0/ip', '10.0.0.22');
  const result = await dom0.admin(['reapply', '--all']);
  assert.equal(result.status, 0, result.stderr);
  assert.deepEqual(
    (await dom0.status()).map(({ addresses }) => addresses),
    [['10.0.0.11'], ['10.0.0.22']],
  );
});
