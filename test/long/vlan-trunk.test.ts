/** Every frame of the other suites with the tag of a VLAN that the guest has gets the verdict that it gets without. */
import test from 'node:test';
import { ATTACKS } from '../kernel/attacks.ts';
import { obstacle } from '../kernel/dom0.ts';
import { LEGITIMATE } from '../kernel/legitimate.ts';
import { TOWARD_GUEST } from '../kernel/toward-guest.ts';
import { testFrames } from '../kernel/verdict.ts';
import { behindTags, openTrunks } from '../kernel/vlan-trunk.ts';

const skip = obstacle();
if (skip) test('frames with the tag of a VLAN', { skip }, () => {});
else {
  const frames = behindTags([...LEGITIMATE, ...ATTACKS, ...TOWARD_GUEST]);
  testFrames('behind the tag of a VLAN as without it', frames, openTrunks);
}
