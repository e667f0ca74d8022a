import { mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { cacheFolder } from './cache.ts';
import { PLAIN_ENV, runChecked } from './subprocess.ts';

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
const APT_ENV = { ...PLAIN_ENV, DEBIAN_FRONTEND: 'noninteractive' };

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

  const draft = mkdtempSync(join(cacheFolder(), 'download-'));
  try {
    // "root": apt's own user may not write here.
    await apt('apt-get', '-q', '-o', 'APT::Sandbox::User=root', 'download', ...packages, { cwd: draft });
    const root = join(draft, 'root');
    mkdirSync(root);
    for (const file of readdirSync(draft).filter((name) => name.endsWith('.deb'))) {
      await runChecked(['dpkg', '-x', join(draft, file), root]);
    }
    try {
      renameSync(root, join(cacheFolder(), `${PREFIX}${version}`));
    } catch (error) {
      // ENOTEMPTY: another test process was faster.
      if (!unpacked()) throw error;
    }
  } finally {
    rmSync(draft, { recursive: true, force: true });
  }
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

function apt(...words: [...string[], string | { cwd: string }]): Promise<string> {
  const options = words.filter((word) => typeof word === 'object');
  const argv = words.filter((word) => typeof word === 'string');
  return runChecked(argv, { env: APT_ENV, timeoutMs: 180_000, ...options[0] });
}

function byVersion(a: string, b: string): number {
  return a.localeCompare(b, 'en', { numeric: true });
}
