/** `nft list ruleset > FILE; nft -f FILE` with the nft that is here; other versions: test/long/listing.test.ts. */
import test from 'node:test';
import { HOST_NFT } from '../lab/nft-release.ts';
import { obstacle } from './dom0.ts';
import { testReload } from './reload.ts';

const skip = obstacle();
if (skip) test('listings', { skip }, () => {});
else testReload(HOST_NFT);
