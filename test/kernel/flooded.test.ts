/** Who is flooded from outside: what the guest opens is untouched, and who is there comes in all the same. */
import assert from 'node:assert/strict';
import test from 'node:test';
import type { Wire } from '../lab/wire.ts';
import { type Dom0, obstacle } from './dom0.ts';
import { tcp, udp } from './frames.ts';
import { ACK, type End, FIN, ipv4, openRuled, play, RST, type Step, SYN } from './play.ts';
import { arriving, groupOf, left, spend } from './shares.ts';

const skip = obstacle();

/** For A; V has the same lines for what it sends, and none for what comes. */
const RULES = `
[rules web]
in allow tcp 80
in allow udp 53
in drop
[rules closed]
out drop tcp 25
out drop
[rules open]
out allow
[rules every]
in allow
`;
const policy = (a: string, v = 'web open'): string =>
  `${RULES}[guest guest1]\nrules = ${a}\n[guest guest2]\nrules = ${v}\n`;

type Guest = 'A' | 'V';
const to = (whom: Guest, sport: number, flags: number, dport = 80): string =>
  ipv4('G', whom, 6, tcp(sport, dport, flags));
const from = (who: Guest, dport: number, flags: number, sport = 80): string =>
  ipv4(who, 'G', 6, tcp(sport, dport, flags));

/** A client that is there; `noted` or not, all of it passes. */
const client = (whom: Guest, sport: number, port = 80): Step[] => [
  ['SYN of a client', 'G', whom, to(whom, sport, SYN, port), true],
  ['SYN and ACK', whom, 'G', from(whom, sport, SYN | ACK, port), true],
  ['ACK', 'G', whom, to(whom, sport, ACK, port), true],
  ['its data', 'G', whom, to(whom, sport, ACK | 0x08, port), true],
  ['an answer', whom, 'G', from(whom, sport, ACK | 0x08, port), true],
  ['the end', whom, 'G', from(whom, sport, FIN | ACK, port), true],
];
/** What the guest opens itself. */
const opened = (who: Guest, sport: number): Step[] => [
  ['SYN of the guest', who, 'G', ipv4(who, 'G', 6, tcp(sport, 443, SYN)), true],
  ['SYN and ACK for it', 'G', who, ipv4('G', who, 6, tcp(443, sport, SYN | ACK)), true],
  ['a question of the guest', who, 'G', ipv4(who, 'G', 17, udp(sport, 53)), true],
  ['its answer', 'G', who, ipv4('G', who, 17, udp(53, sport)), true],
];

async function dropped(dom0: Dom0, device: string, reason: string): Promise<number> {
  const ports = await dom0.drops();
  return ports.find((port) => port.device === device)?.drops.find((one) => one.reason === reason)?.packets ?? 0;
}

/** SYN of as many strangers, as fast as it goes. */
async function flood(wire: Wire, whom: Guest, count: number, sport = 10_000): Promise<number> {
  const end: End = whom;
  return arriving(
    wire,
    'G',
    end,
    Array.from({ length: count }, (_, at) => to(whom, sport + at, SYN)),
  );
}

test('a server that is flooded', { skip }, async (t) => {
  const { dom0, wire } = await openRuled(t, policy('web open'));
  const a = await groupOf(dom0, 'vif1.0');

  await t.test(
    'by more SYN than can be noted: none is kept out, and none takes from what the guest opens',
    async () => {
      const noted = async (): Promise<number> => (await left(dom0, a)).get('flows-tcp-ip')?.length ?? 0;
      assert.equal(await flood(wire, 'A', 1000), 1000);
      assert.equal(await noted(), 1000);
      await spend(dom0, a, 'new-in');
      assert.equal(await flood(wire, 'A', 1000, 11_000), 1000);
      // The first of a limit passes.
      assert.equal(await noted(), 1001);
      await play(dom0, wire, [...opened('A', 5000), ...client('A', 5001)]);
      assert.equal(await dropped(dom0, 'vif1.0', 'rule-flood'), 0);
    },
  );

  await t.test('with no place left at all', async () => {
    await spend(dom0, a, 'new-in');
    // The first one after it has a place.
    await play(dom0, wire, client('A', 5100).slice(0, 1));
    await play(dom0, wire, [...opened('A', 5101), ...client('A', 5102), ...client('A', 5103)]);
  });

  await t.test('UDP has no place, and nobody keeps what comes in: it is dropped, and said', async () => {
    await play(dom0, wire, [
      ['one of UDP', 'G', 'A', ipv4('G', 'A', 17, udp(5200, 53)), false],
      ...opened('A', 5201),
      ['and another port stays closed', 'G', 'A', to('A', 5202, SYN, 22), false],
    ]);
    assert.ok((await dropped(dom0, 'vif1.0', 'rule-flood')) > 0);
  });

  await t.test('what the guest opens beyond its own share is dropped, and takes nothing from others', async () => {
    await dom0.ns.check(['nft', 'flush', 'set', 'bridge', 'xen-vif', 'rations']);
    await spend(dom0, a, 'new-out');
    await play(dom0, wire, [
      ['the first of a limit', 'A', 'G', ipv4('A', 'G', 6, tcp(5300, 443, SYN)), true],
      ['the second one', 'A', 'G', ipv4('A', 'G', 6, tcp(5301, 443, SYN)), false],
      ...client('A', 5302),
      ...client('A', 5303),
      ['a question to it', 'G', 'A', ipv4('G', 'A', 17, udp(5304, 53)), true],
    ]);
  });
});

