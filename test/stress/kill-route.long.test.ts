import { testKillsAtPrograms } from './kill.ts';

testKillsAtPrograms('route', 'one');
