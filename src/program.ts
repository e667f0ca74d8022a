import { type CommandLine, main } from './cli.ts';
import { endWithLauncher, saidStatus } from './effects/launcher.ts';
import { isUnread } from './effects/reader.ts';
import { FAILED, printable } from './errors.ts';

/** Put in by the build: version and commit. */
declare const VIF_BRIDGE_VERSION: string;

/** Runs the program: what its command line says, and no more. */
export function runProgram(load: () => Promise<CommandLine>): void {
  // Until the run says otherwise it has failed: Xen must never take a crash for success.
  process.exitCode = 1;
  endWithLauncher();
  process.on('uncaughtException', endUnlessUnread);
  process.on('unhandledRejection', endUnlessUnread);
  main(process.argv.slice(2), process.env, VIF_BRIDGE_VERSION, load).then(
    (status) => {
      process.exitCode = saidStatus(status);
    },
    (error: unknown) => {
      process.stderr.write(`vif-bridge: ${printable(String(error))}\n`);
    },
  );
}

/**
 * Nobody reads any more what the run has to say: that stops nothing. By the process and not by its streams, which cost
 * a run of Xen's time to open, and it says nothing to them. Node has it as an exception, Bun as a rejection.
 */
function endUnlessUnread(error: unknown): void {
  if (isUnread(error)) return;
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
  process.stderr.write(`vif-bridge: ${printable(text)}\n`);
  process.exit(FAILED);
}
