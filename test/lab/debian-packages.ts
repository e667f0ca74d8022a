import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { cacheFolder } from './cache.ts';
import { PLAIN_ENV, runChecked } from './subprocess.ts';

const APT_ENV = { ...PLAIN_ENV, DEBIAN_FRONTEND: 'noninteractive' };

/** Runs a program of apt's; the last word may be options. */
export function apt(...words: [...string[], string | { cwd: string }]): Promise<string> {
  const options = words.filter((word) => typeof word === 'object');
  const argv = words.filter((word) => typeof word === 'string');
  return runChecked(argv, { env: APT_ENV, timeoutMs: 180_000, ...options[0] });
}

/**
 * Downloads Debian packages and unpacks them, without installing them, into one folder of the cache. Done once; later
 * calls need no network.
 *
 * @param name of the folder
 * @returns what would be / after an installation
 * @throws Error when apt does not know one of them or cannot download it
 */
export async function unpackPackages(packages: readonly string[], name: string): Promise<string> {
  const place = join(cacheFolder(), name);
  if (existsSync(place)) return place;
  const draft = mkdtempSync(join(cacheFolder(), 'download-'));
  try {
    // "root": apt's own user may not write here.
    const download = () =>
      apt('apt-get', '-q', '-o', 'APT::Sandbox::User=root', 'download', ...packages, { cwd: draft });
    // A machine that never asked for the lists of packages, or long ago.
    await download().catch(() => apt('apt-get', '-q', 'update').then(download));
    const root = join(draft, 'root');
    mkdirSync(root);
    for (const file of readdirSync(draft).filter((one) => one.endsWith('.deb'))) {
      await runChecked(['dpkg', '-x', join(draft, file), root]);
    }
    for (const name of ['bin', 'sbin', 'lib', 'lib64']) merge(root, name);
    try {
      renameSync(root, place);
    } catch (error) {
      // ENOTEMPTY: another test process was faster.
      if (!existsSync(place)) throw error;
    }
  } finally {
    rmSync(draft, { recursive: true, force: true });
  }
  return place;
}

/** A package, where this release has one of that name: what later ones took out of others. */
export async function ifKnown(name: string): Promise<readonly string[]> {
  const names = (await apt('apt-cache', 'pkgnames', name)).split('\n');
  return names.includes(name) ? [name] : [];
}

/** As an installed system has it: packages up to Debian 12 have some files in /bin, the same of 13 in /usr/bin. */
function merge(root: string, name: string): void {
  const [from, to] = [join(root, name), join(root, 'usr', name)];
  if (existsSync(from)) {
    cpSync(from, to, { recursive: true, verbatimSymlinks: true });
    rmSync(from, { recursive: true });
  }
  if (existsSync(to)) symlinkSync(`usr/${name}`, from);
}
