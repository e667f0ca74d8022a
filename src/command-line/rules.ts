import type { Command } from 'commander';
import type { Answer } from '../commands/policy.ts';
import { countedVif, type RuledVif, showRules, splitWords, testRules, vifByHand, vifNamed } from '../commands/rules.ts';
import { Failure } from '../errors.ts';
import type { Host } from '../host.ts';
import { type Environment, policyOf } from '../run.ts';
import { type CommonOptions, configOption, type End, orTrouble, say, sayChecked, withAdminHost } from './common.ts';

/** `vif-bridge rules check|show|test` */
export function addRuleCommands(rules: Command, env: Environment, end: End): void {
  /** One that is described needs no host; one that is named is looked for. */
  const answer = async (
    words: readonly string[],
    options: CommonOptions,
    about: (vif: RuledVif, rest: string[]) => Answer,
    find: (host: Host, name: string) => Promise<RuledVif> = vifNamed,
  ) => {
    const { given, rest } = splitWords(words);
    if (given.length > 0)
      return say(
        options,
        about(vifByHand(await policyOf(options, env), given, new Date().toISOString()), [...rest]),
        end,
      );
    const [name, ...more] = rest;
    if (name === undefined) {
      throw new Failure('input', 'no vif is named', {
        at: 'the command line',
        hint: 'vif1.0, or vif=vif1.0 mac=... ip=...',
      });
    }
    await withAdminHost('rules', options, env, async (host) => say(options, about(await find(host, name), more), end));
  };
  rules
    .command('check')
    .description('all that is wrong with the policy; ends with 1 if anything is, with 2 if it cannot be read')
    .argument('[file]', 'another policy file')
    .option('--json', 'for programs')
    .addOption(configOption())
    .action((file: string | undefined, options: CommonOptions) => sayChecked(file, options, env, end));
  rules
    .command('show')
    .description('the rules of a vif, numbered as in the log, where each is written, and what it has counted')
    .argument('<vif...>', 'vif1.0, or by hand: vif= mac= ip= guest=')
    .option('--json', 'for programs')
    .addOption(configOption())
    .action((words: string[], options: CommonOptions) =>
      orTrouble(end, () => answer(words, options, showRules, countedVif)),
    );
  rules
    .command('test')
    .description(
      'what becomes of a packet, and which line says so: rules test vif1.0 in tcp 203.0.113.9:4711 192.0.2.5:22',
    )
    .argument('<words...>', 'a vif (or vif= mac= ip=), in or out, protocol, source, destination')
    .option('--json', 'for programs')
    .addOption(configOption())
    .action((words: string[], options: CommonOptions) => orTrouble(end, () => answer(words, options, testRules)));
}
