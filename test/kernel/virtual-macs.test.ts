/** The virtual MAC of a group of routers (`allow = vrrp:51`): what it opens, and that it moves between two guests. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { fdb } from '../lab/bench.ts';
import type { Wire } from '../lab/wire.ts';
import { type Dom0, obstacle } from './dom0.ts';
import {
  A,
  ALL,
  arp,
  type Content,
  frame,
  G,
  groupMac,
  icmp6,
  ip4,
  ip6,
  lla,
  ndBody,
  OVERRIDE,
  TYPE,
  udp,
  V,
  X,
} from './frames.ts';
import { GUEST_A, GUEST_V, openGuests } from './verdict.ts';

const skip = obstacle();

const VMAC = '00:00:5e:00:01:33';
const VMAC6 = '00:00:5e:00:02:33';
const VIP = '10.0.0.100';
const VIP6 = 'fd00::100';
const WORDS = 'vrrp:51 vrrp6:51';
const of = (mac: string, words = WORDS): string =>
  `[mac ${mac}]\nallow = ${words}\nip += ${VIP} ${VIP6}\nshared = ${VIP} ${VIP6}\n`;

const to4 = (group: string, src: string, content: Content, protocol = 112, from = A.ip): string =>
  frame(groupMac(group), src, TYPE.ip, ip4({ src: from, dst: group, protocol, ttl: 255 }, content));
const BODY = Buffer.alloc(12);
const announces = (mac: string, spa = VIP, sha = mac): string =>
  frame(ALL, mac, TYPE.arp, arp({ op: 2, sha, spa, tha: ALL, tpa: spa }));
const advertises = (mac: string, target: string): string => {
  const ends = { src: target, dst: 'ff02::1', hops: 255, next: 58 };
  return frame(
    groupMac(ends.dst),
    mac,
    TYPE.ip6,
    ip6(ends, icmp6(ends, 136, 0, ndBody(target, lla(2, mac), OVERRIDE))),
  );
};
const toVip = frame(VMAC, G.mac, TYPE.ip, ip4({ src: G.ip, dst: VIP }, udp(9, 9)));

async function arrives(wire: Wire, sender: string, hex: string): Promise<string[]> {
  await wire.collect(0);
  await wire.send(sender, hex);
  return [...new Set((await wire.collect()).flatMap((seen) => (seen.hex === hex ? [seen.iface] : [])))].sort();
}

async function entriesOf(dom0: Dom0, macs: readonly string[]): Promise<string[]> {
  return (await fdb(dom0.ns, 'br0'))
    .filter(({ mac }) => macs.includes(mac))
    .map(({ mac, dev, state }) => `${mac} ${dev} ${state ?? 'learned'}`)
    .sort();
}

const BACKENDS: Readonly<Record<string, string>> = { nftables: '', ebtables: '[defaults]\nbackend = ebtables\n' };

for (const [backend, head] of Object.entries(BACKENDS)) {
  test(`${backend}: a virtual MAC opens itself and nothing else`, { skip }, async (t) => {
    const dom0 = await openGuests(t, GUEST_A, GUEST_V, { policy: head + of(A.mac) });
    const wire = await dom0.openWire(['guest1.0', 'guest2.0', 'gw0']);
    await wire.send('gw0', frame(ALL, G.mac, 0x88b5, '00'.repeat(46)));
    const opened: [string, string][] = [
      ['VRRP', to4('224.0.0.18', VMAC, BODY)],
      ['it announces the shared address', announces(VMAC)],
      ['what it sends from it', frame(G.mac, VMAC, TYPE.ip, ip4({ src: VIP, dst: G.ip }, udp(9, 9)))],
    ];
    // By default ebtables closes IPv6.
    if (backend === 'nftables') opened.push(['it advertises the shared address', advertises(VMAC6, VIP6)]);
    for (const [what, hex] of opened) assert.ok((await arrives(wire, 'guest1.0', hex)).includes('gw0'), what);
    for (const [what, hex] of [
      ['the MAC of another group', to4('224.0.0.18', '00:00:5e:00:01:34', BODY)],
      ['HSRP', to4('224.0.0.2', '00:00:0c:07:ac:33', udp(1985, 1985), 17)],
      ['the gateway', announces(VMAC, G.ip)],
      ['the victim', announces(VMAC, V.ip)],
      ['another MAC inside', announces(VMAC, VIP, V.mac)],
      ['the MAC of the victim', announces(V.mac)],
      ['OSPF', to4('224.0.0.5', VMAC, BODY, 89)],
      ['an address of another', frame(G.mac, VMAC, TYPE.ip, ip4({ src: X.ip, dst: G.ip }, udp(9, 9)))],
      ['VRRP of another', to4('224.0.0.18', VMAC, BODY, 112, V.ip)],
      ['an advertisement of the gateway', advertises(VMAC6, G.ip6)],
    ] as const)
      assert.deepEqual(await arrives(wire, 'guest1.0', hex), [], what);
    for (const hex of [to4('224.0.0.18', VMAC, BODY, 112, V.ip), announces(VMAC)])
      assert.deepEqual(await arrives(wire, 'guest2.0', hex), [], 'the guest beside it has nothing of it');
    // Its own MAC is held fast, as ever.
    assert.deepEqual(await entriesOf(dom0, [A.mac, V.mac]), [`${A.mac} vif1.0 static`, `${V.mac} vif2.0 static`]);
    assert.deepEqual(
      (await dom0.status()).map(({ state }) => state),
      ['managed', 'managed'],
    );
  });

  test(`${backend}: it is where it was used last: at one of two guests, or behind the uplink`, { skip }, async (t) => {
    const dom0 = await openGuests(t, GUEST_A, GUEST_V, { policy: head + of(A.mac) + of(V.mac) });
    const wire = await dom0.openWire(['guest1.0', 'guest2.0', 'gw0']);
    await wire.send('gw0', frame(ALL, G.mac, 0x88b5, '00'.repeat(46)));
    for (const [sender, port] of [
      ['guest1.0', 'vif1.0'],
      ['guest2.0', 'vif2.0'],
      ['gw0', 'up0'],
      ['guest1.0', 'vif1.0'],
    ] as const) {
      const others = ['guest1.0', 'guest2.0', 'gw0'].filter((one) => one !== sender);
      assert.deepEqual(await arrives(wire, sender, announces(VMAC)), others, `${sender} announces`);
      assert.deepEqual(await entriesOf(dom0, [VMAC]), [`${VMAC} ${port} learned`]);
      // The gateway's own port gets nothing back.
      if (sender !== 'gw0') assert.deepEqual(await arrives(wire, 'gw0', toVip), [sender], `to ${sender}`);
    }
    assert.equal((await dom0.admin(['reapply', '--all'])).status, 0);
    assert.deepEqual(await entriesOf(dom0, [VMAC]), [`${VMAC} vif1.0 learned`], 'a re-apply takes it from nobody');
    assert.deepEqual(await entriesOf(dom0, [A.mac, V.mac]), [`${A.mac} vif1.0 static`, `${V.mac} vif2.0 static`]);
    assert.doesNotMatch((await dom0.admin(['status'])).stdout, /also given to|somebody has changed/);
  });
}
