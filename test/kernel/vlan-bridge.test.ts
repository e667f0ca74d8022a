/**
 * A bridge that filters VLANs. An admin moves ports between them whenever he likes, and nobody tells the script: the
 * forwarding entries it made are for the VLANs of that moment.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { fdb } from '../lab/bench.ts';
import type { Wire } from '../lab/wire.ts';
import { type Dom0, type Dom0Options, obstacle, openDom0 } from './dom0.ts';
import { A, ALL, arp, frame, G, ip4, TYPE, udp, V } from './frames.ts';
import { GUEST_A, GUEST_V } from './verdict.ts';

const skip = obstacle() || kernelObstacle();

/** CONFIG_BRIDGE_VLAN_FILTERING: in the kernels of distributions it is. */
function kernelObstacle(): string | false {
  const made = spawnSync('unshare', ['-n', 'ip', 'link', 'add', 'br0', 'type', 'bridge', 'vlan_filtering', '1']);
  if (made.status === 0) return false;
  const why = 'needs a kernel whose bridges filter VLANs';
  console.log(`skipped: ${why}`);
  return why;
}

const toA = frame(A.mac, G.mac, TYPE.ip, ip4({ src: G.ip, dst: A.ip }, udp(9, 9)));
const fromA = frame(G.mac, A.mac, TYPE.ip, ip4({}, udp(9, 9)));
const toV = frame(V.mac, G.mac, TYPE.ip, ip4({ src: G.ip, dst: V.ip }, udp(9, 9)));

/** Guests A and V, and whoever is behind the uplink. */
async function started(
  t: test.TestContext,
  aware: boolean,
  options: Dom0Options = {},
): Promise<{ dom0: Dom0; wire: Wire }> {
  const dom0 = await openDom0(t, options);
  if (aware) await filterVlans(dom0);
  await dom0.start(GUEST_A);
  await dom0.start(GUEST_V);
  const wire = await dom0.openWire(['guest1.0', 'guest2.0', 'gw0']);
  return { dom0, wire };
}

async function filterVlans({ ns }: Dom0): Promise<void> {
  await ns.check(['ip', 'link', 'set', 'br0', 'type', 'bridge', 'vlan_filtering', '1']);
}

/** The port gets a VLAN more, and all untagged frames are in that. */
async function moveTo({ ns }: Dom0, vlan: number, ...ports: string[]): Promise<void> {
  for (const port of ports) {
    await ns.check(['bridge', 'vlan', 'add', 'dev', port, 'vid', String(vlan), 'pvid', 'untagged']);
  }
}

/** The port is in no other VLAN any more. */
async function changeTo(dom0: Dom0, vlan: number, ...ports: string[]): Promise<void> {
  for (const port of ports) {
    await dom0.ns.check(['bridge', 'vlan', 'del', 'dev', port, 'vid', '1-10']);
    await moveTo(dom0, vlan, port);
  }
}

/** Who receives what is sent. */
async function arrives(wire: Wire, from: string, hex: string): Promise<string[]> {
  await wire.collect(0);
  await wire.send(from, hex);
  return (await wire.collect())
    .filter((seen) => seen.hex === hex)
    .map(({ iface }) => iface)
    .sort();
}

async function worksBothWays(wire: Wire, when: string): Promise<void> {
  // The bridge knows where the gateway is.
  await wire.send('gw0', frame(ALL, G.mac, TYPE.arp, arp({ sha: G.mac, spa: G.ip, tpa: G.ip })));
  assert.deepEqual(await arrives(wire, 'guest1.0', fromA), ['gw0'], `from the guest, ${when}`);
  assert.deepEqual(await arrives(wire, 'gw0', toA), ['guest1.0'], `to the guest, ${when}`);
}

/** How the bridge knows an address in a VLAN: `static sticky at vif1.0`. */
async function known({ ns }: Dom0, mac: string, vlan: number): Promise<string[]> {
  return (await fdb(ns, 'br0'))
    .filter((entry) => entry.mac === mac && entry.vlan === vlan)
    .map(({ state = 'learned', flags, dev }) => [state, ...flags, 'at', dev].join(' '));
}

