import { asFailure, FAILED } from './errors.ts';
import { type Environment, failureText, Reported, runHotplug } from './run.ts';
import { HOTPLUG_COMMANDS, type HotplugCommand, isAssignment } from './xen/hotplug-event.ts';

/**
 * The command line. This is the only place that turns a Failure into text and an exit status.
 *
 * @param argv without interpreter and script
 * @returns the exit status
 */
export async function main(argv: readonly string[], env: Environment, version: string): Promise<number> {
  try {
    const event = plainEvent(argv);
    if (event === undefined) {
      const { runCommandLine } = await import('./command-line.ts');
      return await runCommandLine(argv, env, version);
    }
    await runHotplug(event.command, event.args, {}, env);
    return 0;
  } catch (thrown) {
    if (thrown instanceof Reported) return thrown.status;
    const failure = asFailure(thrown);
    process.stderr.write(await failureText(failure));
    return FAILED;
  }
}

/**
 * A hotplug command with nothing but `name=value` around it, which is how Xen calls: it means the same to commander,
 * which takes longer to load than to say so (measured: 4 ms). Undefined for everything else.
 */
function plainEvent(argv: readonly string[]): { command: HotplugCommand; args: string[] } | undefined {
  const words = argv.filter((arg) => !isAssignment(arg));
  const command = HOTPLUG_COMMANDS.find((name) => name === words[0]);
  return command === undefined || words.length > 1 ? undefined : { command, args: argv.filter(isAssignment) };
}
