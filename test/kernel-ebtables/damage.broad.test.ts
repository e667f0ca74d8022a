import { testDamage } from '../kernel/damage.ts';

testDamage('ebtables');
