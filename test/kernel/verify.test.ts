/** What verify finds is what was changed and nothing else, and repair puts it right. */
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { isOfIntervals, KEY_TYPES, OWN_NAMES, PORTS_SET } from '../../src/backends/nftables/own.ts';
import { guestGroup } from '../../src/port/guest-group.ts';
import { waitForForwarding } from '../lab/bench.ts';
import { form } from '../lab/program.ts';
import { type Dom0, obstacle } from './dom0.ts';
import { A, X } from './frames.ts';
import { openGuests } from './verdict.ts';
import { verified } from './verified.ts';

const skip = obstacle();

/** What somebody does to vif1.0, and what is to be said of it. */
interface Harm {
  readonly name: string;
  readonly does: (dom0: Dom0, group: number) => Promise<unknown>;
  readonly says: readonly string[];
  /** Nobody can put it right but Xen. */
  readonly stays?: true;
}

const nft = (dom0: Dom0, text: string): Promise<string> => dom0.ns.check(['nft', text]);
const element = (verb: string, set: string, key: string): string => `${verb} element bridge xen-vif ${set} { ${key} }`;
const link =
  (...words: string[]) =>
  (dom0: Dom0): Promise<string> =>
    dom0.ns.check(['ip', 'link', 'set', 'vif1.0', ...words]);

/** A group that no port of ours has. */
const NOBODY = '7';

/** The first for which something works. */
async function eventually<T>(all: readonly T[], works: (one: T) => Promise<unknown>): Promise<T> {
  const [first, ...others] = all;
  assert.ok(first !== undefined);
  if (others.length === 0) await works(first);
  else if (
    await works(first).then(
      () => false,
      () => true,
    )
  )
    return eventually(others, works);
  return first;
}

/** An element that nobody of ours has loaded; in some sets with a comment. */
function strangeKey(set: string, group: number): string {
  const [type = ''] = (KEY_TYPES.get(set) ?? 'type devgroup').replace(/^type(of)? /, '').split(';');
  const parts = type.split(' . ').map((part) => {
    if (['devgroup', 'iifgroup'].includes(part)) return String(group);
    if (part === 'ether_addr') return X.mac;
    if (part === 'ipv4_addr') return X.ip;
    if (part === 'ipv6_addr') return 'fd00::99';
    if (part === 'ether_type') return '0x88e5';
    if (part === 'inet_proto') return '253';
    if (part === 'vlan id') return '77';
    const [, bits = '0'] = /,(\d+)$/.exec(part) ?? [];
    return `0x${'5a'.repeat(Number(bits) / 8)}`;
  });
  return `${parts.join(' . ')}${set.includes('ip') ? ' comment "somebody"' : ''}`;
}

const HARM: readonly Harm[] = [
  {
    name: 'an address that somebody added',
    does: async (dom0, group) => {
      await nft(dom0, element('add', 'own-ip', `${group} . ${A.mac} . ${X.ip}`));
      await nft(dom0, element('add', 'own-ip-raw', `${group} . 0x0a000063`));
    },
    says: [`vif1.0 rules own-ip: null -> ${A.mac} ${X.ip}`, `vif1.0 rules own-ip-raw: null -> ${X.ip}`],
  },
  {
    name: 'a block that somebody added',
    does: (dom0, group) => nft(dom0, element('add', 'own-ip-block', `${group} . 0x0a000000-0x0a0000ff`)),
    says: ['vif1.0 rules own-ip-block: null -> 10.0.0.0-10.0.0.255'],
  },
  {
    name: 'a single address where blocks are',
    does: (dom0, group) => nft(dom0, element('add', 'own-ip-block', `${group} . 0x0a000063 comment "mine"`)),
    says: [`vif1.0 rules own-ip-block: null -> ${X.ip}`],
  },
  {
    name: 'a flag that somebody added',
    does: (dom0, group) => nft(dom0, element('add', 'any', String(group))),
    says: ['vif1.0 rules any: null -> the port'],
  },
  {
    name: 'an address that is lost',
    does: (dom0, group) => nft(dom0, element('delete', 'own-ip6-raw', `${group} . 0xfd000000000000000000000000000011`)),
    says: [`vif1.0 rules own-ip6-raw: ${A.ip6} -> null`],
  },
  {
    name: 'another limit',
    does: async (dom0, group) => {
      await nft(dom0, element('delete', 'limit-arp', String(group)));
      await nft(dom0, element('add', 'limit-arp', `${group} limit rate over 9000/second burst 9000 packets`));
    },
    says: [
      'vif1.0 rules limit-arp: the port limit rate over 200/second burst 1000 packets -> null',
      'vif1.0 rules limit-arp: null -> the port limit rate over 9000/second burst 9000 packets',
    ],
  },
  {
    name: 'a station that is not its guest',
    does: (dom0) => dom0.ns.check(['bridge', 'fdb', 'add', X.mac, 'dev', 'vif1.0', 'master', 'static']),
    says: [`vif1.0 port fdb: no other entry -> ${X.mac} static`],
  },
  {
    name: 'its own entry is gone',
    does: (dom0) => dom0.ns.check(['bridge', 'fdb', 'del', A.mac, 'dev', 'vif1.0', 'master']),
    says: [`vif1.0 port fdb: ${A.mac} static sticky at vif1.0 -> ${A.mac} none`],
  },
  {
    name: 'learning and lock',
    does: (dom0) => dom0.ns.check(['bridge', 'link', 'set', 'dev', 'vif1.0', 'locked', 'off', 'isolated', 'on']),
    says: ['vif1.0 port locked: on -> off', 'vif1.0 port isolated: off -> on'],
  },
  {
    name: 'another MTU',
    // A bridge whose MTU nobody has set takes the lowest of its ports, and ports are to have that of the bridge.
    does: async (dom0) => {
      for (const mtu of ['1400', '1500']) await dom0.ns.check(['ip', 'link', 'set', 'br0', 'mtu', mtu]);
      await link('mtu', '1400')(dom0);
    },
    says: ['vif1.0 port mtu: 1500 -> 1400'],
  },
  { name: 'the link is down', does: link('down'), says: ['vif1.0 port state: up -> down'] },
  {
    name: 'an address of dom0 on the port',
    does: (dom0) => dom0.ns.check(['ip', 'address', 'add', '10.9.9.9/32', 'dev', 'vif1.0']),
    says: ['vif1.0 port addresses: none -> 10.9.9.9/32'],
  },
  {
    name: 'the policy has changed',
    does: async (dom0) => writeFileSync(join(dom0.folder, 'vif-bridge.ini'), `[mac ${A.mac}]\nallow = vrrp\n`),
    says: ['vif1.0 rules vrrp: the port -> null'],
  },
  {
    name: 'Xen was told of an error',
    does: async (dom0) => dom0.store.load({ 'backend/vif/1/0/hotplug-status': 'error' }),
    says: ['vif1.0 xen hotplug-status: connected -> error'],
    stays: true,
  },
];

