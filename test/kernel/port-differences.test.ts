/** What `online` leaves is what was wished; and each change that is made by hand is named, alone. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { parseMac } from '../../src/net/mac-address.ts';
import { differences, type SeenPort } from '../../src/port/differences.ts';
import { guestGroup } from '../../src/port/guest-group.ts';
import {
  ADDRESSES,
  BRIDGE_LINKS,
  ENTRIES,
  LINKS,
  readAddresses,
  readBridgeLinks,
  readEntries,
  readLinks,
} from '../../src/port/seen-port.ts';
import { type PortSetup, type WishedPort, wishPort } from '../../src/port/wished-port.ts';
import { type Dom0, obstacle, openDom0 } from './dom0.ts';

const skip = obstacle();
const MAC = '00:16:3e:00:01:00';

/** What the kernel says of a device, whatever it is called now. */
async function seen({ ns }: Dom0, ifindex: number): Promise<SeenPort> {
  const links = readLinks(await ns.check(LINKS));
  const link = links.find((one) => one.ifindex === ifindex);
  assert.ok(link !== undefined);
  const setting = `/proc/sys/net/ipv6/conf/${link.name}/disable_ipv6`;
  return {
    link,
    bridge: links.find(({ name }) => name === 'br0'),
    entries: readEntries(await ns.check(ENTRIES)),
    maxGroups: readBridgeLinks(await ns.check(BRIDGE_LINKS)).find(({ name }) => name === link.name)?.maxGroups,
    addresses: readAddresses(await ns.check(ADDRESSES)),
    ipv6: (await ns.check(['sh', '-c', `cat ${setting} 2>/dev/null || echo 1`])).trim() !== '1',
  };
}

async function wished(dom0: Dom0, more: Partial<PortSetup> = {}): Promise<{ port: WishedPort; ifindex: number }> {
  const name = more.name ?? 'vif1.0';
  const ifindex = (await dom0.link(name))?.ifindex;
  assert.ok(ifindex !== undefined);
  const port = wishPort({
    device: 'vif1.0',
    name,
    group: guestGroup(ifindex),
    bridge: 'br0',
    macs: [parseMac(MAC, 'the test')],
    mtu: 1500,
    rename: false,
    binding: 'pinned',
    backup: 'up0',
    ...more,
  });
  return { port, ifindex };
}

/** As lines: `learning: on in place of off (!)`. */
async function named(dom0: Dom0, { port, ifindex }: { port: WishedPort; ifindex: number }): Promise<string[]> {
  return differences(port, await seen(dom0, ifindex)).map(
    ({ what, wished, found, security }) => `${what}: ${found} in place of ${wished}${security ? ' (!)' : ''}`,
  );
}

const slave = (option: string): string => `ip link set vif1.0 type bridge_slave ${option}`;

/** What a person may do to a port in service, and what there is to say of it. */
const BY_HAND: readonly (readonly [how: string, is: string | readonly string[]])[] = [
  [slave('learning on'), 'learning: on in place of off (!)'],
  [slave('locked off'), 'locked: off in place of on (!)'],
  [slave('root_block off'), 'root_block: off in place of on (!)'],
  [slave('hairpin on'), 'hairpin: on in place of off'],
  [slave('isolated on'), 'isolated: on in place of off'],
  [slave('flood off'), 'flood: off in place of on'],
  [slave('mcast_flood off'), 'mcast_flood: off in place of on'],
  [slave('bcast_flood off'), 'bcast_flood: off in place of on'],
  [slave('nobackup_port'), 'backup_port: none in place of up0'],
  ['ip link set vif1.0 group 0', 'group: default in place of GROUP (!)'],
  ['ip link set vif1.0 nomaster', 'master: none in place of br0'],
  ['ip link add br1 type bridge; ip link set vif1.0 master br1', 'master: br1 in place of br0 (!)'],
  ['ip link set vif1.0 mtu 1400', 'mtu: 1400 in place of 1500'],
  ['ip link set vif1.0 down', 'state: down in place of up'],
  ['ip link set vif1.0 name mine', 'name: mine in place of vif1.0 (!)'],
  ['ip link set vif1.0 address 02:00:00:00:00:77', 'address: 02:00:00:00:00:77 in place of fe:ff:ff:ff:ff:ff'],
  ['ip link set vif1.0 addrgenmode eui64', 'addrgenmode: eui64 in place of none (!)'],
  ['ip address add 10.0.0.9/24 dev vif1.0', 'addresses: 10.0.0.9/24 in place of none (!)'],
  ['echo 0 >/proc/sys/net/ipv6/conf/vif1.0/disable_ipv6', 'ipv6: on in place of off (!)'],
  [`bridge fdb del ${MAC} dev vif1.0 master`, `fdb: ${MAC} none in place of ${MAC} static sticky at vif1.0 (!)`],
  [
    `bridge fdb replace ${MAC} dev vif1.0 master static`,
    `fdb: ${MAC} static at vif1.0 in place of ${MAC} static sticky at vif1.0 (!)`,
  ],
  [
    `bridge fdb replace ${MAC} dev up0 master static`,
    `fdb: ${MAC} static at up0 in place of ${MAC} static sticky at vif1.0 (!)`,
  ],
  [
    'bridge fdb add 02:00:00:00:00:66 dev vif1.0 master static',
    'fdb: 02:00:00:00:00:66 static in place of no other entry (!)',
  ],
];

