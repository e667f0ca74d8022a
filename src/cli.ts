import { accessSync, constants } from 'node:fs';
import { Command, CommanderError, Option } from 'commander';
import { dryRun } from './commands/dry-run.ts';
import { hotplug } from './commands/hotplug.ts';
import { devicesToReapply, eventFor, reapply, reapplyAll, recordNamed } from './commands/reapply.ts';
import { portStatus } from './commands/status.ts';
import { REPORT_MS, RUN_MS } from './effects/deadline.ts';
import { syslog } from './effects/log.ts';
import { DEFAULT_STATE_DIRECTORY, NO_STATE_DIRECTORY } from './effects/state.ts';
import { systemHost } from './effects/system.ts';
import { asFailure, EXIT_STATUS, Failure, shown } from './errors.ts';
import type { Host } from './host.ts';
import { DEFAULT_POLICY, type Policy } from './policy/keys.ts';
import { DEFAULT_POLICY_FILE, readPolicy } from './policy/read-policy.ts';
import { HOTPLUG_COMMANDS, type HotplugCommand, parseHotplugEvent } from './xen/hotplug-event.ts';
import { nodeExists } from './xen/xenstore.ts';

type Environment = Readonly<Record<string, string | undefined>>;

interface CommonOptions {
  readonly config?: string;
  readonly dryRun?: boolean;
  readonly json?: boolean;
  readonly all?: boolean;
}

/** A re-apply of every vif of a large host may take longer than Xen would wait; nobody waits for it but the admin. */
const ADMIN_MS = 600_000;

/**
 * The command line. This is the only place that turns a Failure into text and an exit status.
 *
 * @param argv without interpreter and script
 * @returns the exit status
 */
export async function main(argv: readonly string[], env: Environment, version: string): Promise<number> {
  try {
    await program(env, version).parseAsync(commandFirst(argv), { from: 'user' });
    return 0;
  } catch (thrown) {
    if (thrown instanceof CommanderError) return thrown.exitCode === 0 ? 0 : 1;
    if (thrown instanceof Reported) return thrown.status;
    const failure = asFailure(thrown);
    process.stderr.write(await failureText(failure));
    return EXIT_STATUS[failure.code];
  }
}

/** A failure that was already told to Xen and the log. */
class Reported extends Error {
  readonly status: number;
  constructor(failure: Failure) {
    super(failure.message);
    this.status = EXIT_STATUS[failure.code];
  }
}

function program(env: Environment, version: string): Command {
  const root = new Command('vif-bridge')
    .description(
      "Joins a Xen guest's interface to its bridge and lets the guest use only its own MAC and IP addresses.",
    )
    .version(version)
    .exitOverride()
    .configureOutput({ outputError: (text, write) => write(text) });

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
    .argument('[vif...]', 'vif1.0, vif1.0-emu, or the name it was given')
    .option('--all', 'every vif of this host')
    .action((vifs: string[], options: CommonOptions) => runReapply(vifs, options, env));
  root
    .command('status')
    .description('ports, guests, addresses, what is open, and what was dropped for which reason')
    .argument('[vif]', 'only this one')
    .option('--json', 'for programs')
    .addOption(configOption())
    .action((vif: string | undefined, options: CommonOptions) => runStatus(vif, options, env));
  return root;
}

const HOTPLUG_HELP: Readonly<Record<HotplugCommand, string>> = {
  online: 'configure a vif and join it to its bridge',
  offline: 'take a vif off its bridge and remove its rules',
  add: 'the same for the tap of an emulated NIC (type_if=tap)',
  remove: 'the same for the tap of an emulated NIC (type_if=tap)',
};

function withCommonOptions(command: Command): Command {
  return command.option('--dry-run', 'print what would be done, change nothing').addOption(configOption());
}

function configOption(): Option {
  return new Option('--config <file>', `policy file (default: $VIF_BRIDGE_CONFIG, or ${DEFAULT_POLICY_FILE})`);
}

/** Stock takes the first word without a `=` as the command, wherever it stands; commander wants it first. */
function commandFirst(argv: readonly string[]): string[] {
  const isAssignment = (arg: string): boolean => /^[^-].*=/s.test(arg);
  const first = argv.findIndex((arg) => !isAssignment(arg));
  return first <= 0 ? [...argv] : [...argv.slice(first), ...argv.slice(0, first)];
}

