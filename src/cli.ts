import { outliveReader } from './effects/reader.ts';
import { asFailure, FAILED } from './errors.ts';
import { type Environment, failureText, Reported, runHotplug } from './run.ts';
import { hotplugCall } from './xen/hotplug-call.ts';

/** Everything but what Xen calls: commander, and the commands of people. */
export type CommandLine = (argv: readonly string[], env: Environment, version: string) => Promise<number>;

/**
 * The command line. This is the only place that turns a Failure into text and an exit status.
 *
 * @param argv without interpreter and script
 * @param load what is for people is loaded for people only
 * @returns the exit status
 */
export async function main(
  argv: readonly string[],
  env: Environment,
  version: string,
  load: () => Promise<CommandLine>,
): Promise<number> {
  try {
    const call = hotplugCall(argv);
    if (call === undefined || call.dryRun) outliveReader();
    if (call === undefined) return await (await load())(argv, env, version);
    await runHotplug(call.command, call.args, { dryRun: call.dryRun }, env);
    return 0;
  } catch (thrown) {
    if (thrown instanceof Reported) return thrown.status;
    const failure = asFailure(thrown);
    outliveReader();
    process.stderr.write(await failureText(failure));
    return FAILED;
  }
}
