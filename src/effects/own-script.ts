import { existsSync, readFileSync, realpathSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';

const OWN_SCRIPTS = ['vif-bridge', 'vif-route'] as const;

/**
 * True if Xen, told to run this script, runs this very installation: the launcher, or a link to it. A script that is
 * not there is counted as ours: who would be started by it is not known.
 */
export function isOwnScript(script: string): boolean {
  try {
    const own = OWN_SCRIPTS.map(ownPath).filter((path) => existsSync(path));
    return own.some((path) => realpathSync(script) === realpathSync(path));
  } catch {
    return true;
  }
}

/** The launcher of this installation, by its whole path: what units of systemd run. */
export function ownLauncher(): string {
  return resolve(ownPath('vif-bridge'));
}

function ownPath(name: (typeof OWN_SCRIPTS)[number]): string {
  return join(dirname(runningProgram()), '..', 'xen-scripts', name);
}

/**
 * Node is given the bundle as its first argument. The standalone executable is the program itself, by the name that the
 * launcher called it: `process.execPath` is where a link leads.
 */
export function runningProgram(): string {
  if (process.versions.bun === undefined) return process.argv[1] ?? '';
  return readFileSync('/proc/self/cmdline', 'utf8').split('\0')[0] ?? '';
}
