/** Programs are started by another process than this one: nobody may see a difference. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import test from 'node:test';
import { createNamespace, namespaceObstacle } from './namespace.ts';
import { runner } from './runner.ts';
import { runProgram } from './subprocess.ts';

const skip = existsSync('/usr/bin/gcc') ? false : 'needs gcc';
if (skip) console.log(`skipped: ${skip}`);

test('the starter of programs', { skip, concurrency: true }, async (t) => {
  await t.test('is there', () => assert.ok(runner()));

  await t.test('hands over large inputs and outputs, of many at once', async () => {
    const texts = Array.from({ length: 8 }, (_, at) => `${at}`.repeat(700_000));
    const copies = await Promise.all(texts.map((input) => runProgram(['tee', '/dev/stderr'], { input })));
    for (const [at, { status, stdout, stderr }] of copies.entries()) {
      assert.deepEqual([status, stdout === texts[at], stderr === texts[at]], [0, true, true]);
    }
  });

  await t.test('says how a program ended, and that it could not be started', async () => {
    const killed = await runProgram(['sh', '-c', 'kill -15 $$']);
    assert.deepEqual([killed.status, killed.signal, killed.timedOut], [null, 'SIGTERM', false]);
    await assert.rejects(runProgram(['no-such-program']), { code: 'ENOENT', message: 'spawn no-such-program ENOENT' });
    await assert.rejects(runProgram(['true'], { cwd: '/no-such-folder' }), { code: 'ENOENT' });
    await assert.rejects(runProgram(['/etc/passwd']), { code: 'EACCES' });
  });

  await t.test('finds programs by the PATH of the given environment alone', async () => {
    await assert.rejects(runProgram(['true'], { env: { PATH: '/nowhere' } }), { code: 'ENOENT' });
    assert.equal(
      (await runProgram(['env'], { env: { PATH: '/usr/bin:/bin', A: 'ä = b' } })).stdout,
      'PATH=/usr/bin:/bin\nA=ä = b\n',
    );
  });

  await t.test('does not wait for what keeps the pipes open, nor for a program that reads nothing', async () => {
    const { status, stdout } = await runProgram(['sh', '-c', 'setsid sleep 20 & echo said'], { timeoutMs: 15_000 });
    assert.deepEqual([status, stdout], [0, 'said\n']);
    assert.equal((await runProgram(['true'], { input: 'x'.repeat(1_000_000) })).status, 0);
  });

  await t.test('leaves a program the signals, the files and the group that a new one has', async () => {
    const show =
      'grep -E "^Sig(Blk|Ign):" /proc/self/status; ls /proc/self/fd; ps -o pgid= -p $$ | grep -qw $$ && echo own';
    const { stdout } = spawnSync('setsid', ['-w', 'sh', '-c', show], { encoding: 'utf8' });
    assert.equal((await runProgram(['sh', '-c', show])).stdout, stdout);
    assert.match(stdout, /^SigBlk:\t0+\nSigIgn:\t0+\n0\n1\n2\n(\d+\n)+own\n$/);
  });
});

test('in a network namespace it ends as `ip netns exec` does', {
  skip: skip || (namespaceObstacle() ?? false),
}, async (t) => {
  const ns = await createNamespace(t.name);
  t.after(() => ns.remove());
  const gone = await ns.run(['no-such-program']);
  assert.deepEqual([gone.status, gone.stderr], [255, 'exec of "no-such-program" failed: No such file or directory\n']);
  const nowhere = await runProgram(['true'], {}, 'no-such-namespace');
  assert.equal(nowhere.status, 255);
  assert.match(nowhere.stderr, /^Cannot open network namespace "no-such-namespace"/);
  const both = ['sh', '-c', 'ls /sys/class/net; mount -t tmpfs none /mnt'];
  assert.deepEqual(await ns.run(both), await runProgram(['ip', 'netns', 'exec', ns.name, ...both]));
  // What it mounts is its own.
  assert.equal((await runProgram(['mountpoint', '-q', '/mnt'])).status !== 0, true);
});
