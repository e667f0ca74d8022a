/**
 * MACs that a guest may use besides its own: what they open, that nothing else opens by them, and one that moves
 * between two guests (VRRP, NLB).
 */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { fdb } from '../lab/bench.ts';
import type { Wire } from '../lab/wire.ts';
import { ATTACKS } from './attacks.ts';
import { CORPUS } from './corpus.ts';
import { type Dom0, obstacle, openDom0 } from './dom0.ts';
import {
  A,
  ALL,
  arp,
  dhcp,
  frame,
  G,
  groupMac,
  icmp6,
  ip4,
  ip6,
  lla,
  ndBody,
  OVERRIDE,
  type Station,
  solicited,
  station,
  TYPE,
  udp,
  udp6,
  V,
  X,
} from './frames.ts';
import { leaveShortWay } from './quick.ts';
import { GUEST_A, GUEST_V, openGuests, type TestFrame, testFrames } from './verdict.ts';

const skip = obstacle();

/** What the guest may use besides: one, and a run of four. */
const CLUSTER = '02:bf:0a:00:00:0b';
const RUN = ['02:42:ac:11:00:fe', '02:42:ac:11:00:ff', '02:42:ac:11:01:00', '02:42:ac:11:01:01'] as const;
const BEFORE = '02:42:ac:11:00:fd';
const BEHIND = '02:42:ac:11:01:02';
const EXTRA = `${CLUSTER} ${RUN[0]}+4`;
const POLICY = `[mac ${A.mac}]\nextra_macs = ${EXTRA}\n`;
const NESTED: Station = station(RUN[3], A.ip, A.ip6);

type Ends = Readonly<Partial<Record<'src' | 'dst', string>>>;
const v4 = (src: string, { src: from = A.ip, dst = G.ip }: Ends = {}): string =>
  frame(G.mac, src, TYPE.ip, ip4({ src: from, dst }, udp(9, 9)));
const v6 = (src: string, from: string): string => {
  const ends = { src: from, dst: G.ip6 };
  return frame(G.mac, src, TYPE.ip6, ip6(ends, udp6(ends, 9, 9)));
};
const asks = (src: string, sha: string, spa = A.ip): string => frame(ALL, src, TYPE.arp, arp({ sha, spa, tpa: G.ip }));
const discovers = (src: string, chaddr: string): string =>
  frame(ALL, src, TYPE.ip, ip4({ src: '0.0.0.0', dst: '255.255.255.255' }, udp(68, 67, dhcp({ chaddr }))));
const advertises = (src: string, own: string, target: string, from = target): string => {
  const ends = { src: from, dst: 'ff02::1', hops: 255, next: 58 };
  const body = ndBody(target, lla(2, own), OVERRIDE);
  return frame(groupMac('ff02::1'), src, TYPE.ip6, ip6(ends, icmp6(ends, 136, 0, body)));
};
const solicits = (src: string, from: string, own: string): string => {
  const ends = { src: from, dst: solicited(G.ip6), hops: 255, next: 58 };
  return frame(groupMac(ends.dst), src, TYPE.ip6, ip6(ends, icmp6(ends, 135, 0, ndBody(G.ip6, lla(1, own)))));
};

const from = (expect: 'pass' | 'drop', name: string, hex: string, reason?: string, sender: 'A' | 'V' = 'A') =>
  ({ name, sender, direction: 'from-guest', expect, reason, hex }) satisfies TestFrame;
const to = (expect: 'pass' | 'drop', name: string, hex: string, reason?: string) =>
  ({ name, sender: 'G', direction: 'to-guest', expect, reason, hex }) satisfies TestFrame;

