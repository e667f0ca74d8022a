import { type CommandLine, main } from './cli.ts';
import { endWithLauncher, saidStatus } from './effects/launcher.ts';
import { printable } from './errors.ts';

/** Put in by the build: version and commit. */
declare const VIF_BRIDGE_VERSION: string;

/** Runs the program: what its command line says, and no more. */
export function runProgram(load: () => Promise<CommandLine>): void {
  // Until the run says otherwise it has failed: Xen must never take a crash for success.
  process.exitCode = 1;
  endWithLauncher();
  main(process.argv.slice(2), process.env, VIF_BRIDGE_VERSION, load).then(
    (status) => {
      process.exitCode = saidStatus(status);
    },
    (error: unknown) => {
      process.stderr.write(`vif-bridge: ${printable(String(error))}\n`);
    },
  );
}
