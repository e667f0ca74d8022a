import { testKillsAtAnyTime } from './kill.ts';

testKillsAtAnyTime('route');
