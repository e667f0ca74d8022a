import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { type RunResult, runProgram } from '../lab/subprocess.ts';

const LAUNCHER = fileURLToPath(new URL('../../xen-scripts/vif-bridge', import.meta.url));
const SYSTEM = ['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin', '/sbin', '/bin'];
/** A PATH in which the launcher finds this Node, wherever it is, and the tests find their shells. */
const NODE_PATH = `${dirname(process.execPath)}:/usr/bin:/bin`;

/** What the stand-in for the program saw. */
interface Seen {
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly pid: number;
}

const STAND_IN = `
process.stdout.write(JSON.stringify({ argv: process.argv.slice(2), env: process.env, pid: process.pid }));
process.exitCode = process.env.XENBUS_PATH ? 100 : 42;
`;

/** An installation in a folder whose name needs quoting: the genuine launcher, and a stand-in for the program. */
function install(t: TestContext, options: { built: boolean } = { built: true }): { root: string; script: string } {
  const root = mkdtempSync(join(tmpdir(), 'xvb launcher $(x) '));
  t.after(() => rmSync(root, { recursive: true }));
  for (const folder of ['xen-scripts', 'dist']) mkdirSync(join(root, folder));
  const script = join(root, 'xen-scripts/vif-bridge');
  copyFileSync(LAUNCHER, script);
  chmodSync(script, 0o755);
  if (options.built) writeFileSync(join(root, 'dist/vif-bridge.cjs'), STAND_IN);
  return { root, script };
}

function seen(result: RunResult, status = 42): Seen {
  assert.equal(result.status, status, result.stderr);
  assert.equal(result.stderr, '');
  return JSON.parse(result.stdout) as Seen;
}

test('the launcher becomes the program and hands on every argument and the exit status', async (t) => {
  const { script } = install(t);
  const args = [
    'online',
    'type_if=vif',
    '',
    'ip=192.0.2.1 192.0.2.2',
    '"quoted"',
    "it's",
    '$(id)',
    'a\nb',
    '*',
    '--',
    '-x',
  ];
  const { argv } = seen(await runProgram([script, ...args], { env: { PATH: NODE_PATH } }));
  assert.deepEqual(argv, args);
});

