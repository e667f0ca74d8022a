import type { Command } from 'commander';
import { checkFilters } from '../commands/nwfilter-check.ts';
import { failureText } from '../run.ts';
import { type CommonOptions, type End, say, TROUBLE } from './common.ts';

/** `vif-bridge nwfilter check` */
export function addFilterCommands(filters: Command, end: End): void {
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
