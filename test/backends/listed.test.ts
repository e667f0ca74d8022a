/** What is compared of a listing: nothing that changes while guests come and go. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { listed } from '../../src/backends/nftables/listed.ts';

const table = (macs: string, addresses: string): string => `table bridge xen-vif {
\tset macs {
\t\ttype devgroup . ether_addr
\t\tsize 65536${macs}
\t}

\tset addresses {
\t\ttype devgroup . ipv4_addr
\t\tsize 131072${addresses}
\t\tflags interval
\t}

\tchain shared {
\t\tdrop
\t}
}
`;
const digestOf = async (stdout: string): Promise<string | undefined> =>
  (await listed({ run: async () => ({ status: 0, stdout, stderr: '' }) }, 'bridge'))?.base;

test('how many elements a set has is no part of it: nft 1.1.7 says so behind the size', async () => {
  const without = await digestOf(table('', ''));
  assert.notEqual(without, undefined);
  assert.equal(await digestOf(table('\t# count 1', '')), without);
  assert.equal(await digestOf(table('\t# count 2', '\t# count 4096')), without);
});

test('what else stands there is', async () => {
  const without = await digestOf(table('', ''));
  assert.notEqual(await digestOf(table('\t# other 1', '')), without);
  assert.notEqual(await digestOf(table('', '').replace('131072', '131073')), without);
  assert.notEqual(await digestOf(table('', '').replace('\t\tdrop', '\t\taccept')), without);
});

test('nor of the second table of routed vifs', async () => {
  const of = (counted: string): Promise<string | undefined> => {
    const run = async (_: string, args: readonly string[]) => {
      const stdout = table(counted, '').replace(
        'table bridge xen-vif',
        args.includes('ruleset') ? '$&' : 'table claimed',
      );
      return { status: 0, stdout, stderr: '' };
    };
    return listed({ run }, 'device').then((found) => found?.base);
  };
  assert.equal(await of('\t# count 3'), await of(''));
});