test('a server that may begin nothing itself', { skip }, async (t) => {
  const { dom0, wire } = await openRuled(t, policy('web closed', 'every closed'));
  const [a, v] = [await groupOf(dom0, 'vif1.0'), await groupOf(dom0, 'vif2.0')];
  const silent = (who: Guest, sport: number): Step[] => [
    ['SYN and ACK to nobody', who, 'G', from(who, sport, SYN | ACK), false],
    ['SYN', who, 'G', from(who, sport, SYN), false],
    ['SYN and ACK of a closed port', who, 'G', from(who, sport, SYN | ACK, 25), false],
    ['UDP', who, 'G', ipv4(who, 'G', 17, udp(sport, 53)), false],
  ];
  await play(dom0, wire, [...silent('A', 5000), ...silent('V', 5000)]);
  await play(dom0, wire, [['RST of a closed port', 'A', 'G', from('A', 5000, RST, 25), false]]);

  await t.test('its clients come in while it is flooded, and it opens nothing for that', async () => {
    await spend(dom0, a, 'new-in');
    await spend(dom0, v, 'new-in');
    for (const who of ['A', 'V'] as const) {
      await play(dom0, wire, client(who, 5001).slice(0, 1));
      await play(dom0, wire, [...client(who, 5002), ...client(who, 5003)]);
      await play(dom0, wire, [
        ['SYN', who, 'G', from(who, 5004, SYN), false],
        ['UDP', who, 'G', ipv4(who, 'G', 17, udp(5004, 53)), false],
      ]);
    }
    await play(dom0, wire, [['SYN and ACK of a closed port', 'A', 'G', from('A', 5004, SYN | ACK, 25), false]]);
  });

  await t.test('and afterwards it is as it was', async () => {
    await dom0.ns.check(['nft', 'flush', 'set', 'bridge', 'xen-vif', 'flooded']);
    await play(dom0, wire, [...silent('A', 6000), ...silent('V', 6000)]);
  });
});

test('a SYN that comes again and again has nobody behind it', { skip }, async (t) => {
  const { dom0, wire } = await openRuled(t, policy('web open'));
  const a = await groupOf(dom0, 'vif1.0');
  await play(dom0, wire, [
    ['SYN', 'G', 'A', to('A', 5000, SYN), true],
    ['again', 'G', 'A', to('A', 5000, SYN), true],
  ]);
  const times = (await left(dom0, a)).get('flows-tcp-ip') ?? [];
  assert.ok(times.length === 1 && times.every((time) => time <= 30), times.join());
});

test('who has lines for one direction only', { skip }, async (t) => {
  const { dom0, wire } = await openRuled(t, policy('web', 'open'));

  await t.test('of what comes in: what the guest opens is answered', async () => {
    await play(dom0, wire, [
      ...opened('A', 5000),
      ...client('A', 5001),
      ['what nobody asked for', 'G', 'A', ipv4('G', 'A', 17, udp(53, 5009)), false],
      ['a closed port', 'G', 'A', to('A', 5002, SYN, 22), false],
    ]);
    // Nobody is asked about what it sends, so nothing of it is dropped either.
    await spend(dom0, await groupOf(dom0, 'vif1.0'), 'new-out');
    await play(dom0, wire, [
      ['one', 'A', 'G', ipv4('A', 'G', 17, udp(5003, 53)), true],
      ['and another', 'A', 'G', ipv4('A', 'G', 17, udp(5004, 53)), true],
    ]);
  });

  await t.test('of what it sends: a flood takes nothing from what the guest opens', async () => {
    assert.equal(await flood(wire, 'V', 4000), 4000);
    const answers = Array.from({ length: 4000 }, (_, at) => from('V', 10_000 + at, SYN | ACK));
    assert.equal(await arriving(wire, 'V', 'G', answers), 4000);
    await play(dom0, wire, [...opened('V', 5000), ...client('V', 5001, 22)]);
  });
});
