import { chmodSync, copyFileSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { brotliDecompressSync } from 'node:zlib';
import { CODE_CACHES, PROGRAM_FILES } from '../../src/install/program-files.ts';
import { launcher } from '../lab/program.ts';

/**
 * Programs of before, as they were built: bundle and launcher of the commit that ended that day. They are kept because
 * their layouts of rules and state are on hosts: 2026-11-25 has sets of what a vif owns, 2026-11-30 maps of verdicts.
 * A release adds its own here.
 */
export const EARLIER = ['2026-11-25', '2026-11-30'] as const;
export type Version = (typeof EARLIER)[number] | 'this';

const HERE = fileURLToPath(new URL('earlier/', import.meta.url));

/** An installation on a host, whose program is exchanged under the guests that run, as a package manager does. */
export class Installation {
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** What Xen runs, whichever version it is. */
  get script(): string {
    return join(this.#folder, 'xen-scripts/vif-bridge');
  }

  /** Puts a version in the place of what was there. */
  become(version: Version): void {
    for (const name of ['xen-scripts', 'dist']) mkdirSync(join(this.#folder, name), { recursive: true });
    for (const name of FILES) rmSync(join(this.#folder, 'dist', name), { force: true });
    if (version === 'this') {
      launcher(undefined, this.#folder);
      return;
    }
    const bundle = brotliDecompressSync(readFileSync(join(HERE, version, 'vif-bridge.cjs.br')));
    writeFileSync(join(this.#folder, 'dist/vif-bridge.cjs'), bundle);
    const draft = `${this.script}.draft`;
    copyFileSync(join(HERE, version, 'launcher'), draft);
    chmodSync(draft, 0o755);
    renameSync(draft, this.script);
  }
}

/** Of all forms. */
const FILES = [...PROGRAM_FILES.node, ...CODE_CACHES, ...PROGRAM_FILES.standalone];
