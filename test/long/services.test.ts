/**
 * The host's own firewall, started, reloaded and stopped by a real systemd, with our units beside it: nftables.service
 * (whose rules begin with `flush ruleset`) and firewalld of Debian 12, booted in a container in the network of a test.
 */
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import test from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { scheduleEnd } from '../../src/commands/unlock.ts';
import type { ToolResult } from '../../src/effects/exec.ts';
import { parseMac } from '../../src/net/mac-address.ts';
import { type Dom0, LAUNCHER, obstacle, openDom0 } from '../kernel/dom0.ts';
import { A, frame, G, ip4, TYPE, udp, V } from '../kernel/frames.ts';
import { GUEST_A, GUEST_V } from '../kernel/verdict.ts';
import { type Container, startContainer } from '../lab/container.ts';

const skip = obstacle();
const UNITS = fileURLToPath(new URL('../../xen-scripts/systemd/', import.meta.url));
const FORGED = frame(G.mac, A.mac, TYPE.ip, ip4({ src: V.ip }, udp(9, 9)));
const GOOD = frame(G.mac, A.mac, TYPE.ip, ip4({}, udp(9, 9)));
const REPAIR = 'vif-bridge-repair.service';
const CHECK = 'vif-bridge-check.service';

/**
 * A unit of ours as an admin installs it, with the test's folders in place of /opt and /run. The /sys of the container
 * is of another network than its own, and its boot id is made up: the program gets those of the host.
 */
function unit(name: string, dom0: Dom0): string {
  const text = readFileSync(`${UNITS}${name}`, 'utf8').replaceAll(
    /=\/opt\/xen-vif-bridge\/xen-scripts\/(vif-bridge .*)$/gm,
    (_, command: string) =>
      `=unshare --mount sh -c "mount -t sysfs none /sys && umount /proc/sys/kernel/random/boot_id && exec ${dirname(LAUNCHER)}/${command}"`,
  );
  const environment = [
    `VIF_BRIDGE_STATE_DIR=${dom0.state}`,
    `XENSTORED_PATH=${dom0.store.socket}`,
    `VIF_BRIDGE_CONFIG=${dom0.folder}/vif-bridge.ini`,
    `PATH=${dirname(process.execPath)}:/usr/sbin:/usr/bin:/sbin:/bin`,
  ];
  return text.replace('[Service]\n', `[Service]\n${environment.map((one) => `Environment=${one}\n`).join('')}`);
}

