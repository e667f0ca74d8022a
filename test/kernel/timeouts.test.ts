/** Whatever hangs, a run ends by itself well before libxl's 40 s, says why, and leaves no process behind. */
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { form } from '../lab/program.ts';
import { type Dom0, obstacle, openDom0, PROGRAM } from './dom0.ts';

const skip = obstacle();
const ONE = { domid: 1 };
/**
 * libxl's LIBXL_HOTPLUG_TIMEOUT is 40 s; this is what the program promises itself, with a margin for a busy machine.
 */
const IN_TIME_MS = 38_000;
const MARK = '86399.5';

async function waiting(t: test.TestContext): Promise<Dom0> {
  // With `auto`, an nft that does not work would mean ebtables.
  const dom0 = await openDom0(t, { policy: '[defaults]\nbackend = nftables\n' });
  await dom0.bench.addVif('vif1.0');
  // Or nobody could see it closed.
  await dom0.ns.check(['ip', 'link', 'set', 'vif1.0', 'up']);
  dom0.configure({ ...ONE, ip: '10.0.0.11' });
  return dom0;
}

/**
 * Runs the program itself, with a folder in front of PATH in which `tool` does `body` (and `real` is the true one).
 *
 * @param isCalled whether the run must have called it, or must not
 */
async function withFake(
  dom0: Dom0,
  tool: string,
  body: string,
  command: 'online' | 'offline' = 'online',
  isCalled = true,
) {
  const bin = join(dom0.folder, 'bin');
  mkdirSync(bin, { recursive: true });
  const called = join(bin, `${tool}-was-called`);
  const path = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
  writeFileSync(join(bin, tool), `#!/bin/sh\nPATH=${path}\nreal() { ${tool} "$@"; }\n: >>${called}\n${body}\n`, {
    mode: 0o755,
  });
  const start = Date.now();
  const result = await dom0.hotplug(command, ONE, {
    program: PROGRAM,
    env: { PATH: `${bin}:${path}` },
    timeoutMs: 60_000,
  });
  assert.equal(existsSync(called), isCalled, `was ${tool} called? ${result.stderr}`);
  return { ...result, ms: Date.now() - start };
}

/** Processes of the bench that still sleep. */
async function sleepers(dom0: Dom0): Promise<string> {
  const pids = (await dom0.ns.check(['sh', '-c', `ip netns pids ${dom0.ns.name}`])).split('\n').filter(Boolean);
  const all = await Promise.all(pids.map((pid) => dom0.ns.run(['cat', `/proc/${pid}/cmdline`])));
  return all
    .map(({ stdout }) => stdout.replaceAll('\0', ' '))
    .filter((line) => line.includes(MARK) && !line.startsWith('cat'))
    .join('\n');
}

async function isClosed(dom0: Dom0): Promise<void> {
  assert.equal((await dom0.link('vif1.0'))?.flags.includes('UP'), false, 'the link is down');
}

