/**
 * The licences of what a built program holds besides our own code: of each package in the bundle, as esbuild says which
 * there are, its own text; of the runtime of the standalone executable, what its makers say of it.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { buildSync } from 'esbuild';
import { defines, ROOT } from './source.ts';

/** A package of npm of which something is in the bundle. */
export interface BundledPackage {
  readonly name: string;
  readonly version: string;
  /** SPDX */
  readonly license: string;
  readonly source: string;
  /** The text of its licence; undefined if the package has none besides the name. */
  readonly text: string | undefined;
}

interface PackageJson {
  readonly version: string;
  readonly license?: string;
  readonly author?: string | { readonly name?: string };
  readonly repository?: string | { readonly url?: string };
}

/**
 * Every package that has code in the bundle, by name.
 *
 * @throws Error for one that says no licence: it must not be given to others
 */
export function bundledPackages(): BundledPackage[] {
  const { metafile } = buildSync({
    absWorkingDir: ROOT,
    entryPoints: ['src/main.ts'],
    bundle: true,
    platform: 'node',
    format: 'cjs',
    define: defines(),
    external: ['bun:ffi'],
    write: false,
    metafile: true,
    preserveSymlinks: true,
    logLevel: 'error',
  });
  const names = Object.keys(metafile.inputs).flatMap((file) => /^.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(file) ?? []);
  return [...new Set(names)].sort().map((folder) => {
    const json = JSON.parse(readFileSync(join(ROOT, folder, 'package.json'), 'utf8')) as PackageJson;
    const name = folder.split('node_modules/').at(-1) ?? folder;
    if (json.license === undefined) throw new Error(`${folder} says no licence`);
    const file = readdirSync(join(ROOT, folder)).find((one) => /^(licen[cs]e|copying)/i.test(one));
    const author = typeof json.author === 'string' ? json.author : json.author?.name;
    return {
      name,
      version: json.version,
      license: json.license,
      source: (typeof json.repository === 'string' ? json.repository : json.repository?.url) ?? '',
      text: file === undefined ? author : readFileSync(join(ROOT, folder, file), 'utf8').trim(),
    };
  });
}

/** All of it as one text: ours, that of each package, and that of the runtime. */
export function noticesText(packages: readonly BundledPackage[], form: 'standalone' | 'node'): string {
  const rule = '-'.repeat(78);
  const parts = [
    `xen-vif-bridge\n\n${readFileSync(join(ROOT, 'LICENSE'), 'utf8').trim()}`,
    ...packages.map(({ name, version, license, source, text }) =>
      [`${name} ${version} (${license})`, source, '', text ?? ''].join('\n').trim(),
    ),
    ...(form === 'standalone' ? [readFileSync(join(ROOT, 'packaging/bun-licences.txt'), 'utf8').trim()] : []),
  ];
  return `${parts.join(`\n\n${rule}\n\n`)}\n`;
}
