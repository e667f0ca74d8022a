import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { ROOT } from './source.ts';

/** CPUs for which the standalone executable can be made, by Node's names. */
export const ARCHITECTURES = ['x64', 'arm64'] as const;
export type Architecture = (typeof ARCHITECTURES)[number];

/**
 * npm packages that hold bun's runtime for glibc, which dom0 has. There is no need of another one for old CPUs: the one
 * for x64 is built for Nehalem (SSE4.2, 2008) and asks the CPU for AVX2 when it runs; `bun-linux-x64-baseline` is the
 * same file.
 */
const PACKAGES: Readonly<Record<Architecture, string>> = {
  x64: '@oven/bun-linux-x64',
  arm64: '@oven/bun-linux-aarch64',
};

/**
 * The bun of this machine, as npm installed it with the package `bun`.
 *
 * @throws Error where npm has none: another system than Linux with glibc on x64 or arm64, or an installation without
 *   optional packages
 */
export function hostBun(): string {
  const name = PACKAGES[process.arch as Architecture];
  // bun's own install script moves the file from the one package to the other; npm may run it or not.
  const found = [`${name}/bin/bun`, 'bun/bin/bun.exe']
    .flatMap(resolved)
    .find((file) => statSync(file).size > STUB_BYTES);
  if (found !== undefined) return found;
  throw new Error(`no bun for ${process.platform} on ${process.arch} (${name ?? 'no package'}): npm ci installs it`);
}

/** Without its install script the package `bun` holds a few lines in place of the program. */
const STUB_BYTES = 1_000_000;

function resolved(file: string): string[] {
  try {
    return [createRequire(import.meta.url).resolve(file)];
  } catch {
    return [];
  }
}

/**
 * bun's runtime for another CPU, fetched once from the npm registry in the version that package-lock.json names and
 * checked against the hash it has there.
 *
 * @returns path of the runtime
 */
export function foreignBun(architecture: Architecture): string {
  const name = PACKAGES[architecture];
  const lock = JSON.parse(readFileSync(`${ROOT}package-lock.json`, 'utf8')) as {
    packages: Record<string, { version: string; integrity: string } | undefined>;
  };
  const locked = lock.packages[`node_modules/${name}`];
  if (locked === undefined) throw new Error(`package-lock.json does not know ${name}`);
  const cache = join(ROOT, 'node_modules/.cache/xen-vif-bridge');
  const result = join(cache, `${name.replace('@oven/', '')}-${locked.version}`);
  if (existsSync(result)) return result;
  mkdirSync(cache, { recursive: true });
  const folder = mkdtempSync(join(cache, 'runtime-'));
  try {
    const pack = ['pack', '--silent', '--pack-destination', folder, `${name}@${locked.version}`];
    const archive = join(folder, execFileSync('npm', pack, { encoding: 'utf8' }).trim());
    const hash = `sha512-${createHash('sha512').update(readFileSync(archive)).digest('base64')}`;
    if (hash !== locked.integrity) throw new Error(`${name}@${locked.version} is not what package-lock.json says`);
    execFileSync('tar', ['-xzf', archive, '-C', folder, 'package/bin/bun']);
    renameSync(join(folder, 'package/bin/bun'), result);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  return result;
}
