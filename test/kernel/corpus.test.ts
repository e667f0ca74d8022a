/** The whole corpus on the kernel's own bridge, behind the launcher. */
import test from 'node:test';
import { CORPUS } from './corpus.ts';
import { obstacle, openDom0 } from './dom0.ts';
import { GUEST_A, GUEST_V, testFrames } from './verdict.ts';

const skip = obstacle();
if (skip) test('corpus', { skip }, () => {});
else {
  testFrames('the corpus', CORPUS, async (t) => {
    const dom0 = await openDom0(t);
    await dom0.start(GUEST_A);
    await dom0.start(GUEST_V);
    return dom0;
  });
}
