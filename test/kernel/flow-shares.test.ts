/** What a guest with more conversations than its share has: nothing is refused it, and others notice nothing. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { RATIONS, TIMES } from '../../src/backends/nftables/flow-times.ts';
import { guestGroup } from '../../src/port/guest-group.ts';
import { type Dom0, obstacle } from './dom0.ts';
import { tcp, udp } from './frames.ts';
import { ACK, type End, FIN, ipv4, openRuled, PORT, play, SYN } from './play.ts';

const POLICY = '[rules web]\nin allow tcp 80\nin drop\nout allow\n[defaults]\nrules = web\n';

/** Conversations of a port, by their set: how many seconds are left to each. */
async function left(dom0: Dom0, key: number): Promise<Map<string, number[]>> {
  const listed = JSON.parse(await dom0.ns.check(['nft', '-j', 'list', 'table', 'bridge', 'xen-vif'])) as {
    nftables: { set?: { name: string; elem?: { elem?: { val: { concat?: unknown[] }; expires?: number } }[] } }[];
  };
  return new Map(
    listed.nftables.flatMap(({ set }): [string, number[]][] => {
      const own = (set?.elem ?? []).flatMap(({ elem }) =>
        elem?.val.concat?.[0] === key && elem.expires !== undefined ? [elem.expires] : [],
      );
      return set?.name.startsWith('flows-') === true && own.length > 0 ? [[set.name, own]] : [];
    }),
  );
}

async function groupOf(dom0: Dom0, vif: string): Promise<number> {
  return guestGroup(Number(await dom0.ns.check(['cat', `/sys/class/net/${vif}/ifindex`])));
}

/** As if it had had all that it may. */
async function spend(dom0: Dom0, key: number, ...names: (keyof typeof RATIONS)[]): Promise<void> {
  const set = 'element bridge xen-vif flows-rations';
  const lines = names.flatMap((name) => {
    const plain = `${key} . ${RATIONS[name].code}`;
    const spent = `${plain} limit rate over 1/week burst 1 packets timeout 1h`;
    return [`add ${set} { ${plain} }`, `delete ${set} { ${plain} }`, `add ${set} { ${spent} }`];
  });
  await dom0.ns.check(['nft', '-f', '-'], { input: `${lines.join('\n')}\n` });
}

const within = (values: readonly number[] | undefined, most: number): boolean =>
  values !== undefined && values.length > 0 && values.every((value) => value <= most && value > most - 60);
const begin = (to: 'A' | 'V', sport: number, flags = SYN): string => ipv4('G', to, 6, tcp(sport, 80, flags));
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

  // The first of a limit passes always, so the second one is the first to have none.
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
    await spend(dom0, a, 'brief', 'udp');
    for (const sport of [5010, 5011, 5012]) await converse('A', sport);
    for (const sport of [4010, 4011]) {
      await play(dom0, wire, [
        ['a question', 'A', 'G', ipv4('A', 'G', 17, udp(sport, 53)), true],
        ['its answer', 'G', 'A', ipv4('G', 'A', 17, udp(53, sport)), true],
      ]);
    }
  });

  await t.test('another one has its own', async () => {
    await converse('V', 5000);
    assert.ok(within((await left(dom0, v)).get('flows-tcp-ip'), TIMES.long.given));
  });

  await t.test('a web server with 2000 clients is never refused', async () => {
    const clients = Array.from({ length: 2000 }, (_, at) => 10_000 + at);
    const arrive = async (from: End, to: End, frames: readonly string[]): Promise<number> => {
      let arrived = 0;
      for (let at = 0; at < frames.length; at += 250) {
        const some = frames.slice(at, at + 250);
        await wire.collect(0);
        for (const one of some) await wire.send(PORT[from], one);
        const seen = new Set((await wire.collect()).flatMap(({ iface, hex }) => (iface === PORT[to] ? [hex] : [])));
        arrived += some.filter((one) => seen.has(one)).length;
      }
      return arrived;
    };
    assert.equal(
      await arrive(
        'G',
        'V',
        clients.map((sport) => begin('V', sport)),
      ),
      2000,
    );
    assert.equal(
      await arrive(
        'V',
        'G',
        clients.map((sport) => answer('V', sport)),
      ),
      2000,
    );
    assert.equal(
      await arrive(
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
