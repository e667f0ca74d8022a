import assert from 'node:assert/strict';
import test from 'node:test';
import { buildPlan } from '../../src/filter/plan.ts';
import { withAddresses } from '../../src/policy/address-change.ts';
import { resolved } from '../../src/policy/resolve-policy.ts';
import { vifWith } from '../filter/vif.ts';
import { refusal } from '../net/refusal.ts';
import { parsePolicy } from './effective.ts';

const FILE = 'f';

/** What a vif with `ip` of Xen's has in the end. */
function addresses(policy: string, ip?: string): { have: string[]; from: string | undefined } {
  const vif = vifWith({ ip, guest: 'web1', bridge: 'xenbr0' });
  const { values, places } = resolved(parsePolicy(policy, FILE), vif);
  const { ipv4, ipv6 } = withAddresses(vif, values).addresses;
  return { have: [...ipv4, ...ipv6].map(({ text }) => text), from: places.ip };
}

test('without a word of the policy Xen decides', () => {
  assert.deepEqual(addresses('', '192.0.2.1').have, ['192.0.2.1']);
  assert.deepEqual(addresses('[guest web2]\nip = 192.0.2.9\n', '192.0.2.1').have, ['192.0.2.1']);
});

test('ip = counts in the place of what Xen says, ip += besides it', () => {
  assert.deepEqual(addresses('[guest web1]\nip = 192.0.2.9 2001:db8::9\n', '192.0.2.1').have, [
    '192.0.2.9',
    '2001:db8::9',
  ]);
  assert.deepEqual(addresses('[guest web1]\nip += 192.0.2.9\n', '192.0.2.1').have, ['192.0.2.1', '192.0.2.9']);
  assert.deepEqual(addresses('[guest web1]\nip+=192.0.2.9\n').have, ['192.0.2.9']);
});

test('ip = none takes all away: then no_ip decides', () => {
  assert.deepEqual(addresses('[guest web1]\nip = none\n', '192.0.2.1').have, []);
});

test('a stronger section adds to a weaker one, or replaces it', () => {
  const weak = '[bridge xenbr0]\nip += 192.0.2.7\n';
  assert.deepEqual(addresses(`${weak}[guest web1]\nip += 192.0.2.8\n[vif vif1.0]\nip += 192.0.2.9\n`, '192.0.2.1'), {
    have: ['192.0.2.1', '192.0.2.7', '192.0.2.8', '192.0.2.9'],
    from: 'f:2 f:4 f:6',
  });
  assert.deepEqual(addresses(`${weak}[guest web1]\nip = 192.0.2.8\n[vif vif1.0]\nip += 192.0.2.9\n`, '192.0.2.1'), {
    have: ['192.0.2.8', '192.0.2.9'],
    from: 'f:4 f:6',
  });
  assert.deepEqual(addresses(`${weak}[vif vif1.0]\nip = 192.0.2.8\n`, '192.0.2.1'), {
    have: ['192.0.2.8'],
    from: 'f:4',
  });
});

test('one that is there twice counts once', () => {
  assert.deepEqual(addresses('[guest web1]\nip += 192.0.2.1 192.0.2.1\n', '192.0.2.1').have, ['192.0.2.1']);
});

for (const [line, message, hint] of [
  ['ip = 192.0.2.300', /^ip is not possible: .*192\.0\.2\.300/, /./],
  ['ip = 192.0.2.1 any', /^ip is not possible: .*any/, /./],
  ['ip =', /^ip names no address$/, /none/],
  ['ip += none none', /^ip is not possible/, /./],
  ['no_ip += deny', /^no_ip has one value/, /^write no_ip = /],
  ['ips = 192.0.2.1', /^unknown key "ips"$/, /^did you mean ip\?/],
] as const) {
  test(`${line} is refused`, () => {
    const failure = refusal((text: string) => parsePolicy(text, FILE), `[guest web1]\n${line}\n`);
    assert.equal(failure.at, 'f:2');
    assert.match(failure.message, message);
    assert.match(failure.hint ?? '', hint);
  });
}

test('ip in [defaults] would give all guests one address', () => {
  const failure = refusal((text: string) => parsePolicy(text, FILE), '[defaults]\nip += 192.0.2.1\n');
  assert.match(failure.message, /^"ip" cannot stand in \[defaults\]$/);
});

test('mode decides before the addresses and no_ip do', () => {
  const mode = (policy: string, ip?: string): string => {
    const vif = vifWith({ ip, guest: 'web1' });
    return buildPlan(vif, resolved(parsePolicy(policy, FILE), vif).values, []).mode;
  };
  assert.equal(mode('[guest web1]\nmode = unlocked\n', '192.0.2.1'), 'unrestricted');
  assert.equal(mode('[guest web1]\nmode = disabled\n', '192.0.2.1'), 'deny');
  assert.equal(mode('[guest web1]\nmode = disabled\n[defaults]\nno_ip = unrestricted\n'), 'deny');
  assert.equal(mode('[guest web1]\nmode = locked\n[defaults]\nmode = unlocked\n', '192.0.2.1'), 'addresses');
});
