import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import {
  array,
  boolean,
  count,
  object,
  oneOf,
  optional,
  type Reader,
  readJson,
  string,
} from '../../src/json/reader.ts';
import { refusal } from '../net/refusal.ts';

const SOURCE = { at: 'the test', hint: 'make it anew' };

interface Port {
  readonly name: string;
  readonly up: boolean;
  readonly mtu: number | undefined;
  readonly mode: 'open' | 'closed';
  readonly groups: number[];
}

const PORT: Reader<Port> = object((get) => ({
  name: get('ifname', string),
  up: get('up', boolean),
  mtu: get('mtu', optional(count)),
  mode: get('mode', oneOf('open', 'closed')),
  groups: get('groups', array(count)),
}));

const GOOD = { ifname: 'vif1.0', up: true, mtu: 1500, mode: 'open', groups: [1, 2] };

test('what is as expected gets its type, and what nobody asked for is left out', () => {
  const read = readJson(JSON.stringify({ ...GOOD, more: [null] }), PORT, SOURCE);
  assert.deepEqual(read, { name: 'vif1.0', up: true, mtu: 1500, mode: 'open', groups: [1, 2] });
});

test('only what may be absent may be absent', () => {
  const { mtu: _, ...rest } = GOOD;
  assert.equal(readJson(JSON.stringify(rest), PORT, SOURCE).mtu, undefined);
  for (const key of ['ifname', 'up', 'mode', 'groups']) {
    const text = JSON.stringify({ ...GOOD, [key]: undefined });
    assert.match(
      refusal((bad) => readJson(bad, PORT, SOURCE), text).message,
      new RegExp(`^${key} is absent, and must be `),
    );
  }
});

const REFUSED: readonly (readonly [what: string, reader: Reader<unknown>, text: string, because: string])[] = [
  ['no JSON', PORT, '{"ifname": "vif1', 'it is no JSON text'],
  ['an empty text', PORT, '', 'it is no JSON text'],
  ['a list for an object', PORT, '[]', 'the whole is [], and must be an object'],
  ['null for an object', PORT, 'null', 'the whole is null, and must be an object'],
  ['an object for a list', array(string), '{"0":"a"}', 'the whole is {"0":"a"}, and must be a list'],
  ['null for nothing', object((get) => get('a', optional(string))), '{"a":null}', 'a is null, and must be a text'],
  ['a number for a text', array(string), '["a",1]', '[1] is 1, and must be a text'],
  ['a text for a number', array(count), '["1"]', '[0] is "1", and must be a whole number'],
  ['a fraction', count, '1.5', 'the whole is 1.5, and must be a whole number'],
  ['a negative number', count, '-1', 'the whole is -1, and must be a whole number'],
  [
    'more digits than are known',
    count,
    '9007199254740993',
    'the whole is 9007199254740992, and must be a whole number',
  ],
  ['a number for a boolean', boolean, '1', 'the whole is 1, and must be true or false'],
  ['another word', oneOf('a', 'b'), '"c"', 'the whole is "c", and must be "a" or "b"'],
  ['another number', oneOf(1), '2', 'the whole is 2, and must be 1'],
  [
    'text with what would break a log',
    count,
    '"a\\u0000\\n"',
    'the whole is "a\\u0000\\n", and must be a whole number',
  ],
  [
    'something deep inside',
    array(
      object((get) =>
        get(
          'info',
          object((more) => more('flags', array(string))),
        ),
      ),
    ),
    '[{"info":{"flags":[]}},{"info":{"flags":["UP",false]}}]',
    '[1].info.flags[1] is false, and must be a text',
  ],
  [
    'what every object inherits',
    object((get) => get('toString', string)),
    '{}',
    'toString is absent, and must be a text',
  ],
];

for (const [what, reader, text, because] of REFUSED) {
  test(`refused with its place: ${what}`, () => {
    const failure = refusal((bad) => readJson(bad, reader, SOURCE), text);
    assert.deepEqual([failure.message, failure.at, failure.hint], [because, SOURCE.at, SOURCE.hint]);
  });
}

test('a fault of the reader itself is no bad input', () => {
  const broken: Reader<string> = () => {
    throw new TypeError('a bug');
  };
  assert.throws(() => readJson('1', broken, SOURCE), TypeError);
});

test('whatever the text, the answer is the value that was written or a refusal', () => {
  const key = fc.constantFrom('ifname', 'up', 'mtu', 'mode', 'groups');
  fc.assert(
    fc.property(key, fc.jsonValue(), (which, value) => {
      const text = JSON.stringify({ ...GOOD, [which]: value });
      try {
        const read = readJson(text, PORT, SOURCE);
        const { name: ifname, ...rest } = read;
        assert.deepEqual({ ifname, ...rest }, JSON.parse(text));
      } catch (error) {
        if (error instanceof assert.AssertionError) throw error;
        assert.match(refusal((bad) => readJson(bad, PORT, SOURCE), text).message, new RegExp(`^${which}\\b`));
      }
    }),
  );
});
