/**
 * Which of Node's own modules a run of Xen's loads. Each costs time in every run, and one line anywhere brings it in:
 * so what was left out for speed is held here.
 */
import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { fileURLToPath } from 'node:url';
import { formObstacle } from '../lab/program.ts';
import { runProgram } from '../lab/subprocess.ts';

/** Measured with Node 20, each alone: crypto 1 to 2 ms, perf_hooks 1.5, the rest more. */
const NEVER = ['crypto', 'perf_hooks', 'http', 'https', 'tls', 'dns', 'readline', 'url', 'worker_threads'];

const skip = formObstacle('node') ?? false;

test("a run of Xen's loads no module that it can do without", { skip }, async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'xvb-modules-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const keys = { mac: '00:16:3e:00:00:01', ip: '192.0.2.1 2001:db8::1', bridge: 'lo', type: 'vif' };
  const listing = Object.entries(keys).map(([key, value]) => `echo 'backend/vif/1/0/${key} = "${value}"'`);
  const tool = (name: string, lines: readonly string[]): void => {
    writeFileSync(join(folder, name), `#!/bin/sh\n${lines.join('\n')}\n`);
    chmodSync(join(folder, name), 0o755);
  };
  tool('xenstore-ls', listing);
  for (const name of ['flock', 'nft', 'ip', 'bridge', 'logger', 'xenstore-exists', 'xenstore-write'])
    tool(name, ['exit 0']);
  const loaded = join(folder, 'loaded');
  const hook = join(folder, 'hook.cjs');
  const write = `require('fs').writeFileSync(${JSON.stringify(loaded)}, process.moduleLoadList.join('\\n'))`;
  writeFileSync(hook, `process.on('exit', () => ${write});\n`);
  const start = fileURLToPath(new URL('../../dist/start.cjs', import.meta.url));
  // There is no such bridge, so it ends in an error: by then it has looked at everything, and it tells Xen.
  const { status } = await runProgram([process.execPath, '--require', hook, start, 'online', 'type_if=vif'], {
    env: { PATH: folder, XENBUS_PATH: 'backend/vif/1/0', vif: 'vif1.0', VIF_BRIDGE_STATE_DIR: join(folder, 'state') },
  });
  assert.equal(status, 1);
  const modules = readFileSync(loaded, 'utf8')
    .split('\n')
    .flatMap((line) => /^NativeModule (.*)$/.exec(line)?.[1] ?? []);
  assert.ok(modules.includes('child_process'), modules.join(' '));
  const atStart = await runProgram([process.execPath, '-p', 'process.moduleLoadList.join()'], { env: {} });
  const own = NEVER.filter((name) => modules.includes(name) && !atStart.stdout.includes(`NativeModule ${name},`));
  assert.deepEqual(own, []);
});
