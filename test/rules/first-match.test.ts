/**
 * What people know from Proxmox: the first line that matches decides, groups of rules, sets of addresses and names of
 * single ones, in the order in which a guest has them. Own cases.
 */
import assert from 'node:assert/strict';
import test from 'node:test';
import { addressValue } from '../../src/net/address-range.ts';
import { combine, combineLists, parsePolicyText } from '../../src/policy/parse-policy.ts';
import { program } from '../../src/policy/rule-lists.ts';
import { decide } from '../../src/rules/judge.ts';
import { isProtocolName, PROTOCOLS } from '../../src/rules/protocols.ts';
import { ruleText } from '../../src/rules/rule-text.ts';

const POLICY = `
[addresses gateway]
192.0.2.1 2001:db8::1

[addresses office]
198.51.100.0/24 203.0.113.4-203.0.113.9

[addresses banned]
198.51.100.66

[rules base]
in drop from banned
in allow icmp echo-request
in allow tcp 22 from office,gateway

[rules web]
in allow tcp 80,443
in drop  tcp 8080-8089
in allow tcp 8000-8999

[rules closed]
in drop
out allow

[rules open]
in allow
out allow

[guest one]
rules = base web closed
[guest two]
rules = web base closed
[guest three]
rules = base open
`;

/** The lists, the packet (from the other station, to the guest), and the line that decides. */
const CASES: readonly (readonly [lists: string, packet: string, line: string])[] = [
  ['base web closed', 'tcp 203.0.113.77 443', 'in allow tcp 80,443'],
  ['base web closed', 'tcp 203.0.113.77 22', 'in drop'],
  [
    'base web closed',
    'tcp 203.0.113.4 22',
    'in allow tcp 22 from 192.0.2.1,198.51.100.0/24,203.0.113.4-203.0.113.9,2001:db8::1',
  ],
  ['base web closed', 'tcp 203.0.113.10 22', 'in drop'],
  [
    'base web closed',
    'tcp 2001:db8::1 22',
    'in allow tcp 22 from 192.0.2.1,198.51.100.0/24,203.0.113.4-203.0.113.9,2001:db8::1',
  ],
  ['base web closed', 'tcp 2001:db8::2 22', 'in drop'],
  // Who is banned is so for what a later line allows to all, if that comes first.
  ['base web closed', 'tcp 198.51.100.66 443', 'in drop from 198.51.100.66'],
  ['web base closed', 'tcp 198.51.100.66 443', 'in allow tcp 80,443'],
  ['web base closed', 'tcp 198.51.100.66 22', 'in drop from 198.51.100.66'],
  // A hole in a range that is allowed.
  ['web closed', 'tcp 203.0.113.77 8079', 'in allow tcp 8000-8999'],
  ['web closed', 'tcp 203.0.113.77 8080', 'in drop tcp 8080-8089'],
  ['web closed', 'tcp 203.0.113.77 8090', 'in allow tcp 8000-8999'],
  ['web closed', 'udp 203.0.113.77 8090', 'in drop'],
  // The last list says what becomes of the rest.
  ['base open', 'udp 203.0.113.77 9', 'in allow'],
  ['base open', 'udp 198.51.100.66 9', 'in drop from 198.51.100.66'],
  ['base closed', 'icmp 203.0.113.77 8', 'in allow icmp 8'],
  ['base closed', 'icmp 203.0.113.77 13', 'in drop'],
];

const text = parsePolicyText(POLICY, 'test');

test('the policy of these cases has no mistake', () => {
  assert.deepEqual([...text.problems, ...combineLists([text]).problems], []);
});

for (const [lists, packet, expected] of CASES) {
  test(`${lists}: ${packet} is decided by ${expected}`, () => {
    const [protocol = '', other = '', number] = packet.split(' ');
    const far = addressValue(other);
    assert.ok(far && isProtocolName(protocol));
    const own = addressValue(far.family === 4 ? '192.0.2.5' : '2001:db8::5');
    assert.ok(own);
    const { ports } = PROTOCOLS[protocol];
    const rule = decide(program(combine([text]).ruleLists, lists.split(' ')), {
      direction: 'in',
      family: far.family,
      protocol: PROTOCOLS[protocol].number,
      source: far.value,
      destination: own.value,
      ...(ports ? { sport: 40_000, dport: Number(number) } : { type: Number(number) }),
    });
    assert.equal(rule && ruleText(rule), expected);
  });
}

test('a list is asked where it stands, and a list without an end leaves the rest to the next', () => {
  const lines = (lists: string): number[] =>
    program(combine([text]).ruleLists, lists.split(' ')).in.map(({ at }) => at.line);
  assert.deepEqual(lines('base closed'), [...lines('base open').slice(0, -1), ...lines('closed')]);
  assert.notDeepEqual(lines('web base closed'), lines('base web closed'));
  const open = parsePolicyText(POLICY.replace('rules = base open', 'rules = base web'), 'test');
  assert.match(
    combineLists([open])
      .problems.map(({ message }) => message)
      .join(),
    /nothing says what becomes of the rest/,
  );
});
