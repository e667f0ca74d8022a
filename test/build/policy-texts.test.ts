import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import test from 'node:test';
import { MANUAL_PAGE, manualPage, SAMPLE_FILE, sampleFile } from '../../src/build/policy-texts.ts';
import { KEY_NAMES, KEYS } from '../../src/policy/keys.ts';
import { DEFAULT_POLICY } from '../../src/policy/policy.ts';
import { effective, parsePolicy } from '../policy/effective.ts';

test('the sample policy is made of the table of keys (npm run texts writes it)', () => {
  assert.equal(readFileSync(SAMPLE_FILE, 'utf8'), sampleFile());
});

test('the sample policy says what holds without it', () => {
  assert.deepEqual(effective(parsePolicy(sampleFile(), SAMPLE_FILE)), effective(DEFAULT_POLICY));
});

test('the sample policy has every key that may stand in [defaults], and every word', () => {
  const set = [...sampleFile().matchAll(/^(\w+) = /gm)].map(([, key]) => key);
  assert.deepEqual(
    set,
    KEY_NAMES.filter((key) => KEYS[key].sections.some((kind) => kind === 'defaults') && !key.includes('.')),
  );
  for (const key of KEY_NAMES) {
    for (const { word, meaning } of KEYS[key].kind.words) {
      assert.match(
        sampleFile(),
        new RegExp(`^#   ${word.replace(/[[\]]/g, '.')} +${meaning.split(' ')[0]?.replace(/[()]/g, '.')}`, 'm'),
      );
    }
  }
});

test('the manual page is made of the table of keys (npm run texts writes it)', () => {
  assert.equal(readFileSync(MANUAL_PAGE, 'utf8'), manualPage());
});

const groff = spawnSync('groff', ['--version']).error === undefined ? false : 'needs groff';

test('the manual page is read without a warning, and says what every key and word means', { skip: groff }, () => {
  const read = spawnSync('groff', ['-man', '-ww', '-Tascii', '-P-cbou', '-rLL=300n'], { input: manualPage() });
  assert.equal(read.stderr.toString(), '');
  const page = read.stdout.toString().replace(/\s+/g, ' ');
  for (const key of KEY_NAMES) {
    const { help, kind } = KEYS[key];
    assert.ok(page.includes(` ${key} = ${kind.words.length > 0 ? 'word' : 'value'}`), key);
    assert.ok(page.includes(help.slice(1)), help);
    for (const { word, meaning } of kind.words) assert.ok(page.includes(meaning), `${word}: ${meaning}`);
  }
});
