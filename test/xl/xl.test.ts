/** Debian's own `xl devd`, libxl's real hotplug code, drives the launcher. */
import assert from 'node:assert/strict';
import { mkdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Dom0, LAUNCHER, obstacle, openDom0 } from '../kernel/dom0.ts';
import { routeScript } from '../kernel/routed-site.ts';
import { PLAIN_ENV } from '../lab/subprocess.ts';
import { fetchXl } from '../lab/xen-packages.ts';
import { startXlDevd, type XlDevd } from '../lab/xl.ts';

const skip = obstacle() || (await noXl());

async function noXl(): Promise<string | false> {
  try {
    await fetchXl();
    return false;
  } catch (error) {
    const why = `needs Debian's xl: ${String(error)}`;
    console.log(`skipped: ${why}`);
    return why;
  }
}

async function host(
  t: test.TestContext,
  options: { domid?: number; scriptDir?: string } = {},
): Promise<{ dom0: Dom0; xl: XlDevd }> {
  const dom0 = await openDom0(t, { domid: options.domid ?? 0 });
  const xl = await startXlDevd({
    ns: dom0.ns,
    xenstored: dom0.store,
    env: { ...PLAIN_ENV, VIF_BRIDGE_STATE_DIR: dom0.state },
    ...(options.scriptDir === undefined ? {} : { scriptDir: options.scriptDir }),
  });
  t.after(() => xl.stop());
  return { dom0, xl };
}

const vif = (domid: number, more = {}) => ({ domid, script: LAUNCHER, bridge: 'br0', ip: `10.0.0.1${domid}`, ...more });
const ROUTING = 'echo 1 >/proc/sys/net/ipv4/ip_forward; echo 1 >/proc/sys/net/ipv6/conf/all/forwarding';
const CONNECTED = { succeeded: true, status: 'connected', error: undefined };

async function isJoined(dom0: Dom0, name: string): Promise<void> {
  const link = await dom0.link(name);
  assert.deepEqual([link?.master, link?.flags.includes('UP')], ['br0', true], name);
}

async function isGone(dom0: Dom0, device: string): Promise<void> {
  const link = await dom0.link(device);
  assert.deepEqual([link?.master, link?.flags.includes('UP') ?? false], [undefined, false], device);
  assert.doesNotMatch(await dom0.ruleset(), new RegExp(device.replace('.', '\\.')));
}

/** What the script's runs said on xl's stdout and stderr: libxl's own lines all begin with its name. */
function scriptOutput(xl: XlDevd): string[] {
  return xl
    .log()
    .split('\n')
    .filter((line) => /vif-bridge:|^\s+at |Error:|Warning:/.test(line) && !/^libxl|^xl/.test(line));
}

