import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { startDeadline } from '../../src/effects/deadline.ts';
import { openTools, toolRunner } from '../../src/effects/exec.ts';
import { flockLocks, holder, type Locks } from '../../src/effects/lock.ts';
import { lockfileLocks } from '../../src/effects/lockfile-lock.ts';
import { startBySpawn } from '../../src/effects/spawn-starter.ts';

const run = toolRunner(startDeadline(120_000));
const HOLDER = fileURLToPath(new URL('hold-lock.ts', import.meta.url));
const hasFlock = existsSync('/usr/bin/flock') || existsSync('/bin/flock');
const skip = hasFlock ? false : 'needs flock(1) (Debian: util-linux)';
const skipLinux = existsSync('/proc/locks') ? skip : 'needs /proc/locks';

function folder(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), 'xvb-lock-'));
  t.after(() => rmSync(path, { recursive: true }));
  return join(path, 'lock');
}

/** Another run that holds a lock, in a process of its own. */
async function otherRun(t: TestContext, kind: 'flock' | 'lockfile', directory: string): Promise<ChildProcess> {
  const argv = ['--import', 'tsx', HOLDER, kind, directory, 'vif1.0', 'online vif1.0'];
  const child = spawn(process.execPath, argv, { stdio: ['ignore', 'pipe', 'inherit'] });
  t.after(() => child.kill('SIGKILL'));
  await once(child.stdout, 'data');
  return child;
}

const KINDS: readonly (readonly ['flock' | 'lockfile', (directory: string, who: string) => Locks])[] = [
  ['flock', (directory, who) => flockLocks(directory, who, run, new Set())],
  ['lockfile', (directory, who) => lockfileLocks(directory, who)],
];

for (const [kind, locks] of KINDS) {
  const options = { skip: kind === 'flock' ? skip : false };

  test(`${kind}: one at a time, each name for itself, and again after it was released`, options, async (t) => {
    const { take } = locks(folder(t), 'online vif1.0');
    const first = await take('vif1.0', 20_000);
    const other = await take('vif2.0', 20_000);
    await assert.rejects(take('vif1.0', 200), { name: 'Failure', code: 'timeout' });
    await first.release();
    await (await take('vif1.0', 20_000)).release();
    await other.release();
  });

  test(`${kind}: who waits in vain is told by whom and where it is held`, options, async (t) => {
    const directory = folder(t);
    const lock = await locks(directory, 'offline vif1.0').take('vif1.0', 20_000);
    await assert.rejects(locks(directory, 'online vif1.0').take('vif1.0', 200), {
      name: 'Failure',
      code: 'timeout',
      message: `vif1.0 is locked by offline vif1.0, process ${process.pid} for more than 0.2 s`,
      at: join(directory, 'vif1.0.lock'),
      hint: 'wait for that run to end, or see why it hangs',
    });
    await lock.release();
  });

  test(`${kind}: twenty that want it at once get it one after the other`, options, async (t) => {
    const { take } = locks(folder(t), 'online vif1.0');
    let inside = 0;
    await Promise.all(
      Array.from({ length: 20 }, async () => {
        const lock = await take('vif1.0', 60_000);
        inside += 1;
        assert.equal(inside, 1);
        await new Promise((done) => setTimeout(done, 2));
        inside -= 1;
        await lock.release();
      }),
    );
  });

  test(`${kind}: a run that is killed does not hold it for ever`, options, async (t) => {
    const directory = folder(t);
    const child = await otherRun(t, kind, directory);
    const { take } = locks(directory, 'online vif1.0');
    await assert.rejects(take('vif1.0', 200), {
      message: `vif1.0 is locked by online vif1.0, process ${child.pid} for more than 0.2 s`,
    });
    child.kill('SIGKILL');
    await once(child, 'exit');
    await (await take('vif1.0', 20_000)).release();
  });
}

test('flock: the kernel itself releases the lock of a run that is killed', { skip: skipLinux }, async (t) => {
  const directory = folder(t);
  const child = await otherRun(t, 'flock', directory);
  const { ino } = statSync(join(directory, 'vif1.0.lock'));
  const locked = (): boolean =>
    readFileSync('/proc/locks', 'utf8')
      .split('\n')
      .some((line) => line.includes(' FLOCK ') && line.includes(`:${ino} `));
  assert.equal(locked(), true);
  child.kill('SIGKILL');
  await once(child, 'exit');
  assert.equal(locked(), false);
});

test('flock: what a run has started while it held a lock keeps it to its own end', { skip }, async (t) => {
  const directory = folder(t);
  const held = new Set<number>();
  const { take } = flockLocks(directory, 'online vif1.0', run, held);
  const lock = await take('vif1.0', 20_000);
  assert.equal(held.size, 1);
  const at = join(directory, 'go');
  const working = toolRunner(startDeadline(60_000), held)('sh', ['-c', `until [ -e ${at} ]; do sleep 0.01; done`]);
  await lock.release();
  assert.equal(held.size, 0);
  await assert.rejects(take('vif1.0', 200), { name: 'Failure', code: 'timeout' });
  writeFileSync(at, '');
  await working;
  await (await take('vif1.0', 10_000)).release();
});

