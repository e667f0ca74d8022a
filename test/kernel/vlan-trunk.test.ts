/**
 * Frames with the tag of a VLAN that a guest has (`allow = vlan:10-20`): behind it everything is judged as without it,
 * for the same reasons. The corpus is sent again with a tag, and test/long has all frames of the other suites.
 *
 * How ports come into their VLANs is in vlan-bridge.test.ts, and on the real host.
 */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { renderBase } from '../../src/backends/nftables/base-text.ts';
import { parsePolicy } from '../policy/effective.ts';
import { CORPUS } from './corpus.ts';
import { obstacle, openDom0 } from './dom0.ts';
import { A, ALL, arp, frame, G, ip4, TYPE, udp, V } from './frames.ts';
import { type TestFrame, testFrames } from './verdict.ts';
import { behindTags, giveVlans, OF_ANOTHER, openTrunks, tagged } from './vlan-trunk.ts';

const skip = obstacle();

const own = frame(G.mac, A.mac, TYPE.ip, ip4({}, udp(9, 9)));
const ownArp = frame(ALL, A.mac, TYPE.arp, arp({}));
const toA = frame(A.mac, G.mac, TYPE.ip, ip4({ src: G.ip, dst: A.ip }, udp(9, 9)));
const toAll = frame(ALL, G.mac, TYPE.arp, arp({ sha: G.mac, spa: G.ip, tpa: A.ip }));
const TAGS: readonly (readonly [name: string, tag: string, passes: boolean])[] = [
  ['the first VLAN', '8100000a', true],
  ['the last VLAN', '81000014', true],
  ['the highest priority and DEI', '8100f00a', true],
  ['a VLAN before', '81000009', false],
  ['a VLAN behind', '81000015', false],
  ['VLAN 0', '81000000', false],
  ['VLAN 0 with priority', '8100e000', false],
  ['VLAN 4095', '81000fff', false],
  ['802.1ad', '88a8000a', false],
  ['two tags', '8100000a8100000a', false],
  ['802.1ad inside', '8100000a88a8000a', false],
  ['802.1Q inside of 802.1ad', '88a8000a8100000a', false],
  ['VLAN 0 inside', '8100000a81000000', false],
  ['three tags', '8100000a8100000a8100000a', false],
];

const OF_TAGS = TAGS.flatMap(([name, tag, passes]): TestFrame[] =>
  (
    [
      ['IPv4', 'A', own],
      ['ARP', 'A', ownArp],
      ['IPv4', 'G', toA],
      ['ARP', 'G', toAll],
    ] as const
  ).map(([what, sender, hex]) => ({
    name: `${what} with ${name}`,
    sender,
    direction: sender === 'A' ? 'from-guest' : 'to-guest',
    hex: tagged(hex, tag),
    ...(passes ? { expect: 'pass' } : { expect: 'drop', reason: 'vlan' }),
  })),
);
/** The guest beside it has no VLAN. */
const OTHERS: readonly TestFrame[] = [
  {
    name: 'the neighbour that has no VLAN',
    sender: 'V',
    direction: 'to-guest',
    hex: tagged(frame(A.mac, V.mac, TYPE.ip, ip4({ src: V.ip, dst: A.ip }, udp(9, 9))), '8100000a'),
    expect: 'drop',
  },
];

if (skip) test('frames with the tag of a VLAN', { skip }, () => {});
else {
  testFrames('which tags a guest with VLANs may use', [...OF_TAGS, ...OTHERS], (t) => openTrunks(t, ['vif1.0']));
  test('a guest with one VLAN alone leaves, and nobody else is loaded anew', async (t) => {
    const dom0 = await openTrunks(t, ['vif1.0']);
    const sentinel = (): string => readFileSync(join(dom0.state, 'base.json'), 'utf8');
    await giveVlans(dom0, ['vif2.0'], '30');
    const before = sentinel();
    assert.equal((await dom0.hotplug('offline', { domid: 2 })).status, 0);
    assert.equal(sentinel(), before);
    const left = await dom0.ns.check(['nft', 'list', 'set', 'bridge', 'xen-vif', 'own-vlan']);
    assert.deepEqual(left.match(/\d{10} \. [\d-]+/g)?.length, 1, left);
  });
  test('no rule behind the first ones asks for the ether type again: that of a tagged frame is its tag', async (t) => {
    const { ns, folder } = await openDom0(t);
    const policy = parsePolicy(`${OF_ANOTHER}[mac 00:16:3e:00:00:78]\nallow = proxy-arp proxy-nd\n`, 'test');
    const file = join(folder, 'base.nft');
    writeFileSync(file, renderBase('base/test', policy));
    const { stdout, stderr } = await ns.run(['nft', '--debug=netlink', '-c', '-f', file]);
    const chains = new Map<string, number>();
    let chain = '';
    for (const line of `${stdout}${stderr}`.split('\n')) {
      chain = /^bridge xen-vif (\S+)/.exec(line)?.[1] ?? chain;
      if (/link header \+ 12 /.test(line)) chains.set(chain, (chains.get(chain) ?? 0) + 1);
    }
    const first = ['from-guest/start', 'from-guest/quick', 'to-guest/quick', 'to-guest/unicast', 'to-guest/group'];
    assert.ok(first.every((one) => chains.has(one)));
    // Its own frames that this host has translated come back without a tag only.
    assert.deepEqual([...chains.keys()].sort(), [...first, 'to-guest/hairpin/type'].sort());
  });
  testFrames('behind the tag of a VLAN as without it', behindTags(CORPUS), openTrunks);
}
