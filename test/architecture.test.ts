/**
 * The house as it must stay: who may use whom. Imports of types count like all others, because who reads a file has to
 * know what its types mean. Read by TypeScript's own parser. (docs/design.md has the picture.)
 */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import test from 'node:test';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';

const SRC = fileURLToPath(new URL('../src/', import.meta.url));

/** Rooms, the lowest floor first: a folder (with a slash) or a file. Rooms of one floor do not know each other. */
const FLOORS: readonly (readonly string[])[] = [
  ['errors.ts', 'once.ts', 'did-you-mean.ts', 'grouped.ts', 'bundle-cache.ts', 'text-digest.ts'],
  ['net/', 'json/', 'effects/', 'install/'],
  ['xen/', 'rules/'],
  ['filter/', 'port/', 'guest/', 'nwfilter/'],
  ['policy/'],
  ['state/'],
  ['host.ts'],
  ['backends/', 'system-host.ts'],
  ['backends/nftables/', 'backends/ebtables/'],
  ['backends/choice.ts'],
  ['vif/'],
  ['commands/'],
  ['run.ts'],
  ['command-line/'],
  ['command-line.ts'],
  ['cli.ts', 'start.ts'],
  ['program.ts'],
  ['main.ts', 'hotplug-main.ts', 'build/'],
];
/** Data and parsers: they touch nothing, so a test of them needs no machine. */
const PURE = ['net/', 'json/', 'xen/', 'rules/', 'filter/', 'policy/', 'guest/', 'nwfilter/'];
const BACKEND_NAMES = ['nftables', 'ebtables'];

interface Module {
  readonly file: string;
  readonly room: string;
  readonly uses: readonly string[];
  readonly nodes: readonly ts.Node[];
  readonly source: ts.SourceFile;
}

const ROOMS = FLOORS.flat();
/** The most exact room a file is in; empty if it is in none. */
const roomOf = (file: string): string =>
  ROOMS.filter((room) => (room.endsWith('/') ? file.startsWith(room) : file === room)).sort(
    (a, b) => b.length - a.length,
  )[0] ?? '';
const floorOf = (room: string): number => FLOORS.findIndex((rooms) => rooms.includes(room));

const MODULES = readdirSync(SRC, { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.ts') && !file.endsWith('.d.ts'))
  .map((file): Module => {
    const text = readFileSync(join(SRC, file), 'utf8');
    const imported = ts.preProcessFile(text).importedFiles.map((one) => one.fileName);
    const uses = imported.filter((name) => name.startsWith('.')).map((name) => join(dirname(file), name));
    const source = ts.createSourceFile(file, text, ts.ScriptTarget.Latest, true);
    return { file, room: roomOf(file), uses, nodes: nodesBelow(source), source };
  });
const USES = new Map(MODULES.map(({ file, uses }) => [file, uses]));

function nodesBelow(node: ts.Node): ts.Node[] {
  const children: ts.Node[] = [];
  ts.forEachChild(node, (child) => void children.push(child));
  return children.flatMap((child) => [child, ...nodesBelow(child)]);
}

function placesOf(matches: (node: ts.Node) => boolean, modules = MODULES): string[] {
  return modules.flatMap(({ nodes, source, file }) =>
    nodes
      .filter(matches)
      .map((node) => `${file}:${source.getLineAndCharacterOfPosition(node.getStart()).line + 1}: ${node.getText()}`),
  );
}

test('every file of src is in a room, and what it imports is there', () => {
  assert.ok(MODULES.length > 80);
  assert.deepEqual(
    MODULES.filter(({ room }) => room === '').map(({ file }) => file),
    [],
  );
  for (const { file, uses } of MODULES) for (const used of uses) assert.ok(USES.has(used), `${file}: ${used}`);
});

test('nothing imports from a higher floor, or from another room of its own', () => {
  const upward = MODULES.flatMap(({ file, room, uses }) =>
    uses
      .filter((used) => roomOf(used) !== room && floorOf(roomOf(used)) >= floorOf(room))
      .map((used) => `${file} -> ${used}`),
  );
  assert.deepEqual(upward, []);
});

test('no import leads back to where it came from', () => {
  const done = new Set<string>();
  const follow = (file: string, path: readonly string[]): void => {
    assert.ok(!path.includes(file), [...path.slice(path.indexOf(file)), file].join(' -> '));
    if (done.has(file)) return;
    for (const used of USES.get(file) ?? []) follow(used, [...path, file]);
    done.add(file);
  };
  for (const { file } of MODULES) follow(file, []);
});

test('what parses, and the filter, do not touch the machine', () => {
  const touching = MODULES.filter(({ room }) => PURE.includes(room)).flatMap(({ file, uses }) =>
    uses.filter((used) => used.startsWith('effects/')).map((used) => `${file} -> ${used}`),
  );
  assert.deepEqual(touching, []);
});

test('only who chooses a packet filter knows its name, besides itself and the table of policy keys', () => {
  const others = MODULES.filter(({ file }) => file !== 'backends/choice.ts' && file !== 'policy/keys.ts');
  for (const name of BACKEND_NAMES) {
    const strangers = others.filter(({ room }) => room !== `backends/${name}/`);
    assert.deepEqual(
      placesOf((node) => ts.isStringLiteralLike(node) && node.text === name, strangers),
      [],
    );
  }
});

test('no cast makes a host or a backend of something else, and none silences the compiler', () => {
  const forbidden = /\b\w*(Host|Managed|Backend|Nft|Ebt)\b|\bany\b|\bnever\b/;
  assert.deepEqual(
    placesOf(
      (node) => (ts.isAsExpression(node) || ts.isTypeAssertionExpression(node)) && forbidden.test(node.type.getText()),
    ),
    [],
  );
});
