import { testStrangers } from './strangers.ts';

testStrangers('nftables');
