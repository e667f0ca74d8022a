import { testKills } from './kill.ts';

testKills('ebtables', 'one');
