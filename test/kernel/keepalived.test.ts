/**
 * Two guests that share an address with keepalived, with its virtual MAC (use_vmac, a macvlan) and without: whoever is
 * the master is reached, in both directions. From Debian's packages, which are unpacked and not installed.
 */
import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fdb, waitForForwarding } from '../lab/bench.ts';
import { unpackPackages } from '../lab/debian-packages.ts';
import { createNamespace, type Namespace } from '../lab/namespace.ts';
import { until } from '../lab/until.ts';
import { type Dom0, obstacle, openDom0 } from './dom0.ts';
import { A, G, V } from './frames.ts';

const skip = obstacle();
const PACKAGES =
  'keepalived busybox libnl-3-200 libnl-genl-3-200 libsnmp40 libpci3 libsensors5 libglib2.0-0 libmnl0 libnftnl11 libpcre2-8-0 libwrap0 libsystemd0'.split(
    ' ',
  );
const VIP = '10.0.0.100';
const VIP6 = 'fd00::100';
const VMAC = '00:00:5e:00:01:33';
const VMAC6 = '00:00:5e:00:02:33';

interface Node {
  readonly ns: Namespace;
  readonly dev: string;
  readonly priority: number;
}

/** Puts an interface into a network of its own, with addresses. */
async function alone(
  t: test.TestContext,
  dom0: Dom0,
  dev: string,
  { mac, ip, ip6 }: { mac: string; ip: string; ip6: string },
): Promise<Namespace> {
  const ns = await createNamespace(dev);
  t.after(() => ns.remove());
  await dom0.ns.check(['ip', 'link', 'set', dev, 'netns', ns.name]);
  await ns.check(['sysctl', '-qw', 'net.ipv6.conf.all.disable_ipv6=0', 'net.ipv6.conf.default.disable_ipv6=0']);
  // Else the parent of the macvlan says the address by ARP too, with its own MAC (ip-sysctl.rst).
  await ns.check(['sysctl', '-qw', 'net.ipv4.conf.all.arp_ignore=1', 'net.ipv4.conf.all.arp_announce=2']);
  await ns.check(['ip', 'link', 'set', dev, 'address', mac, 'addrgenmode', 'eui64', 'arp', 'on', 'mtu', '1500', 'up']);
  await ns.check(['ip', 'addr', 'add', `${ip}/24`, 'dev', dev]);
  await ns.check(['ip', 'addr', 'add', `${ip6}/64`, 'dev', dev, 'nodad']);
  return ns;
}

function configuration({ dev, priority }: Node, vmac: boolean): string {
  const instance = (name: string, address: string, more: string): string => `vrrp_instance ${name} {
  state BACKUP
  interface ${dev}
  virtual_router_id 51
  priority ${priority}
  advert_int 0.2
  ${more}
  virtual_ipaddress {
    ${address}
  }
}
`;
  return `global_defs {
  vrrp_version 3
  vrrp_garp_master_delay 1
}
${instance('four', `${VIP}/24`, vmac ? 'use_vmac vr4' : '')}
${instance('six', `${VIP6}/64`, vmac ? 'use_vmac vr6' : '')}
`;
}

