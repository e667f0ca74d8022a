/** What test/kernel/rules-judge.test.ts and rules-narrow.test.ts try of a few lists of rules, of many. */
import fc from 'fast-check';
import { testJudge } from '../kernel/rules-judge.ts';
import { testNarrow } from '../kernel/rules-narrow.ts';
import { ruleLines } from '../rules/random-programs.ts';

const SEED = Number(process.env.RULES_SEED ?? 20_240);

testJudge(40, SEED);
for (const [at, lines] of fc.sample(ruleLines, { numRuns: 5, seed: SEED }).entries()) {
  testNarrow(`list ${at + 1} of seed ${SEED}`, lines);
}
testNarrow('stateless rules that allow all', ['in allow stateless', 'out allow stateless']);
