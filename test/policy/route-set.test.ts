import assert from 'node:assert/strict';
import test from 'node:test';
import { buildPlan } from '../../src/filter/plan.ts';
import { resolvePolicy } from '../../src/policy/resolve-policy.ts';
import { routeSet } from '../../src/policy/route-set.ts';
import { vifWith } from '../filter/vif.ts';
import { refusal } from '../net/refusal.ts';
import { parsePolicy } from './effective.ts';

function planned(policy: string, ip?: string) {
  const vif = vifWith({ ip, guest: 'web1' });
  return buildPlan(
    vif,
    resolvePolicy(parsePolicy(policy, 'f'), { ...vif, bridge: 'xenbr0' }, '2026-01-01T00:00:00.000Z'),
    [],
  ).terms.values;
}

const ROUTES = '[guest web1]\nroutes = 198.51.100.0/28 2001:db8:1::/56\n';

test('what is routed is neither an address, nor one that it alone has, nor a group it listens to', () => {
  const { route, route6, ip, ip6, sole, sole6, solicited } = planned(ROUTES, '192.0.2.1 2001:db8::1');
  assert.deepEqual([route, route6], [['198.51.100.0/28'], ['2001:db8:1::/56']]);
  assert.deepEqual([ip, ip6], [['192.0.2.1'], ['2001:db8::1', 'fe80::216:3eff:fe00:1']]);
  assert.deepEqual([sole, sole6], [['192.0.2.1'], ['2001:db8::1', 'fe80::216:3eff:fe00:1']]);
  assert.deepEqual(solicited, ['ff02::1:ff00:1']);
});

test('of a family that is closed nothing is routed, nor where any address is allowed, or none', () => {
  assert.deepEqual([planned(ROUTES, '192.0.2.1').route6, planned(ROUTES, '2001:db8::1').route], [[], []]);
  for (const mode of ['locked', 'unlocked', 'disabled']) {
    const { route, route6 } = planned(`${ROUTES}mode = ${mode}\n`, mode === 'locked' ? undefined : '192.0.2.1');
    assert.deepEqual([route, route6], [[], []], mode);
  }
});

test('sections add to each other; what is in another block is not said twice', () => {
  const more = '[vif vif1.0]\nroutes += 198.51.100.7 198.51.0.0/16 203.0.113.9\n';
  assert.deepEqual(planned(ROUTES + more, '192.0.2.1').route, ['198.51.0.0/16', '203.0.113.9']);
});

test('what is written is read again', () => {
  const read = routeSet.read('198.51.100.0/28, 2001:DB8:1::/56;203.0.113.9/32');
  assert.ok('value' in read);
  assert.equal(routeSet.write(read.value), '198.51.100.0/28 203.0.113.9 2001:db8:1::/56');
  assert.deepEqual(routeSet.read(routeSet.write(read.value)), read);
});

for (const [value, message] of [
  ['0.0.0.0/0', /every address is no route.*allow = forwarding/],
  ['::/0', /every address is no route/],
  ['198.51.100.0/28 ::/00', /every address is no route/],
  ['198.51.100.0/0.0.0.0', /every address/],
  ['198.51.100.5/28', /has host bits.*write 198\.51\.100\.0\/28/],
  ['2001:db8:1::1/56', /has host bits.*2001:db8:1::\/56/],
  ['fe80::/64', /link-local/],
  ['fe80::1', /link-local/],
  ['224.0.0.0/4', /multicast/],
  ['127.0.0.1', /loopback/],
  ['128.0.0.0/1', /no guest can own/],
  ['any', /not an IP address/],
  ['', /names no block/],
] as const) {
  test(`routes = ${value} is refused`, () => {
    const failure = refusal((text: string) => parsePolicy(text, 'f'), `[guest web1]\nroutes = ${value}\n`);
    assert.match(failure.message, message);
  });
}
