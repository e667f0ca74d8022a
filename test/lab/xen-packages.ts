import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { cacheFolder } from './cache.ts';
import { apt, unpackPackages } from './debian-packages.ts';

/** Debian's Xen tools, unpacked but not installed. */
export interface XenPackages {
  /** What would be / after an installation. */
  readonly root: string;
  /** For example `4.17`. */
  readonly version: string;
  readonly xl: string;
  readonly libraries: string;
  /** Debian's /etc/xen/scripts. */
  readonly scripts: string;
}

const PREFIX = 'xen-packages-';

/**
 * Downloads the package with `xl`, the stock hotplug scripts and the libraries they need with apt, and unpacks them
 * with `dpkg -x` in the cache. Done once; later calls need no network.
 *
 * @throws Error when apt knows no package `xen-utils-<version>` or cannot download it
 */
export async function fetchXl(): Promise<XenPackages> {
  return unpacked() ?? (await download());
}

function unpacked(): XenPackages | undefined {
  const found = readdirSync(cacheFolder())
    .map((name) => /^xen-packages-(\d+\.\d+)$/.exec(name)?.[1])
    .filter((version) => version !== undefined)
    .sort(byVersion)
    .at(-1);
  if (found === undefined) return undefined;
  const root = join(cacheFolder(), `${PREFIX}${found}`);
  const multiarch = readdirSync(join(root, 'usr/lib')).find((name) => name.includes('-linux-gnu'));
  if (multiarch === undefined) throw new Error(`${root}/usr/lib has no folder with libraries`);
  return {
    root,
    version: found,
    xl: join(root, `usr/lib/xen-${found}/bin/xl`),
    libraries: join(root, 'usr/lib', multiarch),
    scripts: join(root, 'etc/xen/scripts'),
  };
}

async function download(): Promise<XenPackages> {
  const version = (await newestVersion()) ?? (await newestVersionAfterUpdate());
  const packages = (
    await apt(
      'apt-cache',
      'depends',
      '--recurse',
      ...['recommends', 'suggests', 'conflicts', 'breaks', 'replaces', 'enhances'].map((kind) => `--no-${kind}`),
      `xen-utils-${version}`,
    )
  )
    .split('\n')
    // Xen's own and the one library of others that a plain Debian has not got.
    .filter((line) => /^(xen-utils|libxen|libyajl)[\w.+-]*$/.test(line));

  await unpackPackages(packages, `${PREFIX}${version}`);
  const result = unpacked();
  if (!result) throw new Error('the Xen packages were unpacked but are not in the cache');
  return result;
}

async function newestVersion(): Promise<string | undefined> {
  const names = (await apt('apt-cache', 'pkgnames', 'xen-utils-')).split('\n');
  return names
    .map((name) => /^xen-utils-(\d+\.\d+)$/.exec(name)?.[1])
    .filter((version) => version !== undefined)
    .sort(byVersion)
    .at(-1);
}

async function newestVersionAfterUpdate(): Promise<string> {
  await apt('apt-get', '-q', 'update');
  const version = await newestVersion();
  if (version === undefined) throw new Error('apt knows no package xen-utils-<version>');
  return version;
}

function byVersion(a: string, b: string): number {
  return a.localeCompare(b, 'en', { numeric: true });
}
