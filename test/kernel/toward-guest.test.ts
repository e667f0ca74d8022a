/** What others send does not reach a guest whom it does not concern. */
import test from 'node:test';
import { obstacle } from './dom0.ts';
import { TOWARD_GUEST } from './toward-guest.ts';
import { openGuests, testFrames } from './verdict.ts';

const skip = obstacle();
if (skip) test('toward the guest', { skip }, () => {});
else {
  testFrames('attacks toward a guest', TOWARD_GUEST, openGuests);
}
