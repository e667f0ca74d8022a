/** `isolated`, `flood` and `hairpin`: what each demands or opens on a running host, and nothing else. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import type { Wire } from '../lab/wire.ts';
import { CORPUS } from './corpus.ts';
import { type Dom0, obstacle } from './dom0.ts';
import { A, ALL, arp, frame, G, ip4, ip6, TYPE, tcp, udp, udp6, V, X } from './frames.ts';
import { TOWARD_GUEST } from './toward-guest.ts';
import { GUEST_A, GUEST_V, openGuests, type TestFrame, testFrames } from './verdict.ts';

const skip = obstacle();
const INTERFACES = ['guest1.0', 'guest2.0', 'gw0'];

/** Who receives what is sent. */
async function arrives(wire: Wire, from: string, hex: string): Promise<string[]> {
  await wire.collect(0);
  await wire.send(from, hex);
  const seen = (await wire.collect()).filter((one) => one.hex === hex && one.iface !== from);
  return seen.map(({ iface }) => iface).sort();
}

async function lay(dom0: Dom0, policy: string): Promise<void> {
  writeFileSync(join(dom0.folder, 'vif-bridge.ini'), policy);
  const { status, stderr } = await dom0.admin(['reapply', '--all']);
  assert.equal(status, 0, stderr);
}

async function said(dom0: Dom0): Promise<string> {
  return (await dom0.admin(['status'])).stdout;
}

const toV = frame(V.mac, A.mac, TYPE.ip, ip4({ src: A.ip, dst: V.ip }, udp(9, 9)));
const toG = frame(G.mac, A.mac, TYPE.ip, ip4({ src: A.ip, dst: G.ip }, udp(9, 9)));
const asks = frame(ALL, A.mac, TYPE.arp, arp({ tpa: V.ip }));

for (const backend of ['nftables', 'ebtables'] as const) {
  const policy = (more: string): string => `[defaults]\nbackend = ${backend}\n${more}`;

  test(`isolated guests reach the network and not each other, ${backend}`, { skip }, async (t) => {
    const dom0 = await openGuests(t, GUEST_A, GUEST_V, { policy: policy('isolated = yes\n') });
    const wire = await dom0.openWire(INTERFACES);
    await wire.send('gw0', frame(ALL, G.mac, TYPE.arp, arp({ sha: G.mac, spa: G.ip, tpa: G.ip })));
    assert.deepEqual(await arrives(wire, 'guest1.0', toV), []);
    assert.deepEqual(await arrives(wire, 'guest1.0', asks), ['gw0']);
    assert.deepEqual(await arrives(wire, 'guest1.0', toG), ['gw0']);
    assert.doesNotMatch(await said(dom0), /somebody has changed/);

    await dom0.ns.check(['ip', 'link', 'set', 'vif1.0', 'type', 'bridge_slave', 'isolated', 'off']);
    assert.match(await said(dom0), /warning: somebody has changed the port: isolated is off in place of on/);
    await lay(dom0, policy(`isolated = yes\n[mac ${V.mac}]\nisolated = no\n`));
    assert.deepEqual(await arrives(wire, 'guest1.0', toV), ['guest2.0'], 'only who both are isolated are');
    await lay(dom0, policy(''));
    assert.deepEqual(await arrives(wire, 'guest1.0', toV), ['guest2.0']);
    assert.doesNotMatch(await said(dom0), /somebody has changed/);
  });

  test(`a guest with flood = no is sent nothing that is for nobody the bridge knows, ${backend}`, {
    skip,
  }, async (t) => {
    const dom0 = await openGuests(t, GUEST_A, GUEST_V, { policy: policy(`[mac ${A.mac}]\nflood = no\n`) });
    const wire = await dom0.openWire(INTERFACES);
    const unknown = frame(X.mac, G.mac, TYPE.ip, ip4({ src: G.ip, dst: '10.0.0.99' }, udp(9, 9)));
    const toA = frame(A.mac, G.mac, TYPE.ip, ip4({ src: G.ip, dst: A.ip }, udp(9, 9)));
    await arrives(wire, 'gw0', unknown);
    const counted = (await dom0.status()).map(
      ({ drops }) => drops.find(({ reason }) => reason === 'not-for-me')?.packets ?? 0,
    );
    assert.deepEqual(counted, [0, 1], 'the filter of the first has nothing to do');
    assert.deepEqual(await arrives(wire, 'gw0', toA), ['guest1.0']);
    const all = frame(ALL, G.mac, TYPE.arp, arp({ sha: G.mac, spa: G.ip, tpa: A.ip }));
    assert.deepEqual(await arrives(wire, 'gw0', all), ['guest1.0', 'guest2.0']);
  });
}

