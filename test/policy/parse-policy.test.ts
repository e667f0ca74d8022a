import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { DEFAULT_KEYS, DEFAULT_POLICY, type DefaultKey, LIST_KEYS, type Policy } from '../../src/policy/keys.ts';
import { parsePolicy } from '../../src/policy/parse-policy.ts';
import { accepts, refusal } from '../net/refusal.ts';

const FILE = '/etc/xen/vif-bridge.ini';
const parse = (text: string): Policy => parsePolicy(text, FILE);

test('an empty file means the defaults', () => {
  for (const text of ['', '\n\n', '# nothing\n; at all\n', '[defaults]\n', '[ defaults ]']) {
    assert.deepEqual(parse(text), DEFAULT_POLICY);
  }
});

test('the first choice of every key is its default', () => {
  for (const [key, { choices }] of Object.entries(DEFAULT_KEYS)) {
    assert.equal(DEFAULT_POLICY[key as DefaultKey], choices[0]);
  }
});

for (const [key, { choices }] of Object.entries(DEFAULT_KEYS)) {
  for (const choice of choices) {
    test(`${key} = ${choice} is read`, () => {
      assert.deepEqual(parse(`[defaults]\n${key} = ${choice}\n`), { ...DEFAULT_POLICY, [key]: choice });
    });
  }
}

