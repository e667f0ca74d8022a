/** What a hostile guest sends: nobody receives it, no address moves in the bridge, and it is counted for a reason. */
import test from 'node:test';
import { ATTACKS } from './attacks.ts';
import { obstacle } from './dom0.ts';
import { openGuests, testFrames } from './verdict.ts';

const skip = obstacle();
if (skip) test('attacks', { skip }, () => {});
else {
  testFrames('attacks by a guest', ATTACKS, openGuests);
}
