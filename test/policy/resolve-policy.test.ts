import assert from 'node:assert/strict';
import test from 'node:test';
import { combine, parsePolicyText } from '../../src/policy/parse-policy.ts';
import { DEFAULT_POLICY, DEFAULT_VIF_POLICY } from '../../src/policy/policy.ts';
import { asksForGuests, resolved, resolvePolicy } from '../../src/policy/resolve-policy.ts';
import type { Subject } from '../../src/policy/section-name.ts';
import type { IdentityValues } from '../../src/xen/vif-identity.ts';
import { vifWith } from '../filter/vif.ts';
import { parsePolicy } from './effective.ts';

const NOW = '2026-01-01T00:00:00.000Z';

const VIF: IdentityValues = { ip: '192.0.2.10', bridge: 'xenbr0', vifname: 'web', guest: 'web1' };
const of = (text: string, values: IdentityValues = VIF, device = 'vif1.0') =>
  resolvePolicy(parsePolicy(text, 'f'), vifWith(values, device), NOW);

test('a vif of which no section says anything has the defaults', () => {
  assert.deepEqual(resolvePolicy(DEFAULT_POLICY, vifWith(VIF), NOW), DEFAULT_VIF_POLICY);
  assert.deepEqual(of('[defaults]\n[guest web1]\n'), DEFAULT_VIF_POLICY);
});

test('no resolved policy changes the one it was made of', () => {
  const before = JSON.stringify(DEFAULT_VIF_POLICY);
  of('[defaults]\nno_ip = unrestricted\n');
  assert.equal(JSON.stringify(DEFAULT_VIF_POLICY), before);
});

const ABOUT: readonly (readonly [head: string, isAbout: boolean])[] = [
  ['defaults', true],
  ['bridge xenbr0', true],
  ['bridge xenbr1', false],
  ['guest web1', true],
  ['guest web', false],
  ['guest web10', false],
  ['guest WEB1', false],
  ['guest web*', true],
  ['guest web1*', true],
  ['guest web10*', false],
  ['guest *', true],
  ['mac 00:16:3e:00:00:01', true],
  ['mac 00:16:3E:00:00:01', true],
  ['mac 00:16:3e:00:00:02', false],
  ['vif vif1.0', true],
  ['vif web', true],
  ['vif vif1.00', false],
  ['vif vif1.1', false],
  ['vif vif10.0', false],
];

for (const [head, isAbout] of ABOUT) {
  test(`[${head}] is ${isAbout ? '' : 'not '}about a vif of web1`, () => {
    assert.equal(of(`[${head}]\nno_ip = deny\n`).no_ip, isAbout ? 'deny' : 'mac-only');
  });
}

test('the emulated interface of an HVM guest goes with its vif', () => {
  for (const head of ['vif vif1.0', 'vif web', 'vif vif1.0-emu', 'guest web1']) {
    assert.equal(of(`[${head}]\nno_ip = deny\n`, VIF, 'vif1.0-emu').no_ip, 'deny', head);
  }
});

test('a guest without a name, or whose name nobody has read, is in no section of guests', () => {
  for (const guest of [undefined, '']) {
    assert.equal(of('[guest *]\nno_ip = deny\n', { ...VIF, guest }).no_ip, 'mac-only');
  }
});

/** Each says more than the one before it, in whatever order they are written. */
const STRONGER = [
  'defaults',
  'bridge xenbr0',
  'guest *',
  'guest we*',
  'guest web*',
  'guest web1*',
  'guest web1',
  'mac 00:16:3e:00:00:01',
  'vif web',
];

for (const [index, strong] of STRONGER.entries()) {
  for (const weak of STRONGER.slice(0, index)) {
    test(`[${strong}] wins over [${weak}]`, () => {
      const [a, b] = [`[${weak}]\nno_ip = unrestricted\n`, `[${strong}]\nno_ip = deny\n`];
      assert.equal(of(a + b).no_ip, 'deny');
      assert.equal(of(b + a).no_ip, 'deny');
    });
  }
}

test('each key is decided by itself, and says where', () => {
  const policy = parsePolicy(
    '[guest web1]\nno_ip = deny\n[bridge xenbr0]\nno_ip = unrestricted\nvnet_header = refuse\n',
    'f',
  );
  assert.deepEqual(resolved(policy, vifWith(VIF)), {
    values: { ...DEFAULT_VIF_POLICY, no_ip: 'deny', vnet_header: 'refuse' },
    places: { no_ip: 'f:2', vnet_header: 'f:5' },
  });
});

test('of two files that say the same of one section, the later holds; of other keys, each', () => {
  const texts = [
    parsePolicyText('[defaults]\nlock = lockfile\nno_ip = deny\n[vif web]\nno_ip = deny\n', 'a'),
    parsePolicyText('[vif web]\nno_ip = unrestricted\n[defaults]\nvnet_header = refuse\nbackend = nftables\n', 'b'),
  ];
  const policy = combine(texts);
  const vif: Subject = vifWith(VIF);
  assert.deepEqual([policy.lock, policy.backend], ['lockfile', 'nftables']);
  assert.deepEqual(policy.places, { lock: 'a:2', backend: 'b:5' });
  assert.deepEqual(resolved(policy, vif).places, { no_ip: 'b:2', vnet_header: 'b:4' });
  assert.equal(resolvePolicy(policy, vif, NOW).no_ip, 'unrestricted');
});

test('names of guests are asked for only where a section is about one', () => {
  assert.equal(asksForGuests(parsePolicy('[vif web]\nno_ip = deny\n[defaults]\n', 'f')), false);
  assert.equal(asksForGuests(parsePolicy('[guest *]\n', 'f')), true);
});

test('what opens a vif is over at its time, and what closes it is not', () => {
  const of = (text: string, now: string): [string, string | undefined] => {
    const { mode, ended } = resolvePolicy(parsePolicy(`[defaults]\n${text}`, 'f'), vifWith(VIF), now);
    return [mode, ended];
  };
  const until = 'until = 2026-06-01T12:00+02:00\n';
  const [before, then] = ['2026-06-01T09:59:59.999Z', '2026-06-01T10:00:00.000Z'];
  for (const mode of ['observe', 'unlocked'] as const) {
    assert.deepEqual(of(`mode = ${mode}\n${until}`, before), [mode, undefined]);
    assert.deepEqual(of(`mode = ${mode}\n${until}`, then), ['locked', mode]);
    assert.deepEqual(of(`mode = ${mode}\n`, '9999-12-31T00:00:00.000Z'), [mode, undefined]);
  }
  assert.deepEqual(of(`mode = disabled\n${until}`, then), ['disabled', undefined]);
  assert.deepEqual(of(until, then), ['locked', undefined]);
});
