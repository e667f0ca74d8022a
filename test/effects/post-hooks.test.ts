import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { postHooks } from '../../src/effects/post-hooks.ts';

test('hooks are what stock would source: executable files called *.hook', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'xvb-hooks-'));
  t.after(() => rmSync(folder, { recursive: true }));
  for (const name of ['20-b.hook', '10-a.hook', 'off.hook', 'README']) writeFileSync(join(folder, name), '');
  for (const name of ['20-b.hook', '10-a.hook', 'README']) chmodSync(join(folder, name), 0o755);
  mkdirSync(join(folder, 'folder.hook'));
  assert.deepEqual(postHooks(folder), ['10-a.hook', '20-b.hook']);
  assert.deepEqual(postHooks(join(folder, 'nowhere')), []);
});
