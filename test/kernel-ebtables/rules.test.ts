/** Rules of a guest with ebtables: stateless ones, as frames; what it cannot follow is an error and loses nothing. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { DEFAULT_GAPS } from '../../src/filter/reasons.ts';
import { type Dom0, obstacle } from '../kernel/dom0.ts';
import { A, ALL, arp, dhcp, frame, G, icmp, TYPE, tcp, udp } from '../kernel/frames.ts';
import { ACK, ipv4, openRuled, play, type Step, SYN } from '../kernel/play.ts';

const skip = obstacle();

const GAPS = [...DEFAULT_GAPS, 'dhcp-form', 'dhcp-chaddr', 'dhcp-foreign'].join(' ');
const POLICY = `
[defaults]
backend = ebtables
ebtables_gaps = ${GAPS}
[addresses admins]
10.0.0.200-10.0.0.254
[rules web]
in  allow tcp 80,8000-8099 stateless
in  allow tcp 22 from admins stateless
in  allow icmp echo-request,echo-reply stateless
in  drop
out drop  tcp 80 sport 9
out allow tcp sport 22,80,8000-8099 stateless
out allow icmp stateless
out allow udp 53 to 10.0.0.254 stateless
out drop
[guest guest1]
rules = web
`;

const STEPS: readonly Step[] = [
  ['an open port', 'G', 'A', ipv4('G', 'A', 6, tcp(5000, 80, SYN)), true],
  ['its answer', 'A', 'G', ipv4('A', 'G', 6, tcp(80, 5000, SYN | ACK)), true],
  ['the first of a range', 'G', 'A', ipv4('G', 'A', 6, tcp(5000, 8000, SYN)), true],
  ['the last of a range', 'G', 'A', ipv4('G', 'A', 6, tcp(5000, 8099, SYN)), true],
  ['one below it', 'G', 'A', ipv4('G', 'A', 6, tcp(5000, 7999, SYN)), false],
  ['one above it', 'G', 'A', ipv4('G', 'A', 6, tcp(5000, 8100, SYN)), false],
  ['another protocol', 'G', 'A', ipv4('G', 'A', 17, udp(5000, 80)), false],
  ['an admin', 'G', 'A', ipv4('G', 'A', 6, tcp(5000, 22, SYN)), true],
  ['no admin', 'V', 'A', ipv4('V', 'A', 6, tcp(5000, 22, SYN)), false],
  ['the first that matches decides', 'A', 'G', ipv4('A', 'G', 6, tcp(9, 80, SYN)), false],
  ['a ping', 'G', 'A', ipv4('G', 'A', 1, icmp(8, 0, '00010001')), true],
  ['another type', 'G', 'A', ipv4('G', 'A', 1, icmp(13, 0, '0001000100000000')), false],
  ['a question', 'A', 'G', ipv4('A', 'G', 17, udp(4000, 53)), true],
  ['of somebody else', 'A', 'V', ipv4('A', 'V', 17, udp(4000, 53)), false],
  ['nothing is remembered', 'G', 'A', ipv4('G', 'A', 17, udp(53, 4000)), false],
  ['a later fragment has no ports', 'G', 'A', ipv4('G', 'A', 6, Buffer.alloc(16), { id: 7, offset: 3 }), false],
  ['ARP', 'A', 'G', frame(ALL, A.mac, TYPE.arp, arp({ tpa: G.ip })), true],
  ['its own DHCP', 'A', 'G', ipv4('A', 'G', 17, udp(68, 67, dhcp({ ciaddr: A.ip, message: 3 }))), true],
  ['a forged address', 'A', 'G', frame(G.mac, A.mac, TYPE.ip, forged()), false],
  ['who has no rules', 'G', 'V', ipv4('G', 'V', 6, tcp(5000, 81, SYN)), true],
];

function forged(): Buffer {
  return Buffer.from(ipv4('V', 'G', 6, tcp(80, 5000, ACK)).slice(28), 'hex');
}

async function counted(dom0: Dom0): Promise<string[]> {
  const shown = await dom0.admin(['rules', 'show', 'vif1.0', '--json']);
  assert.equal(shown.status, 0, shown.stderr);
  const { rules, counted_for } = JSON.parse(shown.stdout);
  assert.deepEqual(counted_for, ['vif1.0']);
  return rules.flatMap((row: { direction: string; number: number; packets: number }) =>
    row.packets === 0 ? [] : [`${row.direction} ${row.number}: ${row.packets}`],
  );
}

test('rules with ebtables', { skip }, async (t) => {
  await t.test('stateless ones are followed and counted', async (t) => {
    const { dom0, wire } = await openRuled(t, POLICY);
    await play(dom0, wire, STEPS);
    assert.deepEqual(await counted(dom0), [
      'in 1: 3',
      'in 2: 1',
      'in 3: 1',
      'in 4: 7',
      'out 1: 1',
      'out 2: 1',
      'out 4: 1',
      'out 5: 1',
    ]);
    const [port, other] = await dom0.status();
    assert.deepEqual([port?.state, port?.rules, other?.rules], ['managed', ['web'], []]);
    assert.ok(
      port?.drops.some(
        ({ reason, direction, packets }) => reason === 'rule' && direction === 'to-guest' && packets === 7,
      ),
    );
    writeFileSync(join(dom0.folder, 'vif-bridge.ini'), POLICY.replace('in  allow tcp 80,', 'in  allow tcp 81,'));
    assert.equal((await dom0.admin(['reapply', '--all'])).status, 0);
    await play(dom0, wire, [
      ['a port that is closed now', 'G', 'A', ipv4('G', 'A', 6, tcp(5000, 80, SYN)), false],
      ['one that is open now', 'G', 'A', ipv4('G', 'A', 6, tcp(5000, 81, SYN)), true],
    ]);
    writeFileSync(join(dom0.folder, 'vif-bridge.ini'), POLICY.replace('rules = web', 'rules = none'));
    assert.equal((await dom0.admin(['reapply', 'vif1.0'])).status, 0);
    await play(dom0, wire, [['without rules', 'G', 'A', ipv4('G', 'A', 6, tcp(5000, 9, SYN)), true]]);
    assert.doesNotMatch(await dom0.ns.check(['ebtables', '-t', 'nat', '-L']), /vif1\.0-(in|out)\/rules/);
  });

  await t.test('what it cannot follow is an error with the line, and disturbs nobody', async (t) => {
    const { dom0, wire } = await openRuled(t, POLICY);
    const stateful = POLICY.replace('in  allow tcp 80,8000-8099 stateless', 'in  allow tcp 80');
    writeFileSync(join(dom0.folder, 'vif-bridge.ini'), stateful);
    const result = await dom0.admin(['reapply', 'vif1.0']);
    assert.equal(result.status, 1);
    assert.match(result.stderr, /ebtables cannot follow these rules: it knows no conversations: write stateless/);
    assert.match(result.stderr, /vif-bridge\.ini:8/);
    // All others are made anew, and it goes on as it was.
    assert.equal((await dom0.admin(['reapply', '--all'])).status, 1);
    await play(dom0, wire, [
      ['as it was loaded', 'G', 'A', ipv4('G', 'A', 6, tcp(5000, 80, SYN)), true],
      ['and no more', 'G', 'A', ipv4('G', 'A', 6, tcp(5000, 81, SYN)), false],
    ]);
    assert.equal((await dom0.status())[0]?.state, 'managed');
    // Now somebody else changes, and all is made anew from what is recorded.
    await dom0.ns.check(['ebtables', '-t', 'nat', '-F']);
    assert.equal((await dom0.admin(['reapply', 'vif2.0'])).status, 0);
    await play(dom0, wire, [
      ['a guest without rules', 'G', 'V', ipv4('G', 'V', 6, tcp(5000, 81, SYN)), true],
      ['whose rules cannot be followed is closed', 'G', 'A', ipv4('G', 'A', 6, tcp(5000, 80, SYN)), false],
      ['but for what no rule stops', 'A', 'G', frame(ALL, A.mac, TYPE.arp, arp({ tpa: G.ip })), true],
    ]);
    const [port, other] = await dom0.status();
    assert.deepEqual([port?.state, other?.state], ['damaged', 'managed']);
    assert.match(port?.open.join() ?? '', /ebtables cannot follow these rules/);
    dom0.configure({ domid: 3, mac: '00:16:3e:00:00:03', ip: '10.0.0.13', name: 'guest1' });
    await dom0.bench.addVif('vif3.0');
    await dom0.hotplug('online', { domid: 3 });
    assert.match(dom0.key(3, 'hotplug-error') ?? '', /ebtables cannot follow/);
    assert.ok(!(await dom0.link('vif3.0'))?.flags.includes('UP'));
  });

  await t.test('of whom no chains can be made any more is closed, not left as it is without any', async (t) => {
    const { dom0, wire } = await openRuled(t, '[defaults]\nbackend = ebtables\n[guest guest1]\nmode = locked\n');
    const steps = (arrives: boolean): Parameters<typeof play>[2] => [
      ['its own', 'A', 'G', ipv4('A', 'G', 6, tcp(5000, 80, SYN)), arrives],
      ['and a broadcast', 'A', 'G', frame(ALL, A.mac, TYPE.arp, arp({ tpa: G.ip })), arrives],
      ['to it', 'G', 'A', ipv4('G', 'A', 6, tcp(5000, 80, SYN)), arrives],
    ];
    await play(dom0, wire, steps(true));
    writeFileSync(
      join(dom0.folder, 'vif-bridge.ini'),
      '[defaults]\nbackend = ebtables\n[guest guest1]\nnwfilter = x\n',
    );
    await dom0.ns.check(['ebtables', '-t', 'nat', '-F']);
    assert.equal((await dom0.admin(['reapply', 'vif2.0'])).status, 0);
    await play(dom0, wire, steps(false));
    const [port] = await dom0.status();
    assert.deepEqual([port?.state, /there is no filter x/.test(port?.open.join() ?? '')], ['damaged', true]);
  });
});
