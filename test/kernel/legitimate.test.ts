/** Nothing that an ordinary guest needs is lost, in either direction, while its filter is at its strictest. */
import test from 'node:test';
import { obstacle, openDom0 } from './dom0.ts';
import { LEGITIMATE } from './legitimate.ts';
import { GUEST_A, GUEST_V, testFrames } from './verdict.ts';

const skip = obstacle();
if (skip) test('legitimate traffic', { skip }, () => {});
else {
  testFrames('legitimate traffic', LEGITIMATE, async (t) => {
    const dom0 = await openDom0(t);
    await dom0.start(GUEST_A);
    await dom0.start(GUEST_V);
    return dom0;
  });
}
