import { readFileSync, realpathSync } from 'node:fs';
import { dirname, join } from 'node:path';

/**
 * True if Xen, told to run this script, runs this very installation: the launcher, or a link to it. A script that is
 * not there is counted as ours: who would be started by it is not known.
 */
export function isOwnScript(script: string): boolean {
  try {
    return realpathSync(script) === realpathSync(join(dirname(runningProgram()), '..', 'xen-scripts', 'vif-bridge'));
  } catch {
    return true;
  }
}

/**
 * Node is given the bundle as its first argument. The standalone executable is the program itself, by the name that the
 * launcher called it: `process.execPath` is where a link leads.
 */
export function runningProgram(): string {
  if (process.versions.bun === undefined) return process.argv[1] ?? '';
  return readFileSync('/proc/self/cmdline', 'utf8').split('\0')[0] ?? '';
}