const hair = (name: string, expect: 'pass' | 'drop', hex: string, reason = 'hairpin'): TestFrame => ({
  name,
  sender: 'G',
  direction: 'to-guest',
  expect,
  reason: expect === 'drop' ? reason : undefined,
  hex,
});
const own4 = (packet: Buffer): string => frame(A.mac, A.mac, TYPE.ip, packet);
const back = { src: A.ip, dst: A.ip };
const back6 = { src: A.ip6, dst: A.ip6 };

const HAIRPIN: readonly TestFrame[] = [
  hair('UDP of its own that comes back', 'pass', own4(ip4(back, udp(9, 9)))),
  hair('TCP of its own that comes back', 'pass', own4(ip4({ ...back, protocol: 6 }, tcp(1, 2)))),
  hair('what was translated already', 'pass', own4(ip4({ src: '10.0.0.1', dst: A.ip }, udp(9, 9)))),
  hair('IPv6 of its own that comes back', 'pass', frame(A.mac, A.mac, TYPE.ip6, ip6(back6, udp6(back6, 9, 9)))),
  hair('ARP from its own MAC', 'drop', frame(A.mac, A.mac, TYPE.arp, arp({ op: 2, tpa: A.ip }))),
  hair('a broadcast from its own MAC', 'drop', frame(ALL, A.mac, TYPE.arp, arp({ tpa: A.ip }))),
  hair('a broadcast packet in a frame to it', 'drop', own4(ip4({ ...back, dst: '255.255.255.255' }, udp(67, 68)))),
  hair('IPv4 for another one', 'drop', own4(ip4({ ...back, dst: V.ip }, udp(9, 9))), 'ip-dst'),
  hair('an unknown protocol', 'drop', frame(A.mac, A.mac, 0x88b5, '00'.repeat(46))),
  hair('a tagged frame', 'drop', frame(A.mac, A.mac, [TYPE.vlan, 5, TYPE.ip], ip4(back, udp(9, 9)))),
];

if (!skip) {
  const policy = `[mac ${A.mac}]\nhairpin = on\n`;
  const others = [...CORPUS, ...TOWARD_GUEST].filter(({ reason }) => reason !== 'hairpin');
  testFrames('a guest with hairpin = on', [...HAIRPIN, ...others], (t) => openGuests(t, GUEST_A, GUEST_V, { policy }));
  testFrames(
    'a guest with hairpin = on, ebtables',
    HAIRPIN.filter(({ hex }) => hex.slice(24, 28) !== '86dd'),
    (t) => openGuests(t, GUEST_A, GUEST_V, { policy: `[defaults]\nbackend = ebtables\n${policy}` }),
  );
}

test('the bridge itself gives a guest with hairpin = on its frames back', { skip }, async (t) => {
  const dom0 = await openGuests(t, GUEST_A, GUEST_V, { policy: `[mac ${A.mac}]\nhairpin = on\n` });
  const [one, two] = await Promise.all(
    ['vif1.0', 'vif2.0'].map(async (name) => {
      const [link] = JSON.parse(await dom0.ns.check(['ip', '-j', '-d', 'link', 'show', 'dev', name]));
      return link.linkinfo.info_slave_data.hairpin;
    }),
  );
  assert.deepEqual([one, two], [true, false]);
  await lay(dom0, '');
  const [link] = JSON.parse(await dom0.ns.check(['ip', '-j', '-d', 'link', 'show', 'dev', 'vif1.0']));
  assert.equal(link.linkinfo.info_slave_data.hairpin, false);
});
