import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { OPT_IN_FLAGS, OPT_INS, type OptIn, optInForm, optInTerms } from '../../src/filter/opt-ins.ts';
import { type Outcome, outcomesOf } from '../../src/filter/stage.ts';
import { STAGES } from '../../src/filter/stages.ts';
import { optInList } from '../../src/policy/opt-in-list.ts';
import { resolved } from '../../src/policy/resolve-policy.ts';
import { vifWith } from '../filter/vif.ts';
import { refusal } from '../net/refusal.ts';
import { parsePolicy } from './effective.ts';

/** What `allow` says of web1, as text. */
function allowed(policy: string): string {
  const { values } = resolved(parsePolicy(policy, 'f'), vifWith({ guest: 'web1', bridge: 'xenbr0' }));
  return optInList.write(values.allow);
}

const one = (value: string): string => allowed(`[guest web1]\nallow = ${value}\n`);
const wrong = (value: string) => refusal(one, value);

/** A parameter that each word which takes one is content with. */
const PARAMETERS: Readonly<Record<string, string>> = {
  ethertype: '0x88e5',
  'ip-protocol': '253',
  vlan: '10-20',
  vrrp: '51',
  vrrp6: '51',
  carp: '5',
  hsrp: '3',
};

/** Every word in every form that it has. */
const EVERY_FORM = OPT_INS.flatMap(({ word, flags, parameter }) => [
  ...(flags === undefined ? [] : [word]),
  ...(parameter === undefined ? [] : [`${word}:${PARAMETERS[word]}`]),
]);

test('nothing is allowed besides unless the policy says so', () => {
  assert.equal(allowed(''), 'none');
  assert.equal(allowed('[guest web2]\nallow = vrrp\n'), 'none');
});

test('every word is read, alone and with all others, once', () => {
  for (const word of EVERY_FORM) assert.equal(one(word), word);
  assert.equal(one(EVERY_FORM.join(' ')), EVERY_FORM.join(' '));
  assert.equal(one('vrrp, vrrp,routing  vrrp'), 'vrrp routing');
  assert.equal(one('ethertype:0x88E5 ethertype:0x88e5 ethertype:0x88b5'), 'ethertype:0x88e5 ethertype:0x88b5');
  assert.equal(one('none'), 'none');
});

test('allow += adds to what weaker sections say, allow = stands in its place', () => {
  const weak = '[defaults]\nallow = vrrp\n';
  assert.equal(allowed(`${weak}[guest web1]\nallow += routing vrrp\n`), 'vrrp routing');
  assert.equal(allowed(`${weak}[guest web1]\nallow = routing\n`), 'routing');
  assert.equal(allowed(`${weak}[guest web1]\nallow = none\n`), 'none');
});

test('an unknown word is refused, with the one that was meant', () => {
  assert.match(wrong('vrpp').hint ?? '', /^did you mean vrrp\?/);
  assert.match(wrong('ethertpye:0x88e5').hint ?? '', /^did you mean ethertype:0x88e5\?/);
  for (const value of ['all', 'any', 'vrrp none', 'VRRP', 'vrrp|routing', '__proto__', 'constructor', 'vrrp:', ':'])
    wrong(value);
});

test('a parameter that is missing, out of place or not possible is refused, and says why', () => {
  assert.match(wrong('ethertype').message, /allow needs more than "ethertype"/);
  assert.match(wrong('tunnels:4').message, /allow takes nothing behind tunnels/);
  for (const type of ['', '88e5', '35045', '0x88e', '0x88e50', '0x', '0xghij', '-1', '0x88e5:1'])
    assert.match(wrong(`ethertype:${type}`).message, /four digits/, type);
  for (const type of ['0x0800', '0x0806', '0x86dd', '0x86DD', '0x8035'])
    assert.match(wrong(`ethertype:${type}`).message, /judged/);
  for (const group of ['0', '256', '-1', '051', 'x', '', '5 1', '1-3'])
    assert.match(wrong(`vrrp:${group}`).message, /allow (has|takes|= )/, group);
  assert.match(wrong('carp:0').message, /from 1 to 255/);
  assert.match(wrong('hsrp:4096').message, /from 0 to 4095/);
  assert.match(wrong('ip-protocol:112').hint ?? '', /^did you mean vrrp\?/);
  assert.match(wrong('ip-protocol:89').hint ?? '', /^did you mean routing\?/);
  assert.match(wrong('ip-protocol:41').hint ?? '', /^did you mean tunnels\?/);
  for (const number of ['6', '17', '1', '50']) assert.match(wrong(`ip-protocol:${number}`).message, /every guest/);
  for (const number of ['', '256', '-1', '0x10', '07', '1e2', 'tcp'])
    assert.match(wrong(`ip-protocol:${number}`).message, /from 0 to 255/, number);
  for (const type of ['0x8100', '0x88a8', '0x9100']) assert.match(wrong(`ethertype:${type}`).message, /VLAN tag/);
  for (const type of ['0x0000', '0x0001', '0x05ff']) assert.match(wrong(`ethertype:${type}`).message, /a length/);
});