const PINNED = ['static sticky at vif1.0'];
const GROUPS = ['00', '02', '03', '0e'].map((last) => `01:80:c2:00:00:${last}`);
const thefts = (mac: string): string[] => [
  frame(ALL, mac, TYPE.arp, arp({ sha: mac, spa: V.ip, tpa: G.ip })),
  frame(G.mac, mac, TYPE.ip, ip4({ src: V.ip }, udp(9, 9))),
  ...GROUPS.flatMap((group) => [0x8809, 0x888e, 0x88cc].map((type) => frame(group, mac, type, '00'.repeat(46)))),
];

for (const backend of ['nftables', 'ebtables'] as const) {
  const options = { policy: `[defaults]\nbackend = ${backend}\n` };

  test(`a bridge that filters VLANs, ${backend}`, { skip }, async (t) => {
    await t.test('a guest keeps working in VLANs that its port gets later, and nobody takes its address', async (t) => {
      const { dom0, wire } = await started(t, true, options);
      await worksBothWays(wire, 'at first');
      assert.deepEqual(await known(dom0, A.mac, 1), PINNED);
      await moveTo(dom0, 10, 'vif1.0', 'up0');
      await worksBothWays(wire, 'in the new VLAN');
      assert.deepEqual(await arrives(wire, 'gw0', toV), [], 'the other guest is in another VLAN');
      await moveTo(dom0, 10, 'vif2.0');
      for (const mac of [A.mac, G.mac]) {
        for (const hex of thefts(mac)) assert.deepEqual(await arrives(wire, 'guest2.0', hex), [], hex);
      }
      assert.deepEqual(await known(dom0, A.mac, 10), ['learned at vif1.0']);
      assert.deepEqual(await known(dom0, G.mac, 10), ['learned at up0']);
      await changeTo(dom0, 20, 'vif1.0', 'up0');
      await worksBothWays(wire, 'in the one that took the place of the first');
      // In the VLANs of its start also nobody from outside does.
      await moveTo(dom0, 1, 'vif1.0', 'vif2.0', 'up0');
      for (const hex of thefts(A.mac)) {
        await wire.send('gw0', hex);
        assert.deepEqual(await arrives(wire, 'guest2.0', hex), []);
      }
      assert.deepEqual(await known(dom0, A.mac, 1), PINNED);
      await worksBothWays(wire, 'after the attacks');
    });

    await t.test('where the bridge knew it elsewhere before it is found again, and held by reapply', async (t) => {
      const { dom0, wire } = await started(t, true, options);
      await moveTo(dom0, 10, 'vif1.0', 'up0');
      await wire.send('gw0', fromA);
      assert.deepEqual(await known(dom0, A.mac, 10), ['learned at up0']);
      await worksBothWays(wire, 'after it has moved here');
      assert.equal((await dom0.admin(['reapply', 'vif1.0'])).status, 0);
      assert.deepEqual(await known(dom0, A.mac, 10), PINNED);
      await worksBothWays(wire, 'after it was re-applied');
    });

    await t.test('vlan= puts the port into that VLAN and no other, from online on', async (t) => {
      const dom0 = await openDom0(t, options);
      await filterVlans(dom0);
      dom0.configure(GUEST_A);
      dom0.store.write('backend/vif/1/0/vlan', '10');
      await dom0.bench.addVif('vif1.0');
      const { status, stderr } = await dom0.hotplug('online', GUEST_A);
      assert.equal(status, 0, stderr);
      const shown = await dom0.ns.check(['bridge', '-j', 'vlan', 'show', 'dev', 'vif1.0']);
      const [port] = JSON.parse(shown) as { vlans: { vlan: number; flags?: string[] }[] }[];
      assert.deepEqual(port?.vlans, [{ vlan: 10, flags: ['PVID', 'Egress Untagged'] }]);
      assert.deepEqual(await known(dom0, A.mac, 10), PINNED);
    });

    await t.test('the pair of an HVM guest works in a VLAN that came later', async (t) => {
      const dom0 = await openDom0(t, options);
      await filterVlans(dom0);
      await dom0.start({ ...GUEST_A, type: 'vif_ioemu' });
      const wire = await dom0.openWire(['guest1.0', 'guest1.0-emu', 'gw0']);
      await moveTo(dom0, 10, 'vif1.0', 'vif1.0-emu', 'up0');
      await worksBothWays(wire, 'in the new VLAN');
    });

    await t.test(
      'one that begins to filter changes nothing in its first VLAN; reapply is for the others',
      async (t) => {
        const { dom0, wire } = await started(t, false, options);
        await filterVlans(dom0);
        await worksBothWays(wire, 'now with VLANs');
        await moveTo(dom0, 10, 'vif1.0', 'up0');
        assert.equal((await dom0.admin(['reapply', 'vif1.0'])).status, 0);
        await worksBothWays(wire, 'in the new VLAN, after it was re-applied');
        await moveTo(dom0, 20, 'vif1.0', 'up0');
        await worksBothWays(wire, 'in the one after that');
      },
    );
  });
}

