/**
 * Command in, plain text out. Each folder here is one scenario:
 *
 *   command         what a person types, or Xen runs, as a shell reads it
 *   policy.ini      the policy file, if there is one
 *   xenstore.json   what xenstore holds: path -> value
 *   state/          the state directory as earlier runs left it
 *
 *   status          the exit status that is expected
 *   stdout, stderr  what is expected to be printed; in stdout the part of the rules that all vifs share is replaced
 *                   by a line that names the file that holds it
 *   log             what is expected to be sent to syslog
 *
 * Only dry runs and errors: nothing here needs root, a device or nft. `UPDATE_GOLDEN=1` writes what is expected anew.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join, relative } from 'node:path';
import test, { type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { form, programFile } from '../lab/program.ts';
import { runProgram } from '../lab/subprocess.ts';
import { startXenstored } from '../lab/xenstored.ts';

const HERE = fileURLToPath(new URL('.', import.meta.url));
const ROOT = join(HERE, '../..');
const UPDATE = (process.env.UPDATE_GOLDEN ?? '') !== '';
const EXPECTED = ['status', 'stdout', 'stderr', 'log'] as const;
const SYSTEM_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
/** Devices that the scenarios name; where they exist a dry run rightly says more. */
const NAMED = ['vif1.0', 'vif1.0-emu', 'xenbr0', 'web0', 'web0-emu'];

const scenarios = readdirSync(HERE, { withFileTypes: true })
  .filter((entry) => entry.isDirectory())
  .map((entry) => join(HERE, entry.name))
  .sort();

function obstacle(folder: string): string | undefined {
  const present = NAMED.find((device) => existsSync(`/sys/class/net/${device}`));
  if (present !== undefined) return `this host has a device ${present}`;
  if (existsSync('/etc/xen/vif-bridge.ini')) return 'this host has a policy file';
  if (existsSync(join(folder, 'xenstore.json')) && spawnSync('xenstore-ls', ['-h']).error !== undefined) {
    return 'needs xenstore-ls (Debian: xenstore-utils)';
  }
  return undefined;
}

for (const folder of scenarios) {
  test(`golden: ${basename(folder).replaceAll('-', ' ')}`, { skip: obstacle(folder) ?? false }, async (t) => {
    const actual = await runScenario(t, folder);
    const base = join(folder, 'base.nft');
    const baseFile = existsSync(base) ? base : join(HERE, 'base.nft');
    const { base: shared, rest } = withoutBase(actual.stdout, baseFile, folder);
    const results = { ...actual, stdout: rest };
    if (UPDATE) {
      if (shared !== undefined) writeFileSync(baseFile, shared);
      for (const name of EXPECTED) {
        if (results[name] === '') rmSync(join(folder, name), { force: true });
        else writeFileSync(join(folder, name), results[name]);
      }
      return;
    }
    for (const name of EXPECTED) assert.equal(results[name], expected(join(folder, name)), name);
    if (shared !== undefined) assert.equal(shared, expected(baseFile), 'the part that all vifs share');
  });
}

/** Nothing expected is no file. */
function expected(file: string): string {
  return existsSync(file) ? readFileSync(file, 'utf8') : '';
}

async function runScenario(t: TestContext, folder: string): Promise<Record<(typeof EXPECTED)[number], string>> {
  const place = mkdtempSync(join(tmpdir(), 'xvb-golden-'));
  t.after(() => rmSync(place, { recursive: true }));
  const inputs = join(place, 'in');
  cpSync(folder, inputs, { recursive: true });
  // Nothing counts but in its own boot.
  const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  for (const name of tree(inputs).filter((file) => file.startsWith('state/') && file.endsWith('.json'))) {
    const file = join(inputs, name);
    writeFileSync(file, readFileSync(file, 'utf8').replace('00000000-0000-0000-0000-000000000000', boot));
  }
  symlinkSync(form() === 'node' ? join(ROOT, 'bin/vif-bridge') : programFile(), join(place, 'vif-bridge'));
  const log = join(place, 'log');
  writeFileSync(join(place, 'logger'), `#!/bin/sh\ncat >>${log}\n`, { mode: 0o755 });

  const env: Record<string, string> = {
    PATH: `${place}:${dirname(process.execPath)}:${SYSTEM_PATH}`,
    VIF_BRIDGE_STATE_DIR: 'state',
    XENSTORED_PATH: join(place, 'no-xenstored'),
  };
  const xenstoreFile = join(folder, 'xenstore.json');
  if (existsSync(xenstoreFile)) {
    const store = await startXenstored();
    t.after(() => store.stop());
    store.load(JSON.parse(readFileSync(xenstoreFile, 'utf8')) as Record<string, string>);
    env.XENSTORED_PATH = store.socket;
    const before = store.dump();
    t.after(() => assert.deepEqual(store.dump(), before, 'xenstore was changed'));
  }
  const before = tree(inputs);
  const result = await runProgram(['sh', join(inputs, 'command')], { cwd: inputs, env });
  assert.deepEqual(tree(inputs), before, 'files were changed');
  return {
    status: `${result.status}\n`,
    stdout: versionless(result.stdout),
    stderr: result.stderr,
    log: expected(log),
  };
}

/** The name of the sentinel chain holds a digest of the shared part; only base.nft is to change with that. */
function versionless(text: string): string {
  return text.replace(/\bbase\/[0-9a-f]{12}-/g, 'base/<digest>-');
}

function tree(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' }).sort();
}

/** Takes the shared part out of the rules: it ends where the first vif's part begins. */
function withoutBase(stdout: string, baseFile: string, folder: string): { base: string | undefined; rest: string } {
  const start = stdout.indexOf('# The part that all vifs share.\n');
  const end = stdout.indexOf('\n\n# ', start);
  if (start < 0 || end < 0) return { base: undefined, rest: stdout };
  const base = stdout.slice(start, end + 1);
  return { base, rest: stdout.replaceAll(base, () => `# (the shared part: ${relative(folder, baseFile)})\n`) };
}
