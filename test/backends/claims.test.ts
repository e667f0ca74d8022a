/** Whoever has an address that is routed to a guest is near one: then the routes are asked whose it is. */
import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { nearElements } from '../../src/backends/nftables/claims.ts';
import { makePrefix, parsePrefix } from '../../src/net/ip-prefix.ts';

/** What the rules of the table ask (claims.ts, NEAR_RULES), of an address in bytes. */
function isNear(sets: ReadonlyMap<string, readonly string[]>, bytes: Uint8Array): boolean {
  const has = (set: string, element: string): boolean => sets.get(set)?.includes(element) === true;
  const masked = (bits: number): string => makePrefix(bytes, bits).text.replace(/\/.*/, '');
  const word = `0x${Buffer.from(bytes.subarray(0, 4)).toString('hex')}`;
  if (bytes.length === 4) return has('near', masked(24)) || has('wide', 'ipv4');
  const near = has('near6-word', word) && (has('near6', masked(64)) || has('near6-block', word));
  return near || has('wide', 'ipv6');
}

const address = (size: number): fc.Arbitrary<Uint8Array> => fc.uint8Array({ minLength: size, maxLength: size });

test('every address of every block is near it', () => {
  const routes = fc
    .constantFrom(4, 16)
    .chain((size) => fc.tuple(address(size), address(size), fc.integer({ min: 0, max: size * 8 })));
  fc.assert(
    fc.property(routes, ([first, other, length]) => {
      const block = makePrefix(first, length);
      const inside = other.map((byte, at) => {
        const mask = 0xff & (0xff00 >> Math.min(8, Math.max(0, length - 8 * at)));
        return (block.bytes[at] ?? 0) | (byte & ~mask);
      });
      const sets = nearElements([block.text]);
      assert.ok(isNear(sets, inside), `${block.text} ${inside}`);
      assert.ok([...sets.values()].every((elements) => elements.length <= 256));
    }),
    { numRuns: 2000 },
  );
});

test('who is elsewhere is not', () => {
  const sets = nearElements(['192.0.2.5', '198.51.100.8/30', '203.0.0.0/22', '2001:db8:5::5', '2001:db8:6::/48']);
  const near = (text: string): boolean => isNear(sets, parsePrefix(text)?.bytes ?? new Uint8Array());
  for (const text of ['192.0.2.77', '203.0.3.1', '2001:db8:5::77', '2001:db8:ffff::1']) assert.ok(near(text), text);
  for (const text of ['192.0.3.5', '203.0.4.1', '198.51.101.9', '2001:db9::1']) assert.ok(!near(text), text);
  // Of one address the whole /64 is near, and no more of it.
  assert.ok(!isNear(nearElements(['2001:db8:5::5']), parsePrefix('2001:db8:6::5')?.bytes ?? new Uint8Array()));
  assert.deepEqual(nearElements([]), new Map());
});
