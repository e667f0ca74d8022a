import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { type IpPrefix, parseAssignedAddress } from '../../src/net/ip-prefix.ts';
import { createNamespace, namespaceObstacle } from '../lab/namespace.ts';
import { ipv4Bytes, ipv4Text, ipv6Text } from './address-arbitrary.ts';
import { accepts } from './refusal.ts';

interface SetListing {
  readonly nftables: readonly {
    readonly set?: {
      readonly elem?: readonly (string | { readonly prefix: { readonly addr: string; readonly len: number } })[];
    };
  }[];
}

const length = fc.constantFrom(8, 12, 20, 24, 28, 31, 32, 48, 56, 64, 96, 127, 128);
const words = fc
  .record({
    address: fc.oneof(
      ipv4Bytes.map(ipv4Text),
      ipv6Text.map(({ text }) => text),
    ),
    length,
    block: fc.boolean(),
  })
  .map((one) => (one.block ? `${one.address}/${one.length}` : one.address));

test('nft reads every canonical address as what was meant', { skip: namespaceObstacle() ?? false }, async () => {
  const parse = (text: string): IpPrefix => parseAssignedAddress(text, '').prefix;
  const prefixes = fc
    .sample(words, 400)
    .filter((text) => accepts(parse, text))
    .map(parse);
  assert.ok(prefixes.length > 100);
  const ns = await createNamespace('canonical addresses');
  try {
    // A set each: in one set nft would merge neighbours and refuse overlaps.
    const lines = prefixes.flatMap((prefix, index) => [
      `add set bridge t s${index} { type ipv${prefix.family}_addr; flags interval; }`,
      `add element bridge t s${index} { ${prefix.text} }`,
    ]);
    await ns.check(['nft', '-f', '-'], { input: ['add table bridge t', ...lines, ''].join('\n') });
    const listing = JSON.parse(await ns.check(['nft', '-j', 'list', 'table', 'bridge', 't'])) as SetListing;
    const printed = listing.nftables.flatMap(({ set }) => (set === undefined ? [] : [set.elem?.[0]]));
    assert.deepEqual(
      printed.map((one) => (typeof one === 'object' ? `${one.prefix.addr}/${one.prefix.len}` : one)),
      prefixes.map((prefix) => prefix.text),
    );
  } finally {
    await ns.remove();
  }
});
