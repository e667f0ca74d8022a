/** What a hostile guest can fill of what filters of libvirt's note: never so much that another one notices. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { TRACKED_TIMES } from '../../src/backends/nftables/tracked-sets.ts';
import { obstacle } from './dom0.ts';
import { openFiltered } from './filtered.ts';
import { type Content, G, icmp, ip4, tcp, udp } from './frames.ts';
import { ACK, type End, ipv4, play, STATION, SYN } from './play.ts';
import { arriving, groupOf, left, spend, within } from './shares.ts';

const FILTER = `<filter name='web' chain='root'>
  <rule action='accept' direction='in'><tcp dstportstart='80'/></rule>
  <rule action='accept' direction='out'><all/></rule>
  <rule action='accept' direction='in'><all state='RELATED'/></rule>
  <rule action='drop' direction='inout' priority='1000'><all/></rule>
</filter>`;
const POLICY = '[guest guest1]\nnwfilter = web\n[guest guest2]\nnwfilter = web\n';

type Guest = 'A' | 'V';
const toOther = (
  from: End,
  to: string,
  protocol: number,
  payload: Content,
  more: Parameters<typeof ip4>[0] = {},
): string => ipv4(from, 'G', protocol, payload as Buffer, { dst: to, ...more });
/** 10.1.0.0 and so on. */
const stranger = (at: number): string => `10.1.${at >> 8}.${at & 255}`;
const many = <T>(count: number, make: (at: number) => T): T[] => Array.from({ length: count }, (_, at) => make(at));

test('a hostile guest with a filter, and another one', { skip: obstacle() }, async (t) => {
  const { dom0, wire } = await openFiltered(t, POLICY, { web: FILTER });
  const [a, v] = [await groupOf(dom0, 'vif1.0'), await groupOf(dom0, 'vif2.0')];

  /** All that a guest may want of its filter. */
  const lives = async (who: Guest, port: number): Promise<void> => {
    const from = (protocol: number, payload: Buffer, more: Parameters<typeof ip4>[0] = {}): string =>
      ipv4(who, 'G', protocol, payload, more);
    const to = (protocol: number, payload: Buffer, more: Parameters<typeof ip4>[0] = {}): string =>
      ipv4('G', who, protocol, payload, more);
    const asked = ip4({ src: STATION[who].ip, dst: G.ip, protocol: 17 }, udp(port, 53));
    await play(dom0, wire, [
      ['SYN to it', 'G', who, to(6, tcp(port, 80, SYN)), true],
      ['SYN and ACK', who, 'G', from(6, tcp(80, port, SYN | ACK)), true],
      ['ACK', 'G', who, to(6, tcp(port, 80, ACK)), true],
      ['a question', who, 'G', from(17, udp(port, 53)), true],
      ['its answer', 'G', who, to(17, udp(53, port)), true],
      ['an error about it', 'G', who, to(1, icmp(3, 4, Buffer.concat([Buffer.alloc(4), asked]))), true],
      ['the first fragment', 'G', who, to(17, udp(53, port, '00'.repeat(16), 40), { id: port, more: true }), true],
      ['a later one', 'G', who, to(17, Buffer.alloc(16), { id: port, offset: 3 }), true],
      ['a ping', who, 'G', from(1, icmp(8, 0, `${port.toString(16).padStart(4, '0')}0001`)), true],
      ['its answer', 'G', who, to(1, icmp(0, 0, `${port.toString(16).padStart(4, '0')}0001`)), true],
      ['SCTP', who, 'G', from(132, udp(port, 7)), true],
      ['its answer', 'G', who, to(132, udp(7, port)), true],
    ]);
  };

  await t.test('each has its time', async () => {
    await lives('V', 5000);
    const own = await left(dom0, v, 'tracked');
    const { long, brief, udp: datagrams, rare } = TRACKED_TIMES;
    for (const [what, given] of [
      ['in-tcp', long.given],
      ['answered-tcp', long.given],
      ['given-tcp', long.again],
      ['out-udp', datagrams.given],
      ['answered-udp', datagrams.given],
      ['out-echo', brief.given],
      ['out-sctp', rare.given],
      ['given-sctp', rare.again],
    ] as const) {
      assert.ok(within(own.get(`tracked-${what}-ip`), given), `${what}: ${JSON.stringify([...own])}`);
    }
    assert.ok(
      (own.get('tracked-pair-ip') ?? []).some((value) => value > long.given - 60),
      'errors about the long one',
    );
  });

  await t.test('floods fill no table, and stop nobody else', async () => {
    // First fragments, each of another packet.
    await arriving(
      wire,
      'A',
      'G',
      many(20_000, (id) => toOther('A', G.ip, 17, udp(9, 9, '00'.repeat(16), 40), { id, more: true })),
    );
    // Questions to as many hosts.
    await arriving(
      wire,
      'A',
      'G',
      many(70_000, (at) => toOther('A', stranger(at % 65_536), 17, udp(at < 65_536 ? 4000 : 4001, 53))),
    );
    const hostile = await left(dom0, a, 'tracked');
    assert.ok(
      (hostile.get('tracked-pair-ip') ?? []).length < 60_000,
      `${hostile.get('tracked-pair-ip')?.length} pairs`,
    );
    assert.ok((hostile.get('tracked-fragment-ip') ?? []).length <= 16_000);
    await lives('V', 6000);
    // It has begun more than it may, and that passes with its share.
    assert.ok(
      (await dom0.status()).some(
        ({ device, drops }) => device === 'vif1.0' && drops.some(({ reason }) => reason === 'rule-flood'),
      ),
    );
  });

  await t.test('with nothing left of its shares a guest is refused nothing, and puts nothing more there', async () => {
    for (const name of ['tracked-out-udp-ip', 'rations']) {
      await dom0.ns.check(['nft', 'flush', 'set', 'bridge', 'xen-vif', name]);
    }
    const all = ['long', 'brief', 'udp', 'echo', 'rare', 'pairs', 'fragments-in', 'fragments-out'] as const;
    await spend(dom0, a, ...all.map((one) => `tracked-${one}` as const));
    for (const sport of [7000, 7001]) {
      await play(dom0, wire, [
        ['SYN to it', 'G', 'A', ipv4('G', 'A', 6, tcp(sport, 80, SYN)), true],
        ['SYN and ACK', 'A', 'G', ipv4('A', 'G', 6, tcp(80, sport, SYN | ACK)), true],
        ['ACK', 'G', 'A', ipv4('G', 'A', 6, tcp(sport, 80, ACK)), true],
        ['a question', 'A', 'G', ipv4('A', 'G', 17, udp(sport, 53)), true],
        ['its answer', 'G', 'A', ipv4('G', 'A', 17, udp(53, sport)), true],
      ]);
    }
    // The first of a limit always passes.
    const own = await left(dom0, a, 'tracked');
    const times = [...(own.get('tracked-in-tcp-ip') ?? [])].sort((one, other) => one - other);
    assert.equal(times.length, 2);
    assert.ok((times[0] ?? 99) <= TRACKED_TIMES.brief.given, times.join());
    await lives('V', 8000);
  });
});

