import { textDigest } from '../../text-digest.ts';
import { TABLE } from './base-text.ts';

/**
 * What can be told of a program without listing it: how many rules each chain has, and how each of them ends. nft
 * prints the end of a rule as it was told it. Who loads a program notes this; who lists the rules anyway compares it,
 * and notes what is listed from then on.
 */

/** @param chains of one program, in any order: their rules by their names */
export function programShape(chains: readonly (readonly [name: string, rules: readonly string[]])[]): string {
  const ends = chains.map(([name, rules]) => `${name}\n${rules.map(endOf).join('\n')}`);
  return textDigest(ends.sort().join('\n\n'));
}

/** Of the commands that load one. */
export function shapeOfCommands(commands: readonly string[]): string {
  const chains = new Map<string, string[]>();
  for (const command of commands) {
    const [, verb, name = '', rule = ''] = COMMAND.exec(command) ?? [];
    if (verb === undefined) continue;
    const rules = chains.get(name) ?? [];
    chains.set(name, rules);
    if (verb === 'rule') rules.push(rule);
  }
  return programShape([...chains]);
}

const COMMAND = new RegExp(`^add (chain|rule) ${TABLE} (\\S+)(?: (.*))?$`);

/** Its verdict, if it has a simple one, and its comment. */
const COMMENT = / comment "[^"]*"$/;
const VERDICT = /(?:^| )((?:goto|jump) \S+|accept|drop|return)$/;

function endOf(rule: string): string {
  const [comment = ''] = COMMENT.exec(rule) ?? [];
  const [, verdict = ''] = VERDICT.exec(rule.slice(0, rule.length - comment.length)) ?? [];
  return `${verdict}${comment}`;
}
