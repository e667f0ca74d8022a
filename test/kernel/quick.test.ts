/**
 * The short way of ordinary traffic (src/backends/nftables/quick.ts) changes no verdict: every frame that the other
 * tests send with it gets the same verdict, for the same reason, from the stages alone.
 */
import test, { type TestContext } from 'node:test';
import { ATTACKS } from './attacks.ts';
import { CORPUS } from './corpus.ts';
import { type Dom0, obstacle } from './dom0.ts';
import { LEGITIMATE } from './legitimate.ts';
import { leaveShortWay } from './quick.ts';
import { TOWARD_GUEST } from './toward-guest.ts';
import { openGuests, testFrames } from './verdict.ts';

const skip = obstacle();
if (skip) test('the stages alone', { skip }, () => {});
else {
  const frames = [...CORPUS, ...LEGITIMATE, ...ATTACKS, ...TOWARD_GUEST];
  testFrames('the stages alone', frames, openWithoutShortWay);
}

async function openWithoutShortWay(t: TestContext): Promise<Dom0> {
  const dom0 = await openGuests(t);
  await leaveShortWay(dom0);
  return dom0;
}
