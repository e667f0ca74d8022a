import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { DEFAULT_LIMITS, LIMIT_KINDS, limitKey, MOST_FRAMES } from '../../src/filter/frame-limits.ts';
import { frameLimit } from '../../src/policy/frame-limit.ts';
import { DEFAULT_VIF_POLICY } from '../../src/policy/policy.ts';

test('a rate, and a burst if it is said', () => {
  assert.deepEqual(frameLimit.read('50/s burst 200'), { value: { rate: 50, burst: 200 } });
  assert.deepEqual(frameLimit.read('50/s'), { value: { rate: 50, burst: 200 } });
  assert.deepEqual(frameLimit.read('9000/s'), { value: { rate: 9000, burst: MOST_FRAMES } });
  assert.deepEqual(frameLimit.read('off'), { value: 'off' });
});

test('what is no limit is refused, with what was probably meant', () => {
  const wrong = (text: string): unknown => {
    const read = frameLimit.read(text);
    assert.ok('wrong' in read, text);
    return read.wrong[0]?.meant;
  };
  assert.equal(wrong('50'), '50/s');
  assert.equal(wrong('50/second'), '50/s');
  // It would be no limit, and nobody is told.
  assert.equal(wrong('20000/s'), 'off');
  for (const text of [
    '',
    'none',
    '0/s',
    '5/s burst 0',
    '5/m',
    '-5/s',
    '5/s burst',
    '5/s burst 20000',
    '5/s 7',
    '1e3/s',
  ])
    assert.equal(wrong(text), undefined, text);
});

test('every limit is read as it is written', () => {
  const frames = fc.integer({ min: 1, max: MOST_FRAMES });
  fc.assert(
    fc.property(fc.oneof(fc.constant('off' as const), fc.record({ rate: frames, burst: frames })), (value) => {
      const text = frameLimit.write(value);
      assert.deepEqual(JSON.parse(JSON.stringify(frameLimit.read(text))), JSON.parse(JSON.stringify({ value })));
    }),
  );
});

test('the defaults are possible values, and those of the policy', () => {
  for (const kind of LIMIT_KINDS) {
    const limit = DEFAULT_LIMITS[kind];
    assert.deepEqual(DEFAULT_VIF_POLICY[limitKey(kind)], limit);
    assert.deepEqual(frameLimit.read(frameLimit.write(limit)), { value: limit });
  }
});
