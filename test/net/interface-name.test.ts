import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { parseDeviceName, parseInterfaceName } from '../../src/net/interface-name.ts';
import { accepts, refusal } from './refusal.ts';

const parse = (text: string): string => parseInterfaceName(text, 'vifname');

for (const name of [
  'vif1.0',
  'vif9999.15-emu',
  'xenbr0',
  'tap1.0',
  'web-01_a',
  'v',
  'ABCDEFGHIJKLMNO',
  'br0.100',
  '1st_domU0',
  '_dmz',
  '10-web',
  '.lan',
  '0x10',
  '1e5',
  'web@rack2',
  'a,b',
  'a~b^c',
  'if',
  'ifx1',
]) {
  test(`${name} is an interface name`, () => assert.equal(parse(name), name));
}

const REFUSED: readonly (readonly [text: string, because: RegExp])[] = [
  ['', /is not an interface name/],
  ['.', /is not an interface name/],
  ['..', /is not an interface name/],
  ['10', /a number/],
  ['+web', /is not an interface name/],
  ['web+', /is not an interface name/],
  ['a=b', /is not an interface name/],
  ['#web', /is not an interface name/],
  ['-all', /is not an interface name/],
  ['a/b', /is not an interface name/],
  ['../../proc', /is not an interface name/],
  ['a b', /is not an interface name/],
  ['a\n', /is not an interface name/],
  ['a%d', /is not an interface name/],
  ['a"b', /is not an interface name/],
  ['a;reboot', /is not an interface name/],
  ['$(id)', /is not an interface name/],
  ['web*', /is not an interface name/],
  ['br:1', /is not an interface name/],
  ['wéb', /is not an interface name/],
  ['vif\0', /is not an interface name/],
  ['ABCDEFGHIJKLMNOP', /is too long/],
  ['a'.repeat(4096), /is too long/],
  ['all', /settings of that name for every interface/],
  ['default', /settings of that name for every interface/],
  ['if5', /number of another interface/],
  ['if5x', /number of another interface/],
  ['if-1', /number of another interface/],
];

for (const [text, because] of REFUSED) {
  test(`${JSON.stringify(text.slice(0, 20))} is no interface name: ${because.source}`, () => {
    const failure = refusal(parse, text);
    assert.match(failure.message, because);
    assert.equal(failure.at, 'vifname');
    assert.match(failure.hint ?? '', /at most 15 letters/);
  });
}

test('an accepted interface name is the text itself and needs no quoting anywhere', () => {
  const printable = fc.string({ minLength: 1, maxLength: 15 });
  const likely = fc.stringMatching(/^[A-Za-z0-9._@,~^-]{1,15}$/);
  fc.assert(
    fc.property(fc.oneof(printable, likely), (text) => {
      if (!accepts(parse, text)) return;
      assert.equal(parse(text), text);
      assert.match(text, /^[A-Za-z0-9._@,~^][A-Za-z0-9._@,~^-]{0,14}$/);
      assert.doesNotMatch(text, /^[0-9]+$/);
    }),
  );
});

test('no text makes the name parser throw anything but a refusal', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      accepts(parse, text);
    }),
  );
});

test('the first name of a device names a chain too: it is what Xen, QEMU and udev make', () => {
  for (const name of ['vif1.0', 'tap3.0', 'vif1.0-emu']) assert.equal(parseDeviceName(name, 'vif'), name);
  for (const name of ['1st_domU0', '_dmz', 'web@rack2', 'a,b', 'if5']) {
    assert.match(refusal((text) => parseDeviceName(text, 'vif'), name).message, /device|another interface/);
  }
});