/** Starts it; the function that is returned ends it as an admin does, and waits for that. */
async function keepalived(
  t: test.TestContext,
  root: string,
  node: Node,
  folder: string,
  vmac: boolean,
): Promise<() => Promise<void>> {
  const own = join(folder, node.dev);
  mkdirSync(own, { recursive: true });
  writeFileSync(join(own, 'keepalived.conf'), configuration(node, vmac));
  const argv = [
    join(root, 'usr/sbin/keepalived'),
    ...['--dont-fork', '--log-console', '--log-detail', '--vrrp', '--no-syslog', `--use-file=${own}/keepalived.conf`],
    ...[`--pid=${own}/pid`, `--vrrp_pid=${own}/vrrp.pid`],
  ];
  const libraries = [`${root}/usr/lib/x86_64-linux-gnu`, `${root}/lib/x86_64-linux-gnu`].join(':');
  const child = node.ns.spawn(argv, { env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', LD_LIBRARY_PATH: libraries } });
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const end = async (): Promise<void> => {
    child.kill('SIGTERM');
    await ended;
  };
  t.after(end);
  return end;
}

for (const vmac of [false, true]) {
  test(`keepalived ${vmac ? 'with' : 'without'} use_vmac: failover to the other guest and back`, {
    skip,
  }, async (t) => {
    let root: string;
    try {
      root = await unpackPackages(PACKAGES, 'keepalived-programs');
    } catch (error) {
      return t.skip(`needs keepalived and busybox of Debian: ${String(error).split('\n')[0]}`);
    }
    const words = vmac ? 'vrrp:51 vrrp6:51' : 'vrrp vrrp6';
    const policy = [1, 2].map(
      (domid) => `[guest guest${domid}]\nallow = ${words}\nip += ${VIP} ${VIP6}\nshared = ${VIP} ${VIP6}\n`,
    );
    const dom0 = await openDom0(t, { policy: policy.join('') });
    await dom0.start({ domid: 1, mac: A.mac, ip: `${A.ip} ${A.ip6}` });
    await dom0.start({ domid: 2, mac: V.mac, ip: `${V.ip} ${V.ip6}` });
    for (const vif of ['vif1.0', 'vif2.0']) await waitForForwarding(dom0.ns, vif);
    const a: Node = { ns: await alone(t, dom0, 'guest1.0', A), dev: 'guest1.0', priority: 150 };
    const v: Node = { ns: await alone(t, dom0, 'guest2.0', V), dev: 'guest2.0', priority: 100 };
    const gateway = await alone(t, dom0, 'gw0', G);
    const folder = join(dom0.folder, 'keepalived');

    const reaches = async (address: string): Promise<boolean> =>
      (await gateway.run([join(root, 'bin/busybox'), 'ping', '-c', '1', '-W', '1', address])).status === 0;
    const has = async ({ ns }: Node, address: string): Promise<boolean> =>
      (await ns.check(['ip', '-o', 'addr'])).includes(` ${address}/`);
    const isMaster = async (node: Node, other: Node, port: string): Promise<void> => {
      for (const address of [VIP, VIP6]) {
        await until(
          `${node.dev} takes ${address}`,
          async () => (await has(node, address)) && !(await has(other, address)),
        );
        await until(`${address} is reached at ${node.dev}`, () => reaches(address));
      }
      const known = await gateway.check(['ip', 'neigh', 'show', VIP]);
      if (!vmac) return;
      assert.match(known, new RegExp(`lladdr ${VMAC}`));
      assert.match(await gateway.check(['ip', '-6', 'neigh', 'show', VIP6]), new RegExp(`lladdr ${VMAC6}`));
      const entries = (await fdb(dom0.ns, 'br0')).filter(({ mac }) => mac === VMAC).map(({ dev }) => dev);
      assert.deepEqual(entries, [port], 'the bridge has followed');
    };

    const endA = await keepalived(t, root, a, folder, vmac);
    await isMaster(a, v, 'vif1.0');
    await keepalived(t, root, v, folder, vmac);
    await sleep(1500);
    await isMaster(a, v, 'vif1.0');
    await endA();
    await isMaster(v, a, 'vif2.0');
    await keepalived(t, root, a, folder, vmac);
    await isMaster(a, v, 'vif1.0');
    for (const port of await dom0.status()) {
      const lost = port.drops.filter(({ reason }) => !['limit-nd', 'igmp-query', 'not-for-me'].includes(reason));
      t.diagnostic(
        `${port.name} ${lost.map(({ reason, direction, packets }) => `${direction} ${reason} ${packets}`).join(', ')}`,
      );
    }
  });
}
