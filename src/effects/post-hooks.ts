import { accessSync, constants, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';

/** Where Xen's own scripts look for hooks (xen-hotplug-common.sh: call_hooks). */
const POST_HOOKS = '/etc/xen/scripts/vif-post.d';

export function hooksFolder(): string {
  return process.env.VIF_BRIDGE_HOOKS ?? POST_HOOKS;
}

/** The hooks that stock sources after each vif, in its order: what is called `*.hook` and executable. */
export function postHooks(folder: string = hooksFolder()): string[] {
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
