import { readFileSync } from 'node:fs';
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';
import { JSON_OUTPUTS, type JsonOutput, schemaFile } from '../../src/build/json-texts.ts';
import { ROOT } from '../../src/build/source.ts';

/** What a command prints with `--json`; undefined for one that prints none. */
export function jsonOutput(args: readonly string[]): JsonOutput | undefined {
  if (!args.includes('--json')) return undefined;
  const [first = '', second = ''] = args;
  return JSON_OUTPUTS.find(({ commands }) => commands.some((words) => [first, `${first} ${second}`].includes(words)));
}

const compiled = new Map<string, ValidateFunction>();

/**
 * Holds what a command has printed to the schema that is shipped. A key that is not in it is an error too, though not
 * to those who read it: else one would come without being told of.
 *
 * @throws Error that names what differs
 */
export function checkJson(output: JsonOutput, text: string): void {
  const validate = compiled.get(output.name) ?? new Ajv2020({ allErrors: true }).compile(closed(schemaOf(output)));
  compiled.set(output.name, validate);
  const values = output.lines ? text.split('\n').filter((line) => line !== '') : [text];
  for (const value of values) {
    if (validate(JSON.parse(value))) continue;
    const errors = validate.errors?.map(({ instancePath, message, params }) => {
      return `${instancePath || 'the whole'} ${message} ${JSON.stringify(params)}`;
    });
    throw new Error(`${schemaFile(output)}: ${errors?.join('; ')}\n${value.slice(0, 2000)}`);
  }
}

/** As it is shipped. */
export function schemaOf(output: JsonOutput): object {
  return JSON.parse(readFileSync(`${ROOT}/${schemaFile(output)}`, 'utf8')) as object;
}

/** The same schema without room for other keys. */
function closed<T>(schema: T): T {
  if (Array.isArray(schema)) return schema.map(closed) as T;
  if (typeof schema !== 'object' || schema === null) return schema;
  const all = Object.fromEntries(Object.entries(schema).map(([key, value]) => [key, closed(value)]));
  return ('properties' in all && all.type === 'object' ? { ...all, additionalProperties: false } : all) as T;
}
