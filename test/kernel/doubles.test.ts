/**
 * The same address or MAC on two guests of a bridge: who comes second is refused. Where xenstore does not say whether
 * they are two, and of those that run, it is said loudly, by whoever comes second, and by `status`.
 */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { type Dom0, type Guest, obstacle, openDom0 } from './dom0.ts';
import { A, V } from './frames.ts';
import { loggedBy, wordsAfter } from './told.ts';

const skip = obstacle();

interface Case {
  readonly title: string;
  readonly first: Partial<Guest>;
  readonly second: Partial<Guest>;
  /** Of each domain, besides what is written for a vif: `vm`, `target`. */
  readonly keys?: Readonly<Record<string, string>>;
  /** What is said of the first and of the second. */
  readonly said: readonly [RegExp, RegExp] | undefined;
}

const UUID = { '/local/domain/1/vm': '/vm/aaaa', '/local/domain/2/vm': '/vm/bbbb' };
const BOTH = { mac: A.mac, ip: '10.0.0.11 fd00::11' };

const CASES: readonly Case[] = [
  {
    title: 'two guests with nothing in common',
    first: BOTH,
    second: { mac: V.mac, ip: '10.0.0.2 fd00::2' },
    said: undefined,
  },
  {
    title: 'one IPv4 address',
    first: BOTH,
    second: { mac: V.mac, ip: '10.0.0.11 fd00::2' },
    said: [
      /^10\.0\.0\.11 is also given to vif2\.0 on br0, another guest; if that is meant: shared = 10\.0\.0\.11 in the policy of both$/,
      /^10\.0\.0\.11 is also given to vif1\.0 on br0/,
    ],
  },
  {
    title: 'one IPv6 address, in two spellings',
    first: BOTH,
    second: { mac: V.mac, ip: '10.0.0.2 FD00:0::0011' },
    said: [/^fd00::11 is also given to vif2\.0/, /^fd00::11 is also given to vif1\.0/],
  },
  {
    title: 'an address in the block of another',
    first: { mac: A.mac, ip: '10.0.0.0/28 fd00::11' },
    second: { mac: V.mac, ip: '10.0.0.2 fd00::2' },
    said: [/^10\.0\.0\.2 is also given to vif2\.0/, /^10\.0\.0\.2 is also given to vif1\.0/],
  },
  {
    title: 'an address in the block of another guest, which is none of its own',
    first: { mac: A.mac, ip: '10.0.0.0/28 fd00::11' },
    second: { mac: V.mac, ip: '10.0.0.2 fd00::2' },
    keys: UUID,
    said: [/^10\.0\.0\.2 is also given to vif2\.0/, /^10\.0\.0\.2 is also given to vif1\.0/],
  },
  {
    title: 'a migration to this host, and a reboot',
    first: BOTH,
    second: BOTH,
    keys: { '/local/domain/1/vm': '/vm/aaaa', '/local/domain/2/vm': '/vm/aaaa' },
    said: undefined,
  },
  {
    title: 'a guest and its stub domain',
    first: BOTH,
    second: BOTH,
    keys: { ...UUID, '/local/domain/2/target': '1' },
    said: undefined,
  },
  { title: 'one MAC where xenstore does not say whose', first: BOTH, second: BOTH, said: undefined },
  {
    title: 'two interfaces of one guest',
    first: BOTH,
    second: { domid: 1, devid: 1, mac: V.mac, ip: '10.0.0.11 fd00::11' },
    said: undefined,
  },
];

const DOUBLE = /is also given to/;

for (const backend of ['nftables', 'ebtables']) {
  for (const { title, first, second, keys = {}, said } of CASES) {
    test(`${backend}: ${title}: ${said === undefined ? 'nothing is said' : 'both are told'}`, { skip }, async (t) => {
      const dom0 = await openDom0(t, { policy: `[defaults]\nbackend = ${backend}\n` });
      for (const [path, value] of Object.entries(keys)) dom0.store.write(path, value);
      const [one, two] = [
        { domid: 1, ...first },
        { domid: 2, ...second },
      ];
      await dom0.start(one);
      const name = `vif${two.domid}.${two.devid ?? 0}`;
      dom0.configure(two);
      await dom0.bench.addVif(name);
      const log = await loggedBy(dom0, two);
      await told(dom0, wordsAfter(log, `<28>${name}: `), 'vif1.0', name, said);
    });
  }
}

