/**
 * What somebody else has at the addresses of a routed guest, on the real kernel: routes, entries and tables that an
 * admin has made himself are not taken away, neither when a guest comes nor when it goes.
 */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import test from 'node:test';
import { unpacked } from '../guest/programs.ts';
import type { Namespace } from '../lab/namespace.ts';
import { obstacle } from './dom0.ts';
import { configureGuest, pinger } from './routed-guest.ts';
import { OFFLINE, ONLINE, openRoutedSite, text } from './routed-site.ts';
import { verified } from './verified.ts';

const skip = obstacle();
const MAC = '00:16:3e:00:00:01';

test('proxies, neighbours and routes that an admin has put at its addresses stay, and are told', {
  skip,
}, async (t) => {
  const { dom0, start } = await openRoutedSite(t);
  await dom0.ns.check(['sh', '-e'], {
    input: `ip neigh add proxy 10.0.0.5 dev br0
      ip neigh add proxy fd00::5 dev br0
      ip neigh add 10.0.0.6 lladdr 02:00:00:00:00:66 nud permanent dev br0
      ip route add 10.0.0.7 dev out0 metric 2\n`,
  });
  const seen = async (): Promise<string> =>
    [
      await text(dom0, 'ip neigh show proxy'),
      await text(dom0, 'ip neigh show nud permanent dev br0'),
      await text(dom0, 'ip route show 10.0.0.7'),
    ].join('');
  const before = await seen();
  await start({ domid: 1, mac: MAC, ip: '10.0.0.5 10.0.0.6 10.0.0.7 fd00::5' });
  assert.match(await text(dom0, 'ip route show 10.0.0.7'), /^10\.0\.0\.7 dev out0 .*metric 2/m);
  assert.match(await text(dom0, 'ip route show 10.0.0.7'), /^10\.0\.0\.7 dev vif1\.0 .*metric 3/m);
  const dry = await dom0.admin(
    'online --dry-run mode=route vif=vif1.0 gatewaydev=br0 ip=10.0.0.7'.split(' ').concat(`mac=${MAC}`),
  );
  assert.match(
    dry.stdout,
    /10\.0\.0\.7 is routed to out0 by another route of this host \(metric 2\).* metric 3, and/,
    dry.stderr,
  );
  const again = await dom0.admin(['reapply', '--all']);
  assert.equal(again.status, 0, again.stderr);
  const verified = await dom0.admin(['verify']);
  assert.equal(verified.status, 0, verified.stdout + verified.stderr);
  // A second run, and one that finds nothing in the state, know what is not theirs.
  assert.equal((await dom0.hotplug('online', { domid: 1 }, ONLINE)).status, 0);
  assert.equal((await dom0.hotplug('offline', { domid: 1 }, OFFLINE)).status, 0);
  assert.equal(await seen(), before);
});

test('a route to nowhere at its address is told, and stays', { skip }, async (t) => {
  const { dom0, start } = await openRoutedSite(t);
  await dom0.ns.check(['sh', '-e'], {
    input: `ip route add blackhole 10.0.0.7
      ip route add unreachable 198.51.100.9
      ip route add blackhole 198.51.100.8/29
      ip -6 route add prohibit fd00::7 metric 1
      ip -6 route add blackhole fd00::5\n`,
  });
  await start({ domid: 1, mac: MAC, ip: '10.0.0.5 10.0.0.7 198.51.100.8/30 fd00::5 fd00::7' });
  const dry = await dom0.admin(
    `online --dry-run mode=route vif=vif1.0 gatewaydev=br0 mac=${MAC}`.split(' ').concat('ip=10.0.0.7 fd00::7'),
  );
  assert.match(dry.stdout, /10\.0\.0\.7 is routed to nowhere .*metric 0\)/, dry.stderr);
  assert.match(dry.stdout, /fd00::7 is routed to nowhere .*metric 1\)/);
  // What is wider than its own, or behind it, takes nothing from it.
  const silent = ['10.0.0.7', '198.51.100.9', 'fd00::7'];
  const toldOf = (said: string): string[] =>
    [...said.matchAll(/([0-9a-f:.]+(?:\/\d+)?) is routed to nowhere/g)].flatMap(([, one]) => one ?? []).sort();
  assert.deepEqual(toldOf((await dom0.admin(['status', 'vif1.0'])).stdout), silent);
  const doctor = JSON.parse((await dom0.admin(['doctor', '--json'])).stdout) as {
    findings: readonly { id: string; what: string }[];
  };
  assert.deepEqual(toldOf(doctor.findings.map(({ what }) => what).join('\n')), silent);
  const { status, lines } = await verified(dom0, 'vif1.0');
  assert.deepEqual(
    [status, lines.sort()],
    [1, silent.map((one) => `vif1.0 host route: to vif1.0 -> ${one} is routed to nowhere`)],
  );
  assert.equal((await dom0.admin(['repair'])).status, 0);
  assert.match(await text(dom0, 'ip route'), /^blackhole 10\.0\.0\.7 $/m);
  await dom0.ns.check(['sh', '-e'], {
    input: 'ip route del blackhole 10.0.0.7\nip route del unreachable 198.51.100.9\nip -6 route del prohibit fd00::7\n',
  });
  assert.deepEqual(await verified(dom0).then((now) => [now.status, now.lines]), [0, []]);
});

test('the doctor takes the address of a routed link for no fault', { skip }, async (t) => {
  const { dom0, start } = await openRoutedSite(t);
  await start({ domid: 1, mac: MAC, ip: '10.0.0.5 fd00::5' });
  const { findings } = JSON.parse((await dom0.admin(['doctor', '--json'])).stdout) as {
    findings: readonly { id: string; what: string }[];
  };
  assert.deepEqual(
    findings.filter(({ what }) => what.includes('vif1.0')),
    [],
  );
});

