import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { fileURLToPath } from 'node:url';
import { runProgram } from '../lab/subprocess.ts';

const SCRIPT = fileURLToPath(new URL('../../src/build/prepare.sh', import.meta.url));

test('npm installs without the development packages, and says what that means', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'xvb-prepare-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const bin = join(folder, 'bin');
  mkdirSync(bin);
  const run = () => runProgram(['/bin/sh', SCRIPT], { env: { PATH: bin }, cwd: folder });
  const first = await run();
  assert.equal(first.status, 0);
  assert.match(first.stderr, /NOT BUILT/);
  mkdirSync(join(folder, 'dist'));
  writeFileSync(join(folder, 'dist/vif-bridge.cjs'), '//\n');
  const built = await run();
  assert.equal(built.status, 0);
  assert.match(built.stderr, /dist stays as it is/);
  for (const name of ['tsx', 'esbuild', 'npm']) {
    writeFileSync(join(bin, name), `#!/bin/sh\necho ${name} "$@"\n`, { mode: 0o755 });
  }
  assert.equal((await run()).stdout, 'npm run build\n');
});
