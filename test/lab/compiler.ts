import { type SpawnSyncReturns, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, renameSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { cacheFolder } from './cache.ts';

const FLAGS = {
  // A static program starts a little faster and keeps working whatever LD_LIBRARY_PATH a test sets.
  program: [
    ['-O2', '-static', '-pthread'],
    ['-O2', '-pthread'],
  ],
  preload: [['-O2', '-shared', '-fPIC']],
} as const;

/**
 * Compiles one C file of this folder with gcc, or finds the result of an earlier run.
 *
 * @param source file name in this folder, for example `wire.c`
 * @param kind `program`, or `preload` for a shared library
 * @returns absolute path of the result in the cache, named after the hash of source and flags
 * @throws Error when gcc is missing or refuses the source; it carries gcc's own words
 */
export function compile(source: string, kind: keyof typeof FLAGS): string {
  const file = fileURLToPath(new URL(source, import.meta.url));
  const hash = createHash('sha256')
    .update(readFileSync(file, 'utf8'))
    .update(JSON.stringify(FLAGS[kind]))
    .digest('hex');
  const result = join(cacheFolder(), `${basename(source, '.c')}-${hash.slice(0, 16)}`);
  if (existsSync(result)) return result;

  const draft = `${result}.${process.pid}`;
  const failures: string[] = [];
  for (const flags of FLAGS[kind]) {
    const gcc = spawnSync('gcc', ['-Wall', '-Wextra', ...flags, '-o', draft, file], { encoding: 'utf8' });
    if (gcc.status === 0) {
      renameSync(draft, result);
      return result;
    }
    failures.push(reason(gcc));
  }
  throw new Error(`cannot compile ${source}: ${failures.join('\n')}`);
}

function reason(gcc: SpawnSyncReturns<string>): string {
  const code = gcc.error && 'code' in gcc.error ? gcc.error.code : undefined;
  if (code === 'ENOENT') return 'gcc is not installed (apt-get install gcc libc6-dev)';
  return gcc.error?.message ?? gcc.stderr;
}
