/** The same address or MAC on two guests of a bridge is said loudly, by whoever comes second, and by `status`. */
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
    title: 'one MAC, two guests',
    first: BOTH,
    second: { mac: A.mac, ip: '10.0.0.2 fd00::2' },
    keys: UUID,
    said: [/^00:16:3e:00:00:01 is also given to vif2\.0/, /^00:16:3e:00:00:01 is also given to vif1\.0/],
  },
  {
    title: 'a copy of a guest, with its MAC and addresses',
    first: BOTH,
    second: BOTH,
    keys: UUID,
    said: [/^00:16:3e:00:00:01 10\.0\.0\.11 fd00::11 is also/, /^00:16:3e:00:00:01 10\.0\.0\.11 fd00::11 is also/],
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
