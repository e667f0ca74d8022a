import { mkdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/**
 * The folder for what the lab builds or downloads once: `node_modules/.cache/xen-vif-bridge/`. It is made when missing.
 * Several test processes use it at the same time, so whoever fills it writes elsewhere first and renames.
 */
export function cacheFolder(): string {
  const folder = fileURLToPath(new URL('../../node_modules/.cache/xen-vif-bridge/', import.meta.url));
  mkdirSync(folder, { recursive: true });
  return folder;
}
