import { realpathSync } from 'node:fs';
import { dirname, join } from 'node:path';

/**
 * True if Xen, told to run this script, runs this very installation: the launcher, or a link to it. A script that is
 * not there is counted as ours: who would be started by it is not known.
 *
 * @param program what is running: the bundle, or the executable, in the folder `dist` beside `xen-scripts`
 */
export function isOwnScript(script: string, program: string = runningProgram()): boolean {
  try {
    return realpathSync(script) === realpathSync(join(dirname(program), '..', 'xen-scripts', 'vif-bridge'));
  } catch {
    return true;
  }
}

/** Node is given the bundle as its first argument; the standalone executable is the program itself. */
function runningProgram(): string {
  return process.versions.bun === undefined ? (process.argv[1] ?? '') : process.execPath;
}
