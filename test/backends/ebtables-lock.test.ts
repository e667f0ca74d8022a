import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { withTables } from '../../src/backends/ebtables/tables.ts';
import { fakeHost } from '../commands/fake-host.ts';

for (const [how, seenByOthers, foreign] of [
  ['flock', true, ['/var/lib/ebtables/lock']],
  ['lockfile', false, []],
] as const) {
  const title = `lock = ${how}: ${seenByOthers ? 'the lock of ebtables itself is taken too' : 'only our own lock is taken'}`;
  test(title, async (t) => {
    const directory = mkdtempSync(join(tmpdir(), 'xvb-ebtables-lock-'));
    t.after(() => rmSync(directory, { recursive: true }));
    const { host, effects } = fakeHost({ tools: {}, directory });
    await withTables({ ...host, locks: { ...host.locks, seenByOthers } }, async () => void effects.push('work'));
    const outer = ['base', ...foreign];
    assert.deepEqual(effects, [
      ...outer.map((name) => `lock ${name}`),
      'work',
      ...[...outer].reverse().map((name) => `release ${name}`),
    ]);
  });
}
