import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import test from 'node:test';
import { README, withTables } from '../../src/build/readme-tables.ts';

test("README's tables are made of the program's data (tsx src/build/readme-tables.ts writes them)", () => {
  const readme = readFileSync(README, 'utf8');
  assert.equal(readme, withTables(readme));
});

test('README links only to files that are there', () => {
  for (const [, path] of readFileSync(README, 'utf8').matchAll(/\]\(([^)#:]+)\)/g)) {
    assert.ok(existsSync(new URL(`../../${path}`, import.meta.url)), path);
  }
});
