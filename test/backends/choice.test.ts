import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { withRules } from '../../src/backends/choice.ts';
import type { ToolResult } from '../../src/effects/exec.ts';
import { Failure } from '../../src/errors.ts';
import type { Host } from '../../src/host.ts';
import { DEFAULT_POLICY } from '../../src/policy/policy.ts';
import { openState } from '../../src/state/state.ts';

const GOOD: ToolResult = { status: 0, stdout: '', stderr: '' };

/** A host whose programs answer as told; one that is not told of is not installed. */
function host(t: TestContext, answers: Readonly<Record<string, ToolResult>>): Host {
  const directory = mkdtempSync(join(tmpdir(), 'vif-bridge-choice-'));
  t.after(() => rmSync(directory, { recursive: true }));
  const unexpected = (): never => {
    throw new Error('unexpected call');
  };
  return {
    run: async (tool) => answers[tool] ?? Promise.reject(new Failure('not-installed', `${tool} is not installed`)),
    ahead: () => {},
    close: () => {},
    callsHostFilter: () => false,
    isOwnScript: unexpected,
    log: { say: () => undefined, deliver: unexpected, begin: unexpected },
    sendLog: unexpected,
    takeLock: unexpected,
    locks: {
      seenByOthers: true,
      isClaimed: unexpected,
      holder: unexpected,
      claimed: unexpected,
      pass: unexpected,
    },
    state: openState(directory, { bootId: () => 'boot', log: { say: () => {} } }),
    policy: DEFAULT_POLICY,
    readDevice: unexpected,
    deviceNames: unexpected,
    showsThisNetwork: unexpected,
    uplinkOf: unexpected,
    limitsGroups: unexpected,
    hasVnetHeader: unexpected,
    netTable: unexpected,
    disableIpv6: unexpected,
    readSetting: unexpected,
    writeSetting: unexpected,
    sleep: unexpected,
    bootId: () => 'boot',
    ticket: 0,
    now: unexpected,
  };
}

test('auto takes nftables where it works', async (t) => {
  assert.equal((await withRules(host(t, { nft: GOOD }))).rules.name, 'nftables');
});

test('auto takes ebtables where nft is not installed, or the kernel lacks the bridge family', async (t) => {
  assert.equal((await withRules(host(t, { ebtables: GOOD }))).rules.name, 'ebtables');
  const nft = { status: 1, stdout: '', stderr: 'Error: Could not process rule: Operation not supported\n' };
  assert.equal((await withRules(host(t, { nft, ebtables: GOOD }))).rules.name, 'ebtables');
});

for (const said of ['Resource temporarily unavailable', 'Cannot allocate memory', 'Operation not permitted']) {
  test(`auto chooses nothing when nft says "${said}"`, async (t) => {
    const nft = { status: 1, stdout: '', stderr: `Error: Could not process rule: ${said}\n` };
    await assert.rejects(withRules(host(t, { nft, ebtables: GOOD })), { code: 'tool', message: new RegExp(said) });
  });
}

test('auto says why neither works', async (t) => {
  await assert.rejects(withRules(host(t, {})), { code: 'tool', message: /no packet filter works: nft: .*ebtables/ });
});
