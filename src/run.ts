import { accessSync, constants } from 'node:fs';
import { hotplug } from './commands/hotplug.ts';
import { LAST_MS, REPORT_MS, RUN_MS } from './effects/deadline.ts';
import { type Log, notes, syslog } from './effects/log.ts';
import { outliveReader } from './effects/reader.ts';
import { sinceStart } from './effects/run-start.ts';
import { nodeExists } from './effects/xenstore.ts';
import { asFailure, FAILED, Failure, printable, shown } from './errors.ts';
import type { Host } from './host.ts';
import { DEFAULT_POLICY, type Policy } from './policy/policy.ts';
import { DEFAULT_POLICY_FILE, readPolicy } from './policy/read-policy.ts';
import { withFilters } from './policy/with-filters.ts';
import { DEFAULT_STATE_DIRECTORY, NO_STATE_DIRECTORY } from './state/state.ts';
import { systemHost } from './system-host.ts';
import type { HotplugCommand } from './xen/hotplug-call.ts';
import { type HotplugEvent, parseHotplugEvent } from './xen/hotplug-event.ts';

export { DEFAULT_POLICY_FILE };

export type Environment = Readonly<Record<string, string | undefined>>;

export interface RunOptions {
  readonly config?: string;
  readonly dryRun?: boolean;
}

/** A failure that was already told to Xen and the log. */
export class Reported extends Error {
  readonly status: number;
  constructor(failure: Failure) {
    super(failure.message);
    this.status = FAILED;
  }
}

/**
 * One run of the hotplug script, by Xen or by hand: policy, state, log and time limits come together here.
 *
 * This is all that a run of Xen's loads; what only people need is loaded where it is used.
 *
 * @param args the `name=value` of the command line
 * @throws Failure for arguments that cannot be accepted, Reported for what went wrong then
 */
export async function runHotplug(
  command: HotplugCommand,
  args: readonly string[],
  options: RunOptions,
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
  const byXen = event.xenbus !== undefined;
  const log = options.dryRun === true ? notes() : syslog(!byXen && process.stderr.isTTY === true);
  const stateDirectory = options.dryRun === true ? readableState(env) : stateOf(env);
  const open = (policy: Policy, deadlineMs: number, beforeMs = 0): Host =>
    systemHost({
      policy,
      stateDirectory,
      who: `${command} ${event.device}`,
      log,
      deadlineMs: Math.min(deadlineMs, LAST_MS - sinceStart()),
      beforeMs,
      byPerson: !byXen,
    });
  if (options.dryRun === true) {
    const { dryRun } = await import('./commands/dry-run.ts');
    process.stdout.write(printable(await dryRun(open(await policyOf(options, env), RUN_MS), event)));
    return;
  }
  await runEvent(event, env, log, {
    working: async () => {
      const policy = await policyOf(options, env);
      const before = sinceStart();
      return open(policy, RUN_MS - before, before);
    },
    open,
  });
}

async function runEvent(
  event: HotplugEvent,
  env: Environment,
  log: Log,
  hosts: { readonly working: () => Promise<Host>; readonly open: (policy: Policy, deadlineMs: number) => Host },
): Promise<void> {
  const reporting = (ms: number, broken?: Failure): Host =>
    hosts.open({ ...DEFAULT_POLICY, ...(broken === undefined ? {} : { broken }) }, ms);
  try {
    // Hosts with udev rules of Xen 4.2 to 4.5 left over run the script twice.
    if (env.UDEV_CALL !== undefined && (await nodeExists(reporting(REPORT_MS).run, 'libxl/disable_udev'))) return;
    await hotplug({ working: hosts.working, reporting }, event);
  } catch (thrown) {
    const failure = asFailure(thrown);
    // For Xen it stands in hotplug-error, which xl prints; saying it twice helps nobody.
    if (event.xenbus === undefined) {
      outliveReader();
      process.stderr.write(await failureText(failure));
    }
    throw new Reported(failure);
  } finally {
    await log.deliver(reporting(REPORT_MS).run);
  }
}

/** The policy that a command is to follow. @throws Failure `input` for a file that is broken */
export function policyOf(options: RunOptions, env: Environment): Promise<Policy> {
  return withFilters(readPolicy(policyFile(options, env)));
}

/** The policy file that was named, if one was. */
export function policyFile(options: RunOptions, env: Environment): string | undefined {
  return options.config ?? nonEmpty(env.VIF_BRIDGE_CONFIG);
}

/** The state directory. */
export function stateOf(env: Environment): string {
  return nonEmpty(env.VIF_BRIDGE_STATE_DIR) ?? DEFAULT_STATE_DIRECTORY;
}

/** A dry run needs no root: what it may not read counts as empty, and it says so. */
export function readableState(env: Environment): string {
  const directory = stateOf(env);
  try {
    accessSync(directory, constants.R_OK | constants.X_OK);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EACCES') return directory;
    process.stderr.write(
      `note: ${printable(directory)} cannot be read, so nothing is known of vifs that are configured already\n`,
    );
    return NO_STATE_DIRECTORY;
  }
  return directory;
}

export function nonEmpty(text: string | undefined): string | undefined {
  return text === '' ? undefined : text;
}

/** A failure for people: what, where, what to do. Coloured only on a terminal. */
export async function failureText(failure: Failure): Promise<string> {
  const { Chalk } = await import('chalk');
  const chalk = new Chalk({ level: process.stderr.isTTY === true ? 1 : 0 });
  return [
    `${chalk.red('error:')} ${printable(failure.message)}`,
    ...(failure.at === undefined ? [] : [`at     ${printable(failure.at)}`]),
    ...(failure.hint === undefined ? [] : [`hint:  ${printable(failure.hint)}`]),
    '',
  ].join('\n');
}
