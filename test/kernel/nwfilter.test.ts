/** libvirt's filters on a guest, as frames on a real kernel: they only narrow, and clean-traffic takes nothing away. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { shippedFilters } from '../lab/libvirt-source.ts';
import { ATTACKS } from './attacks.ts';
import { obstacle } from './dom0.ts';
import { folderOf, openFiltered } from './filtered.ts';
import { icmp, tcp, udp, V } from './frames.ts';
import { LEGITIMATE } from './legitimate.ts';
import { ACK, ipv4, play, SYN } from './play.ts';
import { assertVerdict, GUEST_A, GUEST_V, judge, openGuests, type TestFrame } from './verdict.ts';

const skip = obstacle();
const shipped = skip ? 'needs a host of its own' : await shippedFilters();
const without = typeof shipped === 'string' ? shipped : false;
const CLEAN = `[defaults]\nnwfilter_dir = ${typeof shipped === 'string' ? '/' : shipped.folder}\nnwfilter = clean-traffic\n`;

test('clean-traffic changes nothing for legitimate traffic', { skip: without }, async (t) => {
  const dom0 = await openGuests(t, GUEST_A, GUEST_V, { policy: CLEAN });
  const verdicts = await judge(dom0, LEGITIMATE);
  for (const one of LEGITIMATE) await t.test(one.name, () => assertVerdict(one, verdicts.get(one)));
  const listed = await dom0.ns.check(['nft', 'list', 'ruleset']);
  assert.equal(
    new Set(listed.match(/goto rules\/[0-9a-f]{12}\.\d+\/in(?=[ },\n])/g)).size,
    1,
    'two guests share one program',
  );
  await dom0.ns.check(['nft', '-c', '-f', '-'], { input: `flush ruleset\n${listed}` });
});

/** Something of everything, without states: a frame is judged for itself. */
const MIXED = `<filter name='mixed' chain='root'>
  <rule action='return' direction='in' priority='-300'><mac dstmacaddr='ff:ff:ff:ff:ff:ff' protocolid='ipv4'/></rule>
  <rule action='drop' direction='out' priority='-200'><arp opcode='Request' gratuitous='true'/></rule>
  <rule action='drop' direction='in' priority='-200'><arp arpsrcipaddr='${V.ip}'/></rule>
  <rule action='drop' direction='inout' priority='-100'><mac protocolid='rarp'/></rule>
  <rule action='drop' direction='out' priority='-90'><ip dstipaddr='224.0.0.0' dstipmask='4' dscp='0'/></rule>
  <rule action='drop' direction='in' priority='-80'><ipv6 srcipaddr='${V.ip6}' protocol='icmpv6' type='135' typeend='136'/></rule>
  <rule action='drop' direction='out'><ip match='no' srcipaddr='$IP'/></rule>
  <rule action='drop' direction='out' statematch='false'><udp srcportstart='60' srcportend='70'/></rule>
  <rule action='drop' direction='in' statematch='false'><tcp flags='SYN,ACK/SYN' dstipaddr='$IP'/></rule>
  <rule action='drop' direction='out' statematch='false'><tcp option='2'/></rule>
  <rule action='drop' direction='out' statematch='false'><icmp type='8'/></rule>
  <rule action='drop' direction='in' statematch='false'><icmp type='0'/></rule>
  <rule action='accept' direction='inout' statematch='false' priority='900'><all/></rule>
  <rule action='drop' direction='out' statematch='false'><icmpv6 type='128'/></rule>
  <rule action='drop' direction='inout' statematch='false' priority='900'><udp-ipv6 dstportstart='53'/></rule>
</filter>`;

test('with a filter no attack passes that would be dropped without, and explain says what the filter drops', {
  skip,
}, async (t) => {
  const folder = folderOf(t, { mixed: MIXED });
  const policy = `[defaults]\nnwfilter_dir = ${folder}\n[vif vif1.0]\nnwfilter = mixed\n`;
  const dom0 = await openGuests(t, GUEST_A, GUEST_V, { policy });
  // Each of them is counted in a round of its own: some of every kind are enough, as the hooks before are the same.
  const attacks = ATTACKS.filter((_, at) => at % 4 === 0);
  // What explain says of each is held against the kernel there.
  const verdicts = await judge(dom0, [...attacks, ...LEGITIMATE]);
  for (const one of attacks)
    await t.test(one.name, () => assertVerdict({ ...one, reason: undefined }, verdicts.get(one)));
  const [port] = await dom0.status();
  for (const direction of ['from-guest', 'to-guest']) {
    const drops = port?.drops.find((one) => one.reason === 'rule' && one.direction === direction);
    assert.ok((drops?.packets ?? 0) >= 3, `${direction}: ${drops?.packets}`);
  }
});

