import { Command, CommanderError } from 'commander';
import { addAdminCommands } from './command-line/admin.ts';
import {
  type CommonOptions,
  configOption,
  type End,
  sayReapplied,
  TROUBLE,
  withAdminHost,
} from './command-line/common.ts';
import { addExplainCommand } from './command-line/explain.ts';
import { addGuestCommands } from './command-line/guest-config.ts';
import { addInstallCommands } from './command-line/install.ts';
import { addFilterCommands } from './command-line/nwfilter.ts';
import { addOperateCommands } from './command-line/operate.ts';
import { addPolicyCommands } from './command-line/policy.ts';
import { addRuleCommands } from './command-line/rules.ts';
import { addStatusCommand } from './command-line/status.ts';
import { addVerifyCommands } from './command-line/verify.ts';
import { dryReapply } from './commands/dry-run.ts';
import { devicesToReapply, reapply, reapplyAll } from './commands/reapply.ts';
import { FAILED, Failure, printable } from './errors.ts';
import { type Environment, runHotplug } from './run.ts';
import { portsNamed } from './vif/guest-ports.ts';
import { HOTPLUG_COMMANDS, type HotplugCommand, isAssignment } from './xen/hotplug-call.ts';

/**
 * The command line for people: commands, options, help.
 *
 * @param argv without interpreter and script
 * @returns the exit status
 * @throws Failure, Reported: what a command throws
 */
export async function runCommandLine(argv: readonly string[], env: Environment, version: string): Promise<number> {
  let status = 0;
  const end = (other: number): void => {
    status = other;
  };
  const root = commandTree(env, version, end);
  try {
    await root.parseAsync(commandFirst(argv), { from: 'user' });
    return status;
  } catch (thrown) {
    // For commander `help` ends as the process would end now, and that is a failure until the run says otherwise.
    if (thrown instanceof CommanderError)
      return thrown.exitCode === 0 || isHelp(root, argv) ? 0 : mistakenStatus(root, argv);
    throw thrown;
  }
}

/** Those that end with 1 whatever is wrong: they do something, and find nothing. */
const DOERS: readonly string[] = [...HOTPLUG_COMMANDS, 'reapply', 'install', 'uninstall'];

/** Of a mistake on the command line: for a command that ends with 1 when it has found something that is none. */
function mistakenStatus(root: Command, argv: readonly string[]): number {
  const [word] = commandFirst(argv);
  const command = root.commands.find((one) => one.name() === word);
  return command === undefined || DOERS.includes(command.name()) ? FAILED : TROUBLE;
}

/** Which form of the program this is. */
function form(): string {
  const { bun, node } = process.versions;
  return bun === undefined ? `the bundle, on Node ${node}` : `the standalone executable, on bun ${bun}`;
}

/** Somebody asked for help, and for something that there is. */
function isHelp(root: Command, [command, topic, ...more]: readonly string[]): boolean {
  const known = topic === undefined || root.commands.some((one) => one.name() === topic);
  return command === 'help' && known && more.length === 0;
}

/**
 * All commands, as commander has them: what runs, what `--help` says, and what manual page and completions are made of.
 *
 * @param end sets the exit status of a run that has done what it should
 */
export function commandTree(env: Environment, version: string, end: End): Command {
  const root = new Command('vif-bridge')
    .description(
      "Joins a Xen guest's interface to its bridge and lets the guest use only its own MAC and IP addresses.",
    )
    .version(`${version}, ${form()}`)
    // All commands on one screen; what else is to be said of one, its own help says.
    .configureHelp({
      subcommandTerm: (command) => command.name(),
      subcommandDescription: (command) => command.description().split(/[;:] | \(/)[0] ?? '',
    })
    .exitOverride()
    .configureOutput({ outputError: (text, write) => write(printable(text)) });

  for (const command of HOTPLUG_COMMANDS) {
    withCommonOptions(root.command(command))
      .description(HOTPLUG_HELP[command])
      .argument(
        '[name=value...]',
        'as Xen passes them; by hand: vif= bridge= ip= mac= (for a tap: type_if=tap INTERFACE=)',
      )
      .action((args: string[], options: CommonOptions) => runHotplug(command, args, options, env));
  }
  withCommonOptions(root.command('reapply'))
    .description('load the filter of running vifs again, without a gap; takes over vifs that run without it')
    .argument('[vif...]', 'vif1.0, vif1.0-emu, the name it was given, or the name of its guest')
    .option('--all', 'every vif of this host')
    .addHelpText('after', REAPPLY_EXAMPLES)
    .action((vifs: string[], options: CommonOptions) => runReapply(vifs, options, env));
  addVerifyCommands(root, env, end);
  addStatusCommand(root, env, end);
  addPolicyCommands(
    root.command('policy').description('what the policy files say, and whether they can be followed'),
    env,
    end,
  );
  addGuestCommands(root, env, end);
  addExplainCommand(root.command('explain'), env, end);
  addInstallCommands(root);
  addRuleCommands(root.command('rules').description('which packets of its own a guest may send and hear'), env, end);
  addAdminCommands(root, env, end);
  addOperateCommands(root, env, version, end);
  addFilterCommands(
    root.command('nwfilter').description("libvirt's filters: whether they can be followed, and what they do"),
    env,
    end,
  );
  return root;
}

const REAPPLY_EXAMPLES = `
Examples:
  vif-bridge reapply web1 --dry-run
  vif-bridge reapply --all`;

const HOTPLUG_HELP: Readonly<Record<HotplugCommand, string>> = {
  online: 'configure a vif and join it to its bridge',
  offline: 'take a vif off its bridge and remove its rules',
  add: 'the same for the tap of an emulated NIC (type_if=tap)',
  remove: 'the same for the tap of an emulated NIC (type_if=tap)',
};

function withCommonOptions(command: Command): Command {
  return command.option('--dry-run', 'print what would be done, change nothing').addOption(configOption());
}

/** Stock takes the first word without a `=` as the command, wherever it stands; commander wants it first. */
function commandFirst(all: readonly string[]): string[] {
  // `--config FILE` may stand in front of the command too, and is an option of every one.
  const [option = '', file] = all;
  const named = option === '--config' && file !== undefined ? 2 : option.startsWith('--config=') ? 1 : 0;
  const argv = [...all.slice(named), ...all.slice(0, named)];
  const first = argv.findIndex((arg) => !isAssignment(arg));
  return first <= 0 ? [...argv] : [...argv.slice(first), ...argv.slice(0, first)];
}

async function runReapply(vifs: readonly string[], options: CommonOptions, env: Environment): Promise<void> {
  if ((vifs.length === 0) !== (options.all === true)) {
    throw new Failure('input', 'name the vifs to re-apply, or --all', {
      at: 'the command line',
      hint: 'vif-bridge status lists them',
    });
  }
  await withAdminHost('reapply', options, env, async (host) => {
    const named = (await Promise.all(vifs.map((word) => portsNamed(host, word)))).flat();
    if (options.dryRun === true) {
      const devices = options.all === true ? devicesToReapply(host) : named;
      if (devices.length === 0) process.stdout.write('# note: no vif is there to be re-applied\n');
      for (const device of devices) process.stdout.write(printable(await dryReapply(host, device)));
      return;
    }
    const { whileWorking } = await import('./command-line/progress.ts');
    sayReapplied(
      await whileWorking(process.stderr, options.all === true ? 're-applying all vifs' : 're-applying', () =>
        options.all === true ? reapplyAll(host) : reapply(host, [...new Set(named)]),
      ),
    );
  });
}