test('whatever is written is refused, or read back as the same', () => {
  const word = fc.oneof(
    fc.constantFrom(...EVERY_FORM),
    fc.string({ maxLength: 12 }),
    fc
      .tuple(fc.constantFrom(...OPT_INS.map((entry) => entry.word)), fc.string({ maxLength: 6 }))
      .map((pair) => pair.join(':')),
    fc.integer({ min: 0, max: 0xffff }).map((type) => `ethertype:0x${type.toString(16).padStart(4, '0')}`),
  );
  fc.assert(
    fc.property(fc.array(word, { maxLength: 5 }), (words) => {
      const read = optInList.read(words.join(' '));
      if ('wrong' in read) return;
      const text = optInList.write(read.value);
      assert.deepEqual(optInList.read(text), { value: read.value });
      for (const type of optInTerms(read.value).lists.ethertype) assert.match(type, /^0x[0-9a-f]{4}$/);
    }),
  );
});

test('every flag is given by some word and asked for by some stage, and every word opens what stages drop', () => {
  const given = optInTerms(OPT_INS.map(({ flags }): OptIn => ({ text: '', flags: flags ?? [] })));
  assert.deepEqual(given.flags, OPT_IN_FLAGS);
  const stages = [...STAGES['from-guest'], ...STAGES['to-guest']];
  const asked = stages.flatMap(({ steps }) =>
    steps.flatMap((step) =>
      'switch' in step ? [] : step.when.flatMap((match) => ('vif' in match ? [match.vif] : [])),
    ),
  );
  for (const flag of OPT_IN_FLAGS) assert.ok(asked.includes(flag), flag);
  const drops = stages
    .flatMap((stage) => outcomesOf<string>(stage))
    .flatMap((so: Outcome) => ('drop' in so ? [so.drop] : []));
  for (const { word, opens } of OPT_INS)
    for (const reason of opens) assert.ok([...drops, 'link-local'].includes(reason), `${word}: ${reason}`);
});

test('VLANs are numbers or ranges, of one kind each', () => {
  assert.equal(one('vlan:10 vlan:4094 vlan:1-4094'), 'vlan:10 vlan:4094 vlan:1-4094');
  for (const not of ['vlan:0', 'vlan:4095', 'vlan:20-10', 'vlan:010', 'vlan:10-', 'vlan:1-4095', 'vlan:x']) {
    assert.match(wrong(not).message, /VLANs are numbers from 1 to 4094/, not);
  }
  assert.match(wrong('vlan').hint ?? wrong('vlan').message, /vlan/);
  const terms = (value: string): readonly string[] => {
    const { values } = resolved(parsePolicy(`[defaults]\nallow = ${value}\n`, 'f'), vifWith({}));
    return optInTerms(values.allow).lists.vlan;
  };
  // No two elements of the kernel's set may overlap.
  assert.deepEqual(terms('vlan:30 vlan:10-20 vlan:15-22 vlan:23 vlan:5'), ['5', '10-23', '30']);
});

test('the texts of the words are phrases, and each word is written in one way', () => {
  for (const entry of OPT_INS) {
    assert.match(entry.word, /^[a-z][a-z0-9-]*$/);
    assert.match(optInForm(entry), /^[a-z][a-z0-9-]*(\[?:[A-Z-]+\]?)?$/);
    assert.doesNotMatch(entry.meaning, /\.$/);
  }
  assert.equal(new Set(OPT_INS.map(({ word }) => word)).size, OPT_INS.length);
});
