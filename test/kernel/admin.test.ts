/** `unlock` and `address` of guests that run: what the kernel does then, and what is left when they are over. */
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { PLAIN_ENV, type RunResult } from '../lab/subprocess.ts';
import { type Dom0, LAUNCHER, obstacle, openDom0, PROGRAM } from './dom0.ts';
import { frame, G, ip4, TYPE, udp } from './frames.ts';
import { GUEST_V } from './verdict.ts';

const skip = obstacle();
const WEB = { domid: 1, name: 'web1', mac: '00:16:3e:00:00:01', ip: '10.0.0.11' } as const;

/** Whether the gateway hears the guest from this address. */
async function passes(dom0: Dom0, src: string): Promise<boolean> {
  const wire = await dom0.openWire(['guest1.0', 'gw0']);
  const hex = frame(G.mac, WEB.mac, TYPE.ip, ip4({ src, dst: G.ip }, udp(9, 9)));
  await wire.send('gw0', frame('ff:ff:ff:ff:ff:ff', G.mac, 0x88b5, '00'.repeat(46)));
  await wire.collect(0);
  await wire.send('guest1.0', hex);
  const seen = await wire.collect();
  await wire.exit();
  return seen.some(({ iface, hex: one }) => iface === 'gw0' && one === hex);
}

function dropIns(dom0: Dom0): string[] {
  const folder = join(dom0.folder, 'vif-bridge.d');
  return existsSync(folder) ? readdirSync(folder) : [];
}

/** `unlock`, with a systemd that writes down what it is told: that of this machine must not hear of it. */
function unlock(dom0: Dom0, ...args: readonly string[]): Promise<RunResult> {
  const PATH = `${systemd(dom0)}:${PLAIN_ENV.PATH}`;
  // As a person has it: tools of his own come first.
  return dom0.admin(['unlock', ...args], { env: { VIF_BRIDGE_PERSON: 'yes', PATH } });
}

function systemd(dom0: Dom0): string {
  const folder = join(dom0.folder, 'systemd');
  if (existsSync(folder)) return folder;
  mkdirSync(folder);
  const told = `#!/bin/sh\nfor word in "$@"; do printf '%s\\n' "$word"; done >>${folder}/told\ntest -e ${folder}/works\n`;
  writeFileSync(join(folder, 'systemd-run'), told, { mode: 0o755 });
  writeFileSync(join(folder, 'systemctl'), '#!/bin/sh\nexit 3\n', { mode: 0o755 });
  return folder;
}