async function runHotplug(
  command: HotplugCommand,
  args: string[],
  options: CommonOptions,
  env: Environment,
): Promise<void> {
  const stray = args.find((arg) => !arg.includes('='));
  if (stray !== undefined) {
    throw new Failure('input', `${shown(stray)} is no name=value`, {
      at: 'the command line',
      hint: 'vif-bridge --help',
    });
  }
  const event = parseHotplugEvent(command, args, env);
  if (event === undefined) return;
  const byXen = event.backend !== undefined;
  const log = syslog(!byXen && process.stderr.isTTY === true);
  const who = `${command} ${event.device}`;
  const stateDirectory = options.dryRun === true ? readableState(env) : stateOf(env);
  const open = (policy: Policy, deadlineMs: number): Host =>
    systemHost({ policy, stateDirectory, who, log, deadlineMs });
  if (options.dryRun === true) {
    process.stdout.write(await dryRun(open(policyOf(options, env), RUN_MS), event));
    return;
  }
  const reporting = (ms: number): Host => open(DEFAULT_POLICY, ms);
  try {
    // Hosts with udev rules of Xen 4.2 to 4.5 left over run the script twice.
    if (env.UDEV_CALL !== undefined && (await nodeExists(reporting(REPORT_MS).run, 'libxl/disable_udev'))) return;
    await hotplug({ working: () => open(policyOf(options, env), RUN_MS), reporting }, event);
  } catch (thrown) {
    const failure = asFailure(thrown);
    // For Xen it stands in hotplug-error, which xl prints; saying it twice helps nobody.
    if (!byXen) process.stderr.write(await failureText(failure));
    throw new Reported(failure);
  } finally {
    await log.deliver(reporting(REPORT_MS).run);
  }
}

async function runReapply(vifs: readonly string[], options: CommonOptions, env: Environment): Promise<void> {
  if ((vifs.length === 0) !== (options.all === true)) {
    throw new Failure('input', 'name the vifs to re-apply, or --all', {
      at: 'the command line',
      hint: 'vif-bridge status lists them',
    });
  }
  await withAdminHost('reapply', options, env, async (host) => {
    if (options.dryRun === true) {
      for (const device of options.all === true ? devicesToReapply(host) : vifs)
        process.stdout.write(await dryReapply(host, device));
      return;
    }
    const devices = options.all === true ? await reapplyAll(host) : vifs;
    if (options.all !== true) for (const device of devices) await reapply(host, device);
    process.stdout.write(`re-applied: ${devices.length === 0 ? 'nothing to do' : devices.join(' ')}\n`);
  });
}

async function dryReapply(host: Host, device: string): Promise<string> {
  const record = recordNamed(host, device);
  const event = await eventFor(host, record?.device ?? device, record);
  return dryRun(host, event);
}

async function runStatus(vif: string | undefined, options: CommonOptions, env: Environment): Promise<void> {
  await withAdminHost('status', options, env, async (host) => {
    const ports = await portStatus(host, vif);
    const { statusText } = await import('./commands/status-text.ts');
    const text =
      options.json === true
        ? `${JSON.stringify(ports, undefined, 2)}\n`
        : statusText(ports, process.stdout.isTTY === true);
    process.stdout.write(text);
  });
}

async function withAdminHost(
  who: string,
  options: CommonOptions,
  env: Environment,
  work: (host: Host) => Promise<void>,
): Promise<void> {
  const log = syslog(process.stderr.isTTY === true);
  const host = systemHost({
    policy: policyOf(options, env),
    stateDirectory: stateOf(env),
    who,
    log,
    deadlineMs: ADMIN_MS,
  });
  try {
    await work(host);
  } finally {
    await log.deliver(host.run);
  }
}

function policyOf(options: CommonOptions, env: Environment): Policy {
  return readPolicy(options.config ?? nonEmpty(env.VIF_BRIDGE_CONFIG));
}

function stateOf(env: Environment): string {
  return nonEmpty(env.VIF_BRIDGE_STATE_DIR) ?? DEFAULT_STATE_DIRECTORY;
}

/** A dry run needs no root: what it may not read counts as empty, and it says so. */
function readableState(env: Environment): string {
  const directory = stateOf(env);
  try {
    accessSync(directory, constants.R_OK | constants.X_OK);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EACCES') return directory;
    process.stderr.write(
      `note: ${directory} cannot be read, so nothing is known of vifs that are configured already\n`,
    );
    return NO_STATE_DIRECTORY;
  }
  return directory;
}

function nonEmpty(text: string | undefined): string | undefined {
  return text === '' ? undefined : text;
}

/** A failure for people: what, where, what to do. Coloured only on a terminal. */
async function failureText(failure: Failure): Promise<string> {
  const { Chalk } = await import('chalk');
  const chalk = new Chalk({ level: process.stderr.isTTY === true ? 1 : 0 });
  return [
    `${chalk.red('error:')} ${failure.message}`,
    ...(failure.at === undefined ? [] : [`at     ${failure.at}`]),
    ...(failure.hint === undefined ? [] : [`hint:  ${failure.hint}`]),
    '',
  ].join('\n');
}