const WEB = `<filter name='web' chain='root'>
  <rule action='accept' direction='in'><tcp dstportstart='80'/></rule>
  <rule action='accept' direction='out'><udp dstportstart='$DNS'/></rule>
  <rule action='accept' direction='in' priority='600'><icmp type='8'/></rule>
  <rule action='accept' direction='out' priority='600'><icmp type='0'/></rule>
  <rule action='drop' direction='inout' priority='1000'><all/></rule>
</filter>`;

/** Each is the first packet of its conversation: what explain says of it is held against the kernel. */
const FIRST_PACKETS: readonly TestFrame[] = (
  [
    ['A', 'G', 6, tcp(80, 7000, SYN | ACK)],
    ['A', 'G', 6, tcp(7001, 80, SYN)],
    ['A', 'G', 6, tcp(80, 7002, ACK)],
    ['G', 'A', 6, tcp(7003, 80, SYN)],
    ['G', 'A', 6, tcp(7004, 81, SYN)],
    ['G', 'A', 6, tcp(7005, 80, SYN | ACK)],
    ['G', 'A', 6, tcp(7006, 80, ACK)],
    ['A', 'G', 17, udp(7007, 53)],
    ['A', 'G', 17, udp(7008, 54)],
    ['G', 'A', 17, udp(53, 7009)],
    ['A', 'G', 17, Buffer.alloc(16), { id: 77, offset: 3 }],
    ['G', 'A', 1, icmp(8, 0, '00710001')],
    ['A', 'G', 1, icmp(0, 0, '00720001')],
    ['A', 'G', 1, icmp(8, 0, '00730001')],
    ['A', 'G', 47, Buffer.alloc(16)],
  ] as const
).map(([from, to, protocol, payload, more], at) => ({
  name: `${at}: ${from} -> ${to} ${protocol}`,
  sender: from,
  direction: from === 'A' ? 'from-guest' : 'to-guest',
  // What it expects is what explain says.
  expect: 'drop',
  hex: ipv4(from, to, protocol, payload, more),
}));

