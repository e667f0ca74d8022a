/**
 * Vifs that this host routes for, on the real kernel: what a guest may send and hear is what its bridged twin may, its
 * addresses answer from everywhere, and when it is gone nothing of it is left.
 */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { type Dom0, obstacle } from './dom0.ts';
import { frame, ip4, TYPE, udp } from './frames.ts';
import { configureGuest, pinger } from './routed-guest.ts';
import { OFFLINE, ONLINE, openRoutedSite, text } from './routed-site.ts';

const skip = obstacle();
const MAC = '00:16:3e:00:00:01';
const OTHER = '00:16:3e:00:00:02';

/** Addresses of the first guest, and some that are near them and nobody's. */
const CLAIMED = ['10.0.0.5', '198.51.100.9', 'fd00::5', '2001:db8:5::1'];
const NEARBY = ['198.51.100.16', '2001:db8:9::1'];

/** So many packets came from elsewhere with an address of a guest. */
async function claims(dom0: Dom0): Promise<number> {
  const listed = await dom0.ns.check('nft list chain inet xen-vif-route claimed'.split(' '));
  return Number(/packets (\d+)/.exec(listed)?.[1] ?? Number.NaN);
}

test('a routed guest: several addresses, blocks, both families; forged ones are dropped and counted', {
  skip,
}, async (t) => {
  const ping = await pinger(t);
  if (ping === undefined) return;
  const site = await openRoutedSite(t);
  const { dom0, near, far } = site;
  const before = [await text(dom0, 'ip route'), await text(dom0, 'ip -6 route')];
  await site.start({ domid: 1, mac: MAC, ip: '10.0.0.5 10.0.0.6 198.51.100.8/30 fd00::5 2001:db8:5::/64' });
  assert.equal(dom0.key(1, 'hotplug-status'), 'connected');
  assert.equal(dom0.frontendKey(1, 'mtu'), '1500');
  const guest = await site.guest('vif1.0', MAC);
  await configureGuest(site, guest, 'vif1.0');

  for (const to of ['10.0.0.5', '10.0.0.6', '198.51.100.9', '198.51.100.11', 'fd00::5', '2001:db8:5::1']) {
    assert.ok(await ping(near, to), `${to} from its neighbour`);
    assert.ok(await ping(far, to), `${to} from far away`);
  }
  // A scan of its blocks makes no neighbours of them.
  await ping(far, '2001:db8:5::dead');
  assert.doesNotMatch(await text(dom0, 'ip neigh show dev vif1.0'), /2001:db8|198\.51/);

  await guest.check(['sh', '-e'], {
    input: 'ip addr add 10.0.0.77/32 dev eth0\nip addr add fd00::77/128 dev eth0 nodad\n',
  });
  assert.equal(await ping(guest, '10.0.0.50', '10.0.0.77'), false);
  assert.equal(await ping(guest, 'fd00::50', 'fd00::77'), false);
  const [port] = await dom0.status();
  assert.equal(port?.state, 'managed');
  const reasons = port?.drops.map(({ direction, reason }) => `${direction} ${reason}`) ?? [];
  assert.ok(reasons.includes('from-guest ip-src') && reasons.includes('from-guest ip6-src'), reasons.join(', '));

  // Nobody else is let in with its addresses.
  await far.check(['sh', '-e'], {
    input: [...CLAIMED, ...NEARBY]
      .map((one) => `ip addr add ${one} dev eth0${one.includes(':') ? ' nodad' : ''}\n`)
      .join(''),
  });
  await dom0.ns.check(['sh', '-e'], {
    input: 'ip route add 198.51.100.16 via 203.0.113.9\nip route add 2001:db8:9::1 via 2001:db8:ffff::9\n',
  });
  for (const source of CLAIMED) {
    const before = await claims(dom0);
    assert.equal(await ping(far, source.includes(':') ? '2001:db8:ffff::1' : '203.0.113.1', source), false, source);
    assert.ok((await claims(dom0)) > before, source);
  }
  // Who has none of them is asked, and let in.
  for (const source of NEARBY)
    assert.ok(await ping(far, source.includes(':') ? '2001:db8:ffff::1' : '203.0.113.1', source), source);
  await dom0.ns.check(['sh', '-e'], { input: 'ip route del 198.51.100.16\nip route del 2001:db8:9::1\n' });

  const again = await dom0.admin(['reapply', '--all']);
  assert.deepEqual([again.status, again.stdout], [0, 're-applied: vif1.0\n'], again.stderr);
  assert.ok(await ping(near, '10.0.0.5'));
  // No table is there for bridges that have no guest.
  assert.equal(await text(dom0, 'nft list tables'), 'table netdev xen-vif-route\ntable inet xen-vif-route\n');

  assert.equal((await dom0.hotplug('offline', { domid: 1 }, OFFLINE)).status, 0);
  assert.deepEqual([await text(dom0, 'ip route'), await text(dom0, 'ip -6 route')], before);
  assert.equal(await text(dom0, 'ip neigh show proxy'), '');
  assert.equal(await text(dom0, 'nft list tables'), '');
});