test('verify and repair of one vif', { skip }, async (t) => {
  const dom0 = await openGuests(t);
  const group = guestGroup((await dom0.link('vif1.0'))?.ifindex);
  await t.test('all is well at first', async () => {
    assert.deepEqual(await verified(dom0).then(({ status, lines }) => [status, lines]), [0, []]);
    assert.deepEqual(await verified(dom0, 'vif1.0').then(({ status, lines }) => [status, lines]), [0, []]);
    assert.match((await dom0.admin(['verify'])).stdout, /^2 of 2 vifs are as policy and xenstore say\n$/);
  });
  await t.test('the table is listed once, whoever looks at it; and not at all without nft', async () => {
    const bin = join(dom0.folder, 'bin');
    const calls = join(bin, 'calls');
    const path = '/usr/sbin:/usr/bin:/sbin:/bin';
    mkdirSync(bin);
    writeFileSync(join(bin, 'nft'), `#!/bin/sh\nprintf '%s\\n' "$*" >>${calls}\nPATH=${path} exec nft "$@"\n`, {
      mode: 0o755,
    });
    for (const names of [['vif1.0'], []]) {
      rmSync(calls, { force: true });
      const { status, stderr } = await dom0.admin(['verify', ...names], {
        env: { PATH: `${bin}:${path}`, VIF_BRIDGE_PERSON: '1' },
      });
      assert.equal(status, 0, stderr);
      const listings = readFileSync(calls, 'utf8')
        .split('\n')
        .filter((line) => line.includes('list table'));
      // The executable asks the kernel, and nothing differs.
      assert.deepEqual(listings, form() === 'node' ? ['-j list table bridge xen-vif'] : [], names.join());
    }
  });
  await t.test('what somebody adds to each of our sets is found', async () => {
    for (const { name } of OWN_NAMES.filter(({ kind }) => kind === 'set')) {
      const keys = [strangeKey(name, group), NOBODY];
      // Of some the port itself is in it.
      const key = await eventually(keys, (one) => nft(dom0, element('create', name, one)));
      // Of all but these a port that is asked about tells what is nobody's.
      const { status, lines } = await verified(dom0, ...(name === PORTS_SET ? [] : ['vif1.0']));
      assert.deepEqual([status, lines.length], [1, 1], `${name}: ${lines.join(', ')}`);
      const whose = key === NOBODY || name === PORTS_SET ? 'all' : 'vif1.0';
      assert.ok(lines[0]?.startsWith(`${whose} rules ${name}: null -> `), lines[0]);
      // nft 1.0.6 takes a single value out of a set of intervals as a range alone.
      const range = isOfIntervals(name) ? key.replace(/(\w+)( comment|$)/, '$1-$1$2') : key;
      await nft(dom0, element('delete', name, range.replace(/ comment .*/, '')));
    }
    assert.deepEqual((await verified(dom0, 'vif1.0')).lines, []);
  });
  for (const { name, does, says, stays } of HARM) {
    await t.test(name, async () => {
      await does(dom0, group);
      for (const names of [['vif1.0'], []]) {
        const { status, lines } = await verified(dom0, ...names);
        assert.deepEqual([status, lines.sort()], [1, [...says].sort()]);
      }
      assert.equal((await verified(dom0, 'vif2.0')).status, 0, 'the other one has nothing to do with it');
      const text = (await dom0.admin(['verify', 'vif1.0'])).stdout;
      assert.match(text, /^ {2}[-+] /m);
      assert.match(text, /put right with: vif-bridge repair vif1\.0/);
      const repaired = await dom0.admin(['repair', 'vif1.0']);
      assert.equal(repaired.status, 0, repaired.stderr);
      const after = await verified(dom0);
      assert.deepEqual([after.status, after.lines], stays ? [1, says] : [0, []]);
    });
  }
});

