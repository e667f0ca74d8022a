/** Nothing that an ordinary guest needs is lost, in either direction, while its filter is at its strictest. */
import test from 'node:test';
import { obstacle } from './dom0.ts';
import { LEGITIMATE } from './legitimate.ts';
import { openGuests, testFrames } from './verdict.ts';

const skip = obstacle();
if (skip) test('legitimate traffic', { skip }, () => {});
else {
  testFrames('legitimate traffic', LEGITIMATE, openGuests);
}