test('xl', { skip, concurrency: 2 }, async (t) => {
  await t.test('creates a guest and destroys it', async (t) => {
    const { dom0, xl } = await host(t);
    await dom0.bench.addVif('vif1.0');
    await xl.attach(vif(1));
    assert.deepEqual(await xl.waitForHotplug(1), CONNECTED, xl.log());
    await isJoined(dom0, 'vif1.0');
    assert.equal(dom0.frontendKey(1, 'mtu'), '1500');
    await dom0.bench.removeVif('vif1.0');
    await xl.detach(1);
    await isGone(dom0, 'vif1.0');
    assert.equal(dom0.store.read('/local/domain/0/backend/vif/1'), undefined);
    assert.doesNotMatch(xl.log(), /exited with error|remove failed|add failed/);
    assert.deepEqual(scriptOutput(xl), []);
  });

  await t.test('creates an HVM guest: both ports, four runs', async (t) => {
    const { dom0, xl } = await host(t);
    for (const device of ['vif1.0', 'vif1.0-emu']) await dom0.bench.addVif(device);
    await xl.attach(vif(1, { type: 'vif_ioemu' }));
    assert.deepEqual(await xl.waitForHotplug(1), CONNECTED, xl.log());
    for (const device of ['vif1.0', 'vif1.0-emu']) await isJoined(dom0, device);
    await dom0.bench.removeVif('vif1.0-emu');
    await xl.detach(1);
    for (const device of ['vif1.0', 'vif1.0-emu']) await isGone(dom0, device);
    for (const run of ['online', 'add', 'offline', 'remove'])
      assert.match(xl.log(), new RegExp(`vif-bridge ${run}`), run);
    assert.doesNotMatch(xl.log(), /exited with error/);
  });

  await t.test('creates a guest whose device comes late', async (t) => {
    const { dom0, xl } = await host(t);
    await xl.attach(vif(1));
    await sleep(1_500);
    await dom0.bench.addVif('vif1.0');
    assert.deepEqual(await xl.waitForHotplug(1), CONNECTED, xl.log());
    await isJoined(dom0, 'vif1.0');
  });

  await t.test('creates a guest with three vifs in parallel', async (t) => {
    const { dom0, xl } = await host(t);
    const devids = [0, 1, 2];
    for (const devid of devids) await dom0.bench.addVif(`vif1.${devid}`);
    await Promise.all(devids.map((devid) => xl.attach(vif(1, { devid, ip: `10.0.0.2${devid}` }))));
    for (const devid of devids) assert.deepEqual(await xl.waitForHotplug(1, devid), CONNECTED, xl.log());
    for (const devid of devids) await isJoined(dom0, `vif1.${devid}`);
    assert.deepEqual(
      (await dom0.status()).map(({ name, addresses }) => [name, addresses]),
      devids.map((devid) => [`vif1.${devid}`, [`10.0.0.2${devid}`]]),
    );
    await Promise.all(devids.map((devid) => xl.detach(1, devid)));
    for (const devid of devids) await isGone(dom0, `vif1.${devid}`);
  });

  await t.test('reboots a guest: a new domid with the same name, address and MAC', async (t) => {
    const { dom0, xl } = await host(t);
    const guest = { mac: '00:16:3e:00:00:01', ip: '10.0.0.11', vifname: 'web0' };
    for (const domid of [3, 4, 5]) {
      await dom0.bench.addVif(`vif${domid}.0`);
      await xl.attach(vif(domid, guest));
      assert.deepEqual(await xl.waitForHotplug(domid), CONNECTED, xl.log());
      await isJoined(dom0, 'web0');
      assert.deepEqual(
        (await dom0.status()).map(({ name, device }) => [name, device]),
        [['web0', `vif${domid}.0`]],
      );
      await dom0.bench.removeVif(`vif${domid}.0`);
      await xl.detach(domid);
    }
    assert.doesNotMatch(xl.log(), /exited with error/);
  });

  for (const [what, more, text] of [
    ['a bridge that is not there', { bridge: 'xenbr7' }, /Could not find bridge device xenbr7\b/],
    ['an address that is none', { ip: '10.0.0.300' }, /10\.0\.0\.300/],
  ] as const) {
    await t.test(`prints the reason of a failure: ${what}`, async (t) => {
      const { dom0, xl } = await host(t);
      for (const device of ['vif1.0', 'vif1.0-emu']) await dom0.bench.addVif(device);
      await xl.attach(vif(1, { type: 'vif_ioemu', ...more }));
      const outcome = await xl.waitForHotplug(1);
      assert.deepEqual([outcome.succeeded, outcome.status], [false, 'error']);
      assert.match(outcome.error ?? '', text);
      assert.match(xl.log(), /vif-bridge online \[\d+\] exited with error status 1/);
      assert.match(xl.log(), new RegExp(`script: .*${text.source}`));
      assert.doesNotMatch(xl.log(), /vif-bridge add/, 'the second run is not made');
      await xl.detach(1);
      for (const device of ['vif1.0', 'vif1.0-emu']) await isGone(dom0, device);
      assert.doesNotMatch(xl.log(), /vif-bridge (offline|remove) \[\d+\] exited/);
      assert.deepEqual(scriptOutput(xl), []);
    });
  }

  await t.test('is not kept waiting for 40 s: a run that hangs ends itself, and says why', async (t) => {
    const { dom0, xl } = await host(t);
    const start = Date.now();
    // No device comes, and xenstored falls silent when the keys are read: nothing but the clock ends this run.
    await xl.attach(vif(1));
    while (!dom0.store.log.some(({ op, path }) => op === 'READ' && path === 'backend/vif/1/0/ip')) await sleep(5);
    dom0.store.hang(true);
    // The run has given up by now. What it wanted to tell Xen waits in xenstored, or was given up as well.
    await sleep(30_000);
    dom0.store.hang(false);
    const outcome = await xl.waitForHotplug(1);
    assert.ok(Date.now() - start < 40_000);
    assert.equal(outcome.succeeded, false);
    assert.match(xl.log(), /vif-bridge online \[\d+\] exited with error status 1/);
    assert.doesNotMatch(xl.log(), /killing execution|because of timeout/);
  });

  await t.test('kills a script after 40 s (the genuine thing, so that the limit above is the right one)', async (t) => {
    const { dom0, xl } = await host(t);
    const script = join(dom0.folder, 'hangs');
    await dom0.ns.check(['sh', '-c', `printf '#!/bin/sh\\nexec sleep 300\\n' >${script}; chmod +x ${script}`]);
    const start = Date.now();
    await xl.attach({ ...vif(1), script });
    const outcome = await xl.waitForHotplug(1);
    const ms = Date.now() - start;
    assert.equal(outcome.succeeded, false);
    assert.ok(ms > 38_000 && ms < 60_000, `${ms} ms`);
    assert.match(xl.log(), /killing execution of .*hangs online because of timeout/);
  });

  await t.test('in a driver domain', async (t) => {
    const { dom0, xl } = await host(t, { domid: 5 });
    await dom0.bench.addVif('vif1.0');
    await xl.attach(vif(1));
    assert.deepEqual(await xl.waitForHotplug(1), CONNECTED, xl.log());
    await isJoined(dom0, 'vif1.0');
    await xl.detach(1);
    await isGone(dom0, 'vif1.0');
  });

  await t.test('by a symbolic link in /etc/xen/scripts', async (t) => {
    const dir = join((await openDom0(t)).folder, 'scripts');
    mkdirSync(dir);
    symlinkSync(LAUNCHER, join(dir, 'vif-guarded'));
    const { dom0, xl } = await host(t, { scriptDir: dir });
    await dom0.bench.addVif('vif1.0');
    await xl.attach(vif(1, { script: '/etc/xen/scripts/vif-guarded' }));
    assert.deepEqual(await xl.waitForHotplug(1), CONNECTED, xl.log());
    await isJoined(dom0, 'vif1.0');
    await xl.detach(1);
    await isGone(dom0, 'vif1.0');
  });

  for (const domid of [0, 3]) {
    await t.test(`routes for a guest${domid === 0 ? '' : ', in a driver domain'}`, async (t) => {
      const { dom0, xl } = await host(t, { domid });
      await dom0.ns.check(['sh', '-e'], { input: ROUTING });
      await dom0.bench.addVif('vif5.0');
      const routed = { script: routeScript(LAUNCHER), bridge: '', gatewaydev: 'br0', backendDomid: domid };
      await xl.attach(vif(5, { ...routed, ip: '10.0.0.15 198.51.100.9 fd00::15', vifname: 'web0' }));
      assert.deepEqual(await xl.waitForHotplug(5), CONNECTED, xl.log());
      const [port] = await dom0.status();
      assert.deepEqual([port?.name, port?.state], ['web0', 'managed']);
      for (const [family, address] of [
        ['-4', '10.0.0.15'],
        ['-4', '198.51.100.9'],
        ['-6', 'fd00::15'],
      ] as const) {
        assert.match(await dom0.ns.check(['ip', family, 'route', 'show', address]), / dev web0 /, address);
      }
      await dom0.bench.removeVif('vif5.0');
      await xl.detach(5);
      assert.equal(await dom0.ns.check(['nft', 'list', 'tables']), '');
      assert.equal(await dom0.ns.check(['ip', 'neigh', 'show', 'proxy']), '');
      assert.doesNotMatch(xl.log(), /exited with error|remove failed|add failed/);
    });
  }

  await t.test('as stock did: the variables of the shell that xl was started in do not matter', async (t) => {
    const dom0 = await openDom0(t);
    const xl = await startXlDevd({
      ns: dom0.ns,
      xenstored: dom0.store,
      env: {
        ...PLAIN_ENV,
        VIF_BRIDGE_STATE_DIR: dom0.state,
        ip: '0.0.0.0/0',
        bridge: 'nobridge',
        mac: 'x',
        command: 'offline',
      },
    });
    t.after(() => xl.stop());
    await dom0.bench.addVif('vif1.0');
    await xl.attach(vif(1));
    assert.deepEqual(await xl.waitForHotplug(1), CONNECTED, xl.log());
    assert.deepEqual((await dom0.status())[0]?.addresses, ['10.0.0.11']);
  });
});
