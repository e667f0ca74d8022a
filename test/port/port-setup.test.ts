import assert from 'node:assert/strict';
import test from 'node:test';
import type { BatchLine } from '../../src/effects/batch.ts';
import { parseMac } from '../../src/net/mac-address.ts';
import {
  bridgeLinkLocalLines,
  fdbLines,
  joinLines,
  leaveLines,
  prepareLines,
  unpinLines,
  upLines,
} from '../../src/port/port-setup.ts';
import { type PortSetup, wishPort } from '../../src/port/wished-port.ts';

const MAC = parseMac('00:16:3e:00:00:01', 'the test');
const SETUP: PortSetup = {
  device: 'vif1.0',
  name: 'vif1.0',
  group: 1073741831,
  bridge: 'xenbr0',
  macs: [MAC],
  mtu: 0,
  rename: false,
  binding: 'pinned',
};

const texts = (lines: readonly BatchLine[]): string[] => lines.map(({ text }) => text);
/** The lines without which a port must not go into service. */
const needed = (lines: readonly BatchLine[]): string[] => texts(lines.filter(({ optional }) => optional === undefined));
const prepare = (more: Partial<PortSetup> = {}): BatchLine[] => prepareLines(wishPort({ ...SETUP, ...more }));
const join = (more: Partial<PortSetup> = {}): BatchLine[] => joinLines(wishPort({ ...SETUP, ...more }));

test('a port is prepared while it is down', () => {
  assert.deepEqual(texts(prepare()), [
    'link set dev vif1.0 down',
    'link set dev vif1.0 address fe:ff:ff:ff:ff:ff',
    'link set dev vif1.0 addrgenmode none',
    'address flush dev vif1.0',
  ]);
});

test('a port gets its final name first, and keeps the first one as alias', () => {
  assert.deepEqual(texts(prepare({ name: 'web0', rename: true })), [
    'link set dev vif1.0 down',
    'link set dev vif1.0 name web0',
    'link set dev web0 alias vif1.0',
    'link set dev web0 address fe:ff:ff:ff:ff:ff',
    'link set dev web0 addrgenmode none',
    'address flush dev web0',
  ]);
});

test('a port that has its final name is not renamed again', () => {
  assert.deepEqual(texts(prepare({ name: 'web0' })).slice(0, 2), [
    'link set dev web0 down',
    'link set dev web0 alias vif1.0',
  ]);
});

test('an MTU is set last, when it has one', () => {
  assert.equal(texts(prepare({ mtu: 9000 })).at(-1), 'link set dev vif1.0 mtu 9000');
  assert.ok(!texts(prepare()).some((text) => text.includes(' mtu ')));
});

test('without its name and without being down a port is not prepared; the rest may fail', () => {
  assert.deepEqual(needed(prepare({ name: 'web0', rename: true, mtu: 1400 })), [
    'link set dev vif1.0 down',
    'link set dev vif1.0 name web0',
  ]);
});

const JOINED: readonly (readonly [binding: PortSetup['binding'], options: readonly string[]])[] = [
  ['pinned', ['learning off', 'locked on', 'root_block on']],
  ['anchored', ['learning on', 'locked off', 'root_block on']],
  ['shared', ['learning on', 'locked off', 'root_block on']],
  ['unpinned', ['learning on', 'locked off']],
];

for (const [binding, options] of JOINED) {
  test(`a ${binding} port joins with its group first, and with ${options.join(', ')}`, () => {
    assert.deepEqual(texts(join({ binding })), [
      'link set dev vif1.0 group 1073741831',
      'link set dev vif1.0 master xenbr0',
      ...options.map((option) => `link set dev vif1.0 type bridge_slave ${option}`),
    ]);
    assert.deepEqual(needed(join({ binding })), [
      'link set dev vif1.0 group 1073741831',
      'link set dev vif1.0 master xenbr0',
      `link set dev vif1.0 type bridge_slave ${options[0]}`,
    ]);
  });
}

test('a port that holds its MAC fast has a place for its frames while its link is down, where there is one', () => {
  const line = 'link set dev vif1.0 type bridge_slave backup_port eth0';
  for (const binding of ['pinned', 'anchored'] as const) {
    assert.deepEqual(texts(join({ binding, backup: 'eth0' })), [...texts(join({ binding })), line]);
    assert.deepEqual(needed(join({ binding, backup: 'eth0' })), needed(join({ binding })));
  }
  for (const binding of ['shared', 'unpinned'] as const) {
    assert.deepEqual(join({ binding, backup: 'eth0' }), join({ binding }));
  }
});

test('where the bridge has to ignore link-local frames, it does before the port is on it', () => {
  const lines = join({ binding: 'shared', quietLinkLocal: true });
  assert.deepEqual(lines[0], bridgeLinkLocalLines('xenbr0')[0]);
  assert.deepEqual(lines.slice(1), join({ binding: 'shared' }));
  assert.equal(lines[0]?.text, 'link set dev xenbr0 type bridge no_linklocal_learn 1');
});

test('only a pinned port has a forwarding entry, and must have it', () => {
  const lines = fdbLines(wishPort(SETUP));
  assert.deepEqual(lines, [{ text: 'fdb replace 00:16:3e:00:00:01 dev vif1.0 master static sticky' }]);
  assert.deepEqual(fdbLines(wishPort({ ...SETUP, binding: 'anchored' })), lines);
  const two = wishPort({ ...SETUP, macs: [MAC, parseMac('02:bf:0a:00:00:05', 'the test')] });
  assert.deepEqual(texts(fdbLines(two)).slice(1), ['fdb replace 02:bf:0a:00:00:05 dev vif1.0 master static sticky']);
  assert.deepEqual(two.stations, two.macs);
  assert.deepEqual(fdbLines(wishPort({ ...SETUP, binding: 'shared' })), []);
  assert.deepEqual(fdbLines(wishPort({ ...SETUP, binding: 'unpinned' })), []);
});

test('a port that becomes shared gets what a shared port joins with', () => {
  const { link, fdb } = unpinLines('vif1.0');
  const shared = texts(join({ binding: 'shared' }));
  assert.deepEqual(
    texts(link),
    ['learning on', 'locked off', 'nobackup_port'].map((option) => `link set dev vif1.0 type bridge_slave ${option}`),
  );
  assert.ok(texts(link.slice(0, 2)).every((text) => shared.includes(text)));
  assert.deepEqual(needed(link), ['link set dev vif1.0 type bridge_slave learning on']);
  assert.deepEqual(texts(fdb([MAC])), ['fdb del 00:16:3e:00:00:01 dev vif1.0 master']);
  assert.deepEqual(needed(fdb([MAC])), []);
});

test('up must succeed; leaving takes whatever it finds', () => {
  assert.deepEqual(upLines('vif1.0'), [{ text: 'link set dev vif1.0 up' }]);
  assert.deepEqual(texts(leaveLines('vif1.0')), ['link set dev vif1.0 down', 'link set dev vif1.0 nomaster']);
  assert.deepEqual(needed(leaveLines('vif1.0')), []);
});