test('unlock', { skip }, async (t) => {
  const dom0 = await openDom0(t);
  await dom0.start(WEB);
  assert.equal(await passes(dom0, '10.0.0.99'), false);

  await t.test('for some time, and it ends with the next run behind that', async () => {
    const { status, stdout, stderr } = await unlock(dom0, 'web1', '--for', '15s');
    assert.equal(status, 0, stderr);
    assert.match(stdout, /nothing is kept from vif1\.0 until \d{4}-\d\d-\d\dT\S+Z/);
    // The kernel knows no time: without the timer nobody ends it, and who unlocks must not think so.
    assert.match(
      stderr,
      /^warning: nothing on this host ends it by itself \(systemd-run made no timer, vif-bridge-check\.timer does not run\)/,
    );
    assert.match(stderr, /or say then: vif-bridge reapply vif1\.0$/m);
    assert.equal(await passes(dom0, '10.0.0.99'), true);
    const [port] = await dom0.status();
    assert.ok(port?.until, 'status says when it ends');
    assert.match((await dom0.admin(['status'])).stdout, /NOT FILTERED/);
    await sleep(Math.max(0, Date.parse(port.until) - Date.now()) + 500);
    assert.equal(await passes(dom0, '10.0.0.99'), true);
    assert.match((await dom0.admin(['status'])).stdout, /NOT FILTERED: unlocked, overdue since/);
    // What vif-bridge-check.timer runs.
    assert.equal((await dom0.admin(['repair'])).status, 0);
    assert.equal(await passes(dom0, '10.0.0.99'), false);
  });

  await t.test(
    'systemd is told to lock it then, by the name of the guest, with what it was unlocked with',
    async () => {
      const folder = systemd(dom0);
      rmSync(join(folder, 'told'));
      writeFileSync(join(folder, 'works'), '');
      const { status, stdout, stderr } = await unlock(dom0, 'vif1.0', '--for', '1h');
      rmSync(join(folder, 'works'));
      assert.deepEqual([status, stderr], [0, '']);
      const until = /until (\S+); a timer of systemd ends it then/.exec(stdout)?.[1] ?? '';
      const at = new Date(Date.parse(until) + 1000).toISOString();
      assert.deepEqual(
        readFileSync(join(folder, 'told'), 'utf8')
          .trimEnd()
          .split('\n')
          .filter((word) => !word.startsWith('--setenv=PATH=')),
        [
          ...['--quiet', '--collect', `--unit=vif-bridge-lock-00163e000001-${Date.parse(until) / 1000}-0`],
          ...[`--on-calendar=${at.slice(0, 10)} ${at.slice(11, 19)} UTC`, '--timer-property=AccuracySec=1s'],
          `--setenv=VIF_BRIDGE_CONFIG=${dom0.folder}/vif-bridge.ini`,
          `--setenv=VIF_BRIDGE_STATE_DIR=${dom0.state}`,
          `--setenv=XENSTORED_PATH=${dom0.store.socket}`,
          ...['--', LAUNCHER, 'reapply', 'web1'],
        ],
      );
      assert.equal((await unlock(dom0, 'vif1.0', '--end')).status, 0);
    },
  );

  await t.test('it is told the port where the name of the guest means others too', async (t) => {
    const folder = systemd(dom0);
    const toldFor = async (word: string): Promise<string[]> => {
      rmSync(join(folder, 'told'), { force: true });
      writeFileSync(join(folder, 'works'), '');
      assert.equal((await unlock(dom0, word, '--for', '1h')).status, 0);
      rmSync(join(folder, 'works'));
      assert.equal((await unlock(dom0, word, '--end')).status, 0);
      const words = readFileSync(join(folder, 'told'), 'utf8').trimEnd().split('\n');
      return words.filter((_, at) => words[at - 1] === 'reapply');
    };
    await t.test('of two NICs the one that is unlocked', async () => {
      await dom0.start({ ...WEB, devid: 1, mac: '00:16:3e:00:00:02', ip: '10.0.0.12' });
      assert.deepEqual(await toldFor('vif1.1'), ['vif1.1']);
      assert.deepEqual(await toldFor('web1'), ['web1']);
    });
    await t.test('the port of another guest that is called so', async () => {
      await dom0.start({ domid: 3, name: 'db', mac: '00:16:3e:00:00:03', ip: '10.0.0.13', vifname: 'mail' });
      await dom0.start({ domid: 4, name: 'mail', mac: '00:16:3e:00:00:04', ip: '10.0.0.14' });
      assert.deepEqual(await toldFor('vif4.0'), ['vif4.0']);
    });
  });

  await t.test('--end ends it at once, and leaves no file', async () => {
    assert.equal((await unlock(dom0, 'vif1.0', '--for', '1h')).status, 0);
    assert.deepEqual(dropIns(dom0), ['zz-unlock-00163e000001.ini']);
    // Who may read the policy may read it still: explain by hand, policy check.
    assert.equal(statSync(join(dom0.folder, 'vif-bridge.d')).mode & 0o777, 0o755);
    assert.equal(await passes(dom0, '10.0.0.99'), true);
    const ended = await unlock(dom0, 'vif1.0', '--end');
    assert.equal(ended.status, 0, ended.stderr);
    assert.equal(await passes(dom0, '10.0.0.99'), false);
    assert.deepEqual(dropIns(dom0), []);
    const again = await unlock(dom0, 'vif1.0', '--end');
    assert.equal(again.status, 2);
    assert.match(again.stderr, /has not been unlocked by this command/);
  });

  await t.test('what cannot be is refused, and changes nothing', async () => {
    for (const args of [
      [],
      ['--for', '10'],
      ['--for', '0s'],
      ['--for', '8d'],
      ['--for', 'x'],
      ['--for', '1m', '--end'],
    ]) {
      assert.equal((await unlock(dom0, 'vif1.0', ...args)).status, 2, args.join(' '));
    }
    assert.equal((await unlock(dom0, 'nobody', '--for', '1m')).status, 2);
    writeFileSync(join(dom0.folder, 'vif-bridge.ini'), '[vif vif1.0]\nmode = locked\n');
    const stronger = await unlock(dom0, 'vif1.0', '--for', '1m');
    assert.equal(stronger.status, 2);
    assert.match(stronger.stderr, /another line of the policy decides about vif1\.0/);
    writeFileSync(join(dom0.folder, 'vif-bridge.ini'), '');
    assert.deepEqual(dropIns(dom0), []);
    assert.equal(await passes(dom0, '10.0.0.99'), false);
  });
});

