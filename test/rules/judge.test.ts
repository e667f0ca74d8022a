/** The first line that matches decides, and what no rule may stop is never asked. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { addressValue } from '../../src/net/address-range.ts';
import { decide, type Packet } from '../../src/rules/judge.ts';
import { parseRule } from '../../src/rules/parse-rule.ts';
import { joinLists, programDigest, type RuleProgram, wrongProgram } from '../../src/rules/program.ts';

function programOf(...lists: string[]): RuleProgram {
  return joinLists(
    lists.map((text, index) => ({
      name: `list${index}`,
      rules: text.split('\n').map((line, at) => {
        const read = parseRule(line, new Map(), { file: `list${index}`, line: at + 1 });
        assert.ok('rule' in read, line);
        return read.rule;
      }),
    })),
  );
}

function packet(
  direction: 'in' | 'out',
  protocol: number,
  source: string,
  destination: string,
  more: Partial<Packet> = {},
): Packet {
  const [from, to] = [addressValue(source), addressValue(destination)];
  assert.ok(from && to);
  return { direction, family: from.family, protocol, source: from.value, destination: to.value, ...more };
}

const WEB =
  'in allow tcp 80\nin drop tcp 80-90\nin allow tcp 85 from 192.0.2.0/24\nin allow icmp 8\nin drop\nout drop tcp 25\nout allow';

test('the first line that matches decides', () => {
  const program = programOf(WEB);
  const line = (one: Packet): number | undefined => decide(program, one)?.at.line;
  assert.equal(line(packet('in', 6, '203.0.113.1', '192.0.2.5', { sport: 1, dport: 80 })), 1);
  assert.equal(line(packet('in', 6, '192.0.2.1', '192.0.2.5', { sport: 1, dport: 85 })), 2);
  assert.equal(line(packet('in', 6, '2001:db8::1', '2001:db8::2', { sport: 1, dport: 80 })), 1);
  assert.equal(line(packet('in', 1, '192.0.2.1', '192.0.2.5', { type: 8 })), 4);
  assert.equal(line(packet('in', 1, '192.0.2.1', '192.0.2.5', { type: 13 })), 5);
  // ICMP is no protocol of IPv6.
  assert.equal(line(packet('in', 1, '2001:db8::1', '2001:db8::2', { type: 8 })), 5);
  assert.equal(line(packet('out', 6, '192.0.2.5', '203.0.113.1', { sport: 1, dport: 25 })), 6);
  assert.equal(line(packet('out', 17, '192.0.2.5', '203.0.113.1', { sport: 1, dport: 25 })), 7);
});

test('neighbour discovery, MLD, IGMP and DHCP are not asked about', () => {
  const program = programOf('in drop\nout drop');
  for (const type of [130, 131, 132, 133, 134, 135, 136, 143]) {
    for (const way of ['in', 'out'] as const) {
      assert.equal(decide(program, packet(way, 58, 'fe80::1', 'fe80::2', { type })), undefined);
    }
  }
  assert.equal(decide(program, packet('out', 2, '192.0.2.1', '224.0.0.1')), undefined);
  assert.equal(decide(program, packet('out', 17, '192.0.2.1', '192.0.2.2', { sport: 68, dport: 67 })), undefined);
  assert.equal(decide(program, packet('in', 17, '192.0.2.1', '192.0.2.2', { sport: 67, dport: 68 })), undefined);
  assert.ok(decide(program, packet('in', 17, '192.0.2.1', '192.0.2.2', { sport: 68, dport: 67 })));
  assert.ok(decide(program, packet('out', 58, 'fe80::1', 'fe80::2', { type: 128 })));
});

test('a direction ends in a line without conditions, and nothing stands behind it', () => {
  const said = (...lists: string[]): string[] => wrongProgram(programOf(...lists)).map(({ message }) => message);
  assert.deepEqual(said(WEB), []);
  assert.deepEqual(said('in allow tcp 80'), [
    'nothing says what becomes of the rest: no line of in is without conditions',
  ]);
  assert.deepEqual(said('in drop\nin allow tcp 80'), ['this line is never reached: the one in line 1 takes all']);
  assert.deepEqual(said('in drop limit 5/second'), [
    'nothing says what becomes of the rest: no line of in is without conditions',
  ]);
  assert.deepEqual(said('in allow tcp 80', 'in drop'), []);
  assert.deepEqual(said('in drop', 'in allow tcp 80').length, 1);
});

test('programs that do the same have one name, wherever they are written', () => {
  assert.equal(
    programDigest(programOf('in allow tcp 443,80\nin drop')),
    programDigest(programOf('in  allow 6 80,443', 'in drop')),
  );
  assert.notEqual(programDigest(programOf('in allow')), programDigest(programOf('in drop')));
});