test('an address that this host has elsewhere is refused by name', { skip }, async (t) => {
  const { dom0 } = await openRoutedSite(t);
  await dom0.ns.check(['sh', '-e'], { input: 'ip link set lo up\nip addr add 198.51.100.7/32 dev lo\n' });
  for (const [ip, why] of [
    ['198.51.100.7', /^198\.51\.100\.7 is an address of this host, on lo/],
    ['10.0.0.255', /^10\.0\.0\.255 is the broadcast address of a network of this host, on br0/],
    ['203.0.113.1', /^203\.0\.113\.1 is an address of this host, on out0/],
    ['2001:db8:ffff::1', /^2001:db8:ffff::1 is an address of this host, on out0/],
  ] as const) {
    dom0.configure({ domid: 2, mac: MAC, ip, gatewaydev: 'br0' });
    await dom0.bench.addVif('vif2.0');
    assert.equal((await dom0.hotplug('online', { domid: 2 }, ONLINE)).status, 1, ip);
    assert.match(dom0.key(2, 'hotplug-error') ?? '', why);
    await dom0.hotplug('offline', { domid: 2 }, OFFLINE);
    await dom0.bench.removeVif('vif2.0');
  }
});

test('an uplink that was renamed, or replaced, keeps nothing of a guest that goes', { skip }, async (t) => {
  const { dom0, start } = await openRoutedSite(t);
  await start({ domid: 1, mac: MAC, ip: '10.0.0.5 fd00::5' });
  // A kernel that renames what is down alone takes the entries with that.
  if ((await dom0.ns.run('ip link set br0 name wan0'.split(' '))).status !== 0)
    return t.skip('this kernel renames no device that is up');
  assert.match(await text(dom0, 'ip neigh show proxy'), /10\.0\.0\.5 dev wan0 proxy/);
  assert.equal((await dom0.hotplug('offline', { domid: 1 }, OFFLINE)).status, 0);
  assert.equal(await text(dom0, 'ip neigh show proxy'), '');

  await dom0.ns.check(['sh', '-e'], { input: 'ip link set wan0 name br0\n' });
  await start({ domid: 2, mac: MAC, ip: '10.0.0.5' });
  // Somebody else is called so now, and has the same proxy by its own admin.
  await dom0.ns.check(['sh', '-e'], {
    input: `ip link set br0 name old0\nip link add br0 type bridge
      ip link set br0 up\nip neigh add proxy 10.0.0.5 dev br0\n`,
  });
  assert.equal((await dom0.hotplug('offline', { domid: 2 }, OFFLINE)).status, 0);
  assert.equal(await text(dom0, 'ip neigh show proxy'), '10.0.0.5 dev br0 proxy \n');
});

test('a routed vif that somebody renames is not open, and status says what to do', { skip }, async (t) => {
  const ping = await pinger(t);
  if (ping === undefined) return;
  const site = await openRoutedSite(t);
  const { dom0, near, start } = site;
  await start({ domid: 1, mac: MAC, ip: '10.0.0.5 fd00::5' });
  const guest = await site.guest('vif1.0', MAC);
  await configureGuest(site, guest, 'vif1.0');
  await guest.check(['sh', '-e'], {
    input: 'ip addr add 10.0.0.77/32 dev eth0\nip addr add fd00::77/128 dev eth0 nodad\n',
  });
  assert.ok(await ping(near, '10.0.0.5'));
  const renamed = await dom0.ns.run('ip link set vif1.0 name web0'.split(' '));
  if (renamed.status !== 0) return t.skip('this kernel renames no device that is up');
  // rp_filter is another line of defence: of IPv4 alone, and not of HVM guests.
  await dom0.ns.check(['sh', '-c', 'echo 0 >/proc/sys/net/ipv4/conf/web0/rp_filter']);
  const forged = async (): Promise<string[]> => {
    const open: string[] = [];
    if (await reaches(guest, near, '10.0.0.50', '10.0.0.77')) open.push('IPv4');
    if (await reaches(guest, near, 'fd00::50', 'fd00::77')) open.push('IPv6');
    return open;
  };
  assert.deepEqual(await forged(), []);
  const [port] = await dom0.status();
  assert.equal(port?.state, 'damaged', JSON.stringify(port?.notes));
  assert.equal((await dom0.admin(['reapply', '--all'])).status, 0);
  assert.deepEqual(await forged(), []);
  assert.ok(await ping(near, '10.0.0.5'));
  assert.ok(await ping(near, 'fd00::5'));
  assert.equal((await dom0.status())[0]?.state, 'managed');
  assert.equal((await dom0.hotplug('offline', { domid: 1 }, OFFLINE)).status, 0);
  assert.equal(await text(dom0, 'nft list tables'), '');
});

/** Whether what one sends from an address arrives at the other, whatever becomes of the answer. */
async function reaches(from: Namespace, to: Namespace, address: string, source: string): Promise<boolean> {
  const counter = (verb: string): string => `${verb} table inet heard\n`;
  await to.check(['nft', '-f', '-'], {
    input: `${counter('add')}${counter('delete')}table inet heard {
      chain input {
        type filter hook prerouting priority raw;
        ip saddr 10.0.0.77 counter comment "heard"
        ip6 saddr fd00::77 counter comment "heard"
      }
    }\n`,
  });
  const busybox = await unpacked('busybox');
  if (typeof busybox === 'string') throw new Error(busybox);
  const ping = [join(busybox.root, 'bin/busybox'), address.includes(':') ? 'ping6' : 'ping'];
  await from.run([...ping, '-c', '2', '-W', '1', '-I', source, address]);
  return / packets [1-9]/.test(await to.check(['nft', 'list', 'table', 'inet', 'heard']));
}
