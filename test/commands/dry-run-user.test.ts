import assert from 'node:assert/strict';
import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { fileURLToPath } from 'node:url';
import { runProgram } from '../lab/subprocess.ts';

const BUNDLE = fileURLToPath(new URL('../../dist/vif-bridge.cjs', import.meta.url));
/** nobody. */
const UID = '65534';
const skip = process.getuid?.() === 0 ? false : 'needs root to become somebody else';

test('a dry run needs no root, also where the state belongs to root', { skip }, async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'vif-bridge-user-'));
  t.after(() => rmSync(folder, { recursive: true }));
  chmodSync(folder, 0o755);
  const state = join(folder, 'state');
  mkdirSync(state, { mode: 0o700 });
  const program = join(folder, 'vif-bridge.cjs');
  copyFileSync(BUNDLE, program);
  chmodSync(program, 0o644);
  const asNobody = (...args: string[]) =>
    runProgram(['setpriv', `--reuid=${UID}`, '--clear-groups', process.execPath, program, ...args], {
      env: {
        PATH: '/usr/bin:/bin',
        VIF_BRIDGE_STATE_DIR: state,
        vif: 'vif1.0',
        bridge: 'xenbr0',
        mac: '00:16:3e:00:00:01',
        ip: '192.0.2.10 2001:db8::10',
      },
    });

  const dry = await asNobody('online', '--dry-run');
  assert.equal(dry.status, 0, dry.stderr);
  assert.match(dry.stdout, /own-ip \{ 1073741824 \. 00:16:3e:00:00:01 \. 192\.0\.2\.10 \}/);
  assert.match(dry.stderr, /^note: .*cannot be read/);

  const status = await asNobody('status');
  assert.equal(status.status, 2);
  assert.match(status.stderr, /hint: {2}run it as root/);
});
