import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { startDeadline } from '../../src/effects/deadline.ts';
import { type RunTool, toolRunner } from '../../src/effects/exec.ts';
import { type Log, syslog } from '../../src/effects/log.ts';
import { Failure } from '../../src/errors.ts';

/** A logger on PATH that writes down its arguments and its input. */
function fakeLogger(t: TestContext, script: string): { run: RunTool; calls: () => string } {
  const folder = mkdtempSync(join(tmpdir(), 'xvb-log-'));
  t.after(() => rmSync(folder, { recursive: true }));
  writeFileSync(join(folder, 'logger'), `#!/bin/sh\n${script}\n`);
  chmodSync(join(folder, 'logger'), 0o755);
  writeFileSync(join(folder, 'calls'), '');
  const real = toolRunner(startDeadline(60_000));
  return {
    run: (tool, args, options) => real(tool === 'logger' ? join(folder, 'logger') : tool, args, options),
    calls: () => readFileSync(join(folder, 'calls'), 'utf8'),
  };
}

/** What a piece of work writes to stderr. */
async function stderrOf(t: TestContext, work: () => Promise<void>): Promise<string> {
  const written = t.mock.method(process.stderr, 'write', () => true);
  await work();
  const text = written.mock.calls.map((call) => String(call.arguments[0])).join('');
  written.mock.restore();
  return text;
}

function fill(log: Log): void {
  log.say('debug', 'looked');
  log.say('info', 'vif1.0 on xenbr0');
  log.say('warning', 'learning\nstays on\\');
  log.say('err', 'Größe \x1b[31m');
}

const RECORD = 'echo "args: $*" >>"$(dirname "$0")/calls"; cat >>"$(dirname "$0")/calls"';

test('a run speaks to syslog once, with facility daemon and a severity for every line', async (t) => {
  const { run, calls } = fakeLogger(t, RECORD);
  const log = syslog(false);
  fill(log);
  assert.equal(await stderrOf(t, () => log.deliver(run)), '');
  // RFC 5424: daemon is 3, so 24 and 7 debug, 6 informational, 4 warning, 3 error.
  assert.equal(
    calls(),
    [
      'args: -t vif-bridge --prio-prefix',
      '<31>looked',
      '<30>vif1.0 on xenbr0',
      '<28>learning stays on/',
      '<27>Gr??e ?[31m',
      '',
    ].join('\n'),
  );
});

test('what was delivered is not delivered again, and nothing is no call', async (t) => {
  const { run, calls } = fakeLogger(t, RECORD);
  const log = syslog(false);
  await log.deliver(run);
  assert.equal(calls(), '');
  log.say('info', 'once');
  await log.deliver(run);
  const before = calls();
  await log.deliver(run);
  assert.equal(calls(), before);
});

test('a text cannot forge a line or a priority', async (t) => {
  const { run, calls } = fakeLogger(t, RECORD);
  const log = syslog(false);
  log.say('info', 'ip=\n<24>emerg\r\n<0>kernel');
  await log.deliver(run);
  assert.deepEqual(calls().split('\n').slice(1), ['<30>ip= <24>emerg <0>kernel', '']);
});

test('a very long text is cut', async (t) => {
  const { run, calls } = fakeLogger(t, RECORD);
  const log = syslog(false);
  log.say('info', 'x'.repeat(5_000));
  await log.deliver(run);
  assert.ok((calls().split('\n')[1] ?? '').length <= 404);
});

const ON_STDERR =
  'vif-bridge: looked\nvif-bridge: vif1.0 on xenbr0\nvif-bridge: learning stays on/\nvif-bridge: Gr??e ?[31m\n';

test('without logger, or with one that fails or hangs, the lines are on stderr', async (t) => {
  const failing: readonly RunTool[] = [
    async () => {
      throw new Failure('tool', 'logger is not installed');
    },
    fakeLogger(t, 'exit 1').run,
    async () => {
      throw new Failure('timeout', 'logger did not end');
    },
  ];
  for (const run of failing) {
    const log = syslog(false);
    fill(log);
    assert.equal(await stderrOf(t, () => log.deliver(run)), ON_STDERR);
  }
});

test('a person at a terminal sees the lines at once, without the small talk, and once', async (t) => {
  const { run, calls } = fakeLogger(t, `${RECORD}; exit 1`);
  const log = syslog(true);
  const shown = await stderrOf(t, async () => {
    fill(log);
    await log.deliver(run);
  });
  // biome-ignore lint/suspicious/noControlCharactersInRegex: the colours are what is to be taken away
  const plain = shown.replace(/\x1b\[\d+m/g, '');
  assert.equal(plain, 'vif1.0 on xenbr0\nlearning stays on/\nGr??e ?[31m\n');
  assert.match(calls(), /<31>looked/);
});