test('states, mirrors and fragments, with variables of the policy', { skip }, async (t) => {
  const { dom0, wire, folder } = await openFiltered(t, '[guest guest1]\nnwfilter = web\nnwfilter.DNS = 53 5353\n', {
    web: WEB,
  });
  await judge(dom0, FIRST_PACKETS);
  await play(dom0, wire, [
    ['an answer without a question', 'A', 'G', ipv4('A', 'G', 6, tcp(80, 5000, SYN | ACK)), false],
    ['SYN to a closed port', 'G', 'A', ipv4('G', 'A', 6, tcp(5000, 81, SYN)), false],
    ['SYN', 'G', 'A', ipv4('G', 'A', 6, tcp(5000, 80, SYN)), true],
    ['SYN and ACK', 'A', 'G', ipv4('A', 'G', 6, tcp(80, 5000, SYN | ACK)), true],
    ['ACK', 'G', 'A', ipv4('G', 'A', 6, tcp(5000, 80, ACK)), true],
    ['to another port of the other', 'A', 'G', ipv4('A', 'G', 6, tcp(80, 5001, SYN | ACK)), false],
    ['an answer without a question', 'G', 'A', ipv4('G', 'A', 17, udp(53, 4000)), false],
    ['a question', 'A', 'G', ipv4('A', 'G', 17, udp(4000, 53)), true],
    ['its answer', 'G', 'A', ipv4('G', 'A', 17, udp(53, 4000)), true],
    ['the second value', 'A', 'G', ipv4('A', 'G', 17, udp(4000, 5353)), true],
    ['another port', 'A', 'G', ipv4('A', 'G', 17, udp(4000, 54)), false],
    [
      'the first fragment',
      'A',
      'G',
      ipv4('A', 'G', 17, udp(4000, 53, '00'.repeat(16), 40), { id: 7, more: true }),
      true,
    ],
    ['a later one', 'A', 'G', ipv4('A', 'G', 17, Buffer.alloc(16), { id: 7, offset: 3 }), true],
    ['a later one of another packet', 'A', 'G', ipv4('A', 'G', 17, Buffer.alloc(16), { id: 8, offset: 3 }), false],
    ['a ping', 'G', 'A', ipv4('G', 'A', 1, icmp(8, 0, '00010001')), true],
    ['its answer', 'A', 'G', ipv4('A', 'G', 1, icmp(0, 0, '00010001')), true],
    ['an answer that nobody asked for', 'A', 'G', ipv4('A', 'G', 1, icmp(0, 0, '00020001')), false],
    ['a ping of the guest', 'A', 'G', ipv4('A', 'G', 1, icmp(8, 0, '00030001')), false],
    ['who has no filter', 'G', 'V', ipv4('G', 'V', 6, tcp(5000, 81, SYN)), true],
  ]);
  // Each is counted by its rule, in whatever state; what nobody sent counts nothing.
  const shown = (await dom0.admin(['rules', 'show', 'vif1.0'])).stdout;
  const countOf = (rule: string): number =>
    Number(
      shown
        .split('\n')
        .find((line) => line.includes(rule))
        ?.match(/ (\d+) packets /)?.[1],
    );
  assert.ok(countOf('accept in tcp dstportstart=80') >= 4, shown);
  assert.ok(countOf('accept out udp dstportstart=5353') === 1, shown);
  assert.ok(countOf('accept out icmp type=0') === 1, shown);
  assert.match(shown, /\ncounted: each packet\n/);
  const [guest] = JSON.parse((await dom0.admin(['rules', 'show', 'vif1.0', '--json'])).stdout).nwfilter.rules;
  assert.ok(guest.packets >= 1 && guest.bytes > 0, JSON.stringify(guest));

  const ports = await dom0.status();
  const port = ports.find(({ device }) => device === 'vif1.0');
  assert.ok(port?.drops.some(({ reason, direction }) => reason === 'rule' && direction === 'from-guest'));
  assert.equal(port?.state, 'managed');

  // A filter that is changed is taken in by reapply, and one that is refused changes nothing.
  writeFileSync(join(folder, 'web.xml'), WEB.replace("'80'", "'81'"));
  assert.equal((await dom0.admin(['reapply', 'vif1.0'])).status, 0);
  await play(dom0, wire, [
    ['the port of before', 'G', 'A', ipv4('G', 'A', 6, tcp(6000, 80, SYN)), false],
    ['the new one', 'G', 'A', ipv4('G', 'A', 6, tcp(6000, 81, SYN)), true],
  ]);
  writeFileSync(join(folder, 'web.xml'), WEB.replace("'80'", "'http'"));
  const refused = await dom0.admin(['reapply', 'vif1.0']);
  assert.equal(refused.status, 1);
  assert.match(refused.stderr, /web\.xml:2: <tcp> dstportstart: "http" is not possible/);
  await play(dom0, wire, [['what was loaded stays', 'G', 'A', ipv4('G', 'A', 6, tcp(6001, 81, SYN)), true]]);
  dom0.configure({ domid: 3, mac: '00:16:3e:00:00:03', ip: '10.0.0.13', name: 'guest1' });
  await dom0.bench.addVif('vif3.0');
  await dom0.hotplug('online', { domid: 3 });
  assert.match(dom0.key(3, 'hotplug-error') ?? '', /dstportstart/);
  assert.ok(!(await dom0.link('vif3.0'))?.flags.includes('UP'));

  // It goes with its last guest.
  assert.equal((await dom0.hotplug('offline', { domid: 1 })).status, 0);
  assert.doesNotMatch(await dom0.ns.check(['nft', 'list', 'ruleset', 'bridge']), /chain rules\//);
});

test('somebody who changes a chain of a filter damages the port, and repair makes it anew', { skip }, async (t) => {
  const { dom0, wire } = await openFiltered(t, '[guest guest1]\nnwfilter = web\nnwfilter.DNS = 53\n', { web: WEB });
  const chain = /chain (rules\/\S+\/1) \{/.exec(await dom0.ns.check(['nft', 'list', 'ruleset', 'bridge']))?.[1] ?? '';
  await dom0.ns.check(['nft', 'insert', 'rule', 'bridge', 'xen-vif', chain, 'accept']);
  assert.equal((await dom0.status()).find(({ device }) => device === 'vif1.0')?.state, 'damaged');
  assert.equal((await dom0.admin(['repair'])).status, 0);
  assert.equal((await dom0.status()).find(({ device }) => device === 'vif1.0')?.state, 'managed');
  await dom0.ns.check(['nft', 'flush', 'ruleset']);
  assert.equal((await dom0.admin(['repair'])).status, 0);
  await play(dom0, wire, [
    ['SYN', 'G', 'A', ipv4('G', 'A', 6, tcp(5000, 80, SYN)), true],
    ['SYN to a closed port', 'G', 'A', ipv4('G', 'A', 6, tcp(5000, 81, SYN)), false],
  ]);
});