/** IPv4 and below: on both backends. */
const OPENED: readonly TestFrame[] = [
  from('pass', 'IPv4 from one of them', v4(CLUSTER)),
  ...RUN.map((mac) => from('pass', `IPv4 from ${mac} of a run`, v4(mac))),
  from('pass', 'a question from one of them', asks(CLUSTER, CLUSTER)),
  from('pass', 'a question with one of them inside (NLB)', asks(A.mac, CLUSTER)),
  from('pass', 'its own MAC as before', v4(A.mac)),
  to('pass', 'IPv4 to one of them', frame(CLUSTER, G.mac, TYPE.ip, ip4({ src: G.ip, dst: A.ip }, udp(9, 9)))),
  to('pass', 'ARP to one of them', frame(RUN[2], G.mac, TYPE.arp, arp({ op: 2, sha: G.mac, spa: G.ip, tpa: A.ip }))),

  from('drop', 'IPv4 from the MAC before a run', v4(BEFORE), 'mac-src'),
  from('drop', 'IPv4 from the MAC behind a run', v4(BEHIND), 'mac-src'),
  from('drop', 'IPv4 from the gateway', v4(G.mac), 'mac-src'),
  from('drop', "a neighbour's address from one of them", v4(CLUSTER, { src: V.ip }), 'ip-src'),
  from('drop', "a claim of the gateway's address from one of them", asks(CLUSTER, CLUSTER, G.ip), 'arp-spa'),
  from('drop', 'a question from one of them with a foreign one inside', asks(CLUSTER, X.mac), 'arp-sha'),
  from('drop', "IPv4 of a neighbour that uses another's MAC", v4(CLUSTER, { src: V.ip }), 'mac-src', 'V'),
  from('drop', "a question of a neighbour with another's MAC inside", asks(V.mac, CLUSTER, V.ip), 'arp-sha', 'V'),
  to(
    'drop',
    'IPv4 to one of them for another',
    frame(CLUSTER, G.mac, TYPE.ip, ip4({ src: G.ip, dst: V.ip }, udp(9, 9))),
    'ip-dst',
  ),
  to(
    'drop',
    'IPv4 to the MAC behind a run',
    frame(BEHIND, G.mac, TYPE.ip, ip4({ src: G.ip, dst: A.ip }, udp(9, 9))),
    'not-for-me',
  ),
];

/** What ebtables closes for everybody by default. */
const OPENED_NFT: readonly TestFrame[] = [
  from('pass', 'DHCP for one of them', discovers(NESTED.mac, NESTED.mac)),
  from('pass', 'DHCP for one of them from the own MAC', discovers(A.mac, NESTED.mac)),
  from('pass', 'IPv6 from one of them', v6(NESTED.mac, A.ip6)),
  from('pass', 'a solicitation from the link-local address of one', solicits(NESTED.mac, NESTED.local, NESTED.mac)),
  from('pass', 'an advertisement of that address', advertises(NESTED.mac, NESTED.mac, NESTED.local)),
  from('drop', 'DHCP of a foreign client', discovers(NESTED.mac, X.mac), 'dhcp-chaddr'),
  from('drop', 'IPv6 from the link-local address of a foreign MAC', v6(NESTED.mac, V.local), 'ip6-src'),
  from('drop', 'an advertisement with a foreign MAC', advertises(NESTED.mac, X.mac, A.ip6), 'nd-lla'),
  from('drop', 'an advertisement of a neighbour', advertises(NESTED.mac, NESTED.mac, V.ip6, A.ip6), 'nd-target'),
];

const GAPS: Readonly<Record<string, string>> = { nftables: '', ebtables: '[defaults]\nbackend = ebtables\n' };

if (skip) test('extra MACs', { skip }, () => {});
else {
  const open = (t: test.TestContext, backend = 'nftables'): Promise<Dom0> =>
    openGuests(t, GUEST_A, GUEST_V, { policy: GAPS[backend] + POLICY });
  testFrames('MACs besides its own', [...OPENED, ...OPENED_NFT], open);
  testFrames('MACs besides its own, the stages alone', [...OPENED, ...OPENED_NFT], async (t) => {
    const dom0 = await open(t);
    await leaveShortWay(dom0);
    return dom0;
  });
  testFrames('MACs besides its own, so many that addresses are blocks', [...OPENED, ...OPENED_NFT], (t) =>
    openGuests(t, GUEST_A, GUEST_V, { policy: `${POLICY}[vif vif1.0]\nextra_macs += 02:42:ac:12:00:00+100\n` }),
  );
  testFrames('MACs besides its own, ebtables', OPENED, (t) => open(t, 'ebtables'));
  testFrames('attacks of a guest with more MACs', [...CORPUS, ...ATTACKS], open);
}