test("the host's own firewall comes and goes", { skip }, async (t) => {
  const dom0 = await openDom0(t);
  await dom0.start(GUEST_A);
  await dom0.start(GUEST_V);
  const stranger = await dom0.bench.addVif('vif9.0');
  assert.ok(stranger);
  await dom0.ns.check(['ip', 'link', 'set', 'vif9.0', 'master', 'br0', 'up']);
  const root = fileURLToPath(new URL('../../', import.meta.url)).replace(/\/$/, '');
  mkdirSync('/run/lock', { recursive: true });
  const container = await startContainer(dom0.ns, {
    files: Object.fromEntries(
      [REPAIR, CHECK, 'vif-bridge-check.timer'].map((name) => [
        `/etc/systemd/system/${name}`,
        name.endsWith('.timer') ? readFileSync(`${UNITS}${name}`, 'utf8') : unit(name, dom0),
      ]),
    ),
    shared: [root, dom0.folder, dirname(dom0.store.socket), process.execPath],
  });
  if (typeof container === 'string') return t.skip(container);
  t.after(() => container.stop());
  const wire = await dom0.openWire(['guest1.0', 'guest2.0', 'gw0']);
  const arrives = async (hex: string): Promise<boolean> => {
    await wire.collect(0);
    await wire.send('guest1.0', hex);
    return (await wire.collect()).some((seen) => seen.hex === hex && seen.iface === 'gw0');
  };
  const isFiltered = async (what: string): Promise<void> => {
    assert.deepEqual([await arrives(GOOD), await arrives(FORGED)], [true, false], what);
    const states = (await dom0.status()).map(({ name, state }) => [name, state]);
    assert.deepEqual(
      states,
      [
        ['vif1.0', 'managed'],
        ['vif2.0', 'managed'],
        ['vif9.0', 'unmanaged'],
      ],
      what,
    );
  };
  await container.check(['systemctl', 'enable', REPAIR]);
  await isFiltered('before');

  for (const command of ['start', 'reload', 'restart']) {
    await t.test(`nftables.service: ${command}`, async () => {
      const marked = await ownTable(dom0);
      await container.check(['systemctl', command, 'nftables.service']);
      const since = performance.now();
      // systemctl returns when the firewall is there; our unit comes behind it.
      while ((await arrives(FORGED)) && performance.now() - since < 20_000) await sleep(20);
      console.log(`${command}: unfiltered for at most ${Math.round(performance.now() - since)} ms more`);
      await settled(container);
      await isFiltered(command);
      assert.match(await dom0.ruleset(), /table inet filter/);
      assert.notEqual(marked, '');
    });
  }

  await t.test('nftables.service: stop flushes all; the timer puts ours back', async () => {
    await container.check(['systemctl', 'stop', 'nftables.service']);
    assert.equal(await arrives(FORGED), true);
    await container.check(['systemctl', 'start', CHECK]);
    await isFiltered('checked');
    const timers = await container.check(['systemctl', 'enable', '--now', 'vif-bridge-check.timer']);
    assert.equal(timers, '');
    assert.match(await container.check(['systemctl', 'list-timers', '--no-pager']), /vif-bridge-check\.timer/);
  });

  await t.test('systemd locks a guest when the time of its unlock is over', async () => {
    const wrapper = join(dom0.folder, 'as-the-host');
    // As the units are run here, see `unit`.
    const inside = `mount -t sysfs none /sys && umount /proc/sys/kernel/random/boot_id && exec ${LAUNCHER} "$@"`;
    writeFileSync(wrapper, `#!/bin/sh\nexec unshare --mount sh -c '${inside}' sh "$@"\n`, { mode: 0o755 });
    assert.equal((await dom0.admin(['unlock', 'vif1.0', '--for', '5s'])).status, 0);
    assert.equal(await arrives(FORGED), true);
    const until = (await dom0.status()).find(({ name }) => name === 'vif1.0')?.until ?? '';
    const env = {
      VIF_BRIDGE_CONFIG: `${dom0.folder}/vif-bridge.ini`,
      VIF_BRIDGE_STATE_DIR: dom0.state,
      XENSTORED_PATH: dom0.store.socket,
      PATH: `${dirname(process.execPath)}:/usr/sbin:/usr/bin:/sbin:/bin`,
    };
    const run = async (tool: string, args: readonly string[]): Promise<ToolResult> => {
      const result = await container.run([tool, ...args]);
      return { ...result, status: result.status ?? -1 };
    };
    assert.equal(
      await scheduleEnd({ run }, parseMac(A.mac, 'test'), ['vif1.0'], until, { program: wrapper, env }),
      true,
    );
    for (const end = Date.now() + 30_000; (await arrives(FORGED)) && Date.now() < end; ) await sleep(200);
    await isFiltered('locked');
  });

  await t.test('firewalld leaves our rules alone', async () => {
    for (const argv of [
      ['systemctl', 'start', 'firewalld'],
      ['firewall-cmd', '--reload'],
      ['firewall-cmd', '--complete-reload'],
      ['systemctl', 'restart', 'firewalld'],
      ['systemctl', 'stop', 'firewalld'],
    ]) {
      const before = await ownTable(dom0);
      await container.check(argv);
      assert.equal(await ownTable(dom0), before, argv.join(' '));
      await isFiltered(argv.join(' '));
    }
  });
});

/** Our table, without its counters. */
async function ownTable(dom0: Dom0): Promise<string> {
  const text = await dom0.ns.check(['nft', '-s', 'list', 'table', 'bridge', 'xen-vif']);
  return text.replace(/elements = \{[^}]*\}/g, '');
}

/** Until no job of systemd's is left. */
async function settled(container: Container): Promise<void> {
  for (let waited = 0; waited < 20_000; waited += 100) {
    if (/No jobs/.test(await container.check(['systemctl', 'list-jobs', '--no-pager']))) return;
    await sleep(100);
  }
  assert.fail('systemd has jobs left');
}
