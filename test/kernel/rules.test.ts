/** Rules of a guest, as frames on a real kernel: what is allowed, what belongs to it, and what they must never stop. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { type Dom0, obstacle, openDom0 } from './dom0.ts';
import {
  A,
  ALL,
  arp,
  dhcp,
  frame,
  G,
  icmp,
  icmp6,
  igmp,
  ip4,
  ip6,
  lla,
  ndBody,
  ROUTER_ALERT,
  solicited,
  TYPE,
  tcp,
  udp,
  udp6,
  V,
} from './frames.ts';
import { ACK, between, FIN, ipv4, ipv6, openRuled, PORT, play, RST, STATION, type Step, SYN } from './play.ts';
import { GUEST_A, GUEST_V } from './verdict.ts';

const skip = obstacle();

const RULES = `
[addresses admins]
10.0.0.254 fd00::fe
[rules web]
in  allow tcp 80,443
in  allow tcp 22 from admins
in  allow icmp echo-request
in  allow sctp 7 from admins
in  drop
out allow udp 53 to 10.0.0.254
out allow tcp 8080 stateless
out allow icmp echo-request
out allow gre
out drop tcp,udp
out drop
[guest guest1]
rules = web
`;

const CONVERSATIONS: Readonly<Record<string, readonly Step[]>> = {
  'TCP that others begin': [
    ['an answer without a question', 'A', 'G', ipv4('A', 'G', 6, tcp(80, 5000, SYN | ACK)), false],
    ['SYN to a closed port', 'G', 'A', ipv4('G', 'A', 6, tcp(5000, 81, SYN)), false],
    ['SYN', 'G', 'A', ipv4('G', 'A', 6, tcp(5000, 80, SYN)), true],
    ['SYN and ACK', 'A', 'G', ipv4('A', 'G', 6, tcp(80, 5000, SYN | ACK)), true],
    ['ACK', 'G', 'A', ipv4('G', 'A', 6, tcp(5000, 80, ACK)), true],
    ['to another port of the other', 'A', 'G', ipv4('A', 'G', 6, tcp(80, 5001, SYN | ACK)), false],
    ['to another one', 'A', 'V', ipv4('A', 'V', 6, tcp(80, 5000, SYN | ACK)), false],
    ['the same over IPv6', 'G', 'A', ipv6('G', 'A', 6, tcp(5000, 443, SYN)), true],
    ['and its answer', 'A', 'G', ipv6('A', 'G', 6, tcp(443, 5000, SYN | ACK)), true],
  ],
  'TCP that ends': [
    ['SYN', 'G', 'A', ipv4('G', 'A', 6, tcp(5000, 80, SYN)), true],
    ['SYN and ACK', 'A', 'G', ipv4('A', 'G', 6, tcp(80, 5000, SYN | ACK)), true],
    ['FIN', 'G', 'A', ipv4('G', 'A', 6, tcp(5000, 80, FIN | ACK)), true],
    ['what is still to come', 'A', 'G', ipv4('A', 'G', 6, tcp(80, 5000, ACK)), true],
    ['and is received', 'G', 'A', ipv4('G', 'A', 6, tcp(5000, 80, ACK)), true],
    ['the other FIN', 'A', 'G', ipv4('A', 'G', 6, tcp(80, 5000, FIN | ACK)), true],
    ['the last ACK', 'G', 'A', ipv4('G', 'A', 6, tcp(5000, 80, ACK)), true],
    ['to another port of the other', 'A', 'G', ipv4('A', 'G', 6, tcp(80, 5001, FIN | ACK | SYN)), false],
  ],
  'who may begin it': [
    ['an admin', 'G', 'A', ipv4('G', 'A', 6, tcp(5000, 22, SYN)), true],
    ['an admin over IPv6', 'G', 'A', ipv6('G', 'A', 6, tcp(5000, 22, SYN)), true],
    ['another guest', 'V', 'A', ipv4('V', 'A', 6, tcp(5000, 22, SYN)), false],
    ['another guest over IPv6', 'V', 'A', ipv6('V', 'A', 6, tcp(5000, 22, SYN)), false],
  ],
  'UDP that the guest begins': [
    ['an answer without a question', 'G', 'A', ipv4('G', 'A', 17, udp(53, 4000)), false],
    ['a question', 'A', 'G', ipv4('A', 'G', 17, udp(4000, 53)), true],
    ['the answer', 'G', 'A', ipv4('G', 'A', 17, udp(53, 4000)), true],
    ['another answer', 'G', 'A', ipv4('G', 'A', 17, udp(53, 4000)), true],
    ['to another port', 'G', 'A', ipv4('G', 'A', 17, udp(53, 4001)), false],
    ['from somebody else', 'V', 'A', ipv4('V', 'A', 17, udp(53, 4000)), false],
    ['a question to another one', 'A', 'V', ipv4('A', 'V', 17, udp(4000, 53)), false],
    ['over IPv6 nothing says so', 'A', 'G', ipv6('A', 'G', 17, udp6({ src: A.ip6, dst: G.ip6 }, 4000, 53)), false],
  ],
  'fragments go with the first one': [
    ['a later one alone', 'A', 'G', ipv4('A', 'G', 17, Buffer.alloc(16), { id: 7, offset: 3 }), false],
    ['the first one', 'A', 'G', ipv4('A', 'G', 17, udp(4000, 53, '00'.repeat(16), 40), { id: 7, more: true }), true],
    ['a later one', 'A', 'G', ipv4('A', 'G', 17, Buffer.alloc(16), { id: 7, offset: 3 }), true],
    ['of another packet', 'A', 'G', ipv4('A', 'G', 17, Buffer.alloc(16), { id: 8, offset: 3 }), false],
    [
      'the first of the answer',
      'G',
      'A',
      ipv4('G', 'A', 17, udp(53, 4000, '00'.repeat(16), 40), { id: 9, more: true }),
      true,
    ],
    ['a later one of the answer', 'G', 'A', ipv4('G', 'A', 17, Buffer.alloc(16), { id: 9, offset: 3 }), true],
    ['of another answer', 'G', 'A', ipv4('G', 'A', 17, Buffer.alloc(16), { id: 10, offset: 3 }), false],
  ],
  'fragments of a long ping': [
    ['its first one', 'G', 'A', ipv4('G', 'A', 1, icmp(8, 0, '00090001'.padEnd(40, '0')), { id: 7, more: true }), true],
    ['a later one', 'G', 'A', ipv4('G', 'A', 1, Buffer.alloc(16), { id: 7, offset: 3 }), true],
    ['the answer', 'A', 'G', ipv4('A', 'G', 1, icmp(0, 0, '00090001'.padEnd(40, '0')), { id: 9, more: true }), true],
    ['and a later one of it', 'A', 'G', ipv4('A', 'G', 1, Buffer.alloc(16), { id: 9, offset: 3 }), true],
    ['of another answer', 'A', 'G', ipv4('A', 'G', 1, Buffer.alloc(16), { id: 10, offset: 3 }), false],
  ],
  'errors about what was allowed': [
    ['about nothing', 'G', 'A', ipv4('G', 'A', 1, icmp(3, 4, quoted(A.ip, G.ip, 17))), false],
    ['a question', 'A', 'G', ipv4('A', 'G', 17, udp(4000, 53)), true],
    ['an error about it', 'G', 'A', ipv4('G', 'A', 1, icmp(3, 4, quoted(A.ip, G.ip, 17))), true],
    ['about another protocol', 'G', 'A', ipv4('G', 'A', 1, icmp(3, 4, quoted(A.ip, G.ip, 6))), false],
    ['about another one', 'G', 'A', ipv4('G', 'A', 1, icmp(3, 4, quoted(A.ip, V.ip, 17))), false],
  ],
  pings: [
    ['an answer without a question', 'G', 'A', ipv4('G', 'A', 1, icmp(0, 0, '00010001')), false],
    ['a ping', 'A', 'G', ipv4('A', 'G', 1, icmp(8, 0, '00010001')), true],
    ['its answer', 'G', 'A', ipv4('G', 'A', 1, icmp(0, 0, '00010001')), true],
    ['of another ping', 'G', 'A', ipv4('G', 'A', 1, icmp(0, 0, '00020001')), false],
    ['the other way', 'G', 'A', ipv4('G', 'A', 1, icmp(8, 0, '00090001')), true],
    ['and back', 'A', 'G', ipv4('A', 'G', 1, icmp(0, 0, '00090001')), true],
    ['IPv6 is not allowed', 'G', 'A', ipv6('G', 'A', 58, icmp6({ src: G.ip6, dst: A.ip6 }, 128)), false],
  ],
  'stateless opens nothing': [
    ['a SYN', 'A', 'G', ipv4('A', 'G', 6, tcp(4000, 8080, SYN)), true],
    ['its answer', 'G', 'A', ipv4('G', 'A', 6, tcp(8080, 4000, SYN | ACK)), false],
  ],
  'protocols without ports': [
    ['GRE before', 'G', 'A', ipv4('G', 'A', 47, Buffer.alloc(8)), false],
    ['GRE', 'A', 'G', ipv4('A', 'G', 47, Buffer.alloc(8)), true],
    ['GRE back', 'G', 'A', ipv4('G', 'A', 47, Buffer.alloc(8)), true],
    ['GRE of another one', 'V', 'A', ipv4('V', 'A', 47, Buffer.alloc(8)), false],
    ['ESP', 'A', 'G', ipv4('A', 'G', 50, Buffer.alloc(8)), false],
    ['SCTP of an admin', 'G', 'A', ipv4('G', 'A', 132, Buffer.from('13880007000000000000000001000004', 'hex')), true],
    ['its answer', 'A', 'G', ipv4('A', 'G', 132, Buffer.from('00071388000000000000000001000004', 'hex')), true],
  ],
  'a conversation of before the guest came here': [
    ['a segment from an open port', 'A', 'V', ipv4('A', 'V', 6, tcp(80, 6000, ACK)), true],
    ['and the answer', 'V', 'A', ipv4('V', 'A', 6, tcp(6000, 80, ACK)), true],
    ['from a closed port', 'A', 'V', ipv4('A', 'V', 6, tcp(81, 6000, ACK)), false],
    ['a new one from the open port', 'A', 'V', ipv4('A', 'V', 6, tcp(80, 6001, SYN)), false],
  ],
  'what no rule stops': [
    ['ARP', 'A', 'G', frame(ALL, A.mac, TYPE.arp, arp({ tpa: G.ip })), true],
    [
      'an ARP answer',
      'G',
      'A',
      between('G', 'A', TYPE.arp, arp({ op: 2, sha: G.mac, spa: G.ip, tha: A.mac, tpa: A.ip })),
      true,
    ],
    ['neighbour solicitation', 'A', 'G', nsOf('A', 'G'), true],
    [
      'neighbour advertisement',
      'G',
      'A',
      ipv6('G', 'A', 58, icmp6({ src: G.ip6, dst: A.ip6 }, 136, 0, ndBody(G.ip6, lla(2, G.mac))), 255),
      true,
    ],
    [
      'IGMP',
      'A',
      'G',
      frame(
        '01:00:5e:00:00:fb',
        A.mac,
        TYPE.ip,
        ip4({ dst: '224.0.0.251', protocol: 2, ttl: 1, options: ROUTER_ALERT }, igmp(0x16, '224.0.0.251')),
      ),
      true,
    ],
    ['its own DHCP', 'A', 'G', ipv4('A', 'G', 17, udp(68, 67, dhcp({ ciaddr: A.ip, message: 3 }))), true],
  ],
};

function quoted(src: string, dst: string, protocol: number): Buffer {
  return Buffer.concat([Buffer.alloc(4), ip4({ src, dst, protocol }, Buffer.alloc(8))]);
}

function nsOf(from: 'A', to: 'G'): string {
  const group = solicited(STATION[to].ip6);
  const mac = `33:33:ff:00:00:${STATION[to].ip6.slice(-2)}`;
  return frame(
    mac,
    STATION[from].mac,
    TYPE.ip6,
    ip6(
      { src: STATION[from].ip6, dst: group, next: 58, hops: 255 },
      icmp6({ src: STATION[from].ip6, dst: group }, 135, 0, ndBody(STATION[to].ip6, lla(1, STATION[from].mac))),
    ),
  );
}

/** The programs that the kernel has. */
async function programs(dom0: Dom0): Promise<string[]> {
  const text = await dom0.ns.check(['nft', 'list', 'ruleset', 'bridge']);
  return [...text.matchAll(/chain (rules\/\S+)\/in \{/g)].map(([, name = '']) => name);
}

test('rules that change, and guests that share them', { skip, concurrency: 2 }, async (t) => {
  const lay = async (dom0: Dom0, policy: string, ...names: string[]): Promise<void> => {
    writeFileSync(join(dom0.folder, 'vif-bridge.ini'), policy);
    const result = await dom0.admin(['reapply', ...(names.length === 0 ? ['--all'] : names)]);
    assert.equal(result.status, 0, result.stderr);
  };
  const question = ipv4('A', 'G', 17, udp(4000, 53));
  const answer = ipv4('G', 'A', 17, udp(53, 4000));
  const begins = ipv4('G', 'A', 6, tcp(5000, 80, SYN));
  const goesOn = ipv4('A', 'G', 6, tcp(80, 5000, ACK));

  await t.test('reapply takes them in: what is allowed no more ends, what stays allowed goes on', async (t) => {
    const { dom0, wire } = await openRuled(t, RULES);
    await play(dom0, wire, [
      ['a question', 'A', 'G', question, true],
      ['its answer', 'G', 'A', answer, true],
      ['TCP', 'G', 'A', begins, true],
      ['TCP', 'A', 'G', goesOn, true],
    ]);
    await lay(dom0, '[rules one]\nin allow tcp 80\nin drop\nout drop\n[guest guest1]\nrules = one\n', 'vif1.0');
    await play(dom0, wire, [
      ['its answer', 'G', 'A', answer, false],
      ['another question', 'A', 'G', question, false],
      ['TCP goes on', 'G', 'A', ipv4('G', 'A', 6, tcp(5000, 80, ACK)), true],
      ['in both directions', 'A', 'G', goesOn, true],
    ]);
    assert.equal((await programs(dom0)).length, 1, 'the former program is gone');
    const [port] = await dom0.status();
    assert.deepEqual(port?.rules, ['one']);
    assert.ok(port.drops.some(({ reason, direction }) => reason === 'rule' && direction === 'from-guest'));
    await lay(dom0, '', 'vif1.0');
    await play(dom0, wire, [['without rules', 'G', 'A', answer, true]]);
    assert.deepEqual(await programs(dom0), []);
  });

  await t.test('guests with the same rules share a program, which goes with the last of them', async (t) => {
    const { dom0, wire } = await openRuled(t, '[rules one]\nin allow tcp 80\nin drop\n[defaults]\nrules = one\n');
    assert.equal((await programs(dom0)).length, 1);
    const before = await dom0.ruleset();
    assert.equal((await dom0.admin(['reapply', '--all'])).status, 0);
    assert.equal(await dom0.ruleset(), before);
    await play(dom0, wire, [
      ['of the first', 'G', 'A', begins, true],
      ['of the second', 'G', 'V', ipv4('G', 'V', 6, tcp(5000, 81, SYN)), false],
    ]);
    assert.equal((await dom0.hotplug('offline', { domid: 1 })).status, 0);
    assert.equal((await programs(dom0)).length, 1);
    await play(dom0, wire, [['the other one keeps them', 'G', 'V', ipv4('G', 'V', 6, tcp(5000, 81, SYN)), false]]);
    await dom0.ns.check(['nft', 'flush', 'ruleset']);
    assert.equal((await dom0.admin(['repair'])).status, 0);
    await play(dom0, wire, [['after nft flush ruleset too', 'G', 'V', ipv4('G', 'V', 6, tcp(5000, 81, SYN)), false]]);
    await lay(dom0, '');
    assert.deepEqual(await programs(dom0), []);
  });

  await t.test('a program of a guest that vanished is made anew for the next one, also after a repair', async (t) => {
    const policy = '[rules one]\nin allow tcp 80\nin drop\n[guest web*]\nrules = one\n';
    const dom0 = await openDom0(t, { policy });
    await dom0.start({ ...GUEST_V, name: 'db1' });
    await dom0.start({ domid: 3, mac: '00:16:3e:00:00:03', ip: '10.0.0.13', name: 'web3' });
    await dom0.ns.check(['ip', 'link', 'del', 'vif3.0']);
    await dom0.ns.check(['nft', 'flush', 'chain', 'bridge', 'xen-vif', 'from-guest/start']);
    assert.equal((await dom0.admin(['reapply', 'vif2.0'])).status, 0);
    await dom0.start({ ...GUEST_A, name: 'web1' });
    const wire = await dom0.openWire(Object.values(PORT));
    await play(dom0, wire, [
      ['a port that is open', 'G', 'A', begins, true],
      ['one that is not', 'G', 'A', ipv4('G', 'A', 6, tcp(5000, 81, SYN)), false],
    ]);
  });

  await t.test('a mistake in a list changes nothing for who runs, and keeps who starts closed', async (t) => {
    const { dom0, wire } = await openRuled(t, RULES);
    writeFileSync(join(dom0.folder, 'vif-bridge.ini'), RULES.replace('in  drop', 'in  dorp'));
    const result = await dom0.admin(['reapply', 'vif1.0']);
    assert.equal(result.status, 1);
    assert.match(result.stderr, /not "dorp".*did you mean drop/s);
    await play(dom0, wire, [
      ['TCP', 'G', 'A', begins, true],
      ['to another port', 'G', 'A', ipv4('G', 'A', 6, tcp(5000, 81, SYN)), false],
    ]);
    dom0.configure({ domid: 3, mac: '00:16:3e:00:00:03', ip: '10.0.0.13', name: 'guest3' });
    await dom0.bench.addVif('vif3.0');
    await dom0.hotplug('online', { domid: 3 });
    assert.match(dom0.key(3, 'hotplug-error') ?? '', /dorp/);
    assert.ok(!(await dom0.link('vif3.0'))?.flags.includes('UP'));
  });

  await t.test('out reject is an error where no kernel can, and repair leaves the rules as they are', async (t) => {
    const { dom0, wire } = await openRuled(t, RULES);
    const ruled = (): Promise<string> => dom0.ns.check(['nft', 'list', 'map', 'bridge', 'xen-vif', 'ruled-in']);
    const before = await ruled();
    assert.match(before, /goto rules\//);
    writeFileSync(join(dom0.folder, 'vif-bridge.ini'), RULES.replace('out drop tcp,udp', 'out reject tcp,udp'));
    for (const command of [
      ['reapply', 'vif1.0'],
      ['repair', 'vif1.0'],
    ]) {
      const { status, stderr } = await dom0.admin(command);
      assert.equal(status, command[0] === 'repair' ? 2 : 1, stderr);
      assert.match(stderr, /out reject: this kernel cannot answer/);
      // The rules of the former policy are no stranger's.
      assert.doesNotMatch(stderr, /somebody else/);
    }
    assert.equal(await ruled(), before);
    await play(dom0, wire, [
      ['TCP', 'G', 'A', begins, true],
      ['a closed port', 'G', 'A', ipv4('G', 'A', 6, tcp(5000, 81, SYN)), false],
    ]);
  });

  await t.test('rules show counts each line, and status what is open', async (t) => {
    const { dom0, wire } = await openRuled(t, RULES);
    await play(dom0, wire, [
      ['TCP', 'G', 'A', begins, true],
      ['the same again', 'G', 'A', begins, true],
      ['its answer', 'A', 'G', goesOn, true],
      ['IPv6', 'G', 'A', ipv6('G', 'A', 6, tcp(5000, 443, SYN)), true],
      ['a closed port', 'G', 'A', ipv4('G', 'A', 6, tcp(5000, 81, SYN)), false],
      ['a question', 'A', 'G', question, true],
      ['a tunnel', 'A', 'G', ipv4('A', 'G', 47, Buffer.alloc(8)), true],
    ]);
    const shown = await dom0.admin(['rules', 'show', 'vif1.0', '--json']);
    assert.equal(shown.status, 0, shown.stderr);
    const { rules, loaded, counted_for } = JSON.parse(shown.stdout);
    const counted = rules.flatMap((row: { direction: string; number: number; packets: number }) =>
      row.packets === 0 ? [] : [`${row.direction} ${row.number}: ${row.packets}`],
    );
    // Only what begins a conversation is asked.
    assert.deepEqual(counted, ['in 1: 2', 'in 5: 1', 'out 1: 1', 'out 4: 1']);
    assert.ok(rules[0].bytes > 80);
    assert.deepEqual([loaded, counted_for], [true, ['vif1.0']]);
    const text = (await dom0.admin(['rules', 'show', 'vif1.0'])).stdout;
    assert.match(text, /\n {2}1 {2}in allow tcp 80,443 {2}# \S+:5 {2}2 packets \d+ bytes\n/);
    const [port, other] = await dom0.status();
    assert.equal(other?.conversations, undefined, 'who has no rules');
    assert.ok(port?.conversations);
    assert.deepEqual(port.conversations.limit, { rate: 500, burst: 2000 });
    const used = port.conversations.sets.flatMap(({ set, elements }) => (elements === 0 ? [] : [`${set} ${elements}`]));
    assert.deepEqual(used, [
      'flows-tcp-ip 1',
      'flows-udp-ip 1',
      'flows-pair-ip 3',
      'flows-tcp-ip6 1',
      'flows-pair-ip6 1',
    ]);
    assert.equal(port.conversations.own, 4);
    assert.match((await dom0.admin(['status'])).stdout, /4 conversations, .*fullest table: flows-\S+, \d of \d+\n/);
    await lay(dom0, RULES, 'vif1.0');
    assert.equal(JSON.parse((await dom0.admin(['rules', 'show', 'vif1.0', '--json'])).stdout).rules[0].packets, 2);
    writeFileSync(join(dom0.folder, 'vif-bridge.ini'), RULES.replace('in  drop', 'in  allow'));
    assert.match((await dom0.admin(['rules', 'show', 'vif1.0'])).stdout, /the kernel has other rules/);
  });

  await t.test('what has ended makes room: FIN and RST, by whomever', async (t) => {
    const { dom0, wire } = await openRuled(t, RULES);
    const open = async (): Promise<string[]> =>
      ((await dom0.status())[0]?.conversations?.sets ?? []).flatMap(({ set, elements }) =>
        elements === 0 || !/tcp|closing/.test(set) ? [] : [`${set} ${elements}`],
      );
    const port = (from: 'G' | 'A', sport: number, flags: number): string =>
      from === 'G' ? ipv4('G', 'A', 6, tcp(sport, 80, flags)) : ipv4('A', 'G', 6, tcp(80, sport, flags));
    await play(dom0, wire, [
      ['one', 'G', 'A', port('G', 5000, SYN), true],
      ['two', 'G', 'A', port('G', 5001, SYN), true],
      ['three', 'G', 'A', port('G', 5002, SYN), true],
    ]);
    assert.deepEqual(await open(), ['flows-tcp-ip 3']);
    await play(dom0, wire, [
      ['FIN of the other', 'G', 'A', port('G', 5000, FIN | ACK), true],
      ['RST of the guest', 'A', 'G', port('A', 5001, RST), true],
      ['it is used', 'G', 'A', port('G', 5000, ACK), true],
      ['and used', 'A', 'G', port('A', 5000, ACK), true],
    ]);
    assert.deepEqual(await open(), ['flows-tcp-ip 1', 'flows-closing-ip 2']);
    const [, ...left] = [
      ...(await dom0.ns.check(['nft', 'list', 'set', 'bridge', 'xen-vif', 'flows-closing-ip'])).matchAll(
        /expires (?:(\d+)m)?/g,
      ),
    ].map(([, minutes = '0']) => Number(minutes));
    assert.ok(
      left.every((minutes) => minutes < 2),
      left.join(),
    );
  });

  for (const [what, hand, backTo] of [
    ['emptied', (chain: string) => [`flush chain bridge xen-vif ${chain}/in`], 'reapply vif1.0'],
    ['added to', (chain: string) => [`insert rule bridge xen-vif ${chain}/in accept`], 'repair'],
    [
      'led past',
      (_: string, key: string) => [
        `delete element bridge xen-vif ruled-in { ${key} }`,
        `add element bridge xen-vif ruled-in { ${key} : accept }`,
      ],
      'reapply vif1.0',
    ],
    // Whoever is re-applied: what others stand on is put right.
    [
      'emptied, and another one re-applied',
      (chain: string) => [`flush chain bridge xen-vif ${chain}/in`],
      'reapply vif2.0',
    ],
  ] as const) {
    await t.test(`rules that somebody has ${what} are damage, which ${backTo} repairs`, async (t) => {
      const { dom0, wire } = await openRuled(t, RULES);
      const [chain = ''] = await programs(dom0);
      const [, key = ''] =
        /elements = \{ (\d+) : goto rules/.exec(await dom0.ns.check(['nft', 'list', 'ruleset'])) ?? [];
      await dom0.ns.check(['nft', '-f', '-'], { input: `${hand(chain, key).join('\n')}\n` });
      const [port, other] = await dom0.status();
      assert.equal(port?.state, 'damaged');
      assert.match(port.open.join(), /rules/);
      assert.equal(other?.state, 'managed');
      const result = await dom0.admin(backTo.split(' '));
      assert.equal(result.status, 0, result.stderr);
      assert.deepEqual(
        (await dom0.status()).map(({ state }) => state),
        ['managed', 'managed'],
      );
      await play(dom0, wire, [
        ['a closed port', 'G', 'A', ipv4('G', 'A', 6, tcp(5000, 81, SYN)), false],
        ['an open one', 'G', 'A', begins, true],
      ]);
    });
  }

  await t.test('a rule that ends as it did is damage too, where the rules were seen before', async (t) => {
    const { dom0 } = await openRuled(t, RULES);
    const [chain = ''] = await programs(dom0);
    assert.deepEqual(
      (await dom0.status()).map(({ state }) => state),
      ['managed', 'managed'],
    );
    const listed = await dom0.ns.check(['nft', '-a', 'list', 'chain', 'bridge', 'xen-vif', `${chain}/in`]);
    const [, rule = '', handle = ''] = /^\t\t(.*dport 22 .*) # handle (\d+)$/m.exec(listed) ?? [];
    const wider = rule.replace('dport 22', 'dport 23').replace(/packets \d+ bytes \d+/, '');
    await dom0.ns.check(['nft', '-f', '-'], {
      input: `replace rule bridge xen-vif ${chain}/in handle ${handle} ${wider}\n`,
    });
    assert.deepEqual(
      (await dom0.status()).map(({ state }) => state),
      ['damaged', 'managed'],
    );
  });

  await t.test('who has no rules is not asked', async (t) => {
    const { dom0, wire } = await openRuled(t, RULES);
    await play(dom0, wire, [
      ['any port', 'G', 'V', ipv4('G', 'V', 6, tcp(5000, 81, SYN)), true],
      ['an answer without a question', 'G', 'V', ipv4('G', 'V', 17, udp(53, 4000)), true],
      ['from it', 'V', 'G', ipv4('V', 'G', 50, Buffer.alloc(8)), true],
    ]);
  });
});

test('rules of a guest', { skip }, async (t) => {
  for (const [title, steps] of Object.entries(CONVERSATIONS)) {
    await t.test(title, async (t) => {
      const { dom0, wire } = await openRuled(t, RULES);
      await play(dom0, wire, steps);
    });
  }
});