test('flock: what could not be ended in its time still has the lock, and that can be seen', { skip }, async (t) => {
  const directory = folder(t);
  const [held, outlived] = [new Set<number>(), new Set<number>()];
  const { take, ...signs } = flockLocks(directory, 'online vif1.0', run, held, outlived);
  const { run: runHeld } = openTools(startDeadline(60_000), held, startBySpawn, (fds) => {
    for (const fd of fds) outlived.add(fd);
  });
  const lock = await take('vif1.0', 20_000);
  const at = join(directory, 'go');
  // A session of its own, out of reach of the kill, as a program in uninterruptible sleep is.
  const stubborn = ['-c', `setsid sh -c 'until [ -e ${at} ]; do sleep 0.01; done' & wait`];
  await assert.rejects(runHeld('sh', stubborn, { timeoutMs: 300 }), { name: 'Failure', code: 'timeout' });
  await lock.release();
  assert.deepEqual(signs.claimed(), ['vif1.0']);
  await assert.rejects(signs.pass('vif1.0', 200), { name: 'Failure', code: 'timeout' });
  writeFileSync(at, '');
  await signs.pass('vif1.0', 20_000);
  assert.deepEqual(signs.claimed(), []);
  await (await take('vif1.0', 10_000)).release();
  assert.deepEqual([signs.claimed(), held.size, outlived.size], [[], 0, 0]);
});

for (const [kind, locks] of KINDS) {
  const options = { skip: kind === 'flock' ? skip : false };

  test(`${kind}: ${kind === 'flock' ? 'other programs see it' : 'no other program sees it'}`, (t) => {
    assert.equal(locks(folder(t), 'online vif1.0').seenByOthers, kind === 'flock');
  });

  test(`${kind}: who holds a lock can be seen without waiting`, options, async (t) => {
    const own = locks(folder(t), 'online vif1.0');
    assert.deepEqual([own.isClaimed('vif1.0'), own.claimed()], [false, []]);
    const lock = await own.take('vif1.0', 20_000);
    await (await own.take('vif2.0', 20_000)).release();
    assert.deepEqual([own.isClaimed('vif1.0'), own.claimed()], [true, ['vif1.0']]);
    await lock.release();
    assert.deepEqual([own.isClaimed('vif1.0'), own.claimed()], [false, []]);
  });

  test(`${kind}: any number may wait for its end at once, and nobody is kept waiting by them`, options, async (t) => {
    const own = locks(folder(t), 'reapply');
    await own.pass('never', 20_000);
    const lock = await own.take('all', 20_000);
    await assert.rejects(own.pass('all', 200), { name: 'Failure', code: 'timeout' });
    let ended = 0;
    const waiting = Array.from({ length: 5 }, async () => {
      await own.pass('all', 20_000);
      ended += 1;
    });
    await new Promise((done) => setTimeout(done, 300));
    assert.equal(ended, 0);
    await lock.release();
    await Promise.all(waiting);
    await (await own.take('all', 20_000)).release();
  });

  test(`${kind}: what a killed run has claimed is free for who waits for its end`, options, async (t) => {
    const directory = folder(t);
    const child = await otherRun(t, kind, directory);
    const own = locks(directory, 'reapply');
    assert.deepEqual(own.claimed(), ['vif1.0']);
    child.kill('SIGKILL');
    await once(child, 'exit');
    await own.pass('vif1.0', 20_000);
    assert.deepEqual(own.claimed(), []);
  });
}

test('flock: without flock(1) the error says so', async (t) => {
  const directory = folder(t);
  const missing = flockLocks(directory, 'x', (_tool, args, options) => run('no-flock-here', args, options), new Set());
  await assert.rejects(missing.take('vif1.0', 200), {
    name: 'Failure',
    code: 'not-installed',
    message: /is not installed/,
  });
});

test('a holder that has said nothing, or rubbish, is still named', (t) => {
  assert.equal(holder(join(folder(t), 'none.lock')), 'another run');
  const path = mkdtempSync(join(tmpdir(), 'xvb-lock-'));
  t.after(() => rmSync(path, { recursive: true }));
  for (const [said, shown] of [
    ['', 'another run'],
    [' \n', 'another run'],
    ['online\x1b[2J vif1.0\n', 'online?[2J vif1.0'],
    ['x'.repeat(500), 'x'.repeat(100)],
  ] as const) {
    writeFileSync(join(path, 'a.lock'), said);
    assert.equal(holder(join(path, 'a.lock')), shown);
  }
});

test('a flock that knows no -w is named, and not taken for somebody who has the lock', async (t) => {
  const busybox = async () => ({ status: 1, stdout: '', stderr: 'flock: unrecognized option: w\nBusyBox v1.36.1' });
  await assert.rejects(flockLocks(folder(t), 'online vif1.0', busybox, new Set()).take('vif1.0', 200), {
    code: 'tool',
    message: /unrecognized option: w/,
    hint: /util-linux/,
  });
});
