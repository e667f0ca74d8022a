/** What `self-test` ships and how it counts. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { corpusRows } from '../../src/build/self-test-corpus.ts';
import { isTagged, type Station, shippedCorpus } from '../../src/commands/self-test/corpus.ts';
import { reportStatus, reportText } from '../../src/commands/self-test/report.ts';
import { type Heard, score } from '../../src/commands/self-test/score.ts';

const corpus = shippedCorpus();

test('the whole corpus is shipped (npx tsx src/build/self-test-corpus.ts packs it)', () => {
  const rows = corpus.map(({ id, name, kind, direction, sender, expect, hex }) => [
    ...[id, name, kind, direction, sender, expect],
    isTagged(hex) ? hex.slice(0, -8) : hex,
  ]);
  assert.deepEqual(rows, corpusRows());
});

test('no two frames can be taken for each other, with or without their tags', () => {
  const seen = corpus.flatMap(({ hex }) => (isTagged(hex) ? [hex, hex.slice(0, 24) + hex.slice(32)] : [hex]));
  assert.equal(new Set(seen).size, seen.length);
});

/** What is heard where everything is as it must be. */
const RIGHT: readonly Heard[] = corpus
  .filter(({ expect }) => expect === 'pass')
  .flatMap(({ direction, hex }) => {
    const stations: readonly Station[] = direction === 'to-guest' ? ['A'] : ['V', 'G', 'H'];
    return stations.map((who) => ({ who, hex }));
  });

test('all right', () => {
  const classes = score(corpus, RIGHT);
  assert.ok(classes.length >= 6);
  assert.deepEqual(
    classes.flatMap(({ wrong }) => wrong),
    [],
  );
  assert.equal(
    classes.reduce((sum, one) => sum + one.right, 0),
    corpus.length,
  );
});

const report = (heard: readonly Heard[]) => ({
  ...{ kernel: '6.1', tools: 'nftables v1', backend: 'nftables', bridge: 'br0' },
  classes: score(corpus, heard),
});

test('an attack that one station hears, tagged or not', () => {
  for (const frame of corpus.filter(({ expect }) => expect === 'drop')) {
    const hex = isTagged(frame.hex) ? frame.hex.slice(0, 24) + frame.hex.slice(32) : frame.hex;
    const who = frame.direction === 'to-guest' ? 'A' : frame.sender === 'G' ? 'H' : 'G';
    const wrong = score(corpus, [...RIGHT, { who, hex }]).flatMap((one) => one.wrong);
    assert.deepEqual(
      wrong.map(({ id, who: all }) => [id, all]),
      [[frame.id, [who]]],
    );
  }
});

test('a frame that must pass and does not', () => {
  for (const frame of corpus.filter(({ expect }) => expect === 'pass')) {
    const one = report(RIGHT.filter(({ hex }) => hex !== frame.hex));
    assert.deepEqual(
      one.classes.flatMap(({ wrong }) => wrong.map(({ id }) => id)),
      [frame.id],
    );
    assert.equal(reportStatus(one), 1);
    assert.match(reportText(one, false), /FAIL {2}What must pass/);
  }
});

test('the report of a host on which all is right', () => {
  const text = reportText(report(RIGHT), false);
  assert.match(text, /^nftables on Linux 6\.1, nftables v1, a private bridge like br0\n/);
  assert.match(text, new RegExp(`\nall ${corpus.length} frames as they must be\n$`));
  assert.equal(reportStatus(report(RIGHT)), 0);
});
