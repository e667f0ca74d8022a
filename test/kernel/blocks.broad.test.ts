/**
 * Addresses that are assigned as blocks are held in other sets than single ones (src/backends/nftables/own.ts): same
 * verdicts.
 */
import test from 'node:test';
import { ATTACKS } from './attacks.ts';
import { CORPUS } from './corpus.ts';
import { obstacle } from './dom0.ts';
import { A, V } from './frames.ts';
import { LEGITIMATE } from './legitimate.ts';
import { TOWARD_GUEST } from './toward-guest.ts';
import { openGuests, testFrames } from './verdict.ts';

const skip = obstacle();
if (skip) test('blocks', { skip }, () => {});
else {
  testFrames('guests with blocks of addresses', [...CORPUS, ...LEGITIMATE, ...ATTACKS, ...TOWARD_GUEST], (t) =>
    openGuests(
      t,
      { domid: 1, mac: A.mac, ip: '10.0.0.10/31 fd00::10/127' },
      { domid: 2, mac: V.mac, ip: '10.0.0.2/31 fd00::2/127' },
    ),
  );
}