test('another name, another uplink device, its MTU; a second online is no other', { skip }, async (t) => {
  const site = await openRoutedSite(t, { mtu: 1400 });
  const { dom0 } = site;
  await site.start({ domid: 1, mac: MAC, ip: '10.0.0.5', vifname: 'web01' });
  const first = await dom0.link('web01');
  assert.equal(first?.mtu, 1400);
  assert.match(await text(dom0, 'ip route'), /^10\.0\.0\.5 dev web01 scope link src 10\.0\.0\.1 metric 2 $/m);
  assert.equal((await dom0.hotplug('online', { domid: 1 }, ONLINE)).status, 0);
  assert.equal((await dom0.link('web01'))?.ifindex, first?.ifindex);
  assert.match((await dom0.admin(['status', 'web01'])).stdout, /web01 \(vif1\.0\) {2}managed .* routed behind br0/);
  // By stock's script it would be eth0; here it is where the default route leads.
  await dom0.ns.check(['ip', 'route', 'add', 'default', 'via', '203.0.113.9']);
  dom0.configure({ domid: 2, mac: OTHER, ip: '10.0.0.6' });
  await dom0.bench.addVif('vif2.0');
  assert.equal((await dom0.hotplug('online', { domid: 2 }, ONLINE)).status, 0, dom0.key(2, 'hotplug-error'));
  assert.match(await text(dom0, 'ip route'), /^10\.0\.0\.6 dev vif2\.0 scope link src 203\.0\.113\.1 metric 2 $/m);
  await dom0.hotplug('offline', { domid: 1 }, OFFLINE);
  await dom0.hotplug('offline', { domid: 2 }, OFFLINE);
  assert.equal(await text(dom0, 'nft list tables'), '');
});

test('an address of another guest, or of this host, is refused by name', { skip }, async (t) => {
  const site = await openRoutedSite(t);
  const { dom0 } = site;
  await site.start({ domid: 1, mac: MAC, ip: '10.0.0.5 198.51.100.8/30', name: 'mail' });
  const refused: readonly (readonly [string, RegExp])[] = [
    ['10.0.0.5', /^10\.0\.0\.5 is also given to vif1\.0 .*of the guest mail/],
    ['198.51.100.8/30', /^198\.51\.100\.8\/30 is also given to vif1\.0/],
    ['10.0.0.1', /^10\.0\.0\.1 is an address of this host, on br0/],
  ];
  for (const [ip, why] of refused) {
    dom0.configure({ domid: 2, mac: OTHER, ip, gatewaydev: 'br0', name: 'web' });
    await dom0.bench.addVif('vif2.0');
    assert.equal((await dom0.hotplug('online', { domid: 2 }, ONLINE)).status, 1);
    assert.match(dom0.key(2, 'hotplug-error') ?? '', why);
    assert.equal((await dom0.link('vif2.0'))?.flags.includes('UP'), false);
    await dom0.hotplug('offline', { domid: 2 }, OFFLINE);
    await dom0.bench.removeVif('vif2.0');
  }
  assert.match(await text(dom0, 'ip route'), /^10\.0\.0\.5 dev vif1\.0 /m);
  // The same guest comes back to this host (migration): its second route waits behind the first.
  dom0.configure({ domid: 3, mac: MAC, ip: '10.0.0.5 198.51.100.8/30', gatewaydev: 'br0', name: 'mail--incoming' });
  await dom0.bench.addVif('vif3.0');
  assert.equal((await dom0.hotplug('online', { domid: 3 }, ONLINE)).status, 0, dom0.key(3, 'hotplug-error'));
  assert.match(await text(dom0, 'ip route'), /^10\.0\.0\.5 dev vif3\.0 .*metric 3 $/m);
  assert.equal((await dom0.hotplug('offline', { domid: 1 }, OFFLINE)).status, 0);
  assert.match(await text(dom0, 'ip neigh show proxy'), /^10\.0\.0\.5 dev br0 proxy/m);
});

