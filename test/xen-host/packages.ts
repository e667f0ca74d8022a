import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { cached, cachePath, contentKey } from './cache.ts';
import { command } from './command.ts';

/** What dom0 consists of; apt adds what these depend on. */
export const DOM0_PACKAGES: readonly string[] = [
  ...['xen-utils-4.17', 'xen-utils-common', 'xenstore-utils', 'xen-hypervisor-4.17-amd64', 'linux-image-amd64'],
  // The device model of HVM guests.
  'qemu-system-xen',
  ...['iproute2', 'ebtables', 'nftables', 'iptables', 'kmod', 'busybox-static', 'ethtool', 'iputils-ping', 'conntrack'],
  ...[
    'base-files',
    'base-passwd',
    'bash',
    'dash',
    'coreutils',
    'sed',
    'grep',
    'mawk',
    'findutils',
    'util-linux',
    'mount',
  ],
  ...['procps', 'hostname', 'tar', 'gzip', 'libc-bin', 'libstdc++6', 'strace', 'arping'],
];

/** Pulled in only for maintainer scripts, which are not run here, or for parts of Xen that are not used. */
const NOT_NEEDED =
  /^(perl|perl-modules-.*|libperl.*|lib.*-perl|python3.*|libpython3.*|usrmerge|initramfs-tools.*|linux-base|klibc-utils|libklibc|adduser|debconf|ucf|udev|cpio|logsave|sgml-base|media-types|gcc-.*-base|linux-image-amd64)$/;

/** The packages in exactly these versions, as apt-get understands them. */
type Resolved = readonly string[];

/**
 * What apt would install on an empty machine, so the result does not depend on what this machine has.
 * Kept in the cache: a second run needs no network, and a newer Debian version is taken after `--refresh`.
 */
async function resolve(names: readonly string[]): Promise<Resolved> {
  const file = await cached(`packages-${contentKey(names)}.json`, async (path) => {
    const state = cachePath(`apt-${process.pid}`);
    try {
      mkdirSync(join(state, 'archives/partial'), { recursive: true });
      writeFileSync(join(state, 'status'), '');
      const apt = [
        '-o',
        `Dir::State::status=${join(state, 'status')}`,
        '-o',
        `Dir::Cache::archives=${join(state, 'archives')}`,
      ];
      const simulate = () => command('apt-get', [...apt, '--no-install-recommends', '-s', '-qq', 'install', ...names]);
      const plan = await simulate().catch(async () => {
        await command('apt-get', ['update']);
        return simulate();
      });
      // "Inst xenstore-utils (4.17.7+13-... Debian:12/stable [amd64])"
      const lines = [...plan.matchAll(/^Inst (\S+) \((\S+) /gm)];
      const wanted = lines
        .filter(([, name]) => !NOT_NEEDED.test(name ?? ''))
        .map(([, name, version]) => `${name}=${version}`);
      writeFileSync(path, JSON.stringify(wanted, null, 2));
    } finally {
      rmSync(state, { recursive: true, force: true });
    }
  });
  return JSON.parse(readFileSync(file, 'utf8')) as Resolved;
}

/**
 * A folder with the .deb files of these packages and of all they depend on, their exact versions, and a key of those.
 */
export async function downloadPackages(
  names: readonly string[],
): Promise<{ folder: string; key: string; packages: Resolved }> {
  const packages = await resolve(names);
  const key = contentKey(packages);
  const folder = await cached(`debs-${key}`, async (path) => {
    mkdirSync(path);
    // apt checks the signatures; its unprivileged user could not write into this folder.
    const args = ['-o', 'APT::Sandbox::User=root', '-qq', 'download', ...packages];
    await command('apt-get', args, { seconds: 600, cwd: path }).catch(async () => {
      await command('apt-get', ['update']);
      await command('apt-get', args, { seconds: 600, cwd: path });
    });
  });
  return { folder, key, packages };
}

/** Unpacks every package of a folder into a root file system; maintainer scripts are not run. */
export async function unpackPackages(folder: string, root: string): Promise<void> {
  // dpkg-deb --extract would replace the symbolic links /lib -> usr/lib by directories.
  const extract =
    'set -e; for deb in "$1"/*.deb; do dpkg-deb --fsys-tarfile "$deb" | tar -C "$2" --keep-directory-symlink -xpf -; done';
  await command('sh', ['-c', extract, 'sh', folder, root], { seconds: 300 });
}

/** Forgets which versions were chosen, so the next run asks apt again. */
export function forgetVersions(): void {
  rmSync(cachePath(`packages-${contentKey(DOM0_PACKAGES)}.json`), { force: true });
}
