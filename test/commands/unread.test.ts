/** Who reads an answer may stop before its end, as `vif-bridge status | head` does. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { pcap } from '../lab/pcap.ts';
import { formObstacle, program } from '../lab/program.ts';
import { PLAIN_ENV } from '../lab/subprocess.ts';

const skip = formObstacle() ?? false;
const VIF = ['vif=vif1.0', 'bridge=br0', 'mac=00:16:3e:00:00:01', 'ip=192.0.2.10'];

test('what nobody reads is no error, and its status is that of the command', { skip, timeout: 60_000 }, async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'xvb-unread-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const policy = join(folder, 'policy.ini');
  writeFileSync(policy, '[defaults]\nmdoe = locked\n');
  const begin = (argv: readonly string[]): ChildProcess => {
    const [file = '', ...args] = [...program(), ...argv];
    const env = { ...PLAIN_ENV, VIF_BRIDGE_STATE_DIR: folder };
    return spawn(file, args, { env, stdio: ['pipe', 'pipe', 'pipe'] });
  };
  const end = async (child: ChildProcess): Promise<[number | null, string]> => {
    let stderr = '';
    child.stderr?.on('data', (chunk: Buffer) => {
      stderr += chunk.toString();
    });
    return new Promise((resolve) => child.once('close', (status) => resolve([status, stderr])));
  };

  for (const [argv, status] of [
    [['online', '--dry-run', ...VIF], 0],
    [['explain', ...VIF], 0],
    [['policy', 'check', policy], 1],
    [['policy', 'keys'], 0],
    [['--help'], 0],
  ] as const) {
    await t.test(argv.slice(0, 2).join(' '), async () => {
      const child = begin(argv);
      // Long before there is anything to read.
      child.stdout?.destroy();
      assert.deepEqual(await end(child), [status, '']);
    });
  }

  await t.test('nobody reads its error either', async () => {
    const child = begin(['online', 'brigde=br0']);
    child.stdout?.destroy();
    child.stderr?.destroy();
    const [status] = await end(child);
    assert.equal(status, 1);
  });

  await t.test('frames from a pipe that goes on: it ends with the next one', async () => {
    const child = begin(['explain', ...VIF, '--pcap', '-']);
    const ended = end(child);
    child.stdout?.destroy();
    child.stdin?.on('error', () => {});
    const capture = pcap(['00'.repeat(60)]);
    const frame = capture.subarray(pcap([]).length);
    child.stdin?.write(capture);
    const again = setInterval(() => child.stdin?.write(frame), 50);
    const [status, stderr] = await ended;
    clearInterval(again);
    assert.deepEqual([status, stderr.replace(/^note: .*\n/gm, '')], [0, '']);
  });
});
