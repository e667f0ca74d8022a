import type { Command } from 'commander';
import { policyKeys, showPolicy } from '../commands/policy.ts';
import type { Environment } from '../run.ts';
import { type CommonOptions, configOption, type End, orTrouble, say, sayChecked, withAdminHost } from './common.ts';

/** `vif-bridge policy check|show|keys` */
export function addPolicyCommands(policy: Command, env: Environment, end: End): void {
  policy
    .command('check')
    .description('all that is wrong with the policy; ends with 1 if anything is, with 2 if it cannot be read')
    .argument('[file]', 'another policy file, with the folder beside it (x.ini: x.d/*.ini)')
    .option('--json', 'for programs')
    .addOption(configOption())
    .action((file: string | undefined, options: CommonOptions) => sayChecked(file, options, env, end));
  policy
    .command('show')
    .description('what holds for a vif, and which line says so')
    .argument('<vif>', 'vif1.0, vif1.0-emu, or the name it was given')
    .option('--json', 'for programs')
    .addOption(configOption())
    .action((vif: string, options: CommonOptions) =>
      orTrouble(end, () =>
        withAdminHost('policy show', options, env, async (host) => say(options, await showPolicy(host, vif), end)),
      ),
    );
  policy
    .command('keys')
    .description('every key: what it is without a file, and what it may be')
    .option('--json', 'for programs')
    .action((options: CommonOptions) => say(options, policyKeys(), end));
}
