/** The schemas of docs/json: they are those of the code, every command has one, and what was printed fits them. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { Ajv2020 } from 'ajv/dist/2020.js';
import type { Command } from 'commander';
import { JSON_OUTPUTS, schemaFile, schemaText } from '../../src/build/json-texts.ts';
import { ROOT } from '../../src/build/source.ts';
import { commandTree } from '../../src/command-line.ts';
import { checkJson, jsonOutput, schemaOf } from '../lab/json-output.ts';

const GOLDEN = join(ROOT, 'test/golden');

for (const output of JSON_OUTPUTS) {
  test(`${schemaFile(output)} is made of the code (npm run texts), and is a schema`, () => {
    assert.equal(readFileSync(join(ROOT, schemaFile(output)), 'utf8'), schemaText(output));
    assert.doesNotThrow(() => new Ajv2020({ strict: true }).compile(schemaOf(output)));
  });
}

test('no other schema is there, and every command with --json has one', () => {
  const files = JSON_OUTPUTS.map(schemaFile).sort();
  assert.deepEqual(
    readdirSync(join(ROOT, 'docs/json'))
      .map((name) => `docs/json/${name}`)
      .sort(),
    files,
  );
  const printing = commandsBelow(commandTree({}, '0', () => undefined)).filter(({ command }) =>
    command.options.some(({ long }) => long === '--json'),
  );
  assert.deepEqual(printing.map(({ words }) => words).sort(), JSON_OUTPUTS.flatMap(({ commands }) => commands).sort());
});

function commandsBelow(command: Command, before = ''): { readonly words: string; readonly command: Command }[] {
  return command.commands.flatMap((one) => {
    const words = `${before} ${one.name()}`.trim();
    return [{ words, command: one }, ...commandsBelow(one, words)];
  });
}

for (const name of readdirSync(GOLDEN)) {
  const [command, stdout] = ['command', 'stdout'].map((file) => join(GOLDEN, name, file));
  if (command === undefined || stdout === undefined || !existsSync(command) || !existsSync(stdout)) continue;
  const [, ...args] = readFileSync(command, 'utf8').trim().split(' ');
  const output = jsonOutput(args);
  if (output !== undefined)
    test(`what ${name} prints fits its schema`, () => checkJson(output, readFileSync(stdout, 'utf8')));
}

test('a key that no schema has, and one that is missing, are seen', () => {
  const output = jsonOutput(['rules', 'test', '--json']);
  assert.ok(output !== undefined);
  const right = { verdict: 'allow', why: 'it has no rules', rule: null };
  assert.doesNotThrow(() => checkJson(output, JSON.stringify(right)));
  assert.throws(() => checkJson(output, JSON.stringify({ ...right, more: 1 })), /must NOT have additional properties/);
  assert.throws(() => checkJson(output, JSON.stringify({ verdict: 'allow', why: '' })), /must have required property/);
  assert.throws(() => checkJson(output, JSON.stringify({ ...right, verdict: 'maybe' })), /must be equal to one of/);
});
