import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import test from 'node:test';
import { PAGES, ROOT, withTables } from '../../src/build/readme-tables.ts';
import { REASON_CLASSES } from '../../src/build/reason-classes.ts';
import { ALL_REASONS } from '../../src/filter/reasons.ts';
import { parsePolicy } from '../../src/policy/parse-policy.ts';

for (const page of PAGES) {
  test(`${page}: tables are made of data (tsx src/build/readme-tables.ts writes them)`, () => {
    const text = readFileSync(`${ROOT}${page}`, 'utf8');
    assert.equal(text, withTables(page, text));
  });
}

test("README's summary knows every reason once", () => {
  assert.deepEqual(REASON_CLASSES.flatMap(({ reasons }) => [...reasons]).sort(), [...ALL_REASONS].sort());
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
