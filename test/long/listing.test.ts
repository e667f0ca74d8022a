/** The same as test/kernel/listing.test.ts with the nft of later releases of Debian, each in a folder of its own. */
import test from 'node:test';
import { obstacle } from '../kernel/dom0.ts';
import { testReload, testUpgrade } from '../kernel/reload.ts';
import { HOST_NFT, releaseNft } from '../lab/nft-release.ts';

for (const suite of ['trixie', 'sid']) {
  const nft = obstacle() || (await releaseNft(suite));
  if (typeof nft === 'string') test(`listings of nft of ${suite}`, { skip: nft }, () => {});
  else {
    testReload(nft);
    testUpgrade(HOST_NFT, nft);
  }
}
