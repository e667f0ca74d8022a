import assert from 'node:assert/strict';
import test from 'node:test';
import { didYouMean } from '../../src/did-you-mean.ts';

const KNOWN = ['backend', 'no_ip', 'unmanaged', 'lock', 'ebtables_gaps', 'ip-form', 'ip6-form'];

const MEANT: readonly (readonly [written: string, meant: string | undefined])[] = [
  ['lokc', 'lock'],
  ['loc', 'lock'],
  ['locks', 'lock'],
  ['LOCK', 'lock'],
  ['no-ip', 'no_ip'],
  ['No_Ip', 'no_ip'],
  ['ebtables-gap', 'ebtables_gaps'],
  ['ip-from', 'ip-form'],
  ['ip6_form', 'ip6-form'],
  ['unmangaed', 'unmanaged'],
  ['', undefined],
  ['_', undefined],
  ['guests', undefined],
  ['ipX-form', undefined],
  ['lock'.repeat(100), undefined],
];

for (const [written, meant] of MEANT) {
  test(`${JSON.stringify(written.slice(0, 20))} ${meant === undefined ? 'means nothing known' : `means ${meant}`}`, () => {
    assert.equal(didYouMean(written, KNOWN), meant);
  });
}

test('among no words there is none', () => assert.equal(didYouMean('lock', []), undefined));
