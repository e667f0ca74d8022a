import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { hasBlocks } from '../../src/filter/own-terms.ts';
import { NO_IP_CHOICES, type NoIp } from '../../src/filter/plan.ts';
import { planFor } from './vif.ts';

test('a vif with addresses is restricted to them whatever the policy says of vifs without', () => {
  for (const noIp of NO_IP_CHOICES) assert.equal(planFor({ ip: '192.0.2.1' }, noIp).mode, 'addresses');
});

test('a vif without addresses is what no_ip says', () => {
  for (const noIp of NO_IP_CHOICES) assert.equal(planFor({}, noIp).mode, noIp);
});

test('a family without an address is closed', () => {
  const ipv4 = planFor({ ip: '192.0.2.1' }, 'mac-only', ['10.255.255.255']);
  assert.deepEqual([ipv4.terms.values.ip6, ipv4.terms.values.solicited], [[], []]);
  assert.deepEqual(ipv4.terms.flags, ['managed', 'ipv4']);
  const ipv6 = planFor({ ip: '2001:db8::1' }, 'mac-only', ['10.255.255.255']);
  assert.deepEqual([ipv6.terms.values.ip, ipv6.terms.values.broadcast], [[], []]);
  assert.deepEqual(ipv6.terms.flags, ['managed', 'ipv6']);
});

test('IPv6 brings the link-local address of the MAC, once', () => {
  const own = 'fe80::216:3eff:fe00:1';
  for (const ip of ['2001:db8::1', `2001:db8::1 ${own}`, own]) {
    assert.equal(planFor({ ip }).terms.values.ip6.filter((address) => address === own).length, 1, ip);
  }
});

test('each IPv6 address is heard at its solicited-node group too, and no group is in another one', () => {
  const groups = (ip: string): readonly string[] => planFor({ ip }).terms.values.solicited;
  assert.deepEqual(groups('192.0.2.1 2001:db8::12:3456'), ['ff02::1:ff12:3456', 'ff02::1:ff00:1']);
  assert.deepEqual(groups('2001:db8::12:3456 2001:db8:1::12:3456'), ['ff02::1:ff12:3456', 'ff02::1:ff00:1']);
  assert.deepEqual(groups('2001:db8::/64'), ['ff02::1:ff00:0/104']);
  assert.deepEqual(groups('2001:db8::1200/120'), ['ff02::1:ff00:1200/120', 'ff02::1:ff00:1']);
  assert.deepEqual(groups('2001:db8::1200/120 2001:db8:1::/64 2001:db8::12:3456'), ['ff02::1:ff00:0/104']);
});

test('broadcasts are those of the netmasks and of the bridge, each once', () => {
  assert.deepEqual(planFor({ ip: '192.0.2.5/24' }, 'deny', ['192.0.2.255', '10.255.255.255']).terms.values.broadcast, [
    '192.0.2.255',
    '10.255.255.255',
  ]);
});

test('addresses stay addresses, and blocks stay blocks', () => {
  const { terms } = planFor({ ip: '192.0.2.0/28 198.51.100.1' });
  assert.deepEqual(terms.values.ip, ['192.0.2.0/28', '198.51.100.1']);
  assert.equal(hasBlocks(terms), true);
  assert.equal(hasBlocks(planFor({ ip: '192.0.2.1 2001:db8::1' }).terms), false);
  assert.equal(hasBlocks(planFor({ ip: '192.0.2.1 2001:db8::/64' }).terms), true);
});

test('denied and unrestricted vifs own nothing, so that nothing of theirs can match', () => {
  for (const [noIp, flag] of [
    ['deny', 'denied'],
    ['unrestricted', 'open'],
  ] as const satisfies [NoIp, string][]) {
    const { terms } = planFor({}, noIp, ['192.0.2.255']);
    assert.deepEqual(Object.values(terms.values).flat(), []);
    assert.deepEqual(terms.flags, ['managed', flag]);
  }
});

test('mac-only owns its MAC, and any address by being marked so', () => {
  const { terms } = planFor({}, 'mac-only', ['192.0.2.255']);
  const { mac, broadcast, ...addresses } = terms.values;
  assert.deepEqual([mac, broadcast], [['00:16:3e:00:00:01'], ['192.0.2.255']]);
  assert.deepEqual(Object.values(addresses).flat(), []);
  assert.ok(terms.flags.includes('any'));
});

test('only a vif without addresses is marked as one that may use any', () => {
  const octet = fc.integer({ min: 1, max: 254 });
  const ipv4 = fc.tuple(octet, octet, octet).map(([a, b, c]) => `10.${a}.${b}.${c}`);
  const ipv6 = fc.tuple(octet, octet).map(([a, b]) => `2001:db8::${a.toString(16)}:${b.toString(16)}`);
  fc.assert(
    fc.property(fc.array(fc.oneof(ipv4, ipv6), { minLength: 1, maxLength: 5 }), (addresses) => {
      assert.ok(!planFor({ ip: addresses.join(' ') }).terms.flags.includes('any'));
    }),
  );
});
