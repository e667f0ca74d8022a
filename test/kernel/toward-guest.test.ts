/** What others send does not reach a guest whom it does not concern. */
import test from 'node:test';
import { obstacle, openDom0 } from './dom0.ts';
import { TOWARD_GUEST } from './toward-guest.ts';
import { GUEST_A, GUEST_V, testFrames } from './verdict.ts';

const skip = obstacle();
if (skip) test('toward the guest', { skip }, () => {});
else {
  testFrames('attacks toward a guest', TOWARD_GUEST, async (t) => {
    const dom0 = await openDom0(t);
    await dom0.start(GUEST_A);
    await dom0.start(GUEST_V);
    return dom0;
  });
}
