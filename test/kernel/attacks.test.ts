/** What a hostile guest sends: nobody receives it, no address moves in the bridge, and it is counted for a reason. */
import test from 'node:test';
import { ATTACKS } from './attacks.ts';
import { obstacle, openDom0 } from './dom0.ts';
import { GUEST_A, GUEST_V, testFrames } from './verdict.ts';

const skip = obstacle();
if (skip) test('attacks', { skip }, () => {});
else {
  testFrames('attacks by a guest', ATTACKS, async (t) => {
    const dom0 = await openDom0(t);
    await dom0.start(GUEST_A);
    await dom0.start(GUEST_V);
    return dom0;
  });
}
