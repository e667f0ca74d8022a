/**
 * A guest that learns with real programs: dnsmasq in dom0, or on another host of the network, and udhcpc of BusyBox in
 * the guest. From Debian's packages, which are unpacked and not installed.
 */
import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { waitForForwarding } from '../lab/bench.ts';
import { unpackPackages } from '../lab/debian-packages.ts';
import { createNamespace, type Namespace } from '../lab/namespace.ts';
import { type Dom0, obstacle, openDom0 } from './dom0.ts';
import { A, V } from './frames.ts';

const skip = obstacle();
const PACKAGES =
  'dnsmasq-base busybox libnetfilter-conntrack3 libnfnetlink0 libidn2-0 libunistring2 libdbus-1-3 libnettle8 libhogweed6 libgmp10 libmnl0 libnftables1 libnftnl11 libjansson4'.split(
    ' ',
  );

/** Where both are, or why they cannot be had. */
async function programs(): Promise<{ root: string } | string> {
  try {
    return { root: await unpackPackages(PACKAGES, 'dhcp-programs') };
  } catch (error) {
    return `needs dnsmasq-base and busybox of Debian: ${String(error).split('\n')[0]}`;
  }
}

/** Puts an interface into a network of its own. */
async function alone(t: test.TestContext, dom0: Dom0, name: string, mac?: string): Promise<Namespace> {
  const ns = await createNamespace(name);
  t.after(() => ns.remove());
  await dom0.ns.check(['ip', 'link', 'set', name, 'netns', ns.name]);
  if (mac !== undefined) await ns.check(['ip', 'link', 'set', name, 'address', mac]);
  // The bench lets nobody speak by itself.
  await ns.check(['ip', 'link', 'set', name, 'arp', 'on', 'mtu', '1500', 'up']);
  return ns;
}

