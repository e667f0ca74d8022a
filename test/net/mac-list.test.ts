import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { macListText, parseMacList } from '../../src/net/mac-list.ts';
import { refusal } from './refusal.ts';

const read = (text: string): string[] => parseMacList(text, 'the test');

test('addresses one by one, in every spelling, each once', () => {
  assert.deepEqual(read('02:BF:0a:0:0:5, 02-42-ac-11-00-02 02:bf:0a:00:00:05'), [
    '02:bf:0a:00:00:05',
    '02:42:ac:11:00:02',
  ]);
  assert.deepEqual(read(' '), []);
});

test('a run is so many that follow each other, over the end of a byte too', () => {
  assert.deepEqual(read('02:42:ac:11:00:fe+3'), ['02:42:ac:11:00:fe', '02:42:ac:11:00:ff', '02:42:ac:11:01:00']);
  assert.equal(read('02:42:ac:11:00:00+256').length, 256);
  assert.deepEqual(read('02:42:ac:11:00:00+1'), ['02:42:ac:11:00:00']);
});

for (const [text, message] of [
  ['01:00:5e:00:00:01', /group address/],
  ['02:ff:ff:ff:ff:ff+2', /group address/],
  ['fe:ff:ff:ff:ff:fe+2', /dom0's side/],
  ['fe:ff:ff:ff:ff:ff', /dom0's side/],
  ['00:00:00:00:00:00', /no usable/],
  ['02:42:ac:11:00:00+257', /257 MAC addresses are too many/],
  ['02:42:ac:11:00:00+200 02:42:ac:12:00:00+57', /257 MAC addresses are too many/],
  ['02:42:ac:11:00:00+0', /no run/],
  ['02:42:ac:11:00:00+-1', /no run/],
  ['02:42:ac:11:00:00+1e1', /no run/],
  ['02:42:ac:11:00:00+', /no run/],
  ['02:42:ac:11:00:00+2+2', /no run/],
  ['02:42:ac:11:00:00/24', /not a MAC/],
  ['+4', /not a MAC/],
  ['none', /not a MAC/],
] as const) {
  test(`${text} is refused`, () => assert.match(refusal(read, text).message, message));
}

test('what is written is read again as the same', () => {
  const first = fc.integer({ min: 0x020000000001, max: 0x0200ffffff00 }).map((value) => {
    const digits = value.toString(16).padStart(12, '0');
    return (digits.match(/../g) ?? []).join(':');
  });
  const word = fc.tuple(first, fc.integer({ min: 1, max: 40 })).map(([mac, count]) => `${mac}+${count}`);
  fc.assert(
    fc.property(fc.array(word, { maxLength: 6 }), (words) => {
      const macs = parseMacList(words.join(' '), 'the test');
      assert.deepEqual(parseMacList(macListText(macs), 'the test'), macs);
    }),
  );
});
