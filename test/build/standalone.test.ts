/** The standalone executable: made of the same sources it is the same file, and it takes nothing from where it runs. */
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { fileURLToPath } from 'node:url';
import { hostBun } from '../../src/build/runtime.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const TSX = import.meta.resolve('tsx');

function bunObstacle(): string | false {
  try {
    hostBun();
    return false;
  } catch (error) {
    console.log(`skipped: ${String(error)}`);
    return String(error);
  }
}

/** A copy of the sources in a folder of its own, with both forms built. */
function build(folder: string): string {
  mkdirSync(folder);
  for (const part of ['src', 'xen-scripts', 'package.json', 'package-lock.json', 'tsconfig.json']) {
    cpSync(join(ROOT, part), join(folder, part), { recursive: true });
  }
  symlinkSync(join(ROOT, 'node_modules'), join(folder, 'node_modules'));
  for (const script of ['bundle', 'standalone']) {
    execFileSync(process.execPath, ['--import', TSX, `src/build/${script}.ts`], {
      cwd: folder,
      stdio: ['ignore', 'ignore', 'inherit'],
    });
  }
  return folder;
}

function sha256(file: string): string {
  return createHash('sha256').update(readFileSync(file)).digest('hex');
}

function run(argv: readonly string[], options: { cwd?: string; env?: Record<string, string> } = {}) {
  const [program = '', ...args] = argv;
  const { status, stdout, stderr } = spawnSync(program, args, {
    cwd: options.cwd ?? '/',
    env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', ...options.env },
    encoding: 'utf8',
    timeout: 20_000,
  });
  return { status, stdout, stderr };
}