test('a port in service', { skip }, async (t) => {
  const dom0 = await openDom0(t);
  const online = async (): Promise<void> => {
    await dom0.bench.removeVif('vif1.0');
    await dom0.start({ domid: 1, ip: '10.0.0.11', mac: MAC });
  };

  await t.test('is as it is wished', async () => {
    await online();
    assert.deepEqual(await named(dom0, await wished(dom0)), []);
  });

  for (const [how, is] of BY_HAND) {
    await t.test(`differs in one thing after ${how}`, async () => {
      await online();
      const port = await wished(dom0);
      await dom0.ns.check(['sh', '-ec', how]);
      assert.deepEqual(await named(dom0, port), [String(is).replace('GROUP', String(port.port.group))]);
    });
  }

  await t.test('is as it is wished again after it was re-applied', async () => {
    await online();
    const port = await wished(dom0);
    await dom0.ns.check(['sh', '-ec', [slave('learning on'), `bridge fdb del ${MAC} dev vif1.0 master`].join('; ')]);
    assert.equal((await named(dom0, port)).length, 2);
    assert.equal((await dom0.admin(['reapply', 'vif1.0'])).status, 0);
    assert.deepEqual(await named(dom0, port), []);
  });
});

test('the two ports of an emulated NIC, renamed, are as they are wished', { skip }, async (t) => {
  const dom0 = await openDom0(t);
  await dom0.start({ domid: 1, ip: '10.0.0.11', mac: MAC, type: 'vif_ioemu', vifname: 'web0' });
  for (const suffix of ['', '-emu']) {
    const device = `vif1.0${suffix}`;
    assert.deepEqual(await named(dom0, await wished(dom0, { device, name: `web0${suffix}`, binding: 'shared' })), []);
  }
});

test('a port that gets a twin is as a shared one is wished', { skip }, async (t) => {
  const dom0 = await openDom0(t);
  await dom0.start({ domid: 1, ip: '10.0.0.11', mac: MAC });
  const before = await wished(dom0);
  await dom0.start({ domid: 2, ip: '10.0.0.11', mac: MAC });
  assert.deepEqual(await named(dom0, await wished(dom0, { binding: 'shared' })), []);
  assert.deepEqual(await named(dom0, before), [
    `fdb: ${MAC} none in place of ${MAC} static sticky at vif1.0 (!)`,
    'learning: on in place of off (!)',
    'locked: off in place of on (!)',
    'backup_port: none in place of up0',
  ]);
});

test('an unrestricted port is as it is wished', { skip }, async (t) => {
  const dom0 = await openDom0(t, { policy: '[defaults]\nno_ip = unrestricted\n' });
  await dom0.start({ domid: 1, mac: MAC });
  assert.deepEqual(await named(dom0, await wished(dom0, { binding: 'unpinned' })), []);
});

test('with ebtables a port that shares its MAC has a bridge that ignores link-local frames', { skip }, async (t) => {
  const dom0 = await openDom0(t, { policy: '[defaults]\nbackend = ebtables\n' });
  await dom0.start({ domid: 1, ip: '10.0.0.11', mac: MAC, type: 'vif_ioemu' });
  const port = await wished(dom0, { binding: 'shared', quietLinkLocal: true });
  assert.deepEqual(await named(dom0, port), []);
  await dom0.ns.check(['ip', 'link', 'set', 'br0', 'type', 'bridge', 'no_linklocal_learn', '0']);
  assert.deepEqual(await named(dom0, port), ['no_linklocal_learn: off in place of on (!)']);
});

test('status says what somebody has changed, and what has not been is not said', { skip }, async (t) => {
  const dom0 = await openDom0(t);
  await dom0.start({ domid: 1, ip: '10.0.0.11', mac: MAC });
  await dom0.start({ domid: 2, ip: '10.0.0.12', type: 'vif_ioemu', vifname: 'web0' });
  const said = async (): Promise<string[]> =>
    (await dom0.admin(['status'])).stdout.split('\n').filter((line) => line.includes('somebody'));
  assert.deepEqual(await said(), []);
  await dom0.ns.check(['sh', '-ec', [slave('locked off'), slave('hairpin on')].join('; ')]);
  assert.deepEqual(await said(), [
    '  warning: somebody has changed the port: locked is off in place of on; vif-bridge reapply vif1.0',
    '  somebody has changed the port: hairpin is on in place of off; vif-bridge reapply vif1.0',
  ]);
});
