import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { type AddressRange, parseAddressRange } from '../../src/net/address-range.ts';
import { parseRule } from '../../src/rules/parse-rule.ts';
import { ruleText } from '../../src/rules/rule-text.ts';

const ranges = (...texts: string[]): AddressRange[] => texts.flatMap((text) => parseAddressRange(text) ?? []);
const GROUPS = new Map([
  ['admins', ranges('198.51.100.0/24', '2001:db8:ad::/48')],
  ['v4', ranges('192.0.2.1', '192.0.2.2')],
  ['v6', ranges('2001:db8::1')],
]);
const AT = { file: 'f', line: 1 };
const read = (text: string): ReturnType<typeof parseRule> => parseRule(text, GROUPS, AT);

/** What is written, and how the program says it again. */
const RIGHT: readonly (readonly [string, string?])[] = [
  ['in drop'],
  ['out allow'],
  ['in allow tcp 80,443'],
  ['in allow tcp 80, 443', 'in allow tcp 80,443'],
  ['in allow tcp 443,80,81,82-90,85', 'in allow tcp 80-90,443'],
  ['in allow udp,tcp 53', 'in allow udp,tcp 53'],
  ['  in   allow  17 53  # comment', 'in allow udp 53'],
  ['out drop tcp 25  # no spam', 'out drop tcp 25'],
  ['in allow tcp 22 from admins log', 'in allow tcp 22 from 198.51.100.0/24,2001:db8:ad::/48 log'],
  ['in allow icmp echo-request,11', 'in allow icmp 8,11'],
  ['in allow icmp6 echo-request limit 10/second', 'in allow icmp6 128 limit 10/second'],
  ['in allow icmp from admins', 'in allow icmp from 198.51.100.0/24'],
  ['in allow tcp 1 from admins to v6', 'in allow tcp 1 from 2001:db8:ad::/48 to 2001:db8::1'],
  ['in allow gre from 192.0.2.0/24,192.0.2.7', 'in allow gre from 192.0.2.0/24'],
  ['in allow 99 from 192.0.2.7-192.0.2.9,192.0.2.10', 'in allow 99 from 192.0.2.7-192.0.2.10'],
  ['in allow udp sport 53 stateless'],
  ['out reject tcp 25'],
  ['out allow from v4', 'out allow from 192.0.2.1-192.0.2.2'],
];

for (const [text, canonical = text] of RIGHT) {
  test(`${text.trim()} is read`, () => {
    const found = read(text);
    assert.ok('rule' in found, 'wrong' in found ? found.wrong.message : '');
    assert.equal(ruleText(found.rule), canonical);
    const again = read(canonical);
    assert.ok('rule' in again);
    assert.deepEqual(again.rule, found.rule);
  });
}

const WRONG: readonly (readonly [string, RegExp, string?])[] = [
  ['allow tcp 80', /begins with a direction/],
  ['inn allow', /begins with a direction/, 'in'],
  ['in', /ends too early/],
  ['in alow tcp 80', /goes on with a verdict/, 'allow'],
  ['in allow tpc 80', /no protocol/, 'tcp'],
  ['in allow 256', /no protocol/],
  ['in allow 080', /no protocol/],
  ['in allow tcp http', /no port/],
  ['in allow tcp 65536', /no port/],
  ['in allow tcp 90-80', /no port/],
  ['in allow 80', /./],
  ['in allow gre 80', /need a protocol that has ports/],
  ['in allow tcp,gre 80', /not gre/],
  ['in allow sport 80', /no protocol/],
  ['in allow icmp,tcp 8', /alone/],
  ['in allow icmp echo', /no type/],
  ['in allow tcp 22 form admins', /does not belong/, 'from'],
  ['in allow tcp 22 from admin', /no \[addresses admin\]/, 'admins'],
  ['in allow tcp 22 from', /nothing stands behind from/],
  ['in allow tcp 22 from to', /nothing stands behind from/],
  ['in allow tcp 22 from v4 from v6', /twice/],
  ['in allow tcp 22 from 192.0.2.1/24', /no address/],
  ['in allow tcp 22 from 192.0.2.9-192.0.2.1', /no address/],
  ['in allow tcp 22 from v4 to v6', /mixed/],
  ['in allow icmp6 from v4', /mixed/],
  ['in allow icmp,icmp6 from v4', /mixed/],
  ['in allow limit 10', /limit "10" is not possible/],
  ['in allow limit 0/second', /limit/],
  ['in reject', /not possible/],
  ['in drop stateless', /says nothing/],
];

for (const [text, message, meant] of WRONG.filter(([one]) => one !== 'in allow 80')) {
  test(`${text} is refused`, () => {
    const found = read(text);
    assert.ok('wrong' in found, 'it is taken');
    assert.match(found.wrong.message, message);
    assert.equal(found.wrong.meant, meant);
    assert.notEqual(found.wrong.hint, '');
  });
}

test('any text is a rule or an error, and a rule is the same rule when it is written again', () => {
  const word = fc.constantFrom(
    ...'in out allow drop reject tcp udp icmp 80 443-450 0 8 from to sport stateless limit 5/second log admins v4 192.0.2.0/24 # ,'.split(
      ' ',
    ),
  );
  fc.assert(
    fc.property(fc.array(fc.oneof(word, fc.string({ maxLength: 4 })), { maxLength: 12 }), (words) => {
      const found = read(words.join(' '));
      if ('wrong' in found) return;
      const again = read(ruleText(found.rule));
      assert.ok('rule' in again);
      assert.deepEqual(again.rule, found.rule);
    }),
  );
});
