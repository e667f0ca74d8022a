import { testKills } from './kill.ts';

testKills('nftables', 'one');
