import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { KEY_NAMES, KEYS, type Values } from '../../src/policy/keys.ts';
import { DEFAULT_POLICY } from '../../src/policy/policy.ts';
import { accepts, refusal } from '../net/refusal.ts';
import { effective, parsePolicy } from './effective.ts';

const FILE = '/etc/xen/vif-bridge.ini';
const parse = (text: string): Values => effective(parsePolicy(text, FILE));
const DEFAULTS = effective(DEFAULT_POLICY);

test('an empty file means the defaults', () => {
  for (const text of ['', '\n\n', '# nothing\n; at all\n', '[defaults]\n', '[ defaults ]']) {
    assert.deepEqual(parse(text), DEFAULTS, text);
  }
});

test('without a file every key is what its row says', () => {
  assert.deepEqual(Object.keys(DEFAULTS).sort(), [...KEY_NAMES].sort());
  for (const key of KEY_NAMES) assert.equal(DEFAULTS[key], KEYS[key].initial, key);
});

test('what a policy says of vifs cannot be read from it without a vif', () => {
  const policy = parsePolicy('[defaults]\nno_ip = deny\n', FILE);
  for (const key of KEY_NAMES) assert.equal(Object.hasOwn(policy, key), KEYS[key].of === 'host', key);
});

const CHOICES = KEY_NAMES.filter((key) => KEYS[key].kind.all !== undefined);
/** What is no word is tested beside its kind: address-change.test.ts, frame-limit.test.ts, opt-in-list.test.ts. */
const LISTS = KEY_NAMES.filter((key) => KEYS[key].kind.words.length > 0 && KEYS[key].kind.several && key !== 'allow');
const wordsOf = (key: (typeof KEY_NAMES)[number]): string[] => KEYS[key].kind.words.map(({ word }) => word);

for (const key of CHOICES) {
  for (const choice of wordsOf(key)) {
    test(`${key} = ${choice} is read`, () => {
      assert.deepEqual(parse(`[defaults]\n${key} = ${choice}\n`), { ...DEFAULTS, [key]: choice });
    });
  }
}

for (const key of LISTS) {
  const words = wordsOf(key);
  const read = (value: string): unknown => parse(`[defaults]\n${key} = ${value}\n`)[key];
  const [first = '', second = ''] = words;

  test(`${key} is a list of known words`, () => {
    assert.deepEqual(read(words.join(' ')), words);
    assert.deepEqual(read(`${first},${second}, ${first}`), [first, second]);
    assert.deepEqual(read('none'), []);
  });

  test(`${key} with an unknown word, with nothing, or with none and more is refused`, () => {
    for (const value of ['', ',', `${first} no-such`, `none ${first}`, `${first}|${second}`, 'true', '__proto__']) {
      assert.equal(refusal(read, value).at, `${FILE}:2`, value);
    }
  });
}

test('a gap of an earlier version says nothing, and is no mistake: its vifs must not be closed by an upgrade', () => {
  const read = (value: string): unknown => parse(`[defaults]\nebtables_gaps = ${value}\n`).ebtables_gaps;
  assert.deepEqual(read('nd-lla nd-router nd-target'), ['nd-lla', 'nd-target']);
  assert.deepEqual(read('nd-router'), []);
});

const WRITTEN: readonly string[] = [
  '[defaults]\nno_ip=deny',
  '[defaults]\r\nno_ip = deny\r\n',
  '[defaults]\n  no_ip   =   deny  \n',
  '[defaults]\nno_ip = "deny"\n',
  '[defaults]\nno_ip = deny ; because\n',
  '[defaults]\nno_ip = deny # because\n',
  '  [defaults]\nno_ip = deny\n',
  '\t[defaults]\n\tno_ip = deny\n',
  '\ufeff[defaults]\nno_ip = deny\n',
];

for (const text of WRITTEN) {
  test(`${JSON.stringify(text)} sets no_ip`, () => assert.equal(parse(text).no_ip, 'deny'));
}