test('verify and repair of all', { skip }, async (t) => {
  const dom0 = await openGuests(t);
  const group = guestGroup((await dom0.link('vif1.0'))?.ifindex);
  await t.test("what is nobody's in our sets, and what is of many ports at once", async () => {
    await nft(dom0, element('add', 'managed', '1073749999'));
    assert.deepEqual((await verified(dom0)).lines, ['all rules managed: null -> the port']);
    // Every port, whatever its group.
    await nft(dom0, element('add', 'any', '*'));
    assert.deepEqual((await verified(dom0, 'vif1.0')).lines, ['all rules any: null -> *']);
    await nft(dom0, element('delete', 'any', '*'));
    await nft(dom0, element('add', 'own-ip-block', '1073741824-1073799999 . 0x0a000063'));
    const { status, lines } = await verified(dom0);
    assert.equal(status, 1);
    assert.equal(lines.length, 2, lines.join('\n'));
    assert.ok(lines.every((line) => line.startsWith('all rules ')));
    assert.equal((await verified(dom0, 'vif1.0')).lines.length, 1, 'the range is of this port too');
    assert.equal((await dom0.admin(['repair'])).status, 0);
    assert.equal((await verified(dom0)).status, 0);
  });
  await t.test('what all share, and a table that is gone', async () => {
    await nft(dom0, 'flush chain bridge xen-vif from-guest/arp');
    assert.deepEqual((await verified(dom0)).lines, [
      'all rules rules: as they were loaded -> what all vifs share is not as it was loaded',
    ]);
    assert.equal((await dom0.admin(['repair'])).status, 0);
    assert.equal((await verified(dom0)).status, 0);
    await nft(dom0, 'flush ruleset');
    assert.deepEqual((await verified(dom0, 'vif1.0')).lines, [
      'all rules rules: as they were loaded -> the rules are gone',
    ]);
    assert.equal((await dom0.admin(['repair', 'vif1.0'])).status, 0);
    assert.equal((await verified(dom0)).status, 0);
  });
  await t.test('a bridge that is not its own', async () => {
    await dom0.ns.check(['ip', 'link', 'set', 'vif1.0', 'nomaster']);
    const { status, lines } = await verified(dom0, 'vif1.0');
    assert.equal(status, 1);
    assert.ok(lines.includes('vif1.0 port master: br0 -> none'), lines.join('\n'));
    assert.equal((await dom0.admin(['repair'])).status, 0);
    await waitForForwarding(dom0.ns, 'vif1.0');
    assert.deepEqual((await verified(dom0)).lines, []);
  });
  await t.test('no frame of a neighbour is lost, and what was counted stays', async () => {
    const before = (await dom0.status()).find(({ name }) => name === 'vif2.0');
    await nft(dom0, element('add', 'any', String(group)));
    assert.equal((await dom0.admin(['repair', 'vif1.0'])).status, 0);
    assert.deepEqual(
      (await dom0.status()).find(({ name }) => name === 'vif2.0'),
      before,
    );
  });
  await t.test('foreign things are named', async () => {
    await dom0.ns.check(['tc', 'qdisc', 'add', 'dev', 'vif1.0', 'clsact']);
    await nft(
      dom0,
      'add table bridge other; add chain bridge other f { type filter hook forward priority 0; policy drop; }',
    );
    await dom0.bench.addVif('vif9.0');
    await dom0.ns.check(['ip', 'link', 'set', 'vif9.0', 'master', 'br0', 'up']);
    const { status, found } = await verified(dom0);
    assert.equal(status, 1);
    const named = found.foreign.map(({ what }) => what).join('\n');
    for (const what of [
      /clsact at vif1\.0/,
      /table bridge other.* drops every frame/,
      /vif9\.0 on br0 was not configured/,
    ])
      assert.match(named, what);
    assert.match((await dom0.admin(['verify'])).stdout, /^foreign: tc has a qdisc clsact at vif1\.0$/m);
  });
  await t.test('what is not ours is trouble, and repair takes nobody over', async () => {
    for (const [name, why] of [
      ['vif9.0', /no run of this program has configured vif9\.0/],
      ['nonsense', /there is no port nonsense/],
    ] as const) {
      for (const command of ['verify', 'repair']) {
        const { status, stderr } = await dom0.admin([command, name]);
        assert.equal(status, 2, command);
        assert.match(stderr, why);
      }
    }
  });
});
