/** What a guest with more conversations than its share has: nothing is refused it, and others notice nothing. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { TIMES } from '../../src/backends/nftables/flow-times.ts';
import { obstacle } from './dom0.ts';
import { A, G, tcp, udp } from './frames.ts';
import { ACK, FIN, ipv4, openRuled, play, SYN } from './play.ts';
import { arriving, groupOf, left, spend, within } from './shares.ts';

const POLICY = '[rules web]\nin allow tcp 80\nin drop\nout allow\n[defaults]\nrules = web\n';

const begin = (to: 'A' | 'V', sport: number, flags = SYN): string => ipv4('G', to, 6, tcp(sport, 80, flags));
/** The common header (RFC 9260 §3): ports, and no more that anybody looks at here. */
const sctp = (sport: number, dport: number): Buffer =>
  Buffer.concat([udp(sport, dport).subarray(0, 4), Buffer.alloc(8)]);
const answer = (from: 'A' | 'V', sport: number, flags = SYN | ACK): string => ipv4(from, 'G', 6, tcp(80, sport, flags));

test('who has more conversations than its share', { skip: obstacle() }, async (t) => {
  const { dom0, wire } = await openRuled(t, POLICY);
  const [a, v] = [await groupOf(dom0, 'vif1.0'), await groupOf(dom0, 'vif2.0')];
  const converse = async (to: 'A' | 'V', sport: number): Promise<void> =>
    play(dom0, wire, [
      ['SYN', 'G', to, begin(to, sport), true],
      ['SYN and ACK', to, 'G', answer(to, sport), true],
      ['ACK', 'G', to, begin(to, sport, ACK), true],
    ]);

  await converse('A', 5000);
  const ordinary = await left(dom0, a);
  assert.ok(within(ordinary.get('flows-tcp-ip'), TIMES.long.given), JSON.stringify([...ordinary]));
  assert.ok(within(ordinary.get('flows-given-tcp-ip'), TIMES.long.again), 'it does not ask for each packet');

  await spend(dom0, a, 'long');
  await converse('A', 5001);
  await converse('A', 5002);
  const now = await left(dom0, a);
  assert.ok(within(now.get('flows-brief-ip'), TIMES.brief.given), JSON.stringify([...now]));
  // What was given before is not taken away.
  assert.ok((now.get('flows-tcp-ip') ?? []).some((value) => value > TIMES.long.given - 60));

  await t.test('goes on in both directions, and ends as others do', async () => {
    // As if it had been there for a while: only the brief table knows it.
    await dom0.ns.check(['nft', 'flush', 'set', 'bridge', 'xen-vif', 'flows-tcp-ip']);
    await play(dom0, wire, [
      ['it is used', 'G', 'A', begin('A', 5002, ACK), true],
      ['the other way', 'A', 'G', answer('A', 5002, ACK), true],
      ['a conversation of the guest', 'A', 'G', ipv4('A', 'G', 6, tcp(4000, 22, SYN)), true],
      ['its answer', 'G', 'A', ipv4('G', 'A', 6, tcp(22, 4000, SYN | ACK)), true],
      ['the end', 'G', 'A', begin('A', 5002, FIN | ACK), true],
      ['its last one', 'A', 'G', answer('A', 5002, FIN | ACK), true],
    ]);
    const ended = await left(dom0, a);
    assert.ok(ended.get('flows-closing-ip') !== undefined);
    // Nothing but the closing one knows of it any more, so it ends with that.
    await dom0.ns.check(['nft', 'flush', 'set', 'bridge', 'xen-vif', 'flows-closing-ip']);
    await dom0.ns.check(['nft', 'flush', 'set', 'bridge', 'xen-vif', 'flows-pair-ip']);
    await play(dom0, wire, [['it is over', 'G', 'A', ipv4('G', 'A', 6, tcp(22, 5002, ACK)), false]]);
  });

  await t.test('and has none left at all: nothing is refused', async () => {
    await spend(dom0, a, 'brief', 'udp', 'rare');
    for (const sport of [5010, 5011, 5012]) await converse('A', sport);
    for (const sport of [4010, 4011]) {
      await play(dom0, wire, [
        ['a question', 'A', 'G', ipv4('A', 'G', 17, udp(sport, 53)), true],
        ['its answer', 'G', 'A', ipv4('G', 'A', 17, udp(53, sport)), true],
        ['one of SCTP', 'A', 'G', ipv4('A', 'G', 132, sctp(sport, 7)), true],
        ['its answer', 'G', 'A', ipv4('G', 'A', 132, sctp(7, sport)), true],
      ]);
    }
    const short = (await left(dom0, a)).get('flows-sctp-ip') ?? [];
    assert.equal(short.length, 2);
    assert.ok(Math.min(...short) <= 30, 'it has no more than what begins has');
  });

  await t.test('another one has its own', async () => {
    await converse('V', 5000);
    await play(dom0, wire, [
      ['one of SCTP', 'V', 'G', ipv4('V', 'G', 132, sctp(4000, 7)), true],
      ['its answer', 'G', 'V', ipv4('G', 'V', 132, sctp(7, 4000)), true],
    ]);
    const own = await left(dom0, v);
    assert.ok(within(own.get('flows-tcp-ip'), TIMES.long.given));
    assert.ok(within(own.get('flows-sctp-ip'), TIMES.rare.given), JSON.stringify([...own]));
    assert.ok(within(own.get('flows-given-sctp-ip'), TIMES.rare.again), 'it does not ask for each packet');
  });

  await t.test('a web server with 2000 clients is never refused', async () => {
    const clients = Array.from({ length: 2000 }, (_, at) => 10_000 + at);
    assert.equal(
      await arriving(
        wire,
        'G',
        'V',
        clients.map((sport) => begin('V', sport)),
      ),
      2000,
    );
    assert.equal(
      await arriving(
        wire,
        'V',
        'G',
        clients.map((sport) => answer('V', sport)),
      ),
      2000,
    );
    assert.equal(
      await arriving(
        wire,
        'G',
        'V',
        clients.map((sport) => begin('V', sport, ACK)),
      ),
      2000,
    );
    const own = await left(dom0, v);
    assert.equal(own.get('flows-tcp-ip')?.length, 2001);
    assert.ok(
      (own.get('flows-tcp-ip') ?? []).every((value) => value > TIMES.long.given - 600),
      'all have their time',
    );
    assert.equal(own.get('flows-brief-ip'), undefined);
  });
});

