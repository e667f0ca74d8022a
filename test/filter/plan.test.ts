import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { NO_IP_CHOICES, type NoIp } from '../../src/filter/plan.ts';
import { planFor } from './vif.ts';

const texts = (permits: readonly unknown[]): string[] => permits.map((permit) => JSON.stringify(permit));

test('a vif with addresses is restricted to them whatever the policy says of vifs without', () => {
  for (const noIp of NO_IP_CHOICES) assert.equal(planFor({ ip: '192.0.2.1' }, noIp).mode, 'addresses');
});

test('a vif without addresses is what no_ip says', () => {
  for (const noIp of NO_IP_CHOICES) assert.equal(planFor({}, noIp).mode, noIp);
});

test('a family without an address is closed', () => {
  const ipv4 = planFor({ ip: '192.0.2.1' });
  assert.ok(!texts(ipv4.terms.lists.in).some((permit) => permit.includes('ip6')));
  assert.deepEqual(ipv4.terms.lists.nd, []);
  assert.deepEqual(ipv4.terms.flags, ['managed', 'ipv4']);
  const ipv6 = planFor({ ip: '2001:db8::1' });
  assert.ok(!texts(ipv6.terms.lists.in).some((permit) => /"ip saddr|"arp/.test(permit)));
  assert.deepEqual(ipv6.terms.flags, ['managed', 'ipv6']);
  assert.deepEqual(ipv6.terms.values['dhcp-address'], []);
  assert.deepEqual(ipv6.terms.values.broadcast, []);
});

test('IPv6 brings the link-local address of the MAC, once', () => {
  const own = 'fe80::216:3eff:fe00:1';
  for (const ip of ['2001:db8::1', `2001:db8::1 ${own}`, own]) {
    const sources = texts(planFor({ ip }).terms.lists.in).filter((permit) => permit.includes(own));
    assert.equal(sources.length, 1, ip);
  }
});

test('each address is heard at, and at its solicited-node group', () => {
  const out = texts(planFor({ ip: '192.0.2.1 2001:db8::12:3456' }).terms.lists.out).join(' ');
  for (const block of ['192.0.2.1', '2001:db8::12:3456', 'ff02::1:ff12:3456', 'ff02::1:ff00:1']) {
    assert.ok(out.includes(`"${block}"`), block);
  }
  assert.match(texts(planFor({ ip: '2001:db8::/64' }).terms.lists.out).join(' '), /"ff02::1:ff00:0\/104"/);
  assert.match(texts(planFor({ ip: '2001:db8::1200/120' }).terms.lists.out).join(' '), /"ff02::1:ff00:1200\/120"/);
});

test('broadcasts are those of the netmasks and of the bridge, each once', () => {
  assert.deepEqual(planFor({ ip: '192.0.2.5/24' }, 'deny', ['192.0.2.255', '10.255.255.255']).terms.values.broadcast, [
    '192.0.2.255',
    '10.255.255.255',
  ]);
});

test('an address inside a block cannot be listed for DHCP, and the vif is marked so', () => {
  const { terms } = planFor({ ip: '192.0.2.0/28 198.51.100.1' });
  assert.deepEqual(terms.values['dhcp-address'], ['198.51.100.1']);
  assert.ok(terms.flags.includes('blocks'));
});

test('denied and unrestricted vifs own nothing, so that no list of theirs can match', () => {
  for (const [noIp, flag] of [
    ['deny', 'denied'],
    ['unrestricted', 'open'],
  ] as const satisfies [NoIp, string][]) {
    const { terms } = planFor({}, noIp, ['192.0.2.255']);
    assert.deepEqual(terms.lists, { in: [], nd: [], out: [] });
    assert.deepEqual(Object.values(terms.values).flat(), []);
    assert.deepEqual(terms.flags, ['managed', flag]);
  }
});

test('mac-only owns its MAC and any address', () => {
  const { terms } = planFor({}, 'mac-only');
  assert.deepEqual(terms.values.mac, ['00:16:3e:00:00:01']);
  for (const list of Object.values(terms.lists)) assert.deepEqual(list, [{ when: [], so: { accept: true } }]);
});

test('no permit of a restricted vif is without a condition', () => {
  const octet = fc.integer({ min: 1, max: 254 });
  const ipv4 = fc.tuple(octet, octet, octet).map(([a, b, c]) => `10.${a}.${b}.${c}`);
  const ipv6 = fc.tuple(octet, octet).map(([a, b]) => `2001:db8::${a.toString(16)}:${b.toString(16)}`);
  fc.assert(
    fc.property(fc.array(fc.oneof(ipv4, ipv6), { minLength: 1, maxLength: 5 }), (addresses) => {
      const { lists } = planFor({ ip: addresses.join(' ') }).terms;
      for (const permit of Object.values(lists).flat()) assert.ok(permit.when.length > 0);
    }),
  );
});