async function told(dom0: Dom0, log: readonly string[], one: string, two: string, said: Case['said']): Promise<void> {
  const status = async (name: string): Promise<string[]> =>
    wordsAfter((await dom0.admin(['status', name])).stdout, '  warning: ').filter((word) => DOUBLE.test(word));
  const words = [await status(one), await status(two), log.filter((word) => DOUBLE.test(word))];
  if (said === undefined) return assert.deepEqual(words, [[], [], []]);
  const [ofOne, ofTwo] = said;
  for (const [at, expected] of [ofOne, ofTwo, ofTwo].entries()) {
    assert.equal(words[at]?.length, 1, JSON.stringify(words));
    assert.match(words[at]?.[0] ?? '', expected);
  }
  const dry = await dom0.admin(['reapply', '--dry-run', one]);
  assert.match(wordsAfter(dry.stdout, '# warning: ').join('\n'), ofOne);
}

const SHARE = (...macs: readonly string[]): string =>
  macs.map((mac) => `[mac ${mac}]\nshared = 10.0.0.11 fd00::11\n`).join('');

const REFUSED: readonly {
  readonly title: string;
  readonly second: Partial<Guest>;
  readonly policy?: string;
  /** Undefined: it starts. */
  readonly why?: RegExp;
}[] = [
  {
    title: 'the MAC of another guest',
    second: { mac: A.mac, ip: '10.0.0.2 fd00::2' },
    why: /00:16:3e:00:00:01 is also given to vif1\.0 on br0, of the guest guest1 \(give one of them another one\)/,
  },
  {
    title: 'an address of another guest, in another spelling',
    second: { mac: V.mac, ip: '10.0.0.2 FD00:0::0011' },
    why: /fd00::11 is also given to vif1\.0 on br0, of the guest guest1 \(.*shared = fd00::11 in the policy of both\)/,
  },
  { title: 'a copy of a guest', second: BOTH, why: /00:16:3e:00:00:01 10\.0\.0\.11 fd00::11 is also given to/ },
  {
    title: 'an address that only the first one shares',
    second: { mac: V.mac, ip: '10.0.0.11' },
    policy: SHARE(A.mac),
    why: /10\.0\.0\.11 is also given to vif1\.0/,
  },
  {
    title: 'an address that only the second one shares',
    second: { mac: V.mac, ip: '10.0.0.11' },
    policy: SHARE(V.mac),
    why: /10\.0\.0\.11 is also given to vif1\.0/,
  },
  {
    title: 'an address that both share',
    second: { mac: V.mac, ip: '10.0.0.11 fd00::11' },
    policy: SHARE(A.mac, V.mac),
  },
  {
    title: 'the MAC of another guest, which names it',
    second: { mac: V.mac, ip: '10.0.0.2' },
    policy: `[mac ${A.mac}]\nextra_macs = ${V.mac}\n`,
    why: /00:16:3e:00:00:02 is also given to vif1\.0/,
  },
  {
    title: 'a MAC that both name',
    second: { mac: V.mac, ip: '10.0.0.2' },
    policy: `[mac ${A.mac}]\nextra_macs = 02:bf:0a:00:00:05\n[mac ${V.mac}]\nextra_macs = 02:bf:0a:00:00:05\n`,
  },
  { title: 'the same on another bridge', second: { ...BOTH, bridge: 'br1' } },
  { title: 'a block around the address of another guest', second: { mac: V.mac, ip: '10.0.0.0/28' } },
  {
    title: 'a route to the address of another guest',
    second: { mac: V.mac, ip: '10.0.0.2' },
    policy: `[mac ${V.mac}]\nroutes = 10.0.0.11\n`,
  },
  { title: 'a copy of a guest that is only observed', second: BOTH, policy: '[vif vif2.0]\nmode = observe\n' },
  { title: 'a copy of a guest that is not filtered', second: BOTH, policy: '[vif vif2.0]\nmode = unlocked\n' },
];

