import assert from 'node:assert/strict';
import test from 'node:test';
import { buildPlan } from '../../src/filter/plan.ts';
import { withAddresses } from '../../src/policy/address-change.ts';
import { linkLocalSet } from '../../src/policy/link-local-set.ts';
import { resolvePolicy } from '../../src/policy/resolve-policy.ts';
import { vifWith } from '../filter/vif.ts';
import { refusal } from '../net/refusal.ts';
import { parsePolicy } from './effective.ts';

const OWN = 'fe80::216:3eff:fe00:1';

/** The IPv6 addresses of a vif, and those that it alone has. */
function ipv6(policy: string, ip = '192.0.2.1 2001:db8::1'): { ip6: readonly string[]; sole6: readonly string[] } {
  const who = vifWith({ ip, guest: 'web1' });
  const said = resolvePolicy(parsePolicy(policy, 'f'), { ...who, bridge: 'xenbr0' }, '2026-01-01T00:00:00.000Z');
  const { ip6, sole6 } = buildPlan(withAddresses(who, said), said, []).terms.values;
  return { ip6, sole6 };
}

for (const [value, ip6] of [
  [undefined, ['2001:db8::1', OWN]],
  ['eui64', ['2001:db8::1', OWN]],
  ['none', ['2001:db8::1']],
  ['any', ['2001:db8::1', 'fe80::/64']],
  ['fe80::5', ['2001:db8::1', 'fe80::5']],
  ['fe80::5, FE80::6 eui64', ['2001:db8::1', 'fe80::5', 'fe80::6', OWN]],
] as const) {
  test(`link_local = ${value}: ${ip6.join(' ')}`, () => {
    const policy = value === undefined ? '' : `[guest web1]\nlink_local = ${value}\n`;
    assert.deepEqual(ipv6(policy).ip6, ip6);
    assert.deepEqual(
      ipv6(policy).sole6,
      ip6.filter((one) => !one.includes('/')),
    );
  });
}

test('who has no IPv6 gets none by it, and a stronger section adds', () => {
  for (const value of ['any', 'fe80::5', 'eui64']) {
    assert.deepEqual(ipv6(`[guest web1]\nlink_local = ${value}\n`, '192.0.2.1').ip6, [], value);
  }
  const more = '[bridge xenbr0]\nlink_local = eui64\n[guest web1]\nlink_local += fe80::5\n';
  assert.deepEqual(ipv6(more).ip6, ['2001:db8::1', 'fe80::5', OWN]);
});

test('what is written is read again', () => {
  for (const text of ['eui64', 'any', 'none', 'fe80::5', 'eui64 fe80::5 fe80:0:0:1::/64']) {
    const read = linkLocalSet.read(text);
    assert.ok('value' in read, text);
    assert.equal(linkLocalSet.write(read.value), text);
  }
});

for (const [value, message] of [
  ['2001:db8::5', /2001:db8::5 is not in fe80::\/10/],
  ['192.0.2.5', /192\.0\.2\.5 is not in/],
  ['fe80::5 none', /none or something/],
  ['', /names no address/],
  ['fe80::1%eth0', /not an IP address/],
] as const) {
  test(`link_local = ${value} is refused`, () => {
    const failure = refusal((text: string) => parsePolicy(text, 'f'), `[guest web1]\nlink_local = ${value}\n`);
    assert.match(failure.message, message);
  });
}

const MADE = '2001:db8:1:0:216:3eff:fe00:1';

test('PREFIX::eui64 is the address that follows from the MAC, of Xen and of the policy', () => {
  for (const word of ['2001:db8:1::eui64', '2001:DB8:1::EUI64/64', '2001:db8:1:0::eui64']) {
    assert.deepEqual(ipv6('', word).ip6, [MADE, OWN], word);
    assert.deepEqual(ipv6(`[guest web1]\nip = ${word}\n`).ip6, [MADE, OWN], word);
    assert.deepEqual(ipv6(`[guest web1]\nip += ${word}\n`, '2001:db8::1').ip6, ['2001:db8::1', MADE, OWN], word);
  }
  assert.deepEqual(ipv6('', `fe80::eui64 ${OWN}`).ip6, [OWN]);
});

for (const word of [
  '2001:db8:1:2:3::eui64',
  '2001:db8::1::eui64',
  '::eui64',
  '2001:db8:1::eui64/56',
  '2001:db8:1:eui64',
  '192.0.2::eui64',
  'ff02::eui64',
]) {
  test(`${word} is no address`, () => {
    assert.ok(refusal((ip: string) => vifWith({ ip }), word));
    assert.ok(refusal((text: string) => parsePolicy(text, 'f'), `[guest web1]\nip = ${word}\n`));
    assert.ok(refusal((text: string) => parsePolicy(text, 'f'), `[guest web1]\nshared = ${word}\n`));
  });
}
