import assert from 'node:assert/strict';
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { startDeadline } from '../../src/effects/deadline.ts';
import { toolFailure, toolRunner } from '../../src/effects/exec.ts';

const run = toolRunner(startDeadline(60_000));

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

test('a program gets its arguments without a shell, its input, and a plain locale', async () => {
  const result = await run('sh', ['-c', 'printf "%s|" "$@"; echo "$LC_ALL"; cat; echo oops >&2', 'x', '$(id)', 'a b'], {
    input: 'in\n',
  });
  assert.deepEqual(result, { status: 0, stdout: '$(id)|a b|C\nin\n', stderr: 'oops\n' });
});

test('a status that is not 0 is a result', async () => {
  assert.equal((await run('sh', ['-c', 'exit 7'])).status, 7);
});

test('a program that does not read its input is no error', async () => {
  assert.equal((await run('true', [], { input: 'x'.repeat(1 << 20) })).status, 0);
});

test('a program that is not there is named, with what to do', async () => {
  await assert.rejects(run('no-such-tool', ['x']), {
    name: 'Failure',
    code: 'tool',
    message: 'no-such-tool is not installed',
    hint: 'install the package that brings no-such-tool',
  });
});

test('a program that cannot be started is an error of that program', async (t) => {
  const file = join(folder(t), 'tool');
  writeFileSync(file, 'not a program');
  chmodSync(file, 0o600);
  await assert.rejects(run(file, []), { name: 'Failure', code: 'tool', message: /EACCES/ });
});

test('a program that hangs is killed with all that it started, also what still holds its pipes', async (t) => {
  const at = folder(t);
  const script = `sleep 1000 & echo $! > ${at}/grandchild; echo $$ > ${at}/child; echo said; wait`;
  await assert.rejects(run('sh', ['-c', script], { timeoutMs: 700 }), {
    name: 'Failure',
    code: 'timeout',
    message: /^sh -c sleep 1000 .* did not end within 0\.7 s$/,
  });
  const pids = ['child', 'grandchild'].map((name) => Number(readFileSync(join(at, name), 'utf8')));
  await until(() => pids.every((pid) => !isAlive(pid)));
});

test('a program that ends and leaves a grandchild with its pipes is waited for until its time is up, and no longer', async (t) => {
  const at = folder(t);
  const script = `sleep 1000 & echo $! > ${at}/grandchild; echo said`;
  assert.deepEqual(await run('sh', ['-c', script], { timeoutMs: 700 }), { status: 0, stdout: 'said\n', stderr: '' });
  await until(() => !isAlive(Number(readFileSync(join(at, 'grandchild'), 'utf8'))));
});

test('a program that ignores every signal it can is killed all the same', async (t) => {
  const at = folder(t);
  const script = `trap "" TERM INT HUP; echo $$ > ${at}/child; while :; do sleep 1; done`;
  await assert.rejects(run('sh', ['-c', script], { timeoutMs: 700 }), { name: 'Failure', code: 'timeout' });
  await until(() => !isAlive(Number(readFileSync(join(at, 'child'), 'utf8'))));
});

test('a program that a signal ends is an error', async () => {
  await assert.rejects(run('sh', ['-c', 'kill -TERM $$']), { name: 'Failure', code: 'tool', message: /SIGTERM/ });
});

test("the run's deadline makes every timeout shorter", async () => {
  let now = 0;
  const deadline = startDeadline(1_000, () => now);
  assert.equal(deadline.allow(5_000), 1_000);
  now = 600;
  assert.equal(deadline.allow(5_000), 400);
  assert.equal(deadline.allow(100), 100);
  assert.equal(deadline.left(), 400);
  now = 980;
  assert.throws(() => deadline.allow(1), { name: 'Failure', code: 'timeout', message: 'not finished after 1 s' });
  await assert.rejects(toolRunner(deadline)('true', []), { code: 'timeout' });
});

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
