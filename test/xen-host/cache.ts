import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, utimesSync } from 'node:fs';
import { join, resolve } from 'node:path';

/** The folder of this harness and the project's root. */
export const HERE = import.meta.dirname;
export const PROJECT = resolve(HERE, '../..');
const CACHE = join(PROJECT, 'node_modules/.cache/xen-vif-bridge/xen-host');

/** Absolute path of a file or folder in the cache; its parent folder is made. */
export function cachePath(name: string): string {
  mkdirSync(CACHE, { recursive: true });
  return join(CACHE, name);
}

/** Absolute path of a file that runs inside dom0 or a guest. */
export function insidePath(name: string): string {
  return join(HERE, 'inside', name);
}

/** A short key of everything that goes into a built thing: texts as they are, files (absolute paths) by content. */
export function contentKey(texts: readonly string[], files: readonly string[] = []): string {
  const hash = createHash('sha256');
  for (const text of texts) hash.update(`${text.length}:${text}`);
  for (const file of files) hash.update(readFileSync(file));
  return hash.digest('hex').slice(0, 12);
}

/**
 * The cached result of `build`, made under `name` only if it is not there yet. `build` writes to the path it is given;
 * that appears under its final name only when complete, so an interrupted run leaves nothing half-built behind.
 */
export async function cached(name: string, build: (path: string) => Promise<void>): Promise<string> {
  const path = cachePath(name);
  if (!existsSync(path)) {
    const unfinished = cachePath(`unfinished-${process.pid}-${name}`);
    try {
      await build(unfinished);
      renameSync(unfinished, path);
    } finally {
      rmSync(unfinished, { recursive: true, force: true });
    }
  }
  utimesSync(path, new Date(), new Date());
  return path;
}