for (const [key, { words: known, initial }] of Object.entries(LIST_KEYS)) {
  const words = known();
  const read = (value: string): readonly string[] =>
    parse(`[defaults]\n${key} = ${value}\n`)[key as keyof typeof LIST_KEYS];
  const [first = '', second = ''] = words;

  test(`${key} is a list of known words`, () => {
    assert.deepEqual(DEFAULT_POLICY[key as keyof typeof LIST_KEYS], initial);
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
  '[defaults]\nlock = flock\n[defaults]\nno_ip = deny\n',
];

for (const text of WRITTEN) {
  test(`${JSON.stringify(text)} sets no_ip`, () => assert.equal(parse(text).no_ip, 'deny'));
}

const REFUSED: readonly (readonly [text: string, at: number, message: RegExp, hint: RegExp])[] = [
  ['[defaults]\nno_ip = dney\n', 2, /^no_ip = "dney" is not possible$/, /^one of mac-only, deny, unrestricted$/],
  ['[defaults]\n\nno_ip = Deny\n', 3, /^no_ip = "Deny" is not possible$/, /deny/],
  ['[defaults]\nno_ip =\n', 2, /^no_ip = "" is not possible$/, /deny/],
  ['[defaults]\nno_ip = true\n', 2, /^no_ip = "true" is not possible$/, /deny/],
  ['[defaults]\nno_ip = null\n', 2, /^no_ip = "null" is not possible$/, /deny/],
  ['[defaults]\nno_ip = deny, unrestricted\n', 2, /is not possible$/, /deny/],
  ['[defaults]\nno_ip = "deny\n', 2, /is not possible$/, /deny/],
  ['[defaults]\nbackend = iptables\n', 2, /^backend = "iptables" is not possible$/, /nftables/],
  ['[defaults]\nno-ip = deny\n', 2, /^unknown key "no-ip"$/, /^known in \[defaults\]: backend, no_ip/],
  ['[defaults]\nNO_IP = deny\n', 2, /^unknown key "NO_IP"$/, /known/],
  ['[defaults]\nno_ip[] = deny\n', 2, /^unknown key "no_ip\[\]"$/, /known/],
  ['[defaults]\n"no_ip" = deny\n', 2, /^unknown key /, /known/],
  ['[defaults]\nno\\_ip = deny\n', 2, /^unknown key /, /known/],
  ['[defaults]\n__proto__ = x\n', 2, /^unknown key "__proto__"$/, /known/],
  ['[defaults]\nconstructor = x\n', 2, /^unknown key "constructor"$/, /known/],
  ['[defaults]\nhasOwnProperty = x\n', 2, /^unknown key "hasOwnProperty"$/, /known/],
  ['[defaults]\ntoString = x\n', 2, /^unknown key "toString"$/, /known/],
  ['[defaults]\nno_ip = deny\nno_ip = unrestricted\n', 3, /^"no_ip" is already set in line 2$/, /keep one/],
  ['[defaults]\nno_ip = deny\n[defaults]\nno_ip = deny\n', 4, /already set in line 2$/, /keep one/],
  ['[defaults]\nno_ip = deny\rno_ip = unrestricted', 3, /already set in line 2$/, /keep one/],
  ['[defaults]\n# comment\rno_ip = evil', 3, /is not possible$/, /deny/],
  ['[defaults]\nno_ip\n', 2, /^"no_ip" is no key = value$/, /comments start with #/],
  ['[defaults]\nno_ip deny\n', 2, /is no key = value$/, /#/],
  ['[defaults]\n= deny\n', 2, /is no key = value$/, /#/],
  ['[defaults]\n// no\n', 2, /is no key = value$/, /#/],
  ['[defaults\nno_ip = deny\n', 1, /^"\[defaults" is no key = value/, /#/],
  ['[defaults] # site\nno_ip = deny\n', 1, /is no key = value/, /#/],
  ['no_ip = deny\n', 1, /^"no_ip" stands in no known section$/, /put it below \[defaults\]/],
  ['[Defaults]\nno_ip = deny\n', 1, /^unknown section "Defaults"/, /known: \[defaults\]/],
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
    'lock = flock\n[defaults]\nno_ip = no\nfoo = 1\nbackend = nftables\nbackend = x\n[guests]\nwhat\n',
  );
  assert.equal(failure.at, `${FILE}:1`);
  assert.deepEqual(failure.message.split('; '), [
    '"lock" stands in no known section',
    'line 3: no_ip = "no" is not possible',
    'line 4: unknown key "foo"',
    'line 5: backend = "x" is not possible',
    'line 6: "backend" is already set in line 5',
    'line 7: unknown section "guests"',
    'line 8: "what" is no key = value',
  ]);
});

const key = fc.oneof(
  fc.constantFrom(...Object.keys(DEFAULT_KEYS), ...Object.keys(LIST_KEYS)),
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
const listWord = fc.constantFrom(
  'none',
  ',',
  'no-such-reason',
  ...Object.values(LIST_KEYS).flatMap(({ words }) => [...words()]),
);
const value = fc.oneof(
  fc.array(listWord, { maxLength: 3 }).map((words) => words.join(' ')),
  fc.constantFrom(...Object.values(DEFAULT_KEYS).flatMap(({ choices }) => [...choices])),
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

test('an accepted policy has known keys with possible values only, each as the file says in exactly one line', () => {
  fc.assert(
    fc.property(fc.array(line, { maxLength: 5 }), eol, (lines, between) => {
      const text = `[defaults]${between}${lines.join(between)}`;
      if (!accepts(parse, text)) return;
      const policy = parse(text);
      assert.deepEqual(Object.keys(policy).sort(), [...Object.keys(DEFAULT_KEYS), ...Object.keys(LIST_KEYS)].sort());
      for (const [name, { words }] of Object.entries(LIST_KEYS)) {
        for (const word of policy[name as keyof typeof LIST_KEYS])
          assert.ok((words() as readonly string[]).includes(word));
      }
      assert.equal(Object.getPrototypeOf(policy), Object.prototype);
      for (const [name, { choices }] of Object.entries(DEFAULT_KEYS)) {
        const said = policy[name as DefaultKey];
        assert.ok((choices as readonly string[]).includes(said));
        const own = text.split(/[\r\n]+/).filter((one) => one.trim().split(/\s*=/)[0] === name && one.includes('='));
        assert.equal(own.length, said === choices[0] ? own.length : 1, text);
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
