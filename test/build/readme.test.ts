import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import test from 'node:test';
import { PAGES, ROOT, withTables } from '../../src/build/readme-tables.ts';
import { parsePolicy } from '../policy/effective.ts';

for (const page of PAGES) {
  test(`${page}: tables are made of data (npm run texts writes them)`, () => {
    const text = readFileSync(`${ROOT}${page}`, 'utf8');
    assert.equal(text, withTables(page, text));
  });
}

test("README's summary counts every attack of the corpus once", () => {
  const { frames } = JSON.parse(readFileSync(`${ROOT}test/corpus/frames.json`, 'utf8')) as {
    frames: { expect: string }[];
  };
  const [, table = ''] =
    /<!-- classes -->([\s\S]*)<!-- \/classes -->/.exec(readFileSync(`${ROOT}README.md`, 'utf8')) ?? [];
  const counts = [...table.matchAll(/ \| (\d+)$/gm)].map(([, count]) => Number(count));
  const attacks = frames.filter(({ expect }) => expect === 'drop').length;
  assert.equal(
    counts.reduce((sum, count) => sum + count, 0),
    attacks,
  );
});

test('the policy files that docs show are right', () => {
  const shown = readdirSync(`${ROOT}docs`)
    .filter((name) => name.endsWith('.md'))
    .flatMap((name) =>
      [...readFileSync(`${ROOT}docs/${name}`, 'utf8').matchAll(/^```ini\n([\s\S]*?)^```$/gm)].map(
        ([, text = '']) => text,
      ),
    );
  assert.notEqual(shown.length, 0);
  for (const text of shown) assert.doesNotThrow(() => parsePolicy(text, 'docs'), text);
});