/** The entries of the bridge for these MACs. */
async function entries(dom0: Dom0, macs: readonly string[]): Promise<string[]> {
  const found = await fdb(dom0.ns, 'br0');
  return found
    .flatMap(({ mac, dev, state }) => (macs.includes(mac) ? [`${mac} ${dev} ${state ?? 'learned'}`] : []))
    .sort();
}

async function lay(dom0: Dom0, policy: string, ...names: readonly string[]): Promise<void> {
  writeFileSync(join(dom0.folder, 'vif-bridge.ini'), policy);
  const result = await dom0.admin(['reapply', ...names]);
  assert.equal(result.status, 0, result.stderr);
}

test('each is held fast at the port, and let go when the policy no longer names it', { skip }, async (t) => {
  const dom0 = await openGuests(t, GUEST_A, GUEST_V, { policy: POLICY });
  const all = [A.mac, CLUSTER, ...RUN];
  assert.deepEqual(await entries(dom0, all), all.map((mac) => `${mac} vif1.0 static`).sort());
  const shown = (await dom0.admin(['status', 'vif1.0'])).stdout;
  assert.match(shown, new RegExp(`^  and the MACs ${EXTRA.replaceAll('+', '\\+')}$`, 'm'));
  const [port] = JSON.parse((await dom0.admin(['status', '--json', 'vif1.0'])).stdout) as { extra_macs?: string }[];
  assert.equal(port?.extra_macs, EXTRA);

  await lay(dom0, `[mac ${A.mac}]\nextra_macs = ${RUN[1]}\n`, 'vif1.0');
  assert.deepEqual(await entries(dom0, all), [A.mac, RUN[1]].map((mac) => `${mac} vif1.0 static`).sort());
  const rules = await dom0.ruleset();
  assert.match(rules, new RegExp(RUN[1]));
  assert.doesNotMatch(rules, new RegExp(`${CLUSTER}|${RUN[0]}|${RUN[2]}`));
  await lay(dom0, '', '--all');
  assert.deepEqual(await entries(dom0, all), [`${A.mac} vif1.0 static`]);
  assert.deepEqual(
    (await dom0.status()).map(({ state }) => state),
    ['managed', 'managed'],
  );
  assert.equal((await dom0.hotplug('offline', { domid: 1 })).status, 0);
  assert.deepEqual(await entries(dom0, all), []);
});

test('256 of them fit', { skip }, async (t) => {
  const dom0 = await openDom0(t, { policy: `[mac ${A.mac}]\nextra_macs = 02:42:ac:11:00:00+256\n` });
  await dom0.start(GUEST_A);
  const wire = await dom0.openWire(['guest1.0', 'gw0']);
  for (const [hex, passes] of [
    [v4('02:42:ac:11:00:00'), true],
    [v4('02:42:ac:11:00:ff'), true],
    [v6('02:42:ac:11:00:ff', station('02:42:ac:11:00:77', A.ip, A.ip6).local), true],
    [v4('02:42:ac:11:01:00'), false],
    [v4('02:42:ac:11:00:ff', { src: V.ip }), false],
  ] as const) {
    await wire.send('guest1.0', hex);
    assert.equal(
      (await wire.collect()).some((seen) => seen.hex === hex && seen.iface === 'gw0'),
      passes,
      hex,
    );
  }
});

test('the MAC of the bridge is nobody else', { skip }, async (t) => {
  const dom0 = await openDom0(t);
  const mac = (await dom0.link('br0'))?.address ?? '';
  writeFileSync(join(dom0.folder, 'vif-bridge.ini'), `[mac ${A.mac}]\nextra_macs = ${mac}\n`);
  dom0.configure(GUEST_A);
  await dom0.bench.addVif('vif1.0');
  assert.equal((await dom0.hotplug('online', { domid: 1 })).status, 1);
  assert.match(dom0.key(1, 'hotplug-error') ?? '', /is the MAC address of the bridge br0/);
});

/** Who receives what is sent. */
async function arrives(wire: Wire, sender: string, hex: string): Promise<string[]> {
  await wire.collect(0);
  await wire.send(sender, hex);
  return [...new Set((await wire.collect()).flatMap((seen) => (seen.hex === hex ? [seen.iface] : [])))].sort();
}

