import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { isPast, moment } from '../../src/policy/moment.ts';

const read = (text: string): string | undefined => {
  const result = moment.read(text);
  return 'value' in result ? result.value : undefined;
};

test('a time with an offset is one moment, a day is its beginning, and never is never', () => {
  assert.equal(read('2026-12-31T18:00Z'), '2026-12-31T18:00:00.000Z');
  assert.equal(read('2026-12-31T18:00:30+05:30'), '2026-12-31T12:30:30.000Z');
  assert.equal(read('2026-12-31'), new Date(2026, 11, 31).toISOString());
  assert.equal(read('2026-12-31T18:00'), new Date(2026, 11, 31, 18).toISOString());
  assert.equal(read('never'), 'never');
});

test('what is no time is refused, and so is a day that no month has', () => {
  for (const text of [
    ...['', 'now', 'tomorrow', '31.12.2026', '2026-12-31 18:00', '2026-12-31T18', '2026-12-31T18:00 Z', '18:00'],
    ...[
      '2026-02-30',
      '2026-13-01',
      '2026-00-10',
      '2026-12-31T25:00',
      '2026-12-31T18:60',
      '2026-12-31T18:00+1',
      'Never',
    ],
    ...['+012026-01-01', '2026-12-31T18:00z'],
  ])
    assert.equal(read(text), undefined, text);
});

test('what is written is read as the same, and is past from then on', () => {
  fc.assert(
    fc.property(fc.date({ min: new Date(0), max: new Date('9999-12-31'), noInvalidDate: true }), (date) => {
      const value = read(`${date.toISOString().slice(0, 19)}Z`);
      assert.ok(value !== undefined && value !== 'never');
      const parsed = moment.read(moment.write(`${value.slice(0, -1)}Z`));
      assert.deepEqual(parsed, { value });
      const at = Date.parse(value);
      assert.equal('value' in parsed && isPast(parsed.value, new Date(at).toISOString()), true);
      assert.equal('value' in parsed && isPast(parsed.value, new Date(at - 1).toISOString()), false);
    }),
  );
  assert.equal(isPast('never', '9999-12-31T00:00:00Z'), false);
});
