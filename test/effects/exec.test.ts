import assert from 'node:assert/strict';
import { chmodSync, closeSync, existsSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { startDeadline } from '../../src/effects/deadline.ts';
import { openTools, type RunTool, toolFailure, toolRunner } from '../../src/effects/exec.ts';
import { startByExeca } from '../../src/effects/execa-starter.ts';
import { startBySpawn } from '../../src/effects/spawn-starter.ts';
import type { Starter } from '../../src/effects/starter.ts';

const STARTERS: Readonly<Record<string, Starter>> = { spawn: startBySpawn, execa: startByExeca };

function folder(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), 'xvb-exec-'));
  t.after(() => rmSync(path, { recursive: true }));
  return path;
}

/** Waits for something that will be so; how long it takes says nothing. */
async function until(holds: () => boolean): Promise<void> {
  for (let round = 0; !holds(); round += 1) {
    assert.ok(round < 1_000, 'never');
    await sleep(10);
  }
}

/** False also for a zombie that nobody has waited for yet. */
function isAlive(pid: number): boolean {
  if (!existsSync(`/proc/${pid}/stat`)) return false;
  return !/^\d+ \(.*\) [ZX]/.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
}

for (const [name, start] of Object.entries(STARTERS)) {
  const run: RunTool = toolRunner(startDeadline(60_000), [], start);

  test(`by ${name}, a program gets its arguments without a shell, its input, and a plain locale`, async () => {
    const result = await run(
      'sh',
      ['-c', 'printf "%s|" "$@"; echo "$LC_ALL"; cat; echo oops >&2', 'x', '$(id)', 'a b'],
      {
        input: 'in\n',
      },
    );
    assert.deepEqual(result, { status: 0, stdout: '$(id)|a b|C\nin\n', stderr: 'oops\n' });
  });

  test(`by ${name}, a status that is not 0 is a result`, async () => {
    assert.equal((await run('sh', ['-c', 'exit 7'])).status, 7);
  });

  test(`by ${name}, a program that does not read its input is no error`, async () => {
    assert.equal((await run('true', [], { input: 'x'.repeat(1 << 20) })).status, 0);
  });

  test(`by ${name}, a program that is not there is named, with what to do`, async () => {
    await assert.rejects(run('no-such-tool', ['x']), {
      name: 'Failure',
      code: 'not-installed',
      message: 'no-such-tool is not installed',
      hint: 'install the package that brings no-such-tool',
    });
  });

  test(`by ${name}, a program that cannot be started is an error of that program`, async (t) => {
    const file = join(folder(t), 'tool');
    writeFileSync(file, 'not a program');
    chmodSync(file, 0o600);
    await assert.rejects(run(file, []), { name: 'Failure', code: 'tool', message: /EACCES/ });
  });

  for (const [stream, redirect] of [
    ['stdout', ''],
    ['stderr', ' >&2'],
  ] as const) {
    test(`by ${name}, a program that prints to ${stream} without end is ended, with what it started, and nothing piles up`, async (t) => {
      const pids = join(folder(t), 'pids');
      const script = `echo $$ >${pids}; sleep 300 & echo $! >>${pids}; while :; do echo yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy${redirect}; done`;
      const before = process.memoryUsage().rss;
      await assert.rejects(run('sh', ['-c', script], { mostBytes: 100_000 }), {
        name: 'Failure',
        code: 'tool',
        message: /^sh -c .* printed without end and was killed/,
      });
      assert.ok(process.memoryUsage().rss - before < 64 * 2 ** 20);
      const all = readFileSync(pids, 'utf8').trim().split('\n').map(Number);
      await until(() => !all.some(isAlive));
    });
  }

  test(`by ${name}, as much as it may print is a result`, async () => {
    const { stdout } = await run('head', ['-c', '100000', '/dev/zero'], { mostBytes: 100_000 });
    assert.equal(stdout.length, 100_000);
  });

  test(`by ${name}, an argument that no program can get is an error, also ahead`, async () => {
    const { run, ahead } = openTools(startDeadline(60_000), [], start);
    await assert.rejects(run('echo', ['a\0b']), { name: 'Failure', code: 'tool' });
    ahead('echo', ['a\0b']);
    await assert.rejects(run('echo', ['a\0b'], { input: '' }), { name: 'Failure', code: 'tool' });
  });

  test(`by ${name}, a program that hangs is killed with all that it started, also what still holds its pipes`, async (t) => {
    const at = folder(t);
    const script = `sleep 1000 & echo $! > ${at}/grandchild; echo $$ > ${at}/child; echo said; wait`;
    await assert.rejects(run('sh', ['-c', script], { timeoutMs: 2_000 }), {
      name: 'Failure',
      code: 'timeout',
      message: /^sh -c sleep 1000 .* did not end within 2\.0 s$/,
    });
    const pids = ['child', 'grandchild'].map((name) => Number(readFileSync(join(at, name), 'utf8')));
    await until(() => pids.every((pid) => !isAlive(pid)));
  });

  test(`by ${name}, a program that ends and leaves a grandchild with its pipes is waited for until its time is up, and no longer`, async (t) => {
    const at = folder(t);
    const script = `sleep 1000 & echo $! > ${at}/grandchild; echo said`;
    assert.deepEqual(await run('sh', ['-c', script], { timeoutMs: 2_000 }), {
      status: 0,
      stdout: 'said\n',
      stderr: '',
    });
    await until(() => !isAlive(Number(readFileSync(join(at, 'grandchild'), 'utf8'))));
  });

  test(`by ${name}, a program that ignores every signal it can is killed all the same`, async (t) => {
    const at = folder(t);
    const script = `trap "" TERM INT HUP; echo $$ > ${at}/child; while :; do sleep 1; done`;
    await assert.rejects(run('sh', ['-c', script], { timeoutMs: 2_000 }), { name: 'Failure', code: 'timeout' });
    await until(() => !isAlive(Number(readFileSync(join(at, 'child'), 'utf8'))));
  });

  test(`by ${name}, a program that a signal ends is an error`, async () => {
    await assert.rejects(run('sh', ['-c', 'kill -TERM $$']), { name: 'Failure', code: 'tool', message: /SIGTERM/ });
  });

  test(`by ${name}, the run's deadline makes every timeout shorter`, async () => {
    let now = 0;
    const deadline = startDeadline(1_000, { now: () => now });
    assert.equal(deadline.allow(5_000), 1_000);
    now = 600;
    assert.equal(deadline.allow(5_000), 400);
    assert.equal(deadline.allow(100), 100);
    assert.equal(deadline.left(), 400);
    now = 980;
    assert.throws(() => deadline.allow(1), { name: 'Failure', code: 'timeout', message: 'not finished after 1 s' });
    await assert.rejects(toolRunner(deadline, [], start)('true', []), { code: 'timeout' });
  });

  test(`by ${name}, who has no time left says how long it waited, and for whom`, async () => {
    let now = 0;
    const deadline = startDeadline(4_000, { before: 20_000, now: () => now });
    const wait = (who: string, ms: number): Promise<void> =>
      deadline.waiting(who, async () => {
        now += ms;
      });
    await wait('online vif7.0, process 77', 1_200);
    await wait('another run', 3);
    await assert.rejects(
      deadline.waiting('online vif7.0, process 77', async () => {
        now += 2_000;
        throw new Error('it did not end');
      }),
      /it did not end/,
    );
    now = 4_000;
    const message =
      'not finished after 24 s, of which it waited 20.0 s for its turn, behind other runs of Xen, 3.2 s for online vif7.0, process 77';
    assert.throws(() => deadline.allow(1), { code: 'timeout', message });
  });

  test(`by ${name}, what is started ahead waits for its input, and is run once`, async (t) => {
    const at = folder(t);
    const { run, ahead } = openTools(startDeadline(60_000), [], start);
    const args = ['-c', `echo $$ >>${at}/started; cat`];
    ahead('sh', args);
    await until(() => existsSync(`${at}/started`));
    assert.deepEqual(await run('sh', args, { input: 'one' }), { status: 0, stdout: 'one', stderr: '' });
    assert.equal(readFileSync(`${at}/started`, 'utf8').split('\n').length, 2);
    assert.equal((await run('sh', args, { input: 'two' })).stdout, 'two');
    assert.equal(readFileSync(`${at}/started`, 'utf8').split('\n').length, 3);
  });

  test(`by ${name}, the beginning of an input is acted upon at once, and not handed over twice`, async (t) => {
    const at = folder(t);
    const { run, ahead } = openTools(startDeadline(60_000), [], start);
    const args = ['-c', `while read -r line; do echo "$line" >>${at}/lines; done`];
    ahead('sh', args, { beginning: 'first\n' });
    await until(() => existsSync(`${at}/lines`));
    await run('sh', args, { input: 'first\nsecond\n' });
    assert.equal(readFileSync(`${at}/lines`, 'utf8'), 'first\nsecond\n');
  });

  test(`by ${name}, one that was started ahead with another beginning is not used`, async () => {
    const { run, ahead, drop } = openTools(startDeadline(60_000), [], start);
    ahead('cat', [], { beginning: 'other' });
    assert.equal((await run('cat', [], { input: 'this' })).stdout, 'this');
    assert.equal((await run('cat', ['-'], { input: 'other one' })).stdout, 'other one');
    drop();
  });

  test(`by ${name}, one that was started ahead of a lock is not used under it, unless it needs none`, async (t) => {
    const at = folder(t);
    const held = new Set<number>();
    const { run, ahead, drop } = openTools(startDeadline(60_000), held, start);
    const args = ['-c', `echo x >>${at}/started; cat; readlink /proc/self/fd/3`];
    ahead('sh', args);
    ahead('sh', ['-c', `echo x >>${at}/read; cat`], { lockless: true, input: false });
    await until(() => existsSync(`${at}/started`) && existsSync(`${at}/read`));
    const fd = openSync(`${at}/lock`, 'w');
    t.after(() => closeSync(fd));
    held.add(fd);
    assert.equal((await run('sh', args, { input: '' })).stdout, `${at}/lock\n`);
    assert.equal(readFileSync(`${at}/started`, 'utf8'), 'x\nx\n');
    await run('sh', ['-c', `echo x >>${at}/read; cat`], { lockless: true });
    assert.equal(readFileSync(`${at}/read`, 'utf8'), 'x\n');
    drop();
  });

  test(`by ${name}, what is started ahead and not used is ended, whatever it does`, async (t) => {
    const at = folder(t);
    const { ahead, drop } = openTools(startDeadline(60_000), [], start);
    ahead('sh', ['-c', `trap "" TERM HUP; echo $$ >${at}/pid; while :; do sleep 1; done`]);
    ahead('no-such-tool', []);
    await until(() => existsSync(`${at}/pid`) && readFileSync(`${at}/pid`, 'utf8') !== '');
    drop();
    await until(() => !isAlive(Number(readFileSync(`${at}/pid`, 'utf8'))));
  });

  test(`by ${name}, what is started ahead and cannot be started is the error of its run`, async () => {
    const { run, ahead } = openTools(startDeadline(60_000), [], start);
    ahead('no-such-tool', ['x'], { beginning: 'a' });
    await assert.rejects(run('no-such-tool', ['x'], { input: 'abc' }), { message: 'no-such-tool is not installed' });
  });

  test(`by ${name}, what hangs has its time from when it is run, not from when it was started ahead`, async (t) => {
    const at = folder(t);
    const { run, ahead } = openTools(startDeadline(60_000), [], start);
    const args = ['-c', `echo $$ >${at}/pid; exec sleep 1000`];
    ahead('sh', args);
    await until(() => existsSync(`${at}/pid`) && readFileSync(`${at}/pid`, 'utf8') !== '');
    await assert.rejects(run('sh', args, { input: 'x', timeoutMs: 300 }), { code: 'timeout' });
    await until(() => !isAlive(Number(readFileSync(`${at}/pid`, 'utf8'))));
  });
}

test('the failure of a tool is its command line and what it said, in one line', () => {
  const failure = toolFailure('ip', ['link', 'set', 'x'], {
    status: 1,
    stdout: '',
    stderr: 'Cannot find\n "x"\\ \x1b[0m',
  });
  assert.equal(failure.message, 'ip link set x failed (status 1): Cannot find "x"/ ?[0m');
  assert.match(toolFailure('nft', ['-f', '-'], { status: 1, stdout: 'on stdout', stderr: ' ' }).message, /on stdout$/);
  const long = toolFailure('x', ['y'.repeat(500)], { status: 2, stdout: '', stderr: 'z'.repeat(500) });
  assert.ok(long.message.length < 300);
});
