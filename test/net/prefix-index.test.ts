import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { contains, type IpPrefix, makePrefix, parsePrefix } from '../../src/net/ip-prefix.ts';
import { type Owned, prefixIndex } from '../../src/net/prefix-index.ts';

function prefix(text: string): IpPrefix {
  const parsed = parsePrefix(text);
  assert.ok(parsed, text);
  return parsed;
}

const ALL: readonly Owned[] = [
  { owner: 'a', address: '192.0.2.10' },
  { owner: 'b', address: '192.0.2.0/28' },
  { owner: 'c', address: '192.0.2.0/24' },
  { owner: 'd', address: '2001:db8::10' },
  { owner: 'e', address: '2001:db8::/64' },
];
const overlapping = (...texts: string[]): Record<string, string[]> =>
  Object.fromEntries(prefixIndex(ALL).overlapping(texts.map(prefix)));

test('an address is that of others, and in their blocks', () => {
  assert.deepEqual(overlapping('192.0.2.10'), { a: ['192.0.2.10'], b: ['192.0.2.10'], c: ['192.0.2.10'] });
  assert.deepEqual(overlapping('192.0.2.77', '198.51.100.1'), { c: ['192.0.2.77'] });
  assert.deepEqual(overlapping('2001:db8::11'), { e: ['2001:db8::11'] });
  assert.deepEqual(overlapping('2001:db9::11', '10.0.0.1'), {});
});

test('a block is that of others, in their blocks, and holds what is theirs', () => {
  assert.deepEqual(overlapping('192.0.2.0/26'), { a: ['192.0.2.10'], b: ['192.0.2.0/28'], c: ['192.0.2.0/26'] });
  assert.deepEqual(overlapping('2001:db8::/64'), { d: ['2001:db8::10'], e: ['2001:db8::/64'] });
  assert.deepEqual(overlapping('2001:db8::/32'), { d: ['2001:db8::10'], e: ['2001:db8::/64'] });
});

const some = fc.tuple(fc.uint8Array({ minLength: 4, maxLength: 4 }), fc.integer({ min: 1, max: 32 })).map(
  ([bytes, length]) =>
    makePrefix(
      bytes.map((byte, at) => (at === 0 ? 10 : byte & 3)),
      length,
    ).text,
);

test('it finds what comparing each with each finds', () => {
  fc.assert(
    fc.property(fc.array(some, { maxLength: 12 }), fc.array(some, { maxLength: 4 }), (others, own) => {
      const all = others.map((address, at): Owned => ({ owner: String(at), address }));
      const index = prefixIndex(all);
      const found = [...index.overlapping(own.map(prefix)).keys()].sort();
      // The first look is another one than those behind it.
      assert.deepEqual([...index.overlapping(own.map(prefix)).keys()].sort(), found);
      const expected = all
        .filter(({ address }) =>
          own.some((one) => contains(prefix(one), prefix(address)) || contains(prefix(address), prefix(one))),
        )
        .map(({ owner }) => owner)
        .sort();
      assert.deepEqual(found, expected);
    }),
  );
});