test('a kill of the launcher, which is all that Xen kills, is a kill of the program', async (t) => {
  const { root, script } = install(t);
  // The real one, in a run that waits for ever: for its own child, which is no tool of a host.
  writeFileSync(
    join(root, 'dist/vif-bridge.cjs'),
    `${readFileSync(new URL('../../dist/vif-bridge.cjs', import.meta.url), 'utf8')}
setInterval(() => {}, 1000);
process.stdout.write(String(process.pid));`,
  );
  const child = spawn(script, ['online', 'type_if=tap'], {
    env: { PATH: NODE_PATH, XENBUS_PATH: 'backend/vif/1/0', VIF_BRIDGE_STATE_DIR: join(root, 'state') },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [pid] = (await once(child.stdout, 'data')) as [Buffer];
  assert.notEqual(Number(String(pid)), child.pid);
  child.kill('SIGKILL');
  await once(child, 'exit');
  const runs = (): boolean => !/^State:\s+[ZX]/m.test(status(Number(String(pid))));
  for (let waited = 0; waited < 10_000 && runs(); waited += 20) await new Promise((resolve) => setTimeout(resolve, 20));
  assert.equal(runs(), false);
});

/** What the kernel says of a process; of one that is gone, that it is dead. */
function status(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/status`, 'utf8');
  } catch {
    return 'State:\tX';
  }
}

const inSystem = SYSTEM.some((folder) => existsSync(join(folder, 'node')))
  ? false
  : 'Node is in no system directory here';
test('it needs no environment at all', { skip: inSystem }, async (t) => {
  const { script } = install(t);
  assert.deepEqual(seen(await runProgram(['/usr/bin/env', '-i', script, 'online'], { env: {} })).argv, ['online']);
});

test('it is found by its real path, whatever it is called by', async (t) => {
  const { root, script } = install(t);
  const other = mkdtempSync(join(tmpdir(), 'xvb-links-'));
  t.after(() => rmSync(other, { recursive: true }));
  symlinkSync(script, join(other, 'absolute'));
  symlinkSync('absolute', join(other, 'to-a-link'));
  symlinkSync(root, join(other, 'to-the-folder'));
  mkdirSync(join(other, 'dist'));
  writeFileSync(join(other, 'dist/vif-bridge.cjs'), 'process.exitCode = 13');
  const calls: readonly (readonly [cwd: string, argv: readonly string[]])[] = [
    ['/', [script]],
    ['/', ['sh', script]],
    [dirname(script), ['sh', 'vif-bridge']],
    [dirname(script), ['./vif-bridge']],
    [root, ['xen-scripts/vif-bridge']],
    [root, ['sh', './xen-scripts/vif-bridge']],
    [other, ['./absolute']],
    [other, ['sh', 'absolute']],
    ['/', ['sh', join(other, 'to-a-link')]],
    ['/', [join(other, 'to-a-link')]],
    ['/', [join(other, 'to-the-folder/xen-scripts/vif-bridge')]],
    [join(other, 'to-the-folder/xen-scripts'), ['./vif-bridge']],
  ];
  for (const [cwd, argv] of calls) {
    const path = `${SYSTEM.join(':')}:${NODE_PATH}`;
    const result = await runProgram([...argv, 'online'], { cwd, env: { PATH: path } });
    assert.deepEqual(seen(result).argv, ['online'], `${argv.join(' ')} in ${cwd}`);
  }
});

test('it looks for tools in the system directories first, and keeps what was on PATH', async (t) => {
  const { script } = install(t);
  const { env } = seen(await runProgram([script], { env: { PATH: `/opt/evil:${NODE_PATH}` } }));
  assert.equal(env.PATH, `${SYSTEM.join(':')}:/opt/evil:${NODE_PATH}`);
});

test('it hands on what Xen and admins set, and nothing else', async (t) => {
  const { script } = install(t);
  const said = {
    XENBUS_PATH: 'backend/vif/1/0',
    vif: 'vif1.0',
    XENSTORED_PATH: '/x',
    VIF_BRIDGE_STATE_DIR: join(dirname(script), '../state'),
    VIF_BRIDGE_CONFIG: '/y',
    ip: ' a  b ',
  };
  const others = {
    NODE_OPTIONS: '--require /nonexistent.js',
    NODE_EXTRA_CA_CERTS: '/nonexistent',
    NODE_CHANNEL_FD: '7',
    NODE_ENV: 'production',
    OPENSSL_CONF: '/etc/passwd',
    LANG: '\xff\xfe',
    LC_ALL: 'junk',
    BUN_JSC_useJIT: 'junk',
    MIMALLOC_VERBOSE: '1',
    LD_DEBUG_OUTPUT: '/nonexistent',
    HOME: '/root',
    VIF_BRIDGE_LAUNCHER: '1',
  };
  const { env } = seen(await runProgram([script], { env: { PATH: NODE_PATH, ...said, ...others } }), 0);
  const { PATH: _, VIF_BRIDGE_LAUNCHER: launcher, ...rest } = env;
  assert.deepEqual(rest, { ...said, LC_ALL: 'C' });
  assert.match(launcher ?? '', /^[0-9]+$/);
  assert.notEqual(launcher, '1');
});

for (const byXen of [true, false]) {
  test(`a directory that is gone does not matter ${byXen ? 'to a run of Xen' : 'to a person'}`, async (t) => {
    const { script } = install(t);
    const gone = mkdtempSync(join(tmpdir(), 'xvb-gone-'));
    const xen = { XENBUS_PATH: 'backend/vif/1/0', VIF_BRIDGE_STATE_DIR: join(dirname(script), '../state') };
    const env = { PATH: NODE_PATH, ...(byXen ? xen : {}) };
    const shell = ['sh', '-c', 'cd "$1" && rmdir "$1" && shift && exec "$@"', 'sh', gone, script, 'online'];
    const result = await runProgram(shell, { env });
    // What dash itself says, before it reads the first line.
    const stderr = result.stderr.replace(/^sh: 0: getcwd\(\) failed: .*\n/, '');
    assert.deepEqual(seen({ ...result, stderr }, byXen ? 0 : 42).argv, ['online']);
  });
}

/** Tools that write down how they were called. */
const FAKES = ['ip', 'logger', 'xenstore-exists', 'xenstore-write'] as const;

function mountObstacle(): string | undefined {
  if (process.getuid?.() !== 0) return 'needs root for a mount namespace';
  const tried = spawnSync('unshare', [
    '--mount',
    '--propagation',
    'private',
    'mount',
    '-t',
    'tmpfs',
    'none',
    '/usr/local/sbin',
  ]);
  return tried.status === 0 ? undefined : 'needs unshare(1) and mounts';
}

/**
 * Runs the launcher where there is no Node, with recording tools. It puts the system directories first on PATH, so both
 * is done there, in a mount namespace of its own.
 *
 * @returns what the tools were called with, in their order
 */
function withoutNode(
  t: TestContext,
  argv: readonly string[],
  env: Readonly<Record<string, string>>,
  statuses: Readonly<Partial<Record<(typeof FAKES)[number], number>>> = {},
): Promise<RunResult & { calls: string[] }> {
  return withFakes(t, argv, env, { statuses, hidden: SYSTEM.map((folder) => join(folder, 'node')) });
}

/** @param hidden programs that are not there for this run */
async function withFakes(
  t: TestContext,
  argv: readonly string[],
  env: Readonly<Record<string, string>>,
  {
    statuses = {},
    hidden = [],
  }: {
    readonly statuses?: Readonly<Partial<Record<(typeof FAKES)[number], number>>>;
    readonly hidden?: readonly string[];
  },
): Promise<RunResult & { calls: string[] }> {
  const stage = mkdtempSync(join(tmpdir(), 'xvb-fakes-'));
  t.after(() => rmSync(stage, { recursive: true }));
  const bin = join(stage, 'bin');
  mkdirSync(bin);
  writeFileSync(join(stage, 'calls'), '');
  writeFileSync(join(stage, 'not-executable'), '');
  // On a busy host it makes its places there.
  const own = { VIF_BRIDGE_STATE_DIR: join(stage, 'state'), ...env };
  for (const tool of FAKES) {
    writeFileSync(join(bin, tool), `#!/bin/sh\necho "${tool} $*" >>${stage}/calls\nexit ${statuses[tool] ?? 0}\n`);
    chmodSync(join(bin, tool), 0o755);
  }
  const hide = hidden.filter((file) => existsSync(file));
  // The tools' folder last: it covers one that may hold Node.
  const mounts = [
    ...hide.map((file) => `mount --bind ${stage}/not-executable ${file}`),
    `mount --bind ${bin} /usr/local/sbin`,
    'exec "$@"',
  ];
  const result = await runProgram(
    [
      'unshare',
      '--mount',
      '--propagation',
      'private',
      'sh',
      '-ec',
      mounts.join('\n'),
      'sh',
      'env',
      '-i',
      ...variables(own),
      ...argv,
    ],
    { env: { PATH: SYSTEM.join(':') } },
  );
  const calls = readFileSync(join(stage, 'calls'), 'utf8').split('\n').filter(Boolean);
  return { ...result, calls };
}

function variables(env: Readonly<Record<string, string>>): string[] {
  return Object.entries(env).map(([name, value]) => `${name}=${value}`);
}

const XEN = { XENBUS_PATH: 'backend/vif/1/0', vif: 'vif1.0', INTERFACE: 'vif1.0-emu' } as const;
const NO_NODE = /^Node is not installed \(20\.17 or later\), and there is no standalone .*\/dist\/vif-bridge$/;

test('without a program to become', { skip: mountObstacle() ?? false }, async (t) => {
  for (const [command, device] of [
    ['online', 'vif1.0'],
    ['add', 'vif1.0-emu'],
  ] as const) {
    await t.test(`${command}: the log, then the link, then Xen, and it fails`, async (t) => {
      const { script } = install(t);
      const result = await withoutNode(t, [script, command, 'type_if=x'], XEN);
      assert.equal(result.status, 1);
      assert.deepEqual([result.stdout, result.stderr], ['', '']);
      const why = (result.calls[0] ?? '').replace('logger -t vif-bridge -p daemon.err -- cannot run: ', '');
      assert.match(why, NO_NODE);
      assert.deepEqual(result.calls.slice(1), [
        `ip link set dev ${device} down`,
        'xenstore-exists backend/vif/1/0/script',
        `xenstore-write backend/vif/1/0/hotplug-error vif-bridge cannot run: ${why} backend/vif/1/0/hotplug-status error`,
      ]);
    });
  }

  for (const command of ['offline', 'remove']) {
    await t.test(`${command}: only the log, and it ends well`, async (t) => {
      const { script } = install(t);
      const result = await withoutNode(t, ['sh', script, 'type_if=vif', command], XEN);
      assert.equal(result.status, 0);
      assert.deepEqual(
        result.calls.map((call) => call.split(' ')[0]),
        ['logger'],
      );
    });
  }

  await t.test('a backend directory that Xen has removed is not brought back', async (t) => {
    const { script } = install(t);
    const { calls, status } = await withoutNode(t, [script, 'online'], XEN, { 'xenstore-exists': 1 });
    assert.equal(status, 1);
    assert.equal(calls.at(-1), 'xenstore-exists backend/vif/1/0/script');
  });

  await t.test('by hand the device may be an argument, and xenstore is not asked', async (t) => {
    const { script } = install(t);
    const { calls, status } = await withoutNode(t, [script, 'bridge=x', 'vif=vif7.0', 'online'], {});
    assert.equal(status, 1);
    assert.deepEqual(calls.slice(1), ['ip link set dev vif7.0 down']);
  });

  await t.test('hostile text in the variables stays one argument', async (t) => {
    const { script } = install(t);
    const env = { XENBUS_PATH: '$(touch /tmp/x); *', vif: '-batch /etc/passwd; id' };
    const { calls } = await withoutNode(t, [script, 'online'], env);
    assert.deepEqual(calls.slice(1, 3), [
      'ip link set dev -batch /etc/passwd; id down',
      'xenstore-exists $(touch /tmp/x); */script',
    ]);
  });

  await t.test('without logger the reason is on stderr', async (t) => {
    const { script } = install(t);
    const { stderr, status } = await withoutNode(t, [script, 'online'], XEN, { logger: 1 });
    assert.equal(status, 1);
    assert.match(stderr, /^vif-bridge: cannot run: Node is not installed/);
  });

  await t.test('a command that is none of the four touches no device', async (t) => {
    const { script } = install(t);
    const { calls, status } = await withoutNode(t, [script, 'status'], {});
    assert.equal(status, 1);
    assert.equal(calls.length, 1);
  });

  for (const shell of ['sh', 'bash'].filter((name) => SYSTEM.some((folder) => existsSync(join(folder, name))))) {
    await t.test(`${shell}: what is not built, or cannot be executed, is told the same way`, async (t) => {
      const { root, script } = install(t, { built: false });
      const unbuilt = await withoutNode(t, [shell, script, 'online'], XEN);
      assert.equal(unbuilt.status, 1);
      assert.match(
        unbuilt.calls[0] ?? '',
        new RegExp(`cannot run: it is not built: run npm install in .*${basename(root).slice(-6)}`),
      );
      assert.equal(unbuilt.calls.length, 4);

      writeFileSync(join(root, 'dist/vif-bridge'), 'no program', { mode: 0o644 });
      const broken = await withoutNode(t, [shell, script, 'online'], XEN);
      assert.equal(broken.status, 1);
      assert.match(broken.calls[0] ?? '', /cannot run: the system does not execute .*\/dist\/vif-bridge$/);
      assert.equal(broken.calls.length, 4);
    });
  }
});

/** What a full disk, an interrupted copy or a mistake make of a file. */
const DAMAGE: Readonly<Record<string, (content: Buffer) => Buffer>> = {
  empty: () => Buffer.alloc(0),
  'cut in the middle': (content) => content.subarray(0, content.length >> 1),
  'cut at its end': (content) => content.subarray(0, content.length - 20),
  'with other bytes in it': (content) => {
    const flipped = Buffer.from(content);
    for (let at = content.length >> 1; at < content.length; at += 97) flipped[at] = (flipped[at] ?? 0) ^ 0x15;
    return flipped;
  },
};

/** The files of each form, and what stands for another program under its name. */
const DAMAGED: readonly (readonly [file: string, form: readonly string[], foreign: string])[] = [
  ['vif-bridge', ['vif-bridge'], '#!/bin/sh\nexit 0\n'],
  ['vif-bridge.cjs', ['vif-bridge.cjs', 'start.cjs'], '// some module\n'],
  ['start.cjs', ['vif-bridge.cjs', 'start.cjs'], '// some module\n'],
];

test('a program that is damaged', { skip: mountObstacle() ?? false }, async (t) => {
  const built = new URL('../../dist/', import.meta.url);
  for (const [file, form, foreign] of DAMAGED) {
    const missing = form.find((name) => !existsSync(new URL(name, built)));
    const skip = missing === undefined ? false : `needs dist/${missing}`;
    const all = { ...DAMAGE, 'of somebody else': (_: Buffer) => Buffer.from(foreign) };
    for (const [damage, damaged] of Object.entries(all)) {
      await t.test(`${file}, ${damage}: the link is closed, Xen is told, and it fails`, { skip }, async (t) => {
        const { root, script } = install(t, { built: false });
        for (const name of form) copyFileSync(new URL(name, built), join(root, 'dist', name));
        writeFileSync(join(root, 'dist', file), damaged(readFileSync(new URL(file, built))));
        const runs = [
          ['online', 'vif1.0'],
          ['add', 'vif1.0-emu'],
        ] as const;
        // Of a large file only what makes a difference: without its end it is bun, which has a command `add`.
        for (const [command, device] of file === 'vif-bridge' && !damage.startsWith('cut') ? runs.slice(0, 1) : runs) {
          const env = { ...XEN, PATH: NODE_PATH, VIF_BRIDGE_STATE_DIR: join(root, 'state') };
          const type = command === 'online' ? 'vif' : 'tap';
          const { status, calls, stderr } = await withFakes(t, [script, command, `type_if=${type}`], env, {});
          assert.equal(status, 1, stderr);
          const told = calls.find((call) => call.startsWith('xenstore-write')) ?? '';
          assert.match(told, /backend\/vif\/1\/0\/hotplug-status error$/);
          // Damage that does no harm (behind the end of the payload, or of what is not needed) leaves a program that
          // works.
          if (told.includes('cannot run'))
            assert.ok(calls.includes(`ip link set dev ${device} down`), calls.join('\n'));
          else assert.match(told, /xenstore-ls -f backend\/vif\/1\/0 failed/);
          const leaving = await withFakes(
            t,
            [script, command === 'online' ? 'offline' : 'remove', `type_if=${type}`],
            env,
            {},
          );
          assert.equal(leaving.status, 0, leaving.stderr);
        }
      });
    }
  }

  for (const [damage, damaged] of Object.entries(DAMAGE)) {
    await t.test(`but a hotplug.cjs that is ${damage} only makes it slower`, async (t) => {
      const { root, script } = install(t, { built: false });
      for (const name of ['vif-bridge.cjs', 'start.cjs']) copyFileSync(new URL(name, built), join(root, 'dist', name));
      writeFileSync(join(root, 'dist/hotplug.cjs'), damaged(readFileSync(new URL('hotplug.cjs', built))));
      const env = { ...XEN, PATH: NODE_PATH, VIF_BRIDGE_STATE_DIR: join(root, 'state') };
      const { calls } = await withFakes(t, [script, 'online', 'type_if=vif'], env, {});
      // The program itself runs: it has asked xenstore, and says that the answer is none.
      const told = calls.find((call) => call.startsWith('xenstore-write')) ?? '';
      assert.match(told, /xenstore-ls -f backend\/vif\/1\/0 failed/);
    });
    await t.test(`but a code cache that is ${damage} only makes it slower`, async (t) => {
      const { root, script } = install(t, { built: false });
      for (const name of ['vif-bridge.cjs', 'start.cjs']) copyFileSync(new URL(name, built), join(root, 'dist', name));
      writeFileSync(join(root, 'dist/vif-bridge.cjs.v8'), damaged(readFileSync(new URL('vif-bridge.cjs.v8', built))));
      const { status, stdout, stderr } = await runProgram([script, '--version'], { env: { PATH: NODE_PATH } });
      assert.deepEqual([status, stderr], [0, '']);
      assert.match(stdout, /^\d+\.\d+\.\d+ /);
    });
  }
});

test('an executable of an older build does not stand in the way of a newer bundle', async (t) => {
  const { root, script } = install(t);
  const executable = (build: string): void => {
    writeFileSync(join(root, 'dist/vif-bridge'), '#!/bin/sh\necho executable $VIF_BRIDGE_BUILDS\nexit 100\n', {
      mode: 0o755,
    });
    writeFileSync(join(root, 'dist/vif-bridge.build'), build);
  };
  writeFileSync(
    join(root, 'dist/vif-bridge.cjs'),
    '// vif-bridge 1234 5678\nconsole.log("bundle", process.env.VIF_BRIDGE_BUILDS); process.exitCode = 100;\n',
  );
  const says = async (
    env: Readonly<Record<string, string>> = { PATH: NODE_PATH, VIF_BRIDGE_BUILDS: 'of somebody' },
  ): Promise<string> => (await runProgram([script, 'status'], { env })).stdout.trim();
  executable('1234 99\n');
  assert.equal(await says(), 'executable');
  executable('1233 99\n');
  assert.equal(await says(), 'bundle differ');
  rmSync(join(root, 'dist/vif-bridge.build'));
  assert.equal(await says(), 'bundle differ');
  rmSync(join(root, 'dist/vif-bridge.cjs'));
  assert.equal(await says(), 'executable');
});

test('who sources it is told to run it', async (t) => {
  const { script } = install(t);
  const place = mkdtempSync(join(tmpdir(), 'xvb-wrapper-'));
  t.after(() => rmSync(place, { recursive: true }));
  mkdirSync(join(place, 'scripts'));
  writeFileSync(join(place, 'scripts/vif-custom'), `#!/bin/sh\n. '${script}'\n`, { mode: 0o755 });
  const { status, stderr } = await runProgram([join(place, 'scripts/vif-custom'), 'status'], {
    env: { PATH: NODE_PATH },
  });
  assert.equal(status, 1);
  assert.match(stderr, /must run it, not source it/);
});

/**
 * A program that says which files it and its child have open under the launcher's descriptor, and if others could lock
 * it.
 */
const TURN_STAND_IN = `
const { readlinkSync } = require('node:fs');
const { spawnSync } = require('node:child_process');
const turn = (file) => /\\/turn\\.\\d+$/.test(file) ? file : null;
const place = (() => { try { return turn(readlinkSync('/proc/self/fd/9')); } catch { return null; } })();
const child = spawnSync('readlink', ['/proc/self/fd/9'], { encoding: 'utf8' }).stdout.trim();
const other = place === null ? null : spawnSync('/usr/bin/flock', ['-n', place, 'true']).status;
process.stdout.write(JSON.stringify({ place, child, other }));
process.exitCode = 100;
`;

interface Busy {
  readonly running: number;
  readonly cpus?: string;
  /** Status of a flock that only notes what it is asked; the real one if undefined. */
  readonly flock?: number;
  /** As root runs it before. */
  readonly before?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly shell?: readonly string[];
}

/** Runs the launcher on a host with so many running tasks and such CPUs, in a mount namespace of its own. */
async function onBusyHost(t: TestContext, busy: Busy) {
  const { root, script } = install(t);
  writeFileSync(join(root, 'dist/vif-bridge.cjs'), TURN_STAND_IN);
  const stage = mkdtempSync(join(tmpdir(), 'xvb-busy-'));
  t.after(() => rmSync(stage, { recursive: true }));
  const state = join(stage, 'state');
  mkdirSync(join(stage, 'bin'));
  writeFileSync(join(stage, 'load'), `9.00 9.00 9.00 ${busy.running}/500 123\n`);
  writeFileSync(join(stage, 'cpus'), `${busy.cpus ?? '0-1'}\n`);
  writeFileSync(join(stage, 'calls'), '');
  const mounts = [
    `mount --bind ${stage}/load /proc/loadavg`,
    `mount --bind ${stage}/cpus /sys/devices/system/cpu/online`,
  ];
  if (busy.flock !== undefined) {
    const note = `echo "$* $(readlink /proc/self/fd/9)" >>${stage}/calls`;
    writeFileSync(join(stage, 'bin/flock'), `#!/bin/sh\n${note}\nexit ${busy.flock}\n`, { mode: 0o755 });
    mounts.push(`mount --bind ${stage}/bin /usr/local/sbin`);
  }
  const env = { XENBUS_PATH: 'backend/vif/1/0', ...busy.env, PATH: NODE_PATH, VIF_BRIDGE_STATE_DIR: state };
  const inside = [...mounts, (busy.before ?? '').replaceAll('STATE', state), 'exec "$@"'].join('\n');
  const result = await runProgram(
    [
      ...['unshare', '--mount', '--propagation', 'private', 'sh', '-ec', inside],
      ...['sh', 'env', '-i', ...variables(env), ...(busy.shell ?? []), script, 'online'],
    ],
    { env: { PATH: SYSTEM.join(':') } },
  );
  assert.deepEqual([result.status, result.stderr], [0, '']);
  const calls = readFileSync(join(stage, 'calls'), 'utf8').split('\n').filter(Boolean);
  const seen = JSON.parse(result.stdout) as { place: string | null; child: string; other: number | null };
  return { ...seen, calls, state };
}

/** Which place it is. */
const placeOf = (text: string): number => Number(/\/lock\/turn\.(\d+)$/.exec(text)?.[1]);

const SHELLS = [['dash'], ['bash'], ['bash', '--posix'], ['busybox', 'sh']].filter(([name = '']) =>
  SYSTEM.some((folder) => existsSync(join(folder, name))),
);

test('in a storm of runs', { skip: mountObstacle() ?? false }, async (t) => {
  await t.test('a host with four tasks for each CPU is not busy yet, and nobody waits', async (t) => {
    for (const [running, cpus] of [
      [3, '0'],
      [7, '0-1'],
      [31, '0-3,6-7'],
    ] as const) {
      const { place, calls, state } = await onBusyHost(t, { running, cpus, flock: 1 });
      assert.deepEqual([place, calls, existsSync(state)], [null, [], false], `${running} on ${cpus}`);
    }
  });

  await t.test('what a person runs does not wait', async (t) => {
    const { place, calls } = await onBusyHost(t, { running: 99, flock: 1, env: { XENBUS_PATH: '' } });
    assert.deepEqual([place, calls], [null, []]);
  });

  await t.test('there are two places for each CPU; the first run of a boot makes them, for root alone', async (t) => {
    for (const [cpus, places] of [
      ['0', 2],
      ['0-1', 4],
    ] as const) {
      const { place, calls, state } = await onBusyHost(t, { running: 8, cpus, flock: 0 });
      assert.equal(calls.length, 1);
      assert.equal(calls[0], `-w 14 9 ${place}`);
      assert.ok(placeOf(place ?? '') < places, place ?? '');
      for (const folder of [state, join(state, 'lock')]) assert.equal(statSync(folder).mode & 0o777, 0o700);
    }
  });

  await t.test('who does not get his place tries the next, and goes on without one', async (t) => {
    const { calls } = await onBusyHost(t, { running: 99, flock: 1 });
    const [first = '', second = '', ...more] = calls;
    assert.deepEqual([first.startsWith('-w 14 9 '), second.startsWith('-w 4 9 '), more], [true, true, []]);
    assert.equal(placeOf(second), (placeOf(first) + 1) % 4);
  });

  for (const shell of SHELLS) {
    await t.test(`${shell.join(' ')}: the program has the place to its end, its children do not`, async (t) => {
      const { place, child, other } = await onBusyHost(t, { running: 99, shell });
      assert.match(place ?? '', /\/state\/lock\/turn\.[0-3]$/);
      assert.deepEqual([child, other], ['', 1]);
    });

    for (const [what, before] of [
      ['cannot be made', 'echo >STATE'],
      ['cannot be written', 'mkdir STATE; mount -t tmpfs -o ro none STATE'],
      ['holds something else', 'mkdir -p STATE/lock/turn.0 STATE/lock/turn.1 STATE/lock/turn.2 STATE/lock/turn.3'],
    ] as const) {
      await t.test(`${shell.join(' ')}: where the folder of the places ${what}, nobody waits`, async (t) => {
        const { place, calls } = await onBusyHost(t, { running: 99, shell, before, flock: 1 });
        assert.deepEqual([place, calls], [null, []]);
      });
    }
  }
});
