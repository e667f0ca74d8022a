/** `self-test` as an admin runs it: with the real kernel, and nothing is left behind. */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { PLAIN_ENV } from '../lab/subprocess.ts';
import { type Dom0, LAUNCHER, obstacle, openDom0 } from './dom0.ts';

interface Report {
  readonly backend: string;
  readonly bridge: string;
  readonly classes: readonly { kind: string; frames: number; right: number; wrong: readonly { id: string }[] }[];
}

const skip = obstacle();

async function tested(
  dom0: Dom0,
  ...args: string[]
): Promise<{ status: number | null; report: Report; wrong: string[] }> {
  const { status, stdout, stderr } = await dom0.admin(['self-test', '--json', ...args], { timeoutMs: 120_000 });
  assert.equal(stderr, '');
  const report: Report = JSON.parse(stdout);
  return { status, report, wrong: report.classes.flatMap(({ wrong }) => wrong.map(({ id }) => id)) };
}

/** All that it could leave: devices, rules, mounts, state. Other tests have namespaces of their own meanwhile. */
async function everything(dom0: Dom0): Promise<string> {
  const here = await dom0.ns.check(['sh', '-c', 'ip -br link; nft list ruleset; cat /proc/self/mounts']);
  const lines = here.split('\n').filter((line) => !line.includes('/run/netns/'));
  return [...lines, existsSync(dom0.state) ? readdirSync(dom0.state).join(' ') : ''].join('\n');
}

test('self-test', { skip }, async (t) => {
  const dom0 = await openDom0(t);
  const policy = (text: string): void => writeFileSync(join(dom0.folder, 'vif-bridge.ini'), text);
  const before = await everything(dom0);

  await t.test('all frames fare as they must', async () => {
    const { status, report, wrong } = await tested(dom0);
    assert.deepEqual(wrong, []);
    assert.equal(status, 0);
    assert.equal(report.backend, 'nftables');
    assert.equal(report.bridge, 'br0');
    assert.ok(report.classes.reduce((sum, { frames }) => sum + frames, 0) > 100);
    const shown = await dom0.admin(['self-test', '--bridge', 'br0'], { timeoutMs: 120_000 });
    assert.equal(shown.status, 0, shown.stderr);
    assert.match(shown.stdout, /^ {2}ok {2}ARP +\d+ of +\d+$/m);
  });

  await t.test("it is this host's policy, and a host that does not hold is found out", async () => {
    policy('[defaults]\nmode = unlocked\n');
    const { status, report } = await tested(dom0);
    assert.equal(status, 1);
    for (const { kind, frames, right } of report.classes) {
      if (kind === 'ARP' || kind === 'DHCP, DHCPv6') assert.ok(right < frames, kind);
    }
    // Of another bridge it says nothing.
    policy('[bridge other]\nmode = unlocked\n');
    assert.equal((await tested(dom0)).status, 0);
    policy('[bridge br0]\nmode = disabled\n');
    assert.equal((await tested(dom0)).status, 1);
    policy('');
  });

  await t.test('hooks of the admin are not run', async () => {
    // In mounts of the test's own, because the machine may have no such folder.
    const hooks = join(dom0.folder, 'xen/scripts/vif-post.d');
    mkdirSync(hooks, { recursive: true });
    writeFileSync(join(hooks, 'x.hook'), `touch ${dom0.folder}/hooked\n`);
    chmodSync(join(hooks, 'x.hook'), 0o755);
    const { status } = await dom0.ns.run(['sh', '-c', 'test -d /etc/xen/scripts/vif-post.d']);
    if (status !== 0) return;
    const mounted = `mount --bind ${hooks} /etc/xen/scripts/vif-post.d && exec ${LAUNCHER} self-test`;
    assert.equal((await dom0.ns.run(['unshare', '--mount', 'sh', '-c', mounted])).status, 0);
    assert.ok(!readdirSync(dom0.folder).includes('hooked'));
  });

  await t.test('a bridge that is not there, and a broken policy, are trouble', async () => {
    for (const args of [
      ['--bridge', 'nobridge'],
      ['--bridge', '../x'],
      ['--config', '/nonexistent.ini'],
    ]) {
      const { status, stderr, stdout } = await dom0.admin(['self-test', ...args]);
      assert.equal(status, 2, args.join(' '));
      assert.match(stderr, /^error: /);
      assert.equal(stdout, '');
    }
    policy('[defaults]\nno_ip = nonsense\n');
    assert.equal((await dom0.admin(['self-test'])).status, 2);
    policy('');
  });

  await t.test('killed in the middle it leaves nothing', async () => {
    const env = {
      ...PLAIN_ENV,
      VIF_BRIDGE_STATE_DIR: dom0.state,
      VIF_BRIDGE_CONFIG: join(dom0.folder, 'vif-bridge.ini'),
    };
    for (const ms of [400, 900, 1600]) {
      const child = spawn('ip', ['netns', 'exec', dom0.ns.name, LAUNCHER, 'self-test'], { env, stdio: 'ignore' });
      await sleep(ms);
      child.kill('SIGKILL');
    }
    const isLeft = (): boolean => spawnSync('pgrep', ['-f', 'self-test --inside'], { encoding: 'utf8' }).stdout !== '';
    for (let look = 0; look < 300 && isLeft(); look += 1) await sleep(100);
    assert.ok(!isLeft(), 'what is left ends by itself');
  });

  assert.equal(await everything(dom0), before);
});
