/** A flood of one kind is some lines, and keeps no other kind from being seen. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { lineLimiter } from '../../src/commands/log/line-limit.ts';

test('so many at once, then so many a second', () => {
  const limiter = lineLimiter({ burst: 3, perSecond: 2 });
  const allowed = (at: number): boolean => limiter.allow('a', at);
  assert.deepEqual([0, 0, 0, 0, 100].map(allowed), [true, true, true, false, false]);
  assert.deepEqual([600, 600].map(allowed), [true, false]);
  assert.deepEqual([...limiter.kept()], [['a', 3]]);
  assert.deepEqual([...limiter.kept()], []);
});

test('it never fills beyond what it holds', () => {
  const limiter = lineLimiter({ burst: 2, perSecond: 10 });
  assert.deepEqual(
    [0, 60_000, 60_000, 60_000].map((at) => limiter.allow('a', at)),
    [true, true, true, false],
  );
});

test('each kind by itself', () => {
  const limiter = lineLimiter({ burst: 1, perSecond: 1 });
  for (let count = 0; count < 100; count += 1) limiter.allow('flood', 0);
  assert.ok(limiter.allow('other', 0));
  assert.deepEqual([...limiter.kept()], [['flood', 99]]);
});
