import { Option } from 'commander';
import { type Answer, checkPolicy } from '../commands/policy.ts';
import { type Reapplied, reappliedText, throwFailures } from '../commands/reapplied.ts';
import { syslog } from '../effects/log.ts';
import { asFailure, printable } from '../errors.ts';
import type { Host } from '../host.ts';
import { jsonText } from '../json/writer.ts';
import { DEFAULT_POLICY, type Policy } from '../policy/policy.ts';
import {
  DEFAULT_POLICY_FILE,
  type Environment,
  failureText,
  policyFile,
  policyOf,
  type RunOptions,
  stateOf,
} from '../run.ts';
import { systemHost } from '../system-host.ts';

/** What commands for people share. */
export interface CommonOptions extends RunOptions {
  readonly json?: boolean;
  readonly all?: boolean;
}

/** A re-apply of every vif of a large host may take longer than Xen would wait; nobody waits for it but the admin. */
const ADMIN_MS = 600_000;
/** Of commands that run until somebody ends them: a year. */
export const FOREVER_MS = 365 * 86_400_000;

/** Sets the exit status of a run that has done what it should. */
export type End = (status: number) => void;

/** Prints what a command has to say, and ends as it says. */
export function say(options: CommonOptions, answer: Answer, end: End): void {
  process.stdout.write(options.json === true ? jsonText(answer.json) : printable(answer.text));
  end(answer.status);
}

/** Nothing was found out. */
export const TROUBLE = 2;

export async function sayChecked(
  file: string | undefined,
  options: CommonOptions,
  env: Environment,
  end: End,
): Promise<void> {
  await orTrouble(end, async () => say(options, await checkPolicy(file ?? policyFile(options, env)), end));
}

/** What goes wrong is told, and ends with 2: with 1 end commands that have found something. */
export async function orTrouble(end: End, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (thrown) {
    process.stderr.write(await failureText(asFailure(thrown)));
    end(TROUBLE);
  }
}

/** Prints what was re-applied. @throws Failure for what was not */
export function sayReapplied(outcome: Reapplied): void {
  process.stdout.write(printable(reappliedText(outcome)));
  throwFailures(outcome);
}

/** Of an option that may be given several times: all its values. */
export function collect(one: string, all: readonly string[]): readonly string[] {
  return [...all, one];
}

export function configOption(): Option {
  return new Option('--config <file>', `policy file (default: $VIF_BRIDGE_CONFIG, or ${DEFAULT_POLICY_FILE})`);
}

/** For who looks at what runs: that goes on whatever the files say. */
export async function policyEvenIfBroken(options: RunOptions, env: Environment): Promise<Policy> {
  try {
    return await policyOf(options, env);
  } catch (thrown) {
    return { ...DEFAULT_POLICY, broken: asFailure(thrown) };
  }
}

/** What a command asks of its host. */
interface AdminNeeds {
  readonly deadlineMs?: number;
  /** What looks at once at what may be thousands of ports, and is asked again and again. */
  readonly quick?: boolean;
  /** How the policy is read. */
  readonly policy?: typeof policyOf;
}

export async function withAdminHost(
  who: string,
  options: CommonOptions,
  env: Environment,
  work: (host: Host) => Promise<void>,
  { deadlineMs = ADMIN_MS, quick = false, policy = policyOf }: AdminNeeds = {},
): Promise<void> {
  const log = syslog(process.stderr.isTTY === true);
  const host = systemHost({
    policy: await policy(options, env),
    stateDirectory: stateOf(env),
    who,
    log,
    deadlineMs,
    byPerson: !quick,
  });
  try {
    await work(host);
  } finally {
    await log.deliver(host.run);
  }
}
