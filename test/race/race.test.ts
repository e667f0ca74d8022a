/** The race this project began with: separate ebtables calls of many vifs at once. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { obstacle, rounds } from '../stress/rounds.ts';
import { contest } from './contest.ts';
import { failedRounds, isClean } from './score.ts';

const skip = obstacle();
const GUESTS = 12;
/** As often for every contestant. */
const ROUNDS = rounds(4, 'nftables');

test('scripts that call ebtables for each rule lose rules in most rounds when many vifs start at once', {
  skip,
}, async () => {
  const score = await contest('classic', GUESTS, ROUNDS);
  assert.ok(failedRounds(score) * 2 > score.rounds.length, JSON.stringify(score));
});

for (const backend of ['ebtables', 'nftables'] as const) {
  test(`the same vifs at once through the launcher with ${backend}: no error, all rules, every round`, {
    skip,
  }, async () => {
    const score = await contest(backend, GUESTS, ROUNDS);
    assert.deepEqual(
      score.rounds.filter((round) => !isClean(round)),
      [],
    );
  });
}
