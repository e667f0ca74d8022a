/**
 * Guests that serve others, by the recipes of docs/policy.md and real programs: radvd and dnsmasq in guests that may,
 * both in one that may not, and a guest that is served, by its kernel, udhcpc and dhclient. From Debian's packages,
 * which are unpacked and not installed.
 */
import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { unpackPackages } from '../lab/debian-packages.ts';
import { recipe } from '../lab/recipe.ts';
import { until } from '../lab/until.ts';
import { type Dom0, obstacle, openDom0 } from './dom0.ts';
import { A, V } from './frames.ts';
import { openStation, type Station } from './station.ts';

const skip = obstacle();
const PACKAGES =
  'radvd isc-dhcp-client dnsmasq-base busybox libnetfilter-conntrack3 libnfnetlink0 libidn2-0 libunistring2 libdbus-1-3 libnettle8 libhogweed6 libgmp10 libmnl0 libnftables1 libnftnl11 libjansson4'.split(
    ' ',
  );

const RADVD = { domid: 1, name: 'radvd1', mac: A.mac, ip: '10.0.0.11 2001:db8:1::1' };
/** Would serve as well, and is no guest of the recipes. */
const ROGUE = { domid: 2, name: 'rogue', mac: V.mac, ip: '10.0.0.12 2001:db8:1::2' };
const DHCP = { domid: 3, name: 'dhcp1', mac: '00:16:3e:00:00:03', ip: '10.0.0.13 2001:db8:1::3' };
const CLIENT = { domid: 4, name: 'desktop1', mac: '00:16:3e:00:00:04', ip: '10.0.0.33 2001:db8:1::33' };
/** What the prefix of the recipe and the MAC make. */
const SLAAC = '2001:db8:1:0:216:3eff:fe00:4';

type Server = typeof RADVD;

async function guest(t: test.TestContext, dom0: Dom0, root: string, { domid, mac, ip }: Server): Promise<Station> {
  return openStation(t, dom0, root, `guest${domid}.0`, {
    mac,
    addresses: ip.split(' ').map((address) => `${address}/${address.includes(':') ? 64 : 24}`),
    sysctls: ['net.ipv6.conf.all.forwarding=1'],
  });
}

/** Advertises a prefix every few seconds, and answers solicitations. */
function advertise(station: Station, { domid }: Server, prefix: string, folder: string): () => string {
  const file = join(folder, `radvd-${domid}.conf`);
  const dev = `guest${domid}.0`;
  const text = `interface ${dev} {
  AdvSendAdvert on;
  MinRtrAdvInterval 3;
  MaxRtrAdvInterval 4;
  prefix ${prefix} { AdvOnLink on; AdvAutonomous on; };
};
`;
  writeFileSync(file, text);
  const pid = join(folder, `radvd-${domid}.pid`);
  return station.serve(['usr/sbin/radvd', '-n', '-m', 'stderr', '-d', '3', '-C', file, '-p', pid]);
}

/** Serves the client, by its MAC, these addresses. */
function serveDhcp(station: Station, { domid }: Server, ip: string, ip6: string, folder: string): () => string {
  return station.serve([
    'usr/sbin/dnsmasq',
    ...['--keep-in-foreground', '--port=0', '--conf-file=/dev/null', '--user=root', `--interface=guest${domid}.0`],
    ...['--bind-interfaces', '--no-ping', '--log-dhcp', '--log-facility=-', '--dhcp-authoritative'],
    ...['--dhcp-range=10.0.0.0,static,2m', '--dhcp-range=2001:db8:1::,static,64,2m'],
    ...[`--dhcp-host=${CLIENT.mac},${ip},[${ip6}]`],
    ...[`--dhcp-leasefile=${folder}/leases-${domid}`, `--pid-file=${folder}/dnsmasq-${domid}.pid`],
  ]);
}

/** A script of a client: it sets what the client was given, by the names that udhcpc and dhclient have for it. */
function script(folder: string, name: string, body: string): string {
  const file = join(folder, name);
  writeFileSync(file, `#!/bin/sh\n${body}\n`);
  chmodSync(file, 0o755);
  return file;
}