test('both ports of an emulated NIC have the routes, and the tap wins until it goes', { skip }, async (t) => {
  const site = await openRoutedSite(t);
  const { dom0 } = site;
  dom0.configure({ domid: 1, mac: MAC, ip: '10.0.0.5 fd00::5', gatewaydev: 'br0', type: 'vif_ioemu' });
  const run = async (command: 'online' | 'add' | 'remove' | 'offline'): Promise<void> => {
    const type = command === 'add' || command === 'remove' ? 'tap' : 'vif';
    const { status } = await dom0.hotplug(command, { domid: 1 }, { args: ['mode=route', command, `type_if=${type}`] });
    assert.equal(status, 0, `${command}: ${dom0.key(1, 'hotplug-error')}`);
  };
  const routes = async (): Promise<string[]> =>
    [...(await text(dom0, 'ip route')).split('\n'), ...(await text(dom0, 'ip -6 route')).split('\n')].flatMap(
      (line) => /^(?:10\.0\.0\.5|fd00::5) dev (\S+) .*metric (\d)/.exec(line)?.slice(1, 3).join(' ') ?? [],
    );
  const proxies = (): Promise<string> => text(dom0, 'ip neigh show proxy');
  for (const [command, device] of [
    ['online', 'vif1.0'],
    ['add', 'vif1.0-emu'],
  ] as const) {
    await dom0.bench.addVif(device);
    await run(command);
  }
  assert.deepEqual(await routes(), ['vif1.0-emu 1', 'vif1.0 2', 'vif1.0-emu 1', 'vif1.0 2']);
  assert.deepEqual(
    (await dom0.status()).map(({ state }) => state),
    ['managed', 'managed'],
  );
  const both = await proxies();
  await run('remove');
  await dom0.bench.removeVif('vif1.0-emu');
  assert.deepEqual(await routes(), ['vif1.0 2', 'vif1.0 2']);
  assert.equal(await proxies(), both, 'the other port needs them still');
  await run('offline');
  assert.deepEqual([await routes(), await proxies(), await text(dom0, 'nft list tables')], [[], '', '']);
});

test('what somebody has taken away already keeps nothing else', { skip }, async (t) => {
  const site = await openRoutedSite(t);
  const { dom0 } = site;
  await site.start({ domid: 1, mac: MAC, ip: '10.0.0.5 10.0.0.6 10.0.0.7 fd00::5' });
  const proxies = (): Promise<string> => text(dom0, 'ip neigh show proxy');
  await dom0.ns.check(['sh', '-e'], {
    input: [
      'ip neigh del proxy 10.0.0.5 dev br0',
      'ip neigh del 10.0.0.6 dev vif1.0',
      'ip route del 10.0.0.6 dev vif1.0',
    ].join('\n'),
  });
  dom0.store.write('backend/vif/1/0/ip', '10.0.0.5 10.0.0.7');
  const { status, stderr } = await dom0.admin(['reapply', 'vif1.0']);
  assert.deepEqual([status, stderr], [0, '']);
  assert.match(await proxies(), /^10\.0\.0\.\d dev br0 proxy\s+10\.0\.0\.\d dev br0 proxy\s*$/);
  assert.doesNotMatch(await text(dom0, 'ip neigh show dev vif1.0'), /10\.0\.0\.6|fd00::5/);
  await dom0.ns.check(['ip', 'neigh', 'del', 'proxy', '10.0.0.5', 'dev', 'br0']);
  assert.equal((await dom0.hotplug('offline', { domid: 1 }, OFFLINE)).status, 0);
  assert.equal(await proxies(), '');
  assert.equal(await text(dom0, 'nft list tables'), '');
  // The uplink itself is gone.
  await site.start({ domid: 2, mac: OTHER, ip: '203.0.113.5 203.0.113.6', gatewaydev: 'out0' });
  await dom0.ns.check(['ip', 'link', 'del', 'out0']);
  assert.equal((await dom0.hotplug('offline', { domid: 2 }, OFFLINE)).status, 0);
  assert.equal(await text(dom0, 'nft list tables'), '');
});

