/** The whole corpus on the kernel's own bridge, behind the launcher. */
import test from 'node:test';
import { CORPUS } from './corpus.ts';
import { obstacle } from './dom0.ts';
import { openGuests, testFrames } from './verdict.ts';

const skip = obstacle();
if (skip) test('corpus', { skip }, () => {});
else {
  testFrames('the corpus', CORPUS, openGuests);
}
