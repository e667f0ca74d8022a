/** Whose frames may pass by their source MAC: the own ones, those that the policy names, and of nobody else. */
import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { buildPlan } from '../../src/filter/plan.ts';
import { outcomesOf } from '../../src/filter/stage.ts';
import { STAGES } from '../../src/filter/stages.ts';
import { parseMac } from '../../src/net/mac-address.ts';
import { withAddresses } from '../../src/policy/address-change.ts';
import { KEY_NAMES, KEYS } from '../../src/policy/keys.ts';
import { resolvePolicy } from '../../src/policy/resolve-policy.ts';
import { refusal } from '../net/refusal.ts';
import { parsePolicy } from '../policy/effective.ts';
import { planFor, vifWith } from './vif.ts';

const OWN = '00:16:3e:00:00:01';
const GATEWAY = '00:00:5e:00:01:01';
const SHARED = '02:bf:0a:00:00:05';

function planned(policy: string, ip?: string) {
  const vif = vifWith({ ip, guest: 'web1' });
  return buildPlan(
    vif,
    resolvePolicy(parsePolicy(policy, 'f'), { ...vif, bridge: 'xenbr0' }, '2026-01-01T00:00:00.000Z'),
    [],
  );
}

test('its own comes first, and counts once', () => {
  const { macs, terms } = planned(`[guest web1]\nextra_macs = ${SHARED} ${OWN}\n`, '192.0.2.1');
  assert.deepEqual(macs, [OWN, SHARED]);
  assert.deepEqual([terms.values.mac, terms.values.extra], [[OWN, SHARED], [SHARED]]);
  assert.deepEqual(planFor({ ip: '192.0.2.1' }).terms.values.extra, []);
});

test('IPv6 brings a link-local address of each, and only of its own MAC it is nobody else', () => {
  const { values } = planned(`[guest web1]\nextra_macs = ${SHARED}\n`, '2001:db8::1').terms;
  assert.deepEqual(values.ip6, ['2001:db8::1', 'fe80::216:3eff:fe00:1', 'fe80::bf:aff:fe00:5']);
  assert.deepEqual(values.sole6, ['2001:db8::1', 'fe80::216:3eff:fe00:1']);
  assert.deepEqual(values.solicited, ['ff02::1:ff00:1', 'ff02::1:ff00:5']);
  assert.deepEqual(planned(`[guest web1]\nextra_macs = ${SHARED}\n`, '192.0.2.1').terms.values.ip6, []);
});

test('who may not speak has none, who is not filtered neither', () => {
  for (const mode of ['disabled', 'unlocked']) {
    const { terms } = planned(`[guest web1]\nmode = ${mode}\nextra_macs = ${SHARED}\n`, '192.0.2.1');
    assert.deepEqual([terms.values.mac, terms.values.extra], [[], []], mode);
  }
});

test('sections add to each other, up to a limit', () => {
  const policy = `[guest web1]\nextra_macs = 02:42:ac:11:00:00+2\n[vif vif1.0]\nextra_macs += ${SHARED}\n`;
  assert.deepEqual(planned(policy).macs, [OWN, '02:42:ac:11:00:00', '02:42:ac:11:00:01', SHARED]);
  const many = policy.replace('+2', '+256');
  assert.match(refusal((text: string) => planned(text), many).message, /257 MAC addresses besides .* are too many/);
});

test('a frame from a foreign MAC passes only where nothing is filtered', () => {
  const [start] = STAGES['from-guest'];
  assert.deepEqual(start?.steps[0], {
    when: [{ field: 'ether saddr', notOwn: 'mac' }],
    so: { goto: 'stranger' },
    why: 'before the bridge learns: a drop in forward is too late (LP#1732294)',
  });
  const stranger = STAGES['from-guest'].find(({ name }) => name === 'stranger');
  assert.ok(stranger);
  assert.deepEqual(
    outcomesOf(stranger).filter((outcome) => !('drop' in outcome)),
    [{ accept: true }],
  );
  assert.deepEqual(stranger.steps[0], {
    when: [{ vif: 'open' }],
    so: { accept: true },
    why: 'unrestricted by policy, or running before our first load',
  });
});

/** Values of keys of whatever kind; each key takes those that it can read. */
const VALUES: readonly string[] = [
  ...KEY_NAMES.flatMap((key) => KEYS[key].kind.words.map(({ word }) => word)),
  '02:42:ac:11:00:00+4',
  `${SHARED} 02:42:ac:11:00:02`,
  '192.0.2.7',
  '198.51.100.0/28 2001:db8::7',
  'fe80::/64 2001:db8:1::/64',
  '10',
  'none',
];

test('no policy, whatever it says, lets one pass but by extra_macs or by not filtering at all', () => {
  const lines = KEY_NAMES.filter(
    (key) => KEYS[key].of === 'vif' && key !== 'rules' && key !== 'nwfilter' && KEYS[key].sections.includes('vif'),
  ).flatMap((key) =>
    [...new Set(VALUES)].filter((text) => 'value' in KEYS[key].kind.read(text)).map((text) => ({ key, text })),
  );
  const settings = fc.uniqueArray(fc.constantFrom(...lines), { selector: ({ key }) => key, maxLength: 6 });
  const heads = ['[guest web*]', '[guest web1]', `[mac ${OWN}]`, '[vif vif1.0]'];
  const policy = fc
    .tuple(...heads.map((head) => settings.map((own) => [head, ...own.map(({ key, text }) => `${key} = ${text}`)])))
    .map((sections) => sections.flat().join('\n'));
  const given = fc.option(fc.constantFrom('192.0.2.1', '192.0.2.1 2001:db8::1'), { nil: undefined });
  fc.assert(
    fc.property(policy, given, (text, ip) => {
      const vif = vifWith({ ip, guest: 'web1' });
      const said = resolvePolicy(parsePolicy(text, 'f'), { ...vif, bridge: 'xenbr0' }, '2026-01-01T00:00:00.000Z');
      const { terms, mode } = buildPlan(withAddresses(vif, said), said, [], [parseMac(GATEWAY, 'f')]);
      const allowed = new Set<string>([OWN, ...said.extra_macs]);
      assert.ok(terms.values.mac.every((one) => allowed.has(one)));
      assert.ok(!terms.flags.includes('open') || said.mode === 'unlocked' || mode === said.no_ip);
    }),
  );
});