test('what others begin with a guest takes nothing from what it begins', { skip: obstacle() }, async (t) => {
  const { dom0, wire } = await openFiltered(t, POLICY, { web: FILTER });
  await spend(dom0, await groupOf(dom0, 'vif1.0'), 'tracked-new-in');
  await play(dom0, wire, [
    ['the first of a limit', 'G', 'A', ipv4('G', 'A', 6, tcp(5000, 80, SYN)), true],
    ['beyond it', 'G', 'A', ipv4('G', 'A', 6, tcp(5001, 80, SYN)), false],
    ['what is in goes on', 'A', 'G', ipv4('A', 'G', 6, tcp(80, 5000, SYN | ACK)), true],
    ['and on', 'G', 'A', ipv4('G', 'A', 6, tcp(5000, 80, ACK)), true],
    ['a question', 'A', 'G', ipv4('A', 'G', 17, udp(5002, 53)), true],
    ['its answer', 'G', 'A', ipv4('G', 'A', 17, udp(53, 5002)), true],
    ['another one', 'A', 'G', ipv4('A', 'G', 6, tcp(5003, 443, SYN)), true],
    ['and its answer', 'G', 'A', ipv4('G', 'A', 6, tcp(443, 5003, SYN | ACK)), true],
  ]);
});

test('a packet that has the number of a fragment is no fragment', { skip: obstacle() }, async (t) => {
  const { dom0, wire } = await openFiltered(t, POLICY, { web: FILTER });
  await play(dom0, wire, [
    ['what is allowed begins', 'G', 'A', ipv4('G', 'A', 6, tcp(5000, 80, SYN)), true],
    [
      'in fragments',
      'G',
      'A',
      ipv4('G', 'A', 6, Buffer.concat([tcp(5000, 80, ACK), Buffer.alloc(20)]), { id: 7, more: true }),
      true,
    ],
    ['the next one', 'G', 'A', ipv4('G', 'A', 6, Buffer.alloc(16), { id: 7, offset: 5 }), true],
    ['a whole one to a closed port', 'G', 'A', ipv4('G', 'A', 6, tcp(5000, 81, SYN), { id: 7 }), false],
    [
      'another first one',
      'G',
      'A',
      ipv4('G', 'A', 17, udp(5000, 81, '00'.repeat(16), 40), { id: 7, more: true }),
      false,
    ],
  ]);
});
