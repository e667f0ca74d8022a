/** What `watch` makes of counters. */
import assert from 'node:assert/strict';
import test from 'node:test';
import type { DropCount } from '../../src/backends/backend.ts';
import { firstLook, HISTORY, nextLook, sparkline } from '../../src/commands/watch/rates.ts';

const drop = (packets: number, more: Partial<DropCount> = {}): DropCount => ({
  ifindex: 7,
  direction: 'from-guest',
  reason: 'arp-spa',
  packets,
  bytes: 0,
  ...more,
});

test('frames a second, between two looks', () => {
  const rates = nextLook(firstLook({ at: 0, drops: [drop(10)] }), {
    at: 2000,
    drops: [drop(50), drop(3, { reason: 'ra' })],
  });
  assert.deepEqual(
    rates.rates.map(({ reason, now, total }) => [reason, now, total]),
    [
      ['arp-spa', 20, 50],
      ['ra', 1.5, 3],
    ],
  );
});

test('what has not changed is not there, and what has is there for a minute', () => {
  let rates = nextLook(firstLook({ at: 0, drops: [drop(10)] }), { at: 1000, drops: [drop(10)] });
  assert.deepEqual(rates.rates, []);
  rates = nextLook(rates, { at: 2000, drops: [drop(11)] });
  for (let look = 0; look < HISTORY - 1; look += 1) {
    rates = nextLook(rates, { at: 3000 + look * 1000, drops: [drop(11)] });
    assert.equal(rates.rates.length, 1, String(look));
    assert.equal(rates.rates[0]?.now, 0);
  }
  rates = nextLook(rates, { at: 100_000, drops: [drop(11)] });
  assert.deepEqual(rates.rates, []);
});

test('a counter that has begun anew is no negative rate', () => {
  const rates = nextLook(firstLook({ at: 0, drops: [drop(1000)] }), { at: 1000, drops: [drop(4)] });
  assert.equal(rates.rates[0]?.now, 4);
});

test('what comes later begins where the others are', () => {
  let rates = nextLook(firstLook({ at: 0, drops: [] }), { at: 1000, drops: [drop(1)] });
  rates = nextLook(rates, { at: 2000, drops: [drop(2)] });
  rates = nextLook(rates, { at: 3000, drops: [drop(3), drop(5, { ifindex: 8 })] });
  assert.deepEqual(
    rates.rates.map(({ history }) => history),
    [
      [1, 1, 1],
      [0, 0, 5],
    ],
  );
});

test('bars', () => {
  assert.equal(sparkline([0, 1, 4, 8], 4), '·▁▄█');
  assert.equal(sparkline([5], 3), '  █');
  assert.equal(sparkline([], 2), '  ');
  assert.equal(sparkline([0, 0], 2), '··');
  assert.equal(
    [
      ...sparkline(
        Array.from({ length: 90 }, (_, index) => index),
        30,
      ),
    ].length,
    30,
  );
});
