import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { blocksOf, parseAddressRange } from '../../src/net/address-range.ts';

const blocks = (text: string): string[] => {
  const range = parseAddressRange(text);
  assert.ok(range);
  return blocksOf(range);
};

test('a range is the fewest blocks', () => {
  assert.deepEqual(blocks('192.0.2.1'), ['192.0.2.1/32']);
  assert.deepEqual(blocks('192.0.2.0/24'), ['192.0.2.0/24']);
  assert.deepEqual(blocks('0.0.0.0/0'), ['0.0.0.0/0']);
  assert.deepEqual(blocks('192.0.2.1-192.0.2.6'), ['192.0.2.1/32', '192.0.2.2/31', '192.0.2.4/31', '192.0.2.6/32']);
  assert.deepEqual(blocks('255.255.255.254-255.255.255.255'), ['255.255.255.254/31']);
  assert.deepEqual(blocks('2001:db8::fffe-2001:db8::1:0'), ['2001:db8::fffe/127', '2001:db8::1:0/128']);
  assert.deepEqual(blocks('::/0'), ['::/0']);
});

test('the blocks of any range follow each other, and none is left out', () => {
  fc.assert(
    fc.property(fc.nat(0xffffffff), fc.nat(0xffffffff), (a, b) => {
      const [first, last] = a < b ? [a, b] : [b, a];
      const dotted = (value: number): string => [24, 16, 8, 0].map((shift) => (value >>> shift) & 255).join('.');
      let next = BigInt(first);
      for (const block of blocks(`${dotted(first)}-${dotted(last)}`)) {
        const range = parseAddressRange(block);
        assert.equal(range?.first, next);
        next = (range?.last ?? 0n) + 1n;
      }
      assert.equal(next, BigInt(last) + 1n);
    }),
  );
});