const REFUSED: readonly (readonly [text: string, at: number, message: RegExp, hint: RegExp])[] = [
  [
    '[defaults]\nno_ip = dney\n',
    2,
    /^no_ip = "dney" is not possible$/,
    /^did you mean deny\? one of mac-only, deny, unrestricted$/,
  ],
  ['[defaults]\n\nno_ip = Deny\n', 3, /^no_ip = "Deny" is not possible$/, /^did you mean deny\? /],
  ['[defaults]\nno_ip =\n', 2, /^no_ip = "" is not possible$/, /deny/],
  ['[defaults]\nno_ip = true\n', 2, /^no_ip = "true" is not possible$/, /deny/],
  ['[defaults]\nno_ip = null\n', 2, /^no_ip = "null" is not possible$/, /deny/],
  ['[defaults]\nno_ip = deny, unrestricted\n', 2, /is not possible$/, /deny/],
  ['[defaults]\nno_ip = "deny\n', 2, /is not possible$/, /deny/],
  [
    '[defaults]\nbackend = iptables\n',
    2,
    /^backend = "iptables" is not possible$/,
    /^one of auto, nftables, ebtables$/,
  ],
  [
    '[defaults]\nno-ip = deny\n',
    2,
    /^unknown key "no-ip"$/,
    /^did you mean no_ip\? known in \[defaults\]: backend, mode, no_ip/,
  ],
  ['[defaults]\nfoo = deny\n', 2, /^unknown key "foo"$/, /^known in \[defaults\]: backend, mode, no_ip/],
  [
    '[defaults]\nebtables_gaps = ip-from\n',
    2,
    /^ebtables_gaps has no "ip-from"$/,
    /^did you mean ip-form\? some of ip-form /,
  ],
  ['[defaults]\nstate = conntrack\n', 2, /^unknown key "state"$/, /no state = conntrack: leave the line out/],
  ['[defaults]\nNO_IP = deny\n', 2, /^unknown key "NO_IP"$/, /known/],
  ['[defaults]\nno_ip[] = deny\n', 2, /^unknown key "no_ip\[\]"$/, /known/],
  ['[defaults]\n"no_ip" = deny\n', 2, /^unknown key /, /known/],
  ['[defaults]\nno\\_ip = deny\n', 2, /^unknown key /, /known/],
  ['[defaults]\n__proto__ = x\n', 2, /^unknown key "__proto__"$/, /known/],
  ['[defaults]\nconstructor = x\n', 2, /^unknown key "constructor"$/, /known/],
  ['[defaults]\nhasOwnProperty = x\n', 2, /^unknown key "hasOwnProperty"$/, /known/],
  ['[defaults]\ntoString = x\n', 2, /^unknown key "toString"$/, /known/],
  ['[defaults]\nno_ip = deny\nno_ip = unrestricted\n', 3, /^"no_ip" is already set in line 2$/, /keep one/],
  ['[defaults]\nlock = flock\n[defaults]\nno_ip = deny\n', 3, /^\[defaults\] is already there in line 1$/, /keep one/],
  ['[guest a]\n[mac 00:16:3e:0:0:zz]\n', 2, /^\[mac\]: .*00:16:3e:0:0:zz/, /./],
  [
    '[mac 00:16:3E:00:00:AB]\n[mac 00:16:3e:00:00:ab]\n',
    2,
    /^\[mac 00:16:3e:00:00:ab\] is already there in line 1$/,
    /keep/,
  ],
  ['[guest web1]\n[guest web*]\n[ guest  web1 ]\n', 3, /^\[guest web1\] is already there in line 1$/, /keep/],
  ['[guest]\n', 1, /^\[guest\] needs a name$/, /^write \[guest NAME\]$/],
  ['[defaults xenbr0]\n', 1, /^\[defaults\] takes no name$/, /^write \[defaults\]$/],
  ['[guest w*b]\n', 1, /^\[guest\]: "w\*b" has a star that is not at its end$/, /\[guest web\*\]/],
  ['[bridge xen/br0]\n', 1, /^\[bridge\]: .*xen\/br0/, /./],
  ['[vif ..]\n', 1, /^\[vif\]: /, /./],
  [
    '[gest web1]\nno_ip = deny\n',
    1,
    /^unknown section "gest web1"$/,
    /^did you mean \[guest NAME\]\? known: \[defaults\] /,
  ],
  ['[guest web1]\nbackend = nftables\n', 2, /^"backend" cannot stand in \[guest web1\]$/, /below \[defaults\]/],
  ['[guest web1]\nno_ip = deny\nno_ip = deny\n', 3, /^"no_ip" is already set in line 2$/, /keep one/],
  [
    '[guest web1]\nno-ip = deny\n',
    2,
    /^unknown key "no-ip"$/,
    /^did you mean no_ip\? known in \[guest\]: mode, ip, no_ip, /,
  ],
  ['[defaults]\nno_ip = deny\rno_ip = unrestricted', 3, /already set in line 2$/, /keep one/],
  ['[defaults]\n# comment\rno_ip = evil', 3, /is not possible$/, /deny/],
  ['[defaults]\nno_ip\n', 2, /^"no_ip" is no key = value$/, /comments start with #/],
  ['[defaults]\nno_ip deny\n', 2, /is no key = value$/, /#/],
  ['[defaults]\n= deny\n', 2, /is no key = value$/, /#/],
  ['[defaults]\n// no\n', 2, /is no key = value$/, /#/],
  ['[defaults\nno_ip = deny\n', 1, /^"\[defaults" is no key = value/, /#/],
  ['[defaults] # site\nno_ip = deny\n', 1, /is no key = value/, /#/],
  ['no_ip = deny\n', 1, /^"no_ip" stands in no section$/, /put it below \[defaults\]/],
  [
    '[Defaults]\nno_ip = deny\n',
    1,
    /^unknown section "Defaults"/,
    /^did you mean \[defaults\]\? known: \[defaults\] \[bridge NAME\] /,
  ],
  ['[]\n', 1, /^unknown section ""$/, /known/],
  ['[__proto__]\nno_ip = deny\n', 1, /^unknown section "__proto__"/, /known/],
  ['[defaults.guest]\nno_ip = deny\n', 1, /^unknown section "defaults\.guest"/, /known/],
  ['["defaults"]\nno_ip = deny\n', 1, /^unknown section /, /known/],
];

for (const [text, line, message, hint] of REFUSED) {
  test(`${JSON.stringify(text)} is refused in line ${line}`, () => {
    const failure = refusal(parse, text);
    assert.equal(failure.at, `${FILE}:${line}`);
    assert.match(failure.message, message);
    assert.match(failure.hint ?? '', hint);
  });
}

test('everything that is wrong is said at once, in the order of the lines', () => {
  const failure = refusal(
    parse,
    'lock = flock\n[defaults]\nno_ip = dent\nlokc = 1\nbackend = nftables\nbackend = x\n[guests]\nwhat\n',
  );
  assert.equal(failure.at, `${FILE}:1`);
  assert.deepEqual(failure.message.split('; '), [
    '"lock" stands in no section',
    'line 3: no_ip = "dent" is not possible (did you mean deny?)',
    'line 4: unknown key "lokc" (did you mean lock?)',
    'line 5: backend = "x" is not possible',
    'line 6: "backend" is already set in line 5',
    'line 7: unknown section "guests" (did you mean [guest NAME]?)',
    'line 8: "what" is no key = value',
  ]);
});

test('what stands below a head that is wrong is looked at in the same run', () => {
  const failure = refusal(
    parse,
    [
      '[gest web1]',
      'no_ip = what',
      'lock = flock',
      'no-ip = deny',
      'mode = x',
      'mode = y',
      '[mac 00:16:3e:0:0:zz]',
      'mode = lockd',
      '[guests]',
      'mode',
      '[rule web]',
      'in alow tcp 80',
      '[what is this]',
      'mode = lockd',
      'mdoe = locked',
      'lock = flock',
      'in alow tcp 80',
      '[adresses a b]',
      'nowhere',
      '[defaults]',
      'rules = web',
    ].join('\n'),
  );
  assert.deepEqual(
    failure.message.split(/; (?=line \d)/).map((one) => one.replace(/: ".*(?= is no )/, ': ""')),
    [
      'unknown section "gest web1"',
      'line 2: no_ip = "what" is not possible',
      'line 3: "lock" cannot stand in [guest NAME]',
      'line 4: unknown key "no-ip" (did you mean no_ip?)',
      'line 5: mode = "y" is not possible',
      'line 6: "mode" is already set in line 5',
      'line 7: [mac]: "00:16:3e:0:0:zz" is not a MAC address',
      'line 8: mode = "lockd" is not possible (did you mean locked?)',
      'line 9: unknown section "guests" (did you mean [guest NAME]?)',
      'line 10: "" is no key = value',
      'line 11: unknown section "rule web" (did you mean [rules NAME]?)',
      'line 13: unknown section "what is this"',
      'line 14: mode = "lockd" is not possible (did you mean locked?)',
      'line 15: unknown key "mdoe" (did you mean mode?)',
      'line 18: unknown section "adresses a b" (did you mean [addresses NAME]?)',
      'line 18: [addresses]: "" is no name: up to 40 letters, digits, and . _ -',
      'line 19: "" is no address',
      'line 12: a rule goes on with a verdict (allow, drop, reject), not "alow" (did you mean allow?)',
    ],
  );
});

test('what is wrong with the order of lines is told beside lines that are wrong', () => {
  const failure = refusal(
    parse,
    [
      '[rules base]',
      'in alow tcp 22',
      'in drop',
      'in allow tcp 80',
      'in allow tcp 443',
      'out allow tcp 99999',
      'out drop tcp 25',
      '[rules may-end]',
      'in allow tcp 80',
      'in alow',
      'out drop tcp 25',
      'oot allow',
      '[defaults]',
      'rules = may-end none-such',
    ].join('\n'),
  );
  assert.deepEqual(failure.message.split(/; (?=line \d)/), [
    'a rule goes on with a verdict (allow, drop, reject), not "alow"',
    'line 6: "99999" is no port',
    'line 10: a rule goes on with a verdict (allow, drop, reject), not "alow" (did you mean allow?)',
    'line 12: a rule begins with a direction (in, out), not "oot" (did you mean out?)',
    'line 14: there is no [rules none-such]',
    'line 4: this line is never reached: the one in line 3 takes all',
    'line 5: this line is never reached: the one in line 3 takes all',
    'line 7: nothing says what becomes of the rest: no line of out is without conditions',
  ]);
});

const key = fc.oneof(
  fc.constantFrom(...KEY_NAMES),
  fc.constantFrom(
    '__proto__',
    'constructor',
    'prototype',
    'NO_IP',
    'no_ip[]',
    '"no_ip"',
    "'no_ip'",
    'no_ip;x',
    'no_ip#',
  ),
  fc.string({ maxLength: 8 }),
);
const listWord = fc.constantFrom('none', ',', 'no-such-reason', ...LISTS.flatMap(wordsOf));
const value = fc.oneof(
  fc.array(listWord, { maxLength: 3 }).map((words) => words.join(' ')),
  fc.constantFrom(...CHOICES.flatMap(wordsOf)),
  fc.constantFrom('true', 'null', '"deny"', "'deny'", 'deny;', '{"a":1}', '["deny"]', '"de\\u006ey"'),
  fc.string({ maxLength: 8 }),
);
const line = fc.oneof(
  fc.tuple(key, fc.constantFrom('=', ' = ', '\t=', '==', ' '), value).map((parts) => parts.join('')),
  fc.constantFrom(
    '[defaults]',
    '[defaults] ',
    ' [defaults]',
    '[ defaults ]',
    '[other]',
    '[__proto__]',
    '[defaults.x]',
    '',
  ),
  fc.string({ unit: 'binary', maxLength: 12 }),
);
const eol = fc.constantFrom('\n', '\r\n', '\r', '\n\n', '\u2028');

const words = (value: unknown): readonly string[] => (Array.isArray(value) ? value : [value]).map(String);

test('an accepted policy has known keys with possible values only, each as the file says in exactly one line', () => {
  fc.assert(
    fc.property(fc.array(line, { maxLength: 5 }), eol, (lines, between) => {
      const text = `[defaults]${between}${lines.join(between)}`;
      if (!accepts(parse, text)) return;
      const policy = parse(text);
      assert.deepEqual(Object.keys(policy).sort(), [...KEY_NAMES].sort());
      for (const name of LISTS) for (const word of words(policy[name])) assert.ok(wordsOf(name).includes(word));
      for (const name of CHOICES) {
        const [said = ''] = words(policy[name]);
        assert.ok(wordsOf(name).includes(said));
        const own = text.split(/[\r\n]+/).filter((one) => one.trim().split(/\s*=/)[0] === name && one.includes('='));
        assert.equal(own.length, said === KEYS[name].initial ? own.length : 1, text);
        assert.ok(own.length <= 1, text);
        if (own.length === 1) assert.ok(JSON.stringify(own[0]).includes(said) || /\\u/.test(own[0] ?? ''), text);
      }
    }),
    { numRuns: 2000 },
  );
});

test('no text makes the policy parser throw anything but a refusal', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      accepts(parse, text);
      accepts(parse, `[defaults]\n${text}`);
    }),
  );
});
