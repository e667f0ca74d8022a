import { accessSync, constants, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';

/** Where Xen's own scripts look for hooks (xen-hotplug-common.sh: call_hooks). */
export const POST_HOOKS = '/etc/xen/scripts/vif-post.d';

/**
 * The hooks that stock would run after each vif, and this program does not: what they did (firewalls, monitoring) does
 * not happen. Stock sources what is called `*.hook` and executable.
 */
export function postHooks(folder: string = POST_HOOKS): string[] {
  try {
    return readdirSync(folder)
      .filter((name) => name.endsWith('.hook') && isExecutable(join(folder, name)))
      .sort();
  } catch {
    return [];
  }
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return statSync(file).isFile();
  } catch {
    return false;
  }
}