test('who only stands near is not opened', { skip }, async (t) => {
  const dom0 = await openDom0(t);
  await dom0.start(WEB);
  await dom0.ns.check(['ip', 'link', 'add', 'br1', 'up', 'type', 'bridge']);
  const openPorts = async (): Promise<string[]> => {
    assert.equal((await dom0.admin(['reapply', '--all'])).status, 0);
    return (await dom0.status()).filter(({ unfiltered }) => unfiltered !== undefined).map(({ name }) => name);
  };

  await t.test('a guest that was called so when it was started, and is another one by now', async () => {
    dom0.store.load({ '/local/domain/1/name': 'old' });
    await dom0.start({ domid: 2, name: 'web1', mac: '00:16:3e:00:00:02', ip: '10.0.0.12' });
    const { status, stdout, stderr } = await unlock(dom0, 'web1', '--for', '1h');
    assert.equal(status, 0, stderr);
    assert.match(stdout, /nothing is kept from vif2\.0 until/);
    assert.deepEqual(await openPorts(), ['vif2.0']);
    assert.equal((await unlock(dom0, 'web1', '--end')).status, 0);
  });

  await t.test('a guest with the same MAC on another bridge', async () => {
    await dom0.start({ domid: 3, bridge: 'br1', name: 'copy', mac: WEB.mac, ip: '10.0.0.13' });
    const { status, stderr } = await unlock(dom0, 'old', '--for', '1h');
    assert.equal(status, 2);
    assert.match(
      stderr,
      /vif3\.0 has the MAC 00:16:3e:00:00:01 too.*\nhint: +write it by hand into a section \[vif vif1\.0\]/,
    );
    assert.deepEqual(await openPorts(), []);
    const env = { XENSTORED_PATH: '/nowhere' };
    const added = await dom0.admin(['address', 'add', 'vif1.0', '10.0.0.99'], { env });
    assert.deepEqual([added.status, /vif3\.0 has the MAC/.test(added.stderr)], [2, true]);
    assert.deepEqual(dropIns(dom0), []);
    assert.equal((await dom0.hotplug('offline', { domid: 3 })).status, 0);
  });

  await t.test('one whose time is over stays due when another one is unlocked, and can be ended', async () => {
    assert.equal((await unlock(dom0, 'old', '--for', '1s')).status, 0);
    // The end is at a whole second.
    await sleep(2_100);
    assert.equal((await unlock(dom0, 'web1', '--for', '1h')).status, 0);
    const due = (await dom0.status()).filter(({ overdue }) => overdue !== undefined).map(({ name }) => name);
    assert.deepEqual(due, ['vif1.0']);
    assert.equal((await unlock(dom0, 'web1', '--end')).status, 0);
    for (const file of dropIns(dom0)) rmSync(join(dom0.folder, 'vif-bridge.d', file));
    // Somebody has taken its file: it is still open, and can be closed by the same command.
    assert.equal((await dom0.status())[0]?.unfiltered, 'unlocked');
    const { status, stderr } = await unlock(dom0, 'old', '--end');
    assert.equal(status, 0, stderr);
    assert.equal((await dom0.status())[0]?.unfiltered, undefined);
  });
});