const VIP = '10.0.0.100';
const SHARED = `extra_macs = ${CLUSTER}\nip += ${VIP}\nshared = ${VIP}\n`;
const BOTH = `[mac ${A.mac}]\n${SHARED}[mac ${V.mac}]\n${SHARED}`;
const announces = frame(ALL, CLUSTER, TYPE.arp, arp({ op: 2, sha: CLUSTER, spa: VIP, tha: ALL, tpa: VIP }));
const toVip = frame(CLUSTER, G.mac, TYPE.ip, ip4({ src: G.ip, dst: VIP }, udp(9, 9)));
const stolen = frame(ALL, CLUSTER, TYPE.arp, arp({ op: 2, sha: CLUSTER, spa: G.ip, tha: ALL, tpa: G.ip }));

for (const backend of ['nftables', 'ebtables']) {
  test(`${backend}: a MAC of two guests is where it was used last`, { skip }, async (t) => {
    const dom0 = await openGuests(t, GUEST_A, GUEST_V, { policy: GAPS[backend] + BOTH });
    await dom0.start({ domid: 3, mac: X.mac, ip: X.ip });
    const wire = await dom0.openWire(['guest1.0', 'guest2.0', 'guest3.0', 'gw0']);
    await wire.send('gw0', frame(ALL, G.mac, 0x88b5, '00'.repeat(46)));
    for (const [sender, other] of [
      ['guest1.0', 'guest2.0'],
      ['guest2.0', 'guest1.0'],
      ['guest1.0', 'guest2.0'],
    ] as const) {
      // The other one hears it, although it has that MAC too.
      assert.deepEqual(await arrives(wire, sender, announces), [other, 'guest3.0', 'gw0'].sort(), sender);
      assert.deepEqual(await arrives(wire, 'gw0', toVip), [sender], `to ${sender}`);
      assert.deepEqual(await arrives(wire, sender, stolen), [], 'no other address by it');
    }
    assert.deepEqual(await arrives(wire, 'guest3.0', announces), [], 'a third one has nothing of it');
    assert.deepEqual(await arrives(wire, 'gw0', toVip), ['guest1.0']);
    const said = (await dom0.admin(['status'])).stdout;
    assert.doesNotMatch(said, /also given to|somebody has changed/);
    assert.deepEqual(
      (await dom0.status()).map(({ state }) => state),
      ['managed', 'managed', 'managed'],
    );
  });
}

test('a running guest that gets the MAC of another one is taken in by reapply, of one or of all', {
  skip,
}, async (t) => {
  for (const names of [['vif2.0'], ['--all']]) {
    const only = BOTH.slice(0, BOTH.lastIndexOf('[mac'));
    const dom0 = await openGuests(t, GUEST_A, GUEST_V, { policy: names[0] === '--all' ? '' : only });
    await lay(dom0, BOTH, ...names);
    assert.deepEqual(await entries(dom0, [CLUSTER, A.mac, V.mac]), [], `${names}: the bridge learns`);
    const wire = await dom0.openWire(['guest1.0', 'guest2.0', 'gw0']);
    for (const sender of ['guest2.0', 'guest1.0']) {
      await arrives(wire, sender, announces);
      assert.deepEqual(await arrives(wire, 'gw0', toVip), [sender]);
    }
    await wire.exit();
    // The first one is alone with its own MAC again.
    await lay(dom0, BOTH.slice(BOTH.lastIndexOf('[mac')), '--all');
    await lay(dom0, BOTH.slice(BOTH.lastIndexOf('[mac')), '--all');
    assert.deepEqual(
      await entries(dom0, [CLUSTER, A.mac, V.mac]),
      [`${A.mac} vif1.0`, `${V.mac} vif2.0`, `${CLUSTER} vif2.0`].map((entry) => `${entry} static`).sort(),
    );
    assert.doesNotMatch((await dom0.admin(['status'])).stdout, /also given to|somebody has changed/);
  }
});

test('a MAC that is the own one of a guest is told loudly to whoever names it', { skip }, async (t) => {
  const dom0 = await openGuests(t, GUEST_A, GUEST_V, { policy: `[mac ${A.mac}]\nextra_macs = ${V.mac}\n` });
  const said = (await dom0.admin(['status'])).stdout;
  assert.match(said, /warning: 00:16:3e:00:00:02 is also given to vif2\.0/);
  assert.match(said, /warning: 00:16:3e:00:00:02 is also given to vif1\.0/);
});