for (const { title, second, policy, why } of REFUSED) {
  test(`${title}: ${why === undefined ? 'a new vif starts' : 'a new vif is refused'}`, { skip }, async (t) => {
    const dom0 = await openDom0(t, { policy: policy ?? '' });
    await dom0.ns.check(['ip', 'link', 'add', 'br1', 'up', 'type', 'bridge']);
    for (const [path, value] of Object.entries(UUID)) dom0.store.write(path, value);
    await dom0.start({ domid: 1, ...BOTH });
    const before = await dom0.ruleset();
    dom0.configure({ domid: 2, ...second });
    await dom0.bench.addVif('vif2.0');
    const { status } = await dom0.hotplug('online', { domid: 2 });
    assert.equal(status, why === undefined ? 0 : 1, dom0.key(2, 'hotplug-error'));
    if (why === undefined) return;
    assert.match(dom0.key(2, 'hotplug-error') ?? '', why);
    assert.equal((await dom0.link('vif2.0'))?.flags.includes('UP'), false);
    assert.equal(await dom0.ruleset(), before);
    // The first one has lost nothing, and when it goes the second one may come.
    assert.equal((await dom0.link('vif1.0'))?.master, 'br0');
    await dom0.bench.removeVif('vif1.0');
    assert.equal((await dom0.hotplug('offline', { domid: 1 })).status, 0);
    assert.equal((await dom0.hotplug('online', { domid: 2 })).status, 0);
  });
}

test('who runs is never refused: reapply, and online once more, say it loudly', { skip }, async (t) => {
  const dom0 = await openDom0(t);
  for (const [path, value] of Object.entries(UUID)) dom0.store.write(path, value);
  await dom0.start({ domid: 1, ...BOTH });
  await dom0.start({ domid: 2, mac: V.mac, ip: '10.0.0.2 fd00::2' });
  writeFileSync(join(dom0.folder, 'vif-bridge.ini'), `[mac ${V.mac}]\nip += 10.0.0.11\nextra_macs = ${A.mac}\n`);
  for (const again of [
    () => dom0.admin(['reapply', 'vif2.0']),
    () => dom0.admin(['reapply', '--all']),
    () => dom0.hotplug('online', { domid: 2 }),
  ]) {
    const result = await again();
    assert.equal(result.status, 0, result.stderr);
    const words = wordsAfter((await dom0.admin(['status', 'vif2.0'])).stdout, '  warning: ');
    assert.match(
      words.join('\n'),
      /^00:16:3e:00:00:01 10\.0\.0\.11 is also given to vif1\.0 on br0, another guest; if/m,
    );
    assert.deepEqual(
      (await dom0.status()).map(({ state, up }) => [state, up]),
      [
        ['managed', true],
        ['managed', true],
      ],
    );
  }
});

test('an address that the policy of both shares is meant; of one, the other one is told', { skip }, async (t) => {
  const dom0 = await openDom0(t, { policy: '[mac 00:16:3e:00:00:01]\nshared = 10.0.0.11\n' });
  await dom0.start({ domid: 1, ...BOTH });
  await dom0.start({ domid: 2, mac: V.mac, ip: '10.0.0.2 10.0.0.11' });
  const said = async (): Promise<string[]> =>
    (await dom0.admin(['status'])).stdout.split('\n').filter((line) => DOUBLE.test(line));
  assert.equal((await said()).length, 1);
  writeFileSync(join(dom0.folder, 'vif-bridge.ini'), '[bridge br0]\nshared = 10.0.0.11\n');
  assert.equal((await dom0.admin(['reapply', '--all'])).status, 0);
  assert.deepEqual(await said(), []);
});

test('both ports of an HVM guest, another bridge, and a guest that has gone', { skip }, async (t) => {
  const dom0 = await openDom0(t);
  await dom0.ns.check(['ip', 'link', 'add', 'br1', 'up', 'type', 'bridge']);
  await dom0.start({ domid: 1, type: 'vif_ioemu', ...BOTH });
  for (const [path, value] of Object.entries(UUID)) dom0.store.write(path, value);
  await dom0.start({ domid: 2, bridge: 'br1', ...BOTH });
  const said = async (): Promise<string[]> =>
    (await dom0.admin(['status'])).stdout.split('\n').filter((line) => DOUBLE.test(line));
  assert.deepEqual(await said(), []);

  await dom0.start({ domid: 3, mac: V.mac, ip: '10.0.0.11 fd00::3' });
  // The two ports of the HVM guest, and the third guest of each of them.
  assert.equal((await said()).length, 4);
  await dom0.bench.removeVif('vif3.0');
  assert.deepEqual(await said(), []);
  assert.equal((await dom0.hotplug('offline', { domid: 3 })).status, 0);
  assert.deepEqual(await said(), []);
});
