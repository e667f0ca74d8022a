import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { DEFAULT_POLICY } from '../../src/policy/policy.ts';
import { DEFAULT_POLICY_FILE, readPolicy, readPolicyFiles } from '../../src/policy/read-policy.ts';
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

test('the folder beside it is read in the order of names, only what is called *.ini', (t) => {
  const at = folder(t);
  const file = join(at, 'policy.ini');
  const beside = join(at, 'policy.d');
  writeFileSync(file, '[defaults]\nno_ip = deny\nlock = lockfile\n');
  mkdirSync(beside);
  for (const [name, text] of [
    ['20.ini', '[defaults]\nno_ip = unrestricted\n'],
    ['10.ini', '[defaults]\nno_ip = mac-only\nvnet_header = refuse\n'],
    ['.30.ini', 'broken'],
    ['40.ini~', 'broken'],
    ['50.ini.dpkg-new', 'broken'],
  ] as const) {
    writeFileSync(join(beside, name), text);
  }
  assert.deepEqual(readPolicyFiles(file).files, [file, join(beside, '10.ini'), join(beside, '20.ini')]);
  const { no_ip, vnet_header, lock } = effective(readPolicy(file));
  assert.deepEqual({ no_ip, vnet_header, lock }, { no_ip: 'unrestricted', vnet_header: 'refuse', lock: 'lockfile' });
});

test('what is wrong in any of the files is said at once, and no file can be followed', (t) => {
  const at = folder(t);
  const [file, other] = [join(at, 'policy.ini'), join(at, 'policy.d', 'a.ini')];
  mkdirSync(join(at, 'policy.d'));
  writeFileSync(file, '[defaults]\nno_ip = maybe\n');
  writeFileSync(other, '[vif web]\nfoo = bar\nlock = flock\n');
  assert.throws(() => readPolicy(file), {
    at: `${file}:2`,
    message: `no_ip = "maybe" is not possible; ${other}:2: unknown key "foo"; ${other}:3: "lock" cannot stand in [vif web]`,
  });
});

test('a folder in the place of one of its files is an error', (t) => {
  const at = folder(t);
  const file = join(at, 'policy.ini');
  writeFileSync(file, '');
  mkdirSync(join(at, 'policy.d', 'a.ini'), { recursive: true });
  assert.throws(() => readPolicy(file), { at: join(at, 'policy.d', 'a.ini'), message: /EISDIR/ });
});