test('radvd, dnsmasq, udhcpc and dhclient, each in a guest of its own', { skip }, async (t) => {
  let root: string;
  try {
    root = await unpackPackages(PACKAGES, 'server-programs');
  } catch (error) {
    return t.skip(`needs radvd, isc-dhcp-client, dnsmasq and busybox of Debian: ${String(error).split('\n')[0]}`);
  }
  const policy = recipe('A guest that advertises routers (radvd)') + recipe('A DHCP server');
  const dom0 = await openDom0(t, { bridge: 'xenbr0', policy });
  for (const one of [RADVD, ROGUE, DHCP, CLIENT]) await dom0.start(one);
  const folder = join(dom0.folder, 'programs');
  mkdirSync(folder);
  const drops = async (name: string, of: 'from-guest' | 'to-guest'): Promise<string[]> =>
    (await dom0.status())
      .filter((port) => port.name === name)
      .flatMap((port) => port.drops.flatMap(({ direction, reason }) => (direction === of ? [reason] : [])));

  const rogue = await guest(t, dom0, root, ROGUE);
  const client = await openStation(t, dom0, root, 'guest4.0', {
    mac: CLIENT.mac,
    sysctls: ['net.ipv6.conf.default.accept_ra=1', 'net.ipv6.conf.guest4/0.accept_ra=1'],
  });
  const addresses = async (): Promise<string[]> =>
    [...(await client.ns.check(['ip', '-o', 'addr', 'show', 'scope', 'global'])).matchAll(/ inet6? (\S+)\//g)].map(
      ([, address = '']) => address,
    );
  const reaches = async (address: string, as: string): Promise<boolean> =>
    (await client.run(['busybox', 'ping', '-c', '1', '-W', '2', '-I', as, address])).status === 0;

  await t.test('radvd without the word is heard by nobody, with it by all', async (t) => {
    const lost = advertise(rogue, ROGUE, '2001:db8:bad::/64', folder);
    await until(
      'the advertisement of the other guest is dropped',
      async () => (await drops('vif2.0', 'from-guest')).includes('ra'),
      lost,
    );
    const said = advertise(await guest(t, dom0, root, RADVD), RADVD, '2001:db8:1::/64', folder);
    await until('an address by SLAAC', async () => (await addresses()).length > 0, said);
    assert.deepEqual(await addresses(), [SLAAC]);
    assert.match(await client.ns.check(['ip', '-6', 'route']), /^default via fe80::216:3eff:fe00:1 /m);
    assert.doesNotMatch(await client.ns.check(['ip', '-6', 'route']), /bad|fe80::216:3eff:fe00:2/);
    assert.equal(await reaches('2001:db8:1::1', SLAAC), true, 'with that address it is heard, and answered');
    assert.deepEqual(await drops('vif1.0', 'from-guest'), []);
  });

  await t.test('dnsmasq without the words neither hears nor answers, with them it serves', async (t) => {
    const lost = serveDhcp(rogue, ROGUE, '10.0.0.44', '2001:db8:1::44', folder);
    const said = serveDhcp(await guest(t, dom0, root, DHCP), DHCP, '10.0.0.33', '2001:db8:1::33', folder);
    await until('dnsmasq is there', async () => said().includes('DHCPv6') && lost().includes('DHCPv6'), said);
    const set = 'case $1 in bound) ip addr add $ip/24 dev $interface ;; esac';
    const udhcpc = ['udhcpc', '-i', 'guest4.0', '-s', script(folder, 'four', set), '-f', '-n', '-q', '-a', '-T', '1'];
    const four = await client.run(['busybox', ...udhcpc], 30_000);
    assert.equal(four.status, 0, `${four.output}\n${said()}`);
    const set6 = 'case $reason in BOUND6) ip addr add $new_ip6_address/64 dev $interface nodad ;; esac';
    const six = await client.run(
      [
        ...['sbin/dhclient', '-6', '-1', '-D', 'LL', '-cf', '/dev/null', '-sf', script(folder, 'six', set6)],
        ...['-lf', join(folder, 'leases6'), '-pf', join(folder, 'dhclient.pid'), 'guest4.0'],
      ],
      30_000,
    );
    assert.equal(six.status, 0, `${six.output}\n${said()}`);
    t.after(() => client.run(['sbin/dhclient', '-6', '-x', '-pf', join(folder, 'dhclient.pid'), 'guest4.0']));
    assert.deepEqual((await addresses()).sort(), ['10.0.0.33', SLAAC, '2001:db8:1::33'].sort());
    assert.equal(await reaches('10.0.0.13', '10.0.0.33'), true);
    assert.equal(await reaches('2001:db8:1::3', '2001:db8:1::33'), true);
    assert.doesNotMatch(lost(), /DHCPDISCOVER|DHCPREQUEST|DHCPSOLICIT/, 'it has heard nothing');
    const kept = await drops('vif2.0', 'to-guest');
    assert.ok(kept.includes('dhcp-foreign'), kept.join(', '));
    assert.deepEqual(await drops('vif3.0', 'from-guest'), []);
    assert.deepEqual(await drops('vif4.0', 'from-guest'), []);
  });
});
