import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { DEFAULT_POLICY } from '../../src/policy/policy.ts';
import { DEFAULT_POLICY_FILE, readPolicy } from '../../src/policy/read-policy.ts';
import { effective } from './effective.ts';

function folder(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), 'xvb-policy-'));
  t.after(() => rmSync(path, { recursive: true }));
  return path;
}

const present = existsSync(DEFAULT_POLICY_FILE) ? `this host has ${DEFAULT_POLICY_FILE}` : false;
test('without a file at the default place the defaults hold', { skip: present }, () => {
  assert.deepEqual(readPolicy(undefined), DEFAULT_POLICY);
});

test('a file that was named is read', (t) => {
  const file = join(folder(t), 'policy.ini');
  writeFileSync(file, '[defaults]\nno_ip = deny\n');
  assert.deepEqual(effective(readPolicy(file)), { ...effective(DEFAULT_POLICY), no_ip: 'deny' });
});

test('a file that was named must exist and be readable', (t) => {
  const at = folder(t);
  assert.throws(() => readPolicy(join(at, 'none.ini')), {
    code: 'input',
    at: join(at, 'none.ini'),
    message: 'cannot read the policy file (ENOENT)',
  });
  assert.throws(() => readPolicy(at), { code: 'input', message: 'cannot read the policy file (EISDIR)' });
});

test('a broken file is an error with its path and line', (t) => {
  const file = join(folder(t), 'policy.ini');
  writeFileSync(file, '[defaults]\n\nno_ip = maybe\n');
  assert.throws(() => readPolicy(file), { code: 'input', at: `${file}:3` });
});
