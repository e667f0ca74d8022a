import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { cacheFolder } from './cache.ts';
import { apt, unpackPackages } from './debian-packages.ts';
import { runChecked } from './subprocess.ts';

/** The source that Debian 12's packages of libvirt are built from. */
const ORIGINAL = 'libvirt_9.0.0.orig.tar.xz';
const SHA256 = 'deca5cff1b7baac297bca9663907c61f71a47183371dc7ac019c107806d5435a';
const WANTED = ['nwfilterxml2xmlin', 'nwfilterxml2xmlout', 'nwfilterxml2firewalldata'];

/**
 * The data of libvirt's own tests of nwfilter, from Debian's source package. Downloaded once, by apt, which checks the
 * hash; nothing of it is part of this project.
 *
 * @returns the folder `tests` of libvirt, or a reason in words why it cannot be had here
 */
export async function libvirtTests(): Promise<{ readonly tests: string } | string> {
  const place = join(cacheFolder(), 'libvirt-9.0.0');
  if (existsSync(place)) return { tests: join(place, 'tests') };
  const draft = mkdtempSync(join(cacheFolder(), 'download-'));
  try {
    const archive = join(draft, ORIGINAL);
    let said = 'apt knows no mirror';
    for (const mirror of await mirrors()) {
      const from = `${mirror}pool/main/libv/libvirt/${ORIGINAL}`;
      const tried = await apt('/usr/lib/apt/apt-helper', 'download-file', from, archive, `SHA256:${SHA256}`).then(
        () => '',
        (error: Error) => error.message,
      );
      if (tried === '') break;
      said = tried;
    }
    if (!existsSync(archive)) return `libvirt's source is out of reach: ${said.slice(-200)}`;
    const root = join(draft, 'root');
    mkdirSync(root);
    const folders = WANTED.map((name) => `libvirt-9.0.0/tests/${name}`);
    await runChecked(['tar', '-xJf', archive, '-C', root, '--strip-components=1', ...folders]);
    if (!existsSync(place)) renameSync(root, place);
  } catch (error) {
    if (!existsSync(place)) return `libvirt's source cannot be unpacked: ${(error as Error).message.slice(-200)}`;
  } finally {
    rmSync(draft, { recursive: true, force: true });
  }
  return { tests: join(place, 'tests') };
}

/** Where this host's apt gets Debian's packages from. */
async function mirrors(): Promise<string[]> {
  const format = '$(REPO_URI) $(COMPONENT)';
  const rows = await apt('apt-get', 'indextargets', '--format', format, 'Created-By: Packages').catch(() => '');
  const main = rows.split('\n').flatMap((row) => /^(\S+) main$/.exec(row)?.[1] ?? []);
  return [...new Set(main)].map((uri) => (uri.endsWith('/') ? uri : `${uri}/`));
}

/** The filters that libvirt ships. @returns their folder, or a reason in words */
export async function shippedFilters(): Promise<{ readonly folder: string } | string> {
  try {
    const root = await unpackPackages(['libvirt-daemon-config-nwfilter'], 'libvirt-filters');
    const folder = ['usr/share/libvirt/nwfilter', 'etc/libvirt/nwfilter']
      .map((one) => join(root, one))
      .find((one) => existsSync(one));
    return folder === undefined ? 'the package of libvirt has no filters' : { folder };
  } catch (error) {
    return `the package with libvirt's filters is out of reach: ${(error as Error).message.slice(-200)}`;
  }
}
