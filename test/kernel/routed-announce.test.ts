/**
 * A guest that comes to a host that answers for its addresses: who knows them by another MAC, as that of the host where
 * it was before, reaches it at once.
 */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { DOM0_MAC } from '../lab/bench.ts';
import type { Namespace } from '../lab/namespace.ts';
import { openWire } from '../lab/wire.ts';
import { type Dom0, obstacle } from './dom0.ts';
import { OFFLINE, ONLINE, openRoutedSite, type RoutedSite } from './routed-site.ts';
import { loggedBy, withToolsOf } from './told.ts';

const skip = obstacle();
const MAC = '00:16:3e:00:00:01';
const GUEST = { domid: 1, mac: MAC, ip: '10.0.0.5 10.0.0.6 198.51.100.9 198.51.100.16/30 fd00::5 2001:db8:5::/64' };
const HERE = ['10.0.0.5', '10.0.0.6', 'fd00::5'];
const ELSEWHERE = ['10.0.0.7', '198.51.100.9', 'fd00::7', '2001:db8:5::1'];
/** The MAC of the host where they were. */
const OLD = '02:00:00:00:00:99';

async function know(near: Namespace, addresses: readonly string[]): Promise<void> {
  const lines = addresses.map((one) => `ip neigh replace ${one} lladdr ${OLD} nud reachable dev eth0`);
  await near.check(['sh', '-e'], { input: lines.join('\n') });
}

/** By which MAC an address is known. */
async function known(near: Namespace, address: string): Promise<string | undefined> {
  return / lladdr (\S+)/.exec(await near.check(['ip', 'neigh', 'show', address, 'dev', 'eth0']))?.[1];
}

async function tables(dom0: Dom0): Promise<string> {
  return dom0.ns.check(['nft', 'list', 'tables']);
}

async function nobodyIsLookedFor({ dom0 }: RoutedSite): Promise<void> {
  const left = await dom0.ns.check(['ip', 'neigh', 'show', 'dev', 'br0']);
  for (const address of HERE) assert.ok(!left.includes(`${address} `), left);
}

/** What a neighbour hears of it: gratuitous ARP, unsolicited advertisements. */
function announced(hex: string): string | undefined {
  const type = hex.slice(24, 28);
  if (type === '0806') {
    const [senderMac, sender, target] = [hex.slice(44, 56), hex.slice(56, 64), hex.slice(76, 84)];
    assert.equal(hex.slice(0, 12), 'ffffffffffff');
    return sender === target && senderMac === DOM0_MAC.replaceAll(':', '') ? dotted(sender) : `arp ${dotted(target)}`;
  }
  if (type !== '86dd' || hex.slice(108, 110) !== '88') return undefined;
  assert.equal(hex.slice(0, 12), '333300000001', 'to all nodes');
  // Override, neither router nor solicited; no other option than the target's MAC.
  assert.equal(hex.slice(116, 124), '20000000');
  assert.equal(hex.slice(156), `0201${DOM0_MAC.replaceAll(':', '')}`);
  return hex.slice(124, 156);
}

function dotted(hex: string): string {
  return (hex.match(/../g) ?? []).map((byte) => Number.parseInt(byte, 16)).join('.');
}

test('neighbours that know a guest by the MAC of another host are told', { skip }, async (t) => {
  const site = await openRoutedSite(t);
  const { dom0, near } = site;
  await know(near, [...HERE, ...ELSEWHERE]);
  const wire = await openWire(near, ['eth0']);
  t.after(() => wire.exit());
  await wire.collect();
  await site.start(GUEST);
  const heard = (await wire.collect()).flatMap(({ hex }) => announced(hex) ?? []);
  assert.deepEqual(heard.sort(), ['10.0.0.5', '10.0.0.6', 'fd00'.padEnd(31, '0').concat('5')].sort());
  for (const address of HERE) assert.equal(await known(near, address), DOM0_MAC, address);
  for (const address of ELSEWHERE) assert.equal(await known(near, address), OLD, address);
  assert.equal(await tables(dom0), 'table netdev xen-vif-route\ntable inet xen-vif-route\n');
  await nobodyIsLookedFor(site);

  // It is there already: nobody is told again, but of what is new.
  await know(near, HERE);
  dom0.store.write('backend/vif/1/0/ip', `${GUEST.ip} 10.0.0.7`);
  assert.equal((await dom0.admin(['reapply', 'vif1.0'])).status, 0);
  assert.deepEqual(
    (await wire.collect()).flatMap(({ hex }) => announced(hex) ?? []),
    ['10.0.0.7'],
  );
  assert.equal(await known(near, '10.0.0.7'), DOM0_MAC);
  assert.equal(await known(near, '10.0.0.5'), OLD);

  assert.equal((await dom0.hotplug('offline', { domid: 1 }, OFFLINE)).status, 0);
  assert.equal(await tables(dom0), '');
});

test('with announce = no, and where the network routes them, nobody is told', { skip }, async (t) => {
  for (const key of ['announce = no', 'uplink = routed']) {
    const site = await openRoutedSite(t, { policy: `[defaults]\n${key}\n` });
    await know(site.near, HERE);
    await site.start(GUEST);
    for (const address of HERE) assert.equal(await known(site.near, address), OLD, `${key}: ${address}`);
  }
});

test('a kernel that cannot keeps no guest from coming up, and the log says so', { skip }, async (t) => {
  const site = await openRoutedSite(t);
  const { dom0, near } = site;
  await know(near, HERE);
  nftBut(dom0, '*xen-vif-announce*', 'echo no such family >&2; exit 1');
  dom0.configure({ gatewaydev: 'br0', ...GUEST });
  await dom0.bench.addVif('vif1.0');
  const log = await loggedBy(dom0, { domid: 1 }, ONLINE);
  assert.match(log, /vif1\.0: neighbours at br0 are not told that it is here: nft: no such family/);
  assert.equal(dom0.key(1, 'hotplug-status'), 'connected');
  assert.equal(await known(near, '10.0.0.5'), OLD);
  await nobodyIsLookedFor(site);
});

test('what a run that was killed has left of it goes with the next one', { skip }, async (t) => {
  for (const next of ['reapply', 'offline'] as const) {
    const site = await openRoutedSite(t);
    const { dom0 } = site;
    nftBut(dom0, '"add table arp xen-vif-announce"*', `${NFT}; kill -9 $PPID; exit`);
    dom0.configure({ gatewaydev: 'br0', ...GUEST });
    await dom0.bench.addVif('vif1.0');
    await dom0.hotplug('online', { domid: 1 }, { ...withToolsOf(dom0), ...ONLINE });
    assert.match(await tables(dom0), /table arp xen-vif-announce-vif1\.0\n/);
    if (next === 'reapply') assert.equal((await dom0.admin(['reapply', 'vif1.0'])).status, 0);
    else assert.equal((await dom0.hotplug('offline', { domid: 1 }, OFFLINE)).status, 0);
    assert.doesNotMatch(await tables(dom0), /announce/);
  }
});

const NFT = `printf '%s\\n' "$input" | /usr/sbin/nft "$@"`;

/** nft, but for what is told to it and looks so. */
function nftBut(dom0: Dom0, pattern: string, does: string): void {
  const script = `#!/bin/sh\ninput=$(cat)\ncase $input in ${pattern}) ${does} ;; esac\n${NFT}\n`;
  writeFileSync(join(dom0.folder, 'nft'), script, { mode: 0o755 });
}