// All of them: they wait for half a minute each, and need no CPU for that.
test('a tool that hangs', { skip, concurrency: 16 }, async (t) => {
  const cases: Promise<void>[] = [];
  for (const [what, tool, body] of [
    ['nft', 'nft', `exec sleep ${MARK}`],
    ['nft, in a child of its own', 'nft', `sleep ${MARK} & wait`],
    ['nft, and ignores SIGTERM', 'nft', `trap "" TERM INT HUP; sleep ${MARK}; sleep ${MARK}`],
    ...(form() === 'node' ? ([['bridge', 'bridge', `exec sleep ${MARK}`]] as const) : []),
    ['flock', 'flock', `exec sleep ${MARK}`],
    ['xenstore-ls', 'xenstore-ls', `exec sleep ${MARK}`],
    [
      'xenstore-write of the good news',
      'xenstore-write',
      `case "$*" in *connected*) exec sleep ${MARK} ;; *) real "$@" ;; esac`,
    ],
  ] as const) {
    cases.push(
      t.test(`${what}: online fails in time with a reason, and nothing survives`, async (t) => {
        const dom0 = await waiting(t);
        const result = await withFake(dom0, tool, body);
        assert.deepEqual([result.status, result.timedOut, result.stdout], [1, false, '']);
        assert.ok(result.ms < IN_TIME_MS, `${result.ms} ms`);
        assert.equal(dom0.key(1, 'hotplug-status'), 'error');
        assert.match(dom0.key(1, 'hotplug-error') ?? '', /did not end within|is locked by/);
        await isClosed(dom0);
        assert.equal(await sleepers(dom0), '');
      }),
    );
  }

  for (const tool of ['nft', 'ip', 'flock', 'logger']) {
    cases.push(
      t.test(`${tool}: offline ends well in time`, async (t) => {
        const dom0 = await openDom0(t);
        await dom0.start({ ...ONE, ip: '10.0.0.11' });
        const result = await withFake(dom0, tool, `exec sleep ${MARK}`, 'offline');
        assert.deepEqual([result.status, result.timedOut, result.stdout], [0, false, '']);
        assert.ok(result.ms < IN_TIME_MS, `${result.ms} ms`);
        assert.equal(await sleepers(dom0), '');
        // The next run cleans up what was left.
        assert.equal((await dom0.hotplug('offline', ONE)).status, 0);
        assert.doesNotMatch(await dom0.ruleset(), /vif1\.0/);
      }),
    );
  }

  cases.push(
    t.test('ip: online fails in time, and Xen is told', async (t) => {
      const dom0 = await waiting(t);
      const result = await withFake(dom0, 'ip', `exec sleep ${MARK}`);
      assert.equal(result.status, 1);
      assert.ok(result.ms < IN_TIME_MS, `${result.ms} ms`);
      assert.equal(dom0.key(1, 'hotplug-status'), 'error');
      assert.equal(await sleepers(dom0), '');
    }),
  );

  cases.push(
    t.test('logger: online succeeds', async (t) => {
      const dom0 = await waiting(t);
      const result = await withFake(dom0, 'logger', `exec sleep ${MARK}`);
      assert.equal(result.status, 0);
      assert.ok(result.ms < IN_TIME_MS, `${result.ms} ms`);
      assert.equal(dom0.key(1, 'hotplug-status'), 'connected');
      assert.equal(await sleepers(dom0), '');
    }),
  );

  cases.push(
    t.test('that leaves a daemon with its pipes open does not hold up the run', async (t) => {
      const dom0 = await waiting(t);
      const result = await withFake(dom0, 'ip', `setsid sleep ${MARK} & exec setsid -f sleep ${MARK}`);
      assert.ok(result.ms < IN_TIME_MS, `${result.ms} ms`);
      assert.equal(result.timedOut, false);
    }),
  );
  await Promise.all(cases);
});

const BRIDGE_FAILS = [
  'bridge ends with an error',
  'bridge',
  'echo "RTNETLINK answers: Invalid argument" >&2; echo "Command failed -:2" >&2; exit 1',
] as const;

if (form() === 'standalone') {
  // It asks the kernel itself (src/effects/rtnetlink.ts); Node must fail with bridge, below.
  test('the forwarding entry needs no program', { skip }, async (t) => {
    const dom0 = await waiting(t);
    const [, tool, body] = BRIDGE_FAILS;
    const result = await withFake(dom0, tool, body, 'online', false);
    assert.equal(result.status, 0, result.stderr);
    const fdb = await dom0.ns.check(['bridge', '-d', 'fdb', 'show', 'br', 'br0', 'brport', 'vif1.0']);
    assert.match(fdb, /^00:16:3e:\S+ sticky master br0 static/m);
  });
}

test('a tool that fails', { skip, concurrency: 4 }, async (t) => {
  for (const [what, tool, body] of [
    ['nft ends with an error', 'nft', 'echo "Error: no such thing" >&2; exit 1'],
    ['nft is killed', 'nft', 'kill -9 $$'],
    [
      'ip refuses the bridge',
      'ip',
      'input=$(cat); case "$input" in *master*) echo "Command failed -:1" >&2; exit 1 ;; *) echo "$input" | real "$@" ;; esac',
    ],
    ...(form() === 'node' ? [BRIDGE_FAILS] : []),
    [
      'xenstore-write fails for the good news',
      'xenstore-write',
      'case "$*" in *connected*) exit 1 ;; *) real "$@" ;; esac',
    ],
  ] as const) {
    await t.test(`${what}: online fails, and the link is closed`, async (t) => {
      const dom0 = await waiting(t);
      const result = await withFake(dom0, tool, body);
      assert.deepEqual([result.status, result.stdout], [1, '']);
      assert.equal(dom0.key(1, 'hotplug-status'), 'error');
      assert.match(dom0.key(1, 'hotplug-error') ?? '', /^[\x20-\x5b\x5d-\x7e]{10,240}$/);
      await isClosed(dom0);
      assert.equal((await dom0.hotplug('offline', ONE)).status, 0);
      assert.equal((await dom0.hotplug('online', ONE)).status, 0);
    });
  }
});

