import { testJudge } from './rules-judge.ts';

testJudge(4, 1);
