import assert from 'node:assert/strict';
import test from 'node:test';
import { GUEST_PORTS, isGuestPort, parseVifName } from '../../src/net/vif-name.ts';

const NAMED: readonly (readonly [name: string, domid: number, devid: number, emulated: boolean])[] = [
  ['vif1.0', 1, 0, false],
  ['vif0.0', 0, 0, false],
  ['vif32751.12', 32751, 12, false],
  ['vif1.0-emu', 1, 0, true],
  ['tap1.0', 1, 0, true],
];
for (const [name, domid, devid, emulated] of NAMED) {
  test(`${name} is port ${devid} of domain ${domid}${emulated ? ', emulated' : ''}`, () => {
    assert.deepEqual(parseVifName(name), { domid, devid, emulated });
  });
}

for (const name of [
  '',
  'vif',
  'vif1',
  'vif1.',
  'vif1.0x',
  'vif01.0',
  'vif1.00',
  'vif-1.0',
  'xvif1.0',
  'web0-emu',
  'vif1.0\n',
]) {
  test(`${JSON.stringify(name)} says nothing of a guest`, () => assert.equal(parseVifName(name), undefined));
}

test('a port of a guest is known by the same beginning of its name here, in nft and in ebtables', () => {
  for (const name of ['vif', 'vif1.0', 'vif1.0-emu', 'vifdmz']) assert.ok(isGuestPort(name), name);
  for (const name of ['tap1.0', 'web0', 'xvif1.0', 'Vif1.0', 'vi']) assert.ok(!isGuestPort(name), name);
  assert.deepEqual(GUEST_PORTS, { nft: '"vif*"', ebtables: 'vif+' });
});
