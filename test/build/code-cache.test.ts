/** The Node form starts from what V8 compiled when it was built, and as well without it. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { bundleScript, cacheFile, firstLine, isFromCache } from '../../src/bundle-cache.ts';
import { CODE_CACHES, PROGRAM_FILES } from '../../src/install/program-files.ts';

const DIST = fileURLToPath(new URL('../../dist/', import.meta.url));
const FILES = [...PROGRAM_FILES.node, ...CODE_CACHES];
const missing = FILES.filter((file) => !readdirSync(DIST).includes(file));
const skip = obstacle() ?? false;

function obstacle(): string | undefined {
  if (missing.length > 0) return `needs ${missing.join(', ')} (npm run build)`;
  const head = readFileSync(join(DIST, 'vif-bridge.cjs.v8')).toString('latin1', 0, 128);
  return head.includes(`${process.version} `) ? undefined : `dist was built by another Node than ${process.version}`;
}

/** A copy of the Node form. */
function install(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'xvb-code-cache-'));
  t.after(() => rmSync(folder, { recursive: true }));
  mkdirSync(join(folder, 'dist'));
  for (const file of FILES) cpSync(join(DIST, file), join(folder, 'dist', file));
  return join(folder, 'dist');
}

function run(program: string, ...args: string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [program, ...args], {
    env: { PATH: '/usr/bin:/bin', VIF_BRIDGE_STATE_DIR: '/dev/null' },
    encoding: 'utf8',
  });
  return { status, stdout, stderr };
}

const ONLINE = ['online', '--dry-run', 'vif=vif1.0', 'mac=00:16:3e:00:00:01', 'ip=192.0.2.1'];

test('the build leaves a code cache that this Node takes', { skip }, (t) => {
  assert.equal(isFromCache(bundleScript(join(install(t), 'vif-bridge.cjs'))), true);
});

test('with the code cache the program does and says what it does without', { skip }, (t) => {
  const dist = install(t);
  for (const args of [['--version'], ['--help'], ['online', 'stray'], ['nonsense'], ONLINE]) {
    const expected = run(join(dist, 'vif-bridge.cjs'), ...args);
    assert.deepEqual(run(join(dist, 'start.cjs'), ...args), expected, args.join(' '));
  }
});

for (const [what, change] of [
  ['is not there', (file: string) => rmSync(file)],
  ['is empty', (file: string) => writeFileSync(file, '')],
  ['is cut off', (file: string) => writeFileSync(file, readFileSync(file).subarray(0, 10_000))],
  ['was made by another Node', (file: string) => edit(file, process.version, 'v20.0.0')],
  ['was made on another CPU', (file: string) => edit(file, ` ${process.arch} `, ' mips ')],
  ['is one of another bundle', (file: string) => edit(file, '// ', '//_')],
] as const) {
  test(`a code cache that ${what} is not used, and nobody notices`, { skip }, (t) => {
    const dist = install(t);
    const bundle = join(dist, 'vif-bridge.cjs');
    const expected = run(bundle, ...ONLINE);
    change(cacheFile(bundle));
    assert.equal(isFromCache(bundleScript(bundle)), false);
    assert.deepEqual(run(join(dist, 'start.cjs'), ...ONLINE), expected);
  });
}

/** Changes the text of the first line, not its length. */
function edit(file: string, from: string, to: string): void {
  const content = readFileSync(file);
  const head = content.toString('latin1', 0, 128);
  assert.ok(head.includes(from));
  const line = head.replace(from, () => to).trimEnd();
  writeFileSync(file, Buffer.concat([Buffer.from(`${line.padEnd(127)}\n`), content.subarray(128)]));
}

test('a changed bundle runs as it is now, also with the length it had', { skip }, (t) => {
  const dist = install(t);
  const bundle = join(dist, 'vif-bridge.cjs');
  const text = readFileSync(bundle, 'latin1');
  const version = /\b\d+\.\d+\.\d+ \(/.exec(text)?.[0] ?? '';
  const other = version.replace(/\d/, (digit) => String((Number(digit) + 1) % 10));
  const changed = Buffer.from(
    text.slice(text.indexOf('\n') + 1).replace(version, () => other),
    'latin1',
  );
  writeFileSync(bundle, Buffer.concat([Buffer.from(firstLine('0123456789abcdef', changed)), changed]));
  assert.ok(run(join(dist, 'start.cjs'), '--version').stdout.startsWith(other));
});

test('a folder that cannot be written to is enough', { skip }, (t) => {
  const dist = install(t);
  const before = readdirSync(dist);
  chmodSync(dist, 0o555);
  const result = run(join(dist, 'start.cjs'), '--version');
  chmodSync(dist, 0o755);
  assert.equal(result.status, 0, result.stderr);
  assert.deepEqual(readdirSync(dist), before);
});
