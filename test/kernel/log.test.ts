/** `log` of a host with a guest that spoofs: one line a frame, and no flood. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { PLAIN_ENV } from '../lab/subprocess.ts';
import { tcpdump } from '../lab/tcpdump.ts';
import { type Dom0, LAUNCHER, obstacle, openDom0 } from './dom0.ts';
import { ALL, arp, frame, G, ip4, TYPE, udp } from './frames.ts';

const skip = obstacle();
const WEB = { domid: 1, name: 'web1', mac: '00:16:3e:00:00:01', ip: '10.0.0.11' } as const;
const claim = frame(ALL, WEB.mac, TYPE.arp, arp({ op: 2, sha: WEB.mac, spa: '10.0.0.2', tpa: '10.0.0.77' }));
const forged = frame(G.mac, WEB.mac, TYPE.ip, ip4({ src: '10.0.0.99', dst: G.ip }, udp(9, 9)));
const honest = frame(G.mac, WEB.mac, TYPE.ip, ip4({ src: WEB.ip, dst: G.ip }, udp(9, 9)));

/** What `log` says while these frames are sent, again and again. */
async function logged(
  dom0: Dom0,
  frames: readonly string[],
  args: readonly string[],
  env: Readonly<Record<string, string>>,
) {
  const wire = await dom0.openWire(['guest1.0']);
  let goesOn = true;
  const sending = (async () => {
    while (goesOn) {
      for (const one of frames) await wire.send('guest1.0', one);
      await sleep(20);
    }
  })();
  try {
    return await dom0.admin(['log', ...args], { env });
  } finally {
    goesOn = false;
    await sending;
    await wire.exit();
  }
}

test('log', { skip }, async (t) => {
  const dom0 = await openDom0(t);
  await dom0.start(WEB);
  const env = await tcpdump(dom0.folder);
  if (env === undefined) return t.skip('needs tcpdump');

  await t.test('one line for each frame that is dropped, and none for one that passes', async () => {
    const { status, stdout, stderr } = await logged(dom0, [claim, honest, forged], ['web1', '--seconds', '2'], env);
    assert.equal(stderr, '');
    assert.equal(status, 1);
    assert.match(stdout, /^\d{4}-\d\d-\d\dT\S+Z vif1\.0 \(web1\) dropped arp-spa: .*10\.0\.0\.2/m);
    assert.match(stdout, /vif1\.0 \(web1\) dropped ip-src: .*10\.0\.0\.99/);
    assert.ok(!stdout.split('\n').some((line) => line.includes('10.0.0.11 >')), stdout);
  });

  await t.test('a flood is some lines, and how many more there were', async () => {
    const { stdout } = await logged(dom0, [claim, claim, claim, claim], ['--seconds', '3'], env);
    const lines = stdout.trim().split('\n');
    assert.ok(lines.length < 40, `${lines.length} lines`);
    assert.match(stdout, /vif1\.0 arp-spa: \d+ more in the last second/);
  });

  await t.test('only some reasons, for programs', async () => {
    const args = ['--seconds', '2', '--reason', 'ip-src', '--json'];
    const { stdout } = await logged(dom0, [claim, forged], args, env);
    const rows = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { vif: string; reason: string });
    assert.ok(rows.length > 0);
    assert.deepEqual([...new Set(rows.map(({ vif, reason }) => `${vif} ${reason}`))], ['vif1.0 ip-src']);
  });

  await t.test('nothing is dropped', async () => {
    const { status, stdout } = await logged(dom0, [honest], ['--seconds', '1'], env);
    assert.equal(stdout, '');
    assert.equal(status, 0);
  });

  await t.test('the policy says what is told of a vif', async () => {
    const policy = join(dom0.folder, 'vif-bridge.ini');
    writeFileSync(policy, `[mac ${WEB.mac}]\nlog = ip-src\n`);
    const { stdout } = await logged(dom0, [claim, forged], ['--seconds', '2'], env);
    assert.match(stdout, / dropped ip-src: /);
    assert.doesNotMatch(stdout, /arp-spa/);
    assert.match((await dom0.admin(['status', 'vif1.0'])).stdout, /^ {2}log ip-src$/m);
    writeFileSync(policy, `[defaults]\nlog = off\n`);
    const off = await dom0.admin(['log', '--seconds', '1'], { env });
    assert.deepEqual([off.status, off.stdout], [2, '']);
    assert.match(off.stderr, /the policy says log = off of all of these ports.*vif-bridge policy show vif1\.0/s);
    writeFileSync(policy, '');
  });

  await t.test('what cannot be listened at is trouble', async () => {
    for (const [args, message] of [
      [['nobody'], /no port and no guest nobody/],
      [['--seconds', 'x'], /--seconds/],
      [['--seconds', '0'], /--seconds/],
      [['--reason', 'arp-sap'], /--reason "arp-sap" is no reason.*\n.*\n.*did you mean arp-spa/],
    ] as const) {
      const { status, stderr } = await dom0.admin(['log', ...args], { env });
      assert.equal(status, 2, args.join(' '));
      assert.match(stderr, message);
    }
  });

  await t.test('--follow ends with Ctrl-C, and leaves no tcpdump behind', async () => {
    const own = { ...env, VIF_BRIDGE_STATE_DIR: dom0.state, XENSTORED_PATH: dom0.store.socket };
    const config = join(dom0.folder, 'vif-bridge.ini');
    const argv = ['netns', 'exec', dom0.ns.name, LAUNCHER, 'log', '--follow', 'web1', '--config', config];
    // A terminal sends it to all of its foreground.
    const child = spawn('ip', argv, { env: { ...PLAIN_ENV, ...own }, detached: true, stdio: 'ignore' });
    const ended = new Promise<number | null>((resolve) => child.once('close', resolve));
    const listening = async (): Promise<boolean> =>
      (await dom0.ns.run(['pgrep', '-f', 'tcpdump.* -i vif1.0'])).stdout !== '';
    const until = async (wanted: boolean): Promise<void> => {
      for (let look = 0; look < 100 && (await listening()) !== wanted; look += 1) await sleep(100);
      assert.equal(await listening(), wanted);
    };
    await until(true);
    process.kill(-(child.pid ?? 0), 'SIGINT');
    await ended;
    await until(false);
  });

  await t.test('--follow ends when nobody reads it any more', async () => {
    const own = { ...env, VIF_BRIDGE_STATE_DIR: dom0.state, XENSTORED_PATH: dom0.store.socket };
    const argv = ['netns', 'exec', dom0.ns.name, LAUNCHER, 'log', '--follow', 'vif1.0'];
    const child = spawn('ip', argv, { env: { ...PLAIN_ENV, ...own }, stdio: ['ignore', 'pipe', 'pipe'] });
    const ended = new Promise<number | null>((resolve) => child.once('close', resolve));
    let stderr = '';
    child.stderr.on('data', (chunk: Buffer) => {
      stderr += chunk.toString();
    });
    child.stdout.destroy();
    const wire = await dom0.openWire(['guest1.0']);
    const again = setInterval(() => wire.send('guest1.0', forged), 100);
    const status = await ended;
    clearInterval(again);
    await wire.exit();
    assert.equal(status, 0, stderr);
    assert.equal(stderr, '');
  });
});