test('xenstored that hangs', { skip, concurrency: 4 }, async (t) => {
  const cases: Promise<void>[] = [];
  cases.push(
    t.test('before online: it fails in time, and the link is closed', async (t) => {
      const dom0 = await waiting(t);
      dom0.store.hang(true);
      const start = Date.now();
      const result = await dom0.hotplug('online', ONE);
      assert.deepEqual([result.status, result.stdout], [1, '']);
      assert.ok(Date.now() - start < IN_TIME_MS);
      await isClosed(dom0);
      dom0.store.hang(false);
      assert.equal((await dom0.hotplug('online', ONE)).status, 0);
    }),
  );

  cases.push(
    t.test('during offline: it ends well, and no rule is left', async (t) => {
      const dom0 = await openDom0(t);
      await dom0.start({ ...ONE, ip: '10.0.0.11' });
      dom0.store.hang(true);
      const start = Date.now();
      assert.equal((await dom0.hotplug('offline', ONE)).status, 0);
      assert.ok(Date.now() - start < IN_TIME_MS);
      assert.doesNotMatch(await dom0.ruleset(), /vif1\.0/);
      await isClosed(dom0);
      dom0.store.hang(false);
    }),
  );

  cases.push(
    t.test('with UDEV_CALL: in time as well', async (t) => {
      const dom0 = await waiting(t);
      dom0.store.hang(true);
      const start = Date.now();
      const result = await dom0.hotplug('online', ONE, { env: { UDEV_CALL: '1' } });
      assert.equal(result.status, 1);
      assert.ok(Date.now() - start < IN_TIME_MS);
      dom0.store.hang(false);
    }),
  );

  cases.push(
    t.test('is not there at all: an error at once', async (t) => {
      const dom0 = await waiting(t);
      const result = await dom0.hotplug('online', ONE, { env: { XENSTORED_PATH: '/nowhere' } });
      assert.deepEqual([result.status, result.stdout], [1, '']);
      await isClosed(dom0);
    }),
  );
  await Promise.all(cases);
});

test('a lock that somebody holds', { skip, concurrency: 2 }, async (t) => {
  await t.test('is waited for in time, and its holder is named', async (t) => {
    const dom0 = await waiting(t);
    mkdirSync(join(dom0.state, 'lock'), { recursive: true });
    const file = join(dom0.state, 'lock', 'vif1.0.lock');
    writeFileSync(file, 'online vif1.0, process 4711');
    const holder = dom0.ns.spawn(['flock', '-x', file, 'sleep', '50']);
    t.after(() => holder.kill('SIGKILL'));
    await new Promise((resolve) => setTimeout(resolve, 300));
    const start = Date.now();
    const result = await dom0.hotplug('online', ONE);
    assert.equal(result.status, 1);
    assert.ok(Date.now() - start < IN_TIME_MS);
    assert.match(dom0.key(1, 'hotplug-error') ?? '', /locked by online vif1\.0, process 4711/);
    await isClosed(dom0);
  });

  await t.test('is free again when its holder was killed', async (t) => {
    const dom0 = await waiting(t);
    mkdirSync(join(dom0.state, 'lock'), { recursive: true });
    // -o: what flock starts does not have the lock.
    const holder = dom0.ns.spawn([
      'flock',
      '-o',
      '-x',
      join(dom0.state, 'lock', 'vif1.0.lock'),
      'sh',
      '-c',
      'echo; sleep 50',
    ]);
    await new Promise((resolve) => holder.stdout.once('data', resolve));
    const run = dom0.hotplug('online', ONE);
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    assert.equal(dom0.key(1, 'hotplug-status'), '');
    holder.kill('SIGKILL');
    assert.equal((await run).status, 0);
  });
});
