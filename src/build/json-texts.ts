/**
 * What programs read of the commands (`--json`), made of the types of what these print: a schema for each in docs/json,
 * and the table of docs/json.md.
 *
 *   npm run texts      writes them, and all other texts that are made of data
 */
import { EXPLAIN } from './json/explain.ts';
import { GUEST_CONFIG } from './json/guest-config.ts';
import { DOCTOR, LOG, SELF_TEST, WATCH } from './json/operate.ts';
import { POLICY_CHECK, POLICY_KEYS, POLICY_SHOW } from './json/policy.ts';
import { NWFILTER_CHECK, NWFILTER_SHOW, RULES_SHOW, RULES_TEST } from './json/rules.ts';
import type { JsonSchema } from './json/schema.ts';
import { STATUS } from './json/status.ts';
import { VERIFY } from './json/verify.ts';

/** What one command prints. */
export interface JsonOutput {
  /** Of its file: NAME.schema.json. */
  readonly name: string;
  /** The words of those that print it, behind `vif-bridge`. */
  readonly commands: readonly string[];
  /** What it is, for people. */
  readonly what: string;
  readonly schema: JsonSchema;
  /** Each line is one. */
  readonly lines?: true;
}

export const JSON_OUTPUTS: readonly JsonOutput[] = [
  { name: 'status', commands: ['status'], what: 'a list of ports', schema: STATUS.json },
  { name: 'verify', commands: ['verify'], what: 'what differs', schema: VERIFY.json },
  { name: 'explain', commands: ['explain'], what: 'a list of frames; without frames a vif', schema: EXPLAIN.json },
  { name: 'watch', commands: ['watch'], what: 'a list of rates, by port and reason', schema: WATCH.json },
  { name: 'log', commands: ['log'], what: 'each line a dropped frame', schema: LOG.json, lines: true },
  { name: 'doctor', commands: ['doctor'], what: 'findings', schema: DOCTOR.json },
  { name: 'self-test', commands: ['self-test'], what: 'a score for each class', schema: SELF_TEST.json },
  {
    name: 'policy-check',
    commands: ['policy check', 'rules check'],
    what: 'what is wrong with the policy',
    schema: POLICY_CHECK.json,
  },
  { name: 'policy-show', commands: ['policy show'], what: 'what holds for a vif', schema: POLICY_SHOW.json },
  { name: 'policy-keys', commands: ['policy keys'], what: 'a list of keys', schema: POLICY_KEYS.json },
  { name: 'rules-show', commands: ['rules show'], what: 'the rules of a vif', schema: RULES_SHOW.json },
  { name: 'rules-test', commands: ['rules test'], what: 'what becomes of a packet', schema: RULES_TEST.json },
  { name: 'nwfilter-check', commands: ['nwfilter check'], what: 'a list of files', schema: NWFILTER_CHECK.json },
  { name: 'nwfilter-show', commands: ['nwfilter show'], what: 'the rules of a filter', schema: NWFILTER_SHOW.json },
  { name: 'guest-config', commands: ['guest-config'], what: 'the network of a guest', schema: GUEST_CONFIG.json },
];

/** Where the schema of one is, by its path in the project. */
export function schemaFile({ name }: Pick<JsonOutput, 'name'>): string {
  return `docs/json/${name}.schema.json`;
}

/** The text of a schema. The number at the end of its name is that of the form: see docs/json.md. */
export function schemaText({ name, commands, what, schema }: JsonOutput): string {
  const all = {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    $id: `urn:xen-vif-bridge:json:${name}:1`,
    title: commands.map((words) => `vif-bridge ${words} --json`).join(', '),
    description: what,
    ...schema,
  };
  return `${JSON.stringify(all, undefined, 2)}\n`;
}

/** The table of docs/json.md, Markdown. */
export function jsonTable(): string {
  const rows = JSON_OUTPUTS.map((one) => {
    const commands = one.commands.map((words) => `\`${words}\``).join(', ');
    return `${commands} | ${one.what} | [${one.name}](json/${one.name}.schema.json)`;
  });
  return ['Command | Prints | Schema', '--- | --- | ---', ...rows].join('\n');
}
