/**
 * The shell that runs the program (xen-scripts/vif-bridge), if one does: it is the process that Xen started, that Xen
 * kills, and that tells Xen how it ended.
 */

/** Its process id; undefined where the program was started without it. */
export const LAUNCHER: number | undefined = launcherOf(process.env.VIF_BRIDGE_LAUNCHER);

function launcherOf(text: string | undefined): number | undefined {
  return text !== undefined && /^[1-9][0-9]{0,9}$/.test(text) ? Number(text) : undefined;
}

/**
 * Added to an exit status that the program has given itself: an empty file, a crash or a foreign program has none such.
 */
export const SAID = 100;

/** The exit status as the launcher wants to hear it. */
export function saidStatus(status: number): number {
  return LAUNCHER === undefined ? status : SAID + status;
}

/** How often it is looked for, in milliseconds; much shorter than anything that Xen could begin after a kill. */
const LOOK_MS = 50;

/**
 * Ends this process when its launcher has gone: libxl kills the launcher alone (libxl_aoutils.c: async_exec_timeout),
 * and what it killed must not change anything any more. By SIGKILL, as it would have been hit itself.
 */
export function endWithLauncher(): void {
  if (LAUNCHER === undefined) return;
  const look = (): void => {
    if (process.ppid !== LAUNCHER) process.kill(process.pid, 'SIGKILL');
  };
  look();
  setInterval(look, LOOK_MS).unref();
}
