/** Which sets are listed to end the conversations of guests whose rules have changed: each is a run of nft. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { FLOW_SETS } from '../../src/backends/nftables/flow-sets.ts';
import { programs } from '../../src/backends/nftables/programs.ts';
import { TRACKED_SETS } from '../../src/backends/nftables/tracked-sets.ts';
import { fakeHost } from '../commands/fake-host.ts';

async function listed(t: TestContext, changed: { rules: number[]; filter: number[] }): Promise<string[]> {
  const directory = mkdtempSync(join(tmpdir(), 'xvb-ended-'));
  t.after(() => rmSync(directory, { recursive: true }));
  const sets: string[] = [];
  const nft = (args: readonly string[]): { status: number } => {
    assert.deepEqual(args.slice(0, 5), ['-j', 'list', 'set', 'bridge', 'xen-vif']);
    sets.push(...args.slice(5));
    return { status: 1 };
  };
  await programs(fakeHost({ tools: { nft }, directory }).host).forget(changed);
  return sets;
}

const names = (sets: readonly { readonly name: string }[]): string[] => sets.map(({ name }) => name);

test('where no rules have changed nothing is listed', async (t) => {
  // A guest that comes up has none yet, and 64 runs of nft took longer than Xen waits on an emulated host.
  assert.deepEqual(await listed(t, { rules: [], filter: [] }), []);
});

test('rules have sets of their own, and so have filters', async (t) => {
  assert.deepEqual(await listed(t, { rules: [7], filter: [] }), names(FLOW_SETS));
  assert.deepEqual(await listed(t, { rules: [], filter: [7] }), names(TRACKED_SETS));
  assert.deepEqual(await listed(t, { rules: [7], filter: [8] }), [...names(FLOW_SETS), ...names(TRACKED_SETS)]);
});