test('a tunnel goes on as long as it is used', { skip: obstacle() }, async (t) => {
  const { dom0, wire } = await openRuled(t, POLICY);
  const a = await groupOf(dom0, 'vif1.0');
  const gre = (from: 'A' | 'G', to: 'A' | 'G'): string => ipv4(from, to, 47, Buffer.alloc(8));
  await play(dom0, wire, [['it begins', 'A', 'G', gre('A', 'G'), true]]);
  // Nearly three minutes later.
  const raw = ({ ip }: { readonly ip: string }): string =>
    `0x${Buffer.from(ip.split('.').map(Number)).toString('hex')}`;
  const [set, key] = ['element bridge xen-vif flows-pair-ip', `${a} . ${raw(A)} . ${raw(G)} . 0x2f`];
  await dom0.ns.check(['nft', '-f', '-'], {
    input: `delete ${set} { ${key} }\nadd ${set} { ${key} timeout 20s }\n`,
  });
  await play(dom0, wire, [['it is used', 'G', 'A', gre('G', 'A'), true]]);
  const times = await left(dom0, a);
  assert.ok(within(times.get('flows-pair-ip'), 180), JSON.stringify([...times]));
  await spend(dom0, a, 'other');
  await play(dom0, wire, [['another one', 'G', 'A', gre('G', 'A'), true]]);
});

test('who is only observed loses nothing, and fills no table either', { skip: obstacle() }, async (t) => {
  const { dom0, wire } = await openRuled(t, `${POLICY}[guest guest1]\nmode = observe\n`);
  const a = await groupOf(dom0, 'vif1.0');
  await spend(dom0, a, 'new-out');
  const many = Array.from({ length: 500 }, (_, at) => ipv4('A', 'G', 17, udp(10_000 + at, 53)));
  assert.equal(await arriving(wire, 'A', 'G', many), many.length);
  // The first of a limit passes.
  assert.equal((await left(dom0, a)).get('flows-udp-ip')?.length, 1);
});