test('address', { skip }, async (t) => {
  const dom0 = await openDom0(t);
  await dom0.start(WEB);
  const run = async (...args: string[]): Promise<string> => {
    const { status, stdout, stderr } = await dom0.admin(['address', ...args]);
    assert.equal(status, 0, stderr);
    return stdout;
  };

  await t.test('in xenstore, where Xen knows the vif', async () => {
    assert.match(await run('add', 'web1', '10.0.0.12'), /added 10\.0\.0\.12 in xenstore \(backend\/vif\/1\/0\/ip\)/);
    assert.equal(dom0.key(1, 'ip'), '10.0.0.11 10.0.0.12');
    assert.equal(await passes(dom0, '10.0.0.12'), true);
    assert.match(await run('add', 'vif1.0', '10.0.0.12'), /vif1\.0 has 10\.0\.0\.12 already/);
    assert.match(await run('remove', 'web1', '10.0.0.12'), /removed 10\.0\.0\.12 in xenstore/);
    assert.equal(dom0.key(1, 'ip'), '10.0.0.11');
    assert.equal(await passes(dom0, '10.0.0.12'), false);
    assert.equal(await passes(dom0, '10.0.0.11'), true);
  });

  await t.test('bad input changes nothing', async () => {
    for (const [args, message] of [
      [['add', 'web1', '10.0.0.300'], /is not an IP address/],
      [['remove', 'web1', '10.0.0.77'], /has not been given 10\.0\.0\.77/],
      // What holds without any address may be more.
      [['remove', 'web1', '10.0.0.11'], /is all that vif1\.0 has/],
      [['add', 'nobody', '10.0.0.12'], /nobody/],
    ] as const) {
      const { status, stderr } = await dom0.admin(['address', ...args]);
      assert.equal(status, 2, args.join(' '));
      assert.match(stderr, message);
    }
    writeFileSync(join(dom0.folder, 'vif-bridge.ini'), '[guest web1]\nip = 10.0.0.11\n');
    const fixed = await dom0.admin(['address', 'add', 'web1', '10.0.0.12']);
    assert.equal(fixed.status, 2);
    assert.match(fixed.stderr, /the policy alone says which addresses vif1\.0 has\nat +.*vif-bridge\.ini/);
    writeFileSync(join(dom0.folder, 'vif-bridge.ini'), '');
    assert.equal(dom0.key(1, 'ip'), '10.0.0.11');
    assert.deepEqual(dropIns(dom0), []);
    assert.equal(await passes(dom0, '10.0.0.11'), true);
  });

  await t.test('one of another guest is refused, with its name; of the host it is told', async () => {
    await dom0.start({ ...GUEST_V, name: 'web2' });
    dom0.store.load({ '/local/domain/1/vm': '/vm/aaaa', '/local/domain/2/vm': '/vm/bbbb' });
    const refused = await dom0.admin(['address', 'add', 'vif1.0', '10.0.0.12', '10.0.0.2']);
    assert.equal(refused.status, 2);
    assert.match(refused.stderr, /10\.0\.0\.2 is also given to vif2\.0 on br0, of the guest web2/);
    assert.equal(dom0.key(1, 'ip'), '10.0.0.11');
    assert.deepEqual(dropIns(dom0), []);
    assert.equal(await passes(dom0, '10.0.0.12'), false);
    const { status, stderr } = await dom0.admin(['address', 'add', 'vif1.0', '10.0.0.1']);
    assert.equal(status, 0);
    assert.equal(stderr, 'warning: 10.0.0.1 is an address of this host on br0: the guest may take it over\n');
    await run('remove', 'vif1.0', '10.0.0.1');
    // Whether they are two nobody says then.
    const env = { XENSTORED_PATH: join(dom0.folder, 'nothing') };
    const told = await dom0.admin(['address', 'add', 'vif1.0', '10.0.0.2'], { env });
    assert.deepEqual([told.status, /^warning: 10\.0\.0\.2 is also given to vif2\.0/m.test(told.stderr)], [0, true]);
    await dom0.admin(['address', 'remove', 'vif1.0', '10.0.0.2'], { env });
    const shared = '[guest web1]\nshared = 10.0.0.2\n[guest web2]\nshared = 10.0.0.2\n';
    writeFileSync(join(dom0.folder, 'vif-bridge.ini'), shared);
    assert.equal((await dom0.admin(['reapply', '--all'])).status, 0);
    await run('add', 'web1', '10.0.0.2');
    await run('remove', 'web1', '10.0.0.2');
    writeFileSync(join(dom0.folder, 'vif-bridge.ini'), '');
    await dom0.hotplug('offline', { domid: 2 });
    await dom0.bench.removeVif('vif2.0');
  });

  await t.test('a guest that ends meanwhile leaves nothing of it in xenstore', async () => {
    const bin = join(dom0.folder, 'bin');
    mkdirSync(bin);
    // Xen takes the directory while rules are loaded, which then fails.
    const nft = '#!/bin/sh\nxenstore-rm /local/domain/0/backend/vif/7\nexit 1\n';
    writeFileSync(join(bin, 'nft'), nft, { mode: 0o755 });
    await dom0.start({ domid: 7, name: 'brief', mac: '00:16:3e:00:00:07', ip: '10.0.0.7' });
    const env = { PATH: `${bin}:${PLAIN_ENV.PATH}` };
    const { status } = await dom0.admin(['address', 'add', 'brief', '10.0.0.8'], { program: PROGRAM, env });
    assert.equal(status, 2);
    assert.equal(dom0.key(7, 'mac'), undefined, 'Xen has taken it');
    assert.equal(dom0.key(7, 'ip'), undefined);
    await dom0.bench.removeVif('vif7.0');
    assert.equal((await dom0.admin(['reapply', '--all'])).status, 0);
  });

  await t.test('in the policy, where xenstore does not answer', async () => {
    const env = { XENSTORED_PATH: '/nowhere' };
    const added = await dom0.admin(['address', 'add', 'vif1.0', '10.0.0.13', '10.0.0.14'], { env });
    assert.equal(added.status, 0, added.stderr);
    assert.match(added.stdout, /added 10\.0\.0\.13 10\.0\.0\.14 in .*zz-address-00163e000001\.ini/);
    assert.equal(await passes(dom0, '10.0.0.13'), true);
    assert.equal((await dom0.admin(['address', 'remove', 'vif1.0', '10.0.0.13'], { env })).status, 0);
    assert.equal(await passes(dom0, '10.0.0.13'), false);
    assert.equal(await passes(dom0, '10.0.0.14'), true);
    const own = await dom0.admin(['address', 'remove', 'vif1.0', '10.0.0.11'], { env });
    assert.equal(own.status, 2);
    assert.equal((await dom0.admin(['address', 'remove', 'vif1.0', '10.0.0.14'], { env })).status, 0);
    assert.deepEqual(dropIns(dom0), []);
  });
});
