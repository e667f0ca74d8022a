/**
 * What people read can be read: pages fit a terminal, and say things in short pieces; so do comments.
 *
 * Not held to the width of a page: rows of tables, what stands between ``` (output is what it is), and lines that are
 * one link or one path that cannot be cut.
 */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import test from 'node:test';

const ROOT = new URL('../', import.meta.url).pathname;
const PAGE_WIDTH = 100;
const COMMENT_WIDTH = 120;
/** Lines of README, tables and all: whoever decides whether to use this reads one page. */
const README_LINES = 150;
/** Lines of one paragraph, or of one item of a list. */
const PARAGRAPH_LINES = 7;

/** Files of which docs/design.md tells how to add them (test/docs/where-to-add.broad.test.ts does). */
const NEW_FILES = ['src/commands/count.ts', 'src/backends/nothing/nothing.ts'];

const PAGES = [
  ...['.', 'test/bench/results'].flatMap((folder) => filesOf(folder, /\.md$/, false)),
  ...filesOf('docs', /\.md$/, true),
];

const CODE = ['src', 'test', 'bin', 'xen-scripts', '.ci'].flatMap((folder) =>
  filesOf(folder, /\.([cm]?[jt]s|c|sh|ini)$|\/[^./]+$/, true),
);

function filesOf(folder: string, kind: RegExp, deep: boolean): string[] {
  return readdirSync(join(ROOT, folder), { recursive: deep, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(ROOT.length))
    .filter((file) => kind.test(`/${file}`) && !/^test\/golden\/[^/]+\//.test(file));
}

/** One line of a page that is prose: no heading, no table, nothing between ```. */
interface Prose {
  readonly line: number;
  readonly text: string;
}

function proseOf(text: string): Prose[] {
  let fenced = false;
  return text.split('\n').flatMap((line, index) => {
    const fence = line.trimStart().startsWith('```');
    if (fence) fenced = !fenced;
    return fence || fenced || isTableRow(line) ? [] : [{ line: index + 1, text: line }];
  });
}

function isTableRow(line: string): boolean {
  return line.startsWith('|') || / \| /.test(line) || /^--- \|/.test(line);
}

/** A word alone, with what makes it an item: a link or a path that has no place to be cut. */
function isOneWord(line: string): boolean {
  return /^\s*([-*] )?(\[[^\]]*\]\(\S+\)|\S+)$/.test(line);
}

test('there are pages and code to look at', () => {
  for (const file of ['README.md', 'CHANGELOG.md', 'docs/design.md']) assert.ok(PAGES.includes(file), file);
  for (const file of ['src/cli.ts', 'bin/vif-bridge', 'xen-scripts/vif-bridge', 'test/setup.sh', 'test/lab/wire.c']) {
    assert.ok(CODE.includes(file), file);
  }
});

for (const page of PAGES) {
  const text = readFileSync(join(ROOT, page), 'utf8');

  test(`${page}: no line of prose is wider than ${PAGE_WIDTH} columns`, () => {
    const wide = proseOf(text).filter((one) => [...one.text].length > PAGE_WIDTH && !isOneWord(one.text));
    assert.deepEqual(wide, []);
  });

  test(`${page}: no paragraph is longer than ${PARAGRAPH_LINES} lines`, () => {
    const prose = proseOf(text);
    let start = 0;
    for (const [index, { text: line, line: number }] of prose.entries()) {
      const before = prose[index - 1];
      const follows = before !== undefined && before.line === number - 1 && before.text.trim() !== '';
      if (!follows || /^(\s*([-*]|\d+\.) |#|<!--)/.test(line)) start = index;
      assert.ok(index - start < PARAGRAPH_LINES, `line ${prose[start]?.line}: ${prose[start]?.text}`);
    }
  });

  test(`${page}: a table's head has as many cells as the line below it, or nothing is shown as a table`, () => {
    const lines = text.split('\n');
    for (const [index, line] of lines.entries()) {
      if (!/^\|?( ?:?---+:? ?\|?)+$/.test(line) || !line.includes('|')) continue;
      const head = lines[index - 1] ?? '';
      assert.equal(cellsOf(head), cellsOf(line), `line ${index}: ${head}`);
    }
  });

  test(`${page}: what it links to is there`, () => {
    for (const [, target = '', anchor] of text.matchAll(/\]\(([^)#:\s]*)(?:#([^)]*))?\)/g)) {
      const file = target === '' ? join(ROOT, page) : join(ROOT, dirname(page), target);
      assert.ok(existsSync(file), target);
      if (anchor !== undefined) assert.ok(anchorsOf(file).includes(anchor), `${target}#${anchor}`);
    }
  });
}

function cellsOf(row: string): number {
  return row.replace(/^\||\|$/g, '').split(/(?<!\\)\|/).length;
}

test('every file that a page names is there', () => {
  const missing = PAGES.flatMap((page) =>
    [...readFileSync(join(ROOT, page), 'utf8').matchAll(/`((?:src|test|bin|xen-scripts|docs)\/[\w./-]+)`/g)]
      .map(([, file = '']) => file)
      .filter((file) => !NEW_FILES.includes(file) && !existsSync(join(ROOT, file)))
      .map((file) => `${page}: ${file}`),
  );
  assert.deepEqual(missing, []);
});

/** The names by which GitHub links to headings. */
function anchorsOf(file: string): string[] {
  return [...readFileSync(file, 'utf8').matchAll(/^#+ (.*)$/gm)].map(([, title = '']) =>
    title
      .toLowerCase()
      .replaceAll(/[^\w\- ]/g, '')
      .replaceAll(' ', '-'),
  );
}

test('README is one page', () => {
  const lines = readFileSync(join(ROOT, 'README.md'), 'utf8').split('\n').length;
  assert.ok(lines <= README_LINES, `${lines} lines; what only some need belongs in docs/`);
});

test('every page of docs can be reached from README', () => {
  const readme = readFileSync(join(ROOT, 'README.md'), 'utf8');
  for (const page of PAGES) assert.ok(!page.startsWith('docs/') || readme.includes(`](${page}`), page);
});

test(`no comment is wider than ${COMMENT_WIDTH} columns`, () => {
  const wide = CODE.flatMap((file) =>
    readFileSync(join(ROOT, file), 'utf8')
      .split('\n')
      .map((text, index) => ({ at: `${file}:${index + 1}`, text }))
      .filter(({ text }) => [...text].length > COMMENT_WIDTH && hasComment(text)),
  );
  assert.deepEqual(wide, []);
});

/** Whole lines of comments in TypeScript, C and shell, and comments behind code; no URLs in strings. */
function hasComment(line: string): boolean {
  return /^\s*(\/\/|\/\*|\*|#(?!!))/.test(line) || /[;,{})]\s+(\/\/|\/\*|#)\s/.test(line);
}