test('the standalone executable', { skip: bunObstacle() }, async (t) => {
  const base = mkdtempSync(join(tmpdir(), 'xvb-build-'));
  t.after(() => rmSync(base, { recursive: true, force: true }));
  const first = build(join(base, 'first'));
  const executable = join(first, 'dist/vif-bridge');
  const bundle = [process.execPath, join(first, 'dist/vif-bridge.cjs')];
  const script = join(first, 'xen-scripts/vif-bridge');

  await t.test('is the same file, built in two folders of different depth', () => {
    mkdirSync(join(base, 'deeper'));
    const second = build(join(base, 'deeper/another folder'));
    for (const file of ['dist/vif-bridge', 'dist/vif-bridge.cjs']) {
      assert.equal(sha256(join(second, file)), sha256(join(first, file)), file);
    }
    rmSync(second, { recursive: true });
  });

  await t.test('says the same version, with its commit, as the bundle, and which form it is', () => {
    const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { version: string };
    // The copy is no repository.
    const said = (form: RegExp, { status, stdout, stderr }: ReturnType<typeof run>): void => {
      assert.deepEqual({ status, stderr }, { status: 0, stderr: '' });
      assert.equal(stdout.slice(0, stdout.indexOf(',')), `${version} (no commit)`);
      assert.match(stdout, form);
    };
    said(/, the standalone executable, on bun [\d.]+\n$/, run([executable, '--version']));
    said(/, the bundle, on Node [\d.]+\n$/, run([...bundle, '--version']));
  });

  await t.test('says the same help and the same errors as the bundle', () => {
    for (const args of [
      ['--help'],
      ['online', '--help'],
      [],
      ['nonsense'],
      ['online', '--nonsense'],
      ['online', 'stray'],
    ]) {
      assert.deepEqual(run([executable, ...args]), run([...bundle, ...args]), args.join(' '));
    }
  });

  await t.test('takes no .env, bunfig.toml, tsconfig.json or package.json from the folder it runs in', (t) => {
    const trap = mkdtempSync(join(base, 'trap-'));
    const sprung = join(trap, 'sprung');
    writeFileSync(join(trap, 'trap.js'), `require('fs').writeFileSync(${JSON.stringify(sprung)}, '')\n`);
    writeFileSync(join(trap, 'bunfig.toml'), `preload = ["./trap.js"]\n`);
    writeFileSync(join(trap, 'policy'), 'no_ip = nonsense\n');
    writeFileSync(
      join(trap, '.env'),
      `VIF_BRIDGE_CONFIG=${join(trap, 'policy')}\nBUN_OPTIONS=--preload=${join(trap, 'trap.js')}\n`,
    );
    writeFileSync(join(trap, 'tsconfig.json'), '{ broken');
    writeFileSync(join(trap, 'package.json'), '{ broken');
    const online = ['online', '--dry-run', 'vif=vif1.0', 'mac=00:16:3e:00:00:01', 'ip=192.0.2.1'];
    const state = { VIF_BRIDGE_STATE_DIR: join(trap, 'state') };

    // Does the trap work? bun itself, which reads them, must step into it.
    writeFileSync(join(trap, 'innocent.js'), 'console.log(process.env.VIF_BRIDGE_CONFIG)\n');
    for (const file of ['tsconfig.json', 'package.json']) rmSync(join(trap, file));
    const bun = run([hostBun(), 'innocent.js'], { cwd: trap });
    assert.ok(existsSync(sprung), `bunfig.toml was not read: ${bun.stderr}`);
    assert.equal(bun.stdout.trim(), join(trap, 'policy'), '.env was not read');
    rmSync(sprung);
    for (const file of ['tsconfig.json', 'package.json']) writeFileSync(join(trap, file), '{ broken');

    const elsewhere = run([executable, ...online], { env: state });
    assert.equal(elsewhere.status, 0, elsewhere.stderr);
    assert.deepEqual(run([executable, ...online], { cwd: trap, env: state }), elsewhere);
    assert.deepEqual(run([executable, '--version'], { cwd: trap }), run([executable, '--version']));
    assert.equal(existsSync(sprung), false);
    t.diagnostic('bun itself read both');
  });

  await t.test('is not turned into something else by the environment, behind the launcher', () => {
    const trap = mkdtempSync(join(base, 'environment-'));
    const sprung = join(trap, 'sprung');
    const code = join(trap, 'trap.cjs');
    writeFileSync(code, `require('fs').writeFileSync(${JSON.stringify(sprung)}, '')\n`);
    const expected = run([script, '--version']);
    for (const env of [
      { BUN_OPTIONS: `--preload=${code}` },
      { BUN_BE_BUN: '1' },
      { BUN_INSPECT_PRELOAD: code },
      { NODE_OPTIONS: `--require=${code}` },
    ]) {
      assert.deepEqual(run([script, '--version'], { env }), expected, JSON.stringify(env));
      assert.equal(existsSync(sprung), false, JSON.stringify(env));
    }
  });

  await t.test('comes before the bundle, which comes before an error', () => {
    const place = mkdtempSync(join(base, 'place-'));
    for (const folder of ['dist', 'xen-scripts']) mkdirSync(join(place, folder));
    const launcher = join(place, 'xen-scripts/vif-bridge');
    cpSync(script, launcher);
    const program = (file: string, text: string): void => {
      writeFileSync(join(place, 'dist', file), text);
      chmodSync(join(place, 'dist', file), 0o755);
    };
    program('vif-bridge', '#!/bin/sh\necho executable "$@"\n');
    program('vif-bridge.build', 'same 99\n');
    program('vif-bridge.cjs', '// vif-bridge same 0\nconsole.log("bundle", ...process.argv.slice(2))\n');
    // Node may be installed anywhere.
    const env = { PATH: join(process.execPath, '..') };
    assert.equal(run([launcher, 'online', 'a b'], { env }).stdout, 'executable online a b\n');
    rmSync(join(place, 'dist/vif-bridge'));
    assert.equal(run([launcher, 'online', 'a b'], { env }).stdout, 'bundle online a b\n');
    rmSync(join(place, 'dist/vif-bridge.cjs'));
    assert.equal(run([launcher, 'online'], { env }).status, 1);
    assert.equal(run([launcher, 'offline'], { env }).status, 0);
  });

  await t.test('is found through links to the launcher and to its folder, and from its own folder', () => {
    const expected = run([executable, '--version']);
    const links = mkdtempSync(join(base, 'links-'));
    symlinkSync(script, join(links, 'one'));
    symlinkSync('one', join(links, 'two'));
    symlinkSync(join(first, 'xen-scripts'), join(links, 'folder'));
    for (const path of ['one', 'two', 'folder/vif-bridge']) {
      assert.deepEqual(run([join(links, path), '--version']), expected, path);
      assert.deepEqual(run(['sh', path, '--version'], { cwd: links }), expected, `sh ${path}`);
    }
    assert.deepEqual(run(['sh', 'vif-bridge', '--version'], { cwd: join(first, 'xen-scripts') }), expected);
  });

  for (const shell of ['dash', 'bash'].filter((name) => spawnSync(name, ['-c', ':']).status === 0)) {
    await t.test(`that cannot be executed fails an online and lets an offline end well, in ${shell}`, () => {
      const place = mkdtempSync(join(base, 'broken-'));
      for (const folder of ['dist', 'xen-scripts']) mkdirSync(join(place, folder));
      const launcher = join(place, 'xen-scripts/vif-bridge');
      cpSync(script, launcher);
      writeFileSync(join(place, 'dist/vif-bridge'), '\x7fELF of another CPU');
      for (const mode of [0o755, 0o644]) {
        chmodSync(join(place, 'dist/vif-bridge'), mode);
        assert.equal(run([shell, launcher, 'online']).status, 1);
        assert.equal(run([shell, launcher, 'offline']).status, 0);
      }
    });
  }
});
