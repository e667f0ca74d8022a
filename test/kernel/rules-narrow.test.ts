import { testNarrow } from './rules-narrow.ts';

testNarrow('rules that allow all', ['in allow', 'out allow'], 4);