async function serve(t: test.TestContext, root: string, ns: Namespace, on: string, folder: string): Promise<void> {
  mkdirSync(folder, { recursive: true });
  const argv = [
    join(root, 'usr/sbin/dnsmasq'),
    ...['--keep-in-foreground', '--port=0', '--conf-file=/dev/null', '--user=root', `--interface=${on}`],
    ...['--bind-interfaces', '--dhcp-range=10.0.0.100,10.0.0.110,2m', '--dhcp-authoritative', '--no-ping'],
    ...[`--dhcp-leasefile=${folder}/leases`, `--pid-file=${folder}/pid`],
  ];
  const libraries = [`${root}/usr/lib/x86_64-linux-gnu`, `${root}/lib/x86_64-linux-gnu`].join(':');
  const child = ns.spawn(argv, { env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', LD_LIBRARY_PATH: libraries } });
  t.after(() => child.kill());
  await sleep(300);
  assert.equal(child.exitCode, null, 'dnsmasq runs');
}

/** Sets the address that udhcpc was given, as its script. */
function script(folder: string): string {
  const file = join(folder, 'lease');
  const lines = [
    '#!/bin/sh',
    'case $1 in deconfig) ip addr flush dev $interface ;; bound) ip addr add $ip/24 dev $interface ;; esac',
  ];
  writeFileSync(file, `${lines.join('\n')}\n`);
  chmodSync(file, 0o755);
  return file;
}

interface Client {
  readonly ns: Namespace;
  readonly dev: string;
  address(): Promise<string | undefined>;
  ask(): Promise<void>;
}

function client(root: string, ns: Namespace, dev: string, lease: string): Client {
  const argv = [join(root, 'bin/busybox'), 'udhcpc', '-i', dev, '-s', lease, '-f', '-t', '4', '-T', '1', '-n'];
  return {
    ns,
    dev,
    address: async () => / inet (\S+)\/24/.exec(await ns.check(['ip', 'addr', 'show', 'dev', dev]))?.[1],
    // -a: it probes for the address before it takes it.
    async ask() {
      const { status, stderr } = await ns.run([...argv, '-q', '-a'], { timeoutMs: 30_000 });
      assert.equal(status, 0, stderr);
    },
  };
}

async function pings(root: string, from: Namespace, to: string, as: readonly string[] = []): Promise<boolean> {
  return (await from.run([join(root, 'bin/busybox'), 'ping', '-c', '2', '-W', '1', ...as, to])).status === 0;
}

async function learnedBy(dom0: Dom0, name: string): Promise<string[]> {
  const ports = (await dom0.status()) as readonly { name: string; learned?: readonly { address: string }[] }[];
  return (ports.find((port) => port.name === name)?.learned ?? []).map(({ address }) => address);
}

test('dnsmasq and udhcpc', { skip }, async (t) => {
  const found = await programs();
  if (typeof found === 'string') return t.skip(found);
  const { root } = found;
  for (const place of ['another host', 'dom0'] as const) {
    await t.test(`a server in ${place}`, async (t) => {
      const dom0 = await openDom0(t, { policy: '[guest guest1]\nlearn = dhcp\n[guest guest2]\nlearn = dhcp\n' });
      await dom0.start({ domid: 1, mac: A.mac });
      await dom0.start({ domid: 2, mac: V.mac });
      const lease = script(dom0.folder);
      const a = client(root, await alone(t, dom0, 'guest1.0', A.mac), 'guest1.0', lease);
      const v = client(root, await alone(t, dom0, 'guest2.0', V.mac), 'guest2.0', lease);
      for (const vif of ['vif1.0', 'vif2.0']) await waitForForwarding(dom0.ns, vif);
      const server = place === 'dom0' ? dom0.ns : await alone(t, dom0, 'gw0');
      const on = place === 'dom0' ? 'br0' : 'gw0';
      await server.check(['ip', 'link', 'set', on, 'arp', 'on']);
      await server.check(['ip', 'addr', 'replace', '10.0.0.254/24', 'dev', on]);
      await serve(t, root, server, on, join(dom0.folder, 'dhcp'));

      await a.ask();
      const own = (await a.address()) ?? '';
      assert.match(own, /^10\.0\.0\.1\d\d$/);
      assert.deepEqual(await learnedBy(dom0, 'vif1.0'), [own]);
      assert.deepEqual(await learnedBy(dom0, 'vif2.0'), []);
      assert.equal(await pings(root, a.ns, '10.0.0.254'), true);
      // The guest beside it takes the address without asking, and gets nowhere.
      await v.ns.check(['ip', 'addr', 'add', `${own}/24`, 'dev', v.dev]);
      assert.equal(await pings(root, v.ns, '10.0.0.254'), false);
      await v.ns.check(['ip', 'addr', 'flush', 'dev', v.dev]);
      await v.ask();
      assert.equal(await pings(root, v.ns, own), true, 'two guests with a lease each');
      // Any other address is still nobody's.
      await a.ns.check(['ip', 'addr', 'add', '10.0.0.77/24', 'dev', a.dev]);
      assert.equal(await pings(root, a.ns, '10.0.0.254', ['-I', '10.0.0.77']), false);
      await a.ns.check(['ip', 'addr', 'del', '10.0.0.77/24', 'dev', a.dev]);

      await dom0.ns.check(['nft', 'flush', 'ruleset']);
      assert.equal((await dom0.admin(['reapply', '--all'])).status, 0);
      assert.equal(await pings(root, a.ns, '10.0.0.254'), true);
      assert.deepEqual(await learnedBy(dom0, 'vif1.0'), [own]);

      // -R: it gives the lease back when it ends.
      const again = a.ns.spawn([join(root, 'bin/busybox'), 'udhcpc', '-i', a.dev, '-s', lease, '-f', '-R']);
      t.after(() => again.kill('SIGKILL'));
      for (let waited = 0; waited < 40 && (await a.address()) === undefined; waited += 1) await sleep(250);
      await sleep(1500);
      again.kill('SIGTERM');
      for (let waited = 0; waited < 20 && (await learnedBy(dom0, 'vif1.0')).length > 0; waited += 1) await sleep(250);
      assert.deepEqual(await learnedBy(dom0, 'vif1.0'), [], 'given back');
    });
  }
});
