import type { BuildOptions } from 'esbuild';
import { defines, ROOT } from './source.ts';

/** How every form of the program is put together. */
export const ESBUILD_OPTIONS = {
  absWorkingDir: ROOT,
  bundle: true,
  platform: 'node',
  target: 'node20',
  // V8 reads it as bytes.
  charset: 'ascii',
  minify: true,
  legalComments: 'none',
  // The paths of modules get into the file: they must not depend on where a linked node_modules leads to.
  preserveSymlinks: true,
  logLevel: 'warning',
  define: defines(),
  // Only the standalone executable comes to it.
  external: ['bun:ffi'],
} as const satisfies BuildOptions;
