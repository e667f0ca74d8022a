/**
 * `npm run race-demo`: the race this project began with, and that it is over.
 *
 *   npm run race-demo                  20 guests with two vifs each, 5 rounds
 *   npm run race-demo -- 10 3          10 guests, 3 rounds
 */
import { obstacle } from '../stress/rounds.ts';
import { CONTESTANTS, type Contestant, contest } from './contest.ts';
import { failedRounds, isClean, type Score, scoreText } from './score.ts';

const [guests = 20, rounds = 5] = process.argv.slice(2).map(Number);
const reason = obstacle();
if (reason !== false) process.exit(1);
if (!(guests >= 1 && guests <= 100 && rounds >= 1)) {
  console.error('race-demo [guests, 1 to 100] [rounds]');
  process.exit(2);
}

console.log(
  `${guests} guests with two vifs each start at once, ${rounds} rounds, each in a network namespace of its own.\n`,
);
const scores = new Map<Contestant, Score>();
for (const who of Object.keys(CONTESTANTS) as Contestant[]) {
  process.stdout.write(`${CONTESTANTS[who]}: `);
  scores.set(who, await contest(who, guests, rounds, (round) => process.stdout.write(isClean(round) ? '.' : '!')));
  process.stdout.write('\n');
}
console.log(`\n${scoreText([...scores.values()], guests * 2)}`);

const failed = (who: Contestant): number => failedRounds(scores.get(who) ?? { who, rounds: [] });
const shown = failed('classic') * 2 > rounds;
const safe = failed('ebtables') + failed('nftables') === 0;
console.log(
  shown ? 'The classic script fails in most rounds.' : 'The classic script did not fail in most rounds here.',
);
console.log(safe ? 'vif-bridge never did, on either backend.' : 'vif-bridge FAILED.');
process.exitCode = shown && safe ? 0 : 1;
