import { testStrangers } from '../kernel/strangers.ts';

testStrangers('ebtables');
