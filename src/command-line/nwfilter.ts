import type { Command } from 'commander';
import { checkFilters } from '../commands/nwfilter-check.ts';
import { showFilter } from '../commands/nwfilter-show.ts';
import { type Environment, failureText, policyOf } from '../run.ts';
import { type CommonOptions, configOption, type End, orTrouble, say, TROUBLE } from './common.ts';

interface ShowOptions extends CommonOptions {
  readonly dir?: string;
  readonly native?: boolean;
}

/** `vif-bridge nwfilter check|show` */
export function addFilterCommands(filters: Command, env: Environment, end: End): void {
  filters
    .command('show')
    .description('the rules that a filter makes, in their order, and which of them can have no effect here')
    .argument('<name>', 'the filter')
    .argument('[variable...]', 'DSTPORTS=80,443; the addresses of the guest need not be given')
    .option('--native', 'the same as lines of [rules NAME], as far as these can say it')
    .option('--dir <folder>', 'where filters are (default: nwfilter_dir of the policy)')
    .option('--json', 'for programs')
    .addOption(configOption())
    .action((name: string, variables: string[], options: ShowOptions) =>
      orTrouble(end, async () => {
        const dir = options.dir ?? (await policyOf(options, env)).nwfilter_dir;
        say(options, showFilter(name, variables, { dir, native: options.native === true }), end);
      }),
    );
  filters
    .command('check')
    .description('whether filters can be followed; ends with 1 if one is refused, with 2 if one cannot be read')
    .argument('<file...>', 'filters of libvirt, in XML')
    .option('--json', 'for programs')
    .action(async (files: string[], options: CommonOptions) => {
      const { answer, failures } = checkFilters(files);
      say(options, answer, end);
      for (const failure of failures) process.stderr.write(await failureText(failure));
      if (failures.length > 0) end(TROUBLE);
    });
}