test('a host that does not forward says what to set, or sets it', { skip }, async (t) => {
  const site = await openRoutedSite(t, { quiet: true });
  const { dom0 } = site;
  await dom0.ns.check(['sh', '-c', 'echo 1 >/proc/sys/net/ipv6/conf/br0/accept_ra']);
  dom0.configure({ domid: 1, mac: MAC, ip: 'fd00::5', gatewaydev: 'br0' });
  await dom0.bench.addVif('vif1.0');
  assert.equal((await dom0.hotplug('online', { domid: 1 }, ONLINE)).status, 1);
  assert.match(
    dom0.key(1, 'hotplug-error') ?? '',
    /does not forward IPv6.*sysctl -w net\.ipv6\.conf\.br0\.accept_ra=2 net\.ipv6\.conf\.all\.forwarding=1 \(a host that forwards loses the default route/,
  );
  const set = await openRoutedSite(t, { quiet: true, policy: '[defaults]\nforwarding = set\n' });
  await set.dom0.ns.check(['sh', '-c', 'echo 1 >/proc/sys/net/ipv6/conf/br0/accept_ra']);
  await set.start({ domid: 1, mac: MAC, ip: '10.0.0.5 fd00::5' });
  const settings = ['ipv4/ip_forward', 'ipv6/conf/all/forwarding', 'ipv6/conf/br0/accept_ra'];
  const values = await Promise.all(settings.map((one) => set.dom0.ns.check(['cat', `/proc/sys/net/${one}`])));
  assert.deepEqual(
    values.map((one) => one.trim()),
    ['1', '1', '2'],
  );
});

test('a flush of all rules, and a state that is gone, are repaired; nobody is left open', { skip }, async (t) => {
  const ping = await pinger(t);
  if (ping === undefined) return;
  const site = await openRoutedSite(t);
  const { dom0, near } = site;
  for (const [domid, mac, ip] of [
    [1, MAC, '10.0.0.5'],
    [2, OTHER, '10.0.0.6'],
  ] as const) {
    await site.start({ domid, mac, ip, extra: { script: '/etc/xen/scripts/vif-route' } });
  }
  const guest = await site.guest('vif1.0', MAC);
  await configureGuest(site, guest, 'vif1.0');
  await guest.check(['ip', 'addr', 'add', '10.0.0.77/32', 'dev', 'eth0']);

  await dom0.ns.check(['nft', 'flush', 'ruleset']);
  assert.deepEqual(
    (await dom0.status()).map(({ state }) => state),
    ['damaged', 'damaged'],
  );
  // The kernel's own check of IPv4 sources (rp_filter) is none of nft's.
  assert.equal(await ping(guest, '10.0.0.50', '10.0.0.77'), false);
  const begun = performance.now();
  assert.equal((await dom0.admin(['repair'])).status, 0);
  t.diagnostic(`repaired in ${(performance.now() - begun).toFixed()} ms`);
  assert.deepEqual(
    (await dom0.status()).map(({ state }) => state),
    ['managed', 'managed'],
  );
  assert.equal(await ping(guest, '10.0.0.50', '10.0.0.77'), false);

  await dom0.ns.check(['nft', 'flush', 'chain', 'netdev', 'xen-vif-route', 'in/vif1.0']);
  assert.deepEqual(
    (await dom0.status()).map(({ state }) => state),
    ['damaged', 'managed'],
  );
  assert.equal((await dom0.admin(['reapply', 'vif1.0'])).status, 0);
  assert.deepEqual(
    (await dom0.status()).map(({ state }) => state),
    ['managed', 'managed'],
  );

  rmSync(dom0.state, { recursive: true });
  assert.equal((await dom0.admin(['reapply', 'vif2.0'])).status, 0);
  // The other one is known again, as xenstore has it.
  assert.deepEqual(
    (await dom0.status()).map(({ name, state }) => `${name} ${state}`),
    ['vif1.0 managed', 'vif2.0 managed'],
  );
  // It asked for its gateway in the name of the foreign address, in vain, and may be at it still.
  await guest.check(['ip', 'neigh', 'flush', 'dev', 'eth0']);
  assert.ok(await ping(near, '10.0.0.5'));
  assert.equal(await ping(guest, '10.0.0.50', '10.0.0.77'), false);
});

test('a vif that is in service is not made one of the other kind', { skip }, async (t) => {
  const site = await openRoutedSite(t);
  const { dom0 } = site;
  await site.start({ domid: 1, mac: MAC, ip: '10.0.0.5' });
  assert.equal((await dom0.hotplug('online', { domid: 1 })).status, 1);
  assert.match(dom0.key(1, 'hotplug-error') ?? '', /vif1\.0 is routed already/);
  // What it is now its offline knows, whichever script is run.
  assert.equal((await dom0.hotplug('offline', { domid: 1 })).status, 0);
  assert.equal(await text(dom0, 'nft list tables'), '');
  await dom0.start({ domid: 2, mac: OTHER, ip: '10.0.0.6', gatewaydev: 'br0' });
  assert.equal((await dom0.hotplug('online', { domid: 2 }, ONLINE)).status, 1);
  assert.match(dom0.key(2, 'hotplug-error') ?? '', /vif2\.0 is a port of br0/);
});

test('rules and filters are of routed guests too, and those of others keep nobody from coming up', {
  skip,
}, async (t) => {
  const ping = await pinger(t);
  if (ping === undefined) return;
  const folder = mkdtempSync(join(tmpdir(), 'xvb-routed-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const site = await openRoutedSite(t, {
    policy: `[rules quiet]
in allow icmp echo-request from 10.0.0.50
in drop
out drop
[defaults]
nwfilter_dir = ${folder}
[guest quiet]
rules = quiet
[guest closed]
nwfilter = no-ping
`,
  });
  const { dom0, near, far } = site;
  writeFileSync(
    join(folder, 'no-ping.xml'),
    "<filter name='no-ping' chain='root'><rule action='drop' direction='inout'><icmp/></rule></filter>",
  );
  for (const [domid, name, mac, ip] of [
    [1, 'quiet', MAC, '10.0.0.5'],
    [2, 'closed', OTHER, '10.0.0.6'],
    [3, 'plain', '00:16:3e:00:00:03', '10.0.0.7'],
  ] as const) {
    await site.start({ domid, mac, ip, name });
    assert.equal(dom0.key(domid, 'hotplug-status'), 'connected', dom0.key(domid, 'hotplug-error'));
    await configureGuest(site, await site.guest(`vif${domid}.0`, mac), `vif${domid}.0`);
  }
  const answered = async (): Promise<string[]> => {
    const found: string[] = [];
    for (const [who, from] of [
      ['near', near],
      ['far', far],
    ] as const) {
      for (const to of ['10.0.0.5', '10.0.0.6', '10.0.0.7']) if (await ping(from, to)) found.push(`${who} ${to}`);
    }
    return found;
  };
  const right = ['near 10.0.0.5', 'near 10.0.0.7', 'far 10.0.0.7'];
  assert.deepEqual(await answered(), right);
  const states = async (): Promise<string[]> => (await dom0.status()).map(({ name, state }) => `${name} ${state}`);
  const well = ['vif1.0 managed', 'vif2.0 managed', 'vif3.0 managed'];
  assert.deepEqual(await states(), well);
  // Somebody takes them out of the way.
  for (const [vif, chain] of [
    ['vif1.0', 'in/rules/vif1.0'],
    ['vif2.0', 'out/filters/vif2.0'],
  ] as const) {
    await dom0.ns.check(['nft', 'flush', 'chain', 'netdev', 'xen-vif-route', chain]);
    assert.deepEqual(
      await states(),
      well.map((line) => (line.startsWith(vif) ? `${vif} damaged` : line)),
    );
    assert.equal((await dom0.admin(['repair'])).status, 0);
    assert.deepEqual(await states(), well);
  }
  assert.deepEqual(await answered(), right);
  for (const domid of [1, 2, 3]) assert.equal((await dom0.hotplug('offline', { domid }, OFFLINE)).status, 0);
  assert.equal(await text(dom0, 'nft list tables'), '');
});

test('who is observed and has rules is counted once, and nothing is kept from it', { skip }, async (t) => {
  const site = await openRoutedSite(t, {
    policy: '[rules no]\nin drop\nout drop\n[guest seen]\nrules = no\nmode = observe\n',
  });
  const { dom0 } = site;
  await site.start({ domid: 1, mac: MAC, ip: '10.0.0.5', name: 'seen' });
  const wire = await dom0.openWire(['guest1.0']);
  const { address } = (await dom0.link('vif1.0')) ?? assert.fail();
  for (const src of ['10.0.0.5', '10.0.0.99']) {
    await wire.send('guest1.0', frame(address, MAC, TYPE.ip, ip4({ src, dst: '203.0.113.9' }, udp(9, 9))));
  }
  const counted = async (): Promise<unknown> => {
    const [port] = await dom0.status();
    const drops = port?.drops.filter(({ direction }) => direction === 'from-guest') ?? [];
    return [port?.state, Object.fromEntries(drops.map(({ reason, packets }) => [reason, packets]))];
  };
  assert.deepEqual(await counted(), ['managed', { rule: 1, 'ip-src': 1 }]);
  await dom0.ns.check(['nft', 'delete', 'chain', 'netdev', 'xen-vif-route', 'in/observed/vif1.0']);
  assert.equal((await dom0.status())[0]?.state, 'damaged');
  assert.equal((await dom0.admin(['repair'])).status, 0);
  assert.equal((await dom0.status())[0]?.state, 'managed');
  assert.equal((await dom0.hotplug('offline', { domid: 1 }, OFFLINE)).status, 0);
  assert.equal(await text(dom0, 'nft list tables'), '');
});