/** In any kernel. */
const plain = obstacle();
const trunk = `[mac ${A.mac}]\nallow = vlan:10-20\n`;

test('VLANs with tags are refused where a bridge keeps none apart', { skip: plain }, async (t) => {
  const dom0 = await openDom0(t, { policy: trunk });
  dom0.configure(GUEST_A);
  await dom0.bench.addVif('vif1.0');
  const { status } = await dom0.hotplug('online', GUEST_A);
  assert.equal(status, 1);
  assert.match(dom0.key(1, 'hotplug-error') ?? '', /allow = vlan:10-20 is set, and br0 does not filter VLANs/);
  assert.equal((await dom0.link('vif1.0'))?.flags.includes('UP'), false);
});

test('a port is in its VLANs while the policy says so, and verify, status and repair look after them', {
  skip,
}, async (t) => {
  const dom0 = await openDom0(t, { policy: trunk });
  await filterVlans(dom0);
  await dom0.start(GUEST_A);
  const vlans = async (): Promise<string> => {
    const [port] = JSON.parse(await dom0.ns.check(['bridge', '-c', '-j', 'vlan', 'show', 'dev', 'vif1.0']));
    return (port?.vlans ?? [])
      .map((one: { vlan: number; vlanEnd?: number }) => `${one.vlan}-${one.vlanEnd ?? one.vlan}`)
      .join();
  };
  assert.equal(await vlans(), '1-1,10-20');
  assert.deepEqual(await known(dom0, A.mac, 15), PINNED);
  await dom0.ns.check(['bridge', 'vlan', 'del', 'dev', 'vif1.0', 'vid', '12-14']);
  assert.match((await dom0.admin(['verify'])).stdout, /tagged/);
  assert.match((await dom0.admin(['status'])).stdout, /tagged is 10-11 15-20 in place of 10-20/);
  assert.equal((await dom0.admin(['repair'])).status, 0);
  assert.equal(await vlans(), '1-1,10-20');
  writeFileSync(join(dom0.folder, 'vif-bridge.ini'), trunk.replace('10-20', '1-5'));
  assert.match((await dom0.admin(['reapply', 'vif1.0'])).stderr, /VLAN 1 is the one of its frames without a tag/);
  writeFileSync(join(dom0.folder, 'vif-bridge.ini'), trunk.replace('10-20', '15-25'));
  assert.equal((await dom0.admin(['reapply', 'vif1.0'])).status, 0);
  assert.equal(await vlans(), '1-1,15-25');
  writeFileSync(join(dom0.folder, 'vif-bridge.ini'), '');
  assert.equal((await dom0.admin(['reapply', 'vif1.0'])).status, 0);
  assert.equal(await vlans(), '1-1');
});
