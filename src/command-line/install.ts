import { realpathSync } from 'node:fs';
import { dirname } from 'node:path';
import { type Command, Option } from 'commander';
import { absolute, install, uninstall } from '../commands/install.ts';
import { runningProgram } from '../effects/own-script.ts';
import { printable } from '../errors.ts';
import { DEFAULT_PREFIX } from '../install/layout.ts';

interface Words {
  readonly prefix: string;
  readonly root: string;
  readonly dryRun?: boolean;
  readonly xlConf?: boolean;
}

/** `vif-bridge install|uninstall` */
export function addInstallCommands(root: Command): void {
  const places = (words: Words) => ({
    prefix: absolute(words.prefix, '--prefix'),
    root: absolute(words.root, '--root'),
    dryRun: words.dryRun === true,
  });
  withPlaces(root.command('install'))
    .description('put this program in its place on this host, under names that are none of Xen; says what it does')
    .option('--xl-conf', 'write the line into /etc/xen/xl.conf too, and keep a copy of it')
    .action((words: Words) => {
      const home = dirname(dirname(realpathSync(runningProgram())));
      process.stdout.write(printable(install(home, { ...places(words), xlConf: words.xlConf === true })));
    });
  withPlaces(root.command('uninstall'))
    .description('take it away again, and put back what was there; guests that run stay filtered until they end')
    .action((words: Words) => {
      process.stdout.write(printable(uninstall(places(words))));
    });
}

function withPlaces(command: Command): Command {
  return command
    .option('--dry-run', 'print what would be done, change nothing')
    .addOption(new Option('--prefix <folder>', 'of the program').default(DEFAULT_PREFIX))
    .addOption(new Option('--root <folder>', 'taken for /').default('/'));
}
