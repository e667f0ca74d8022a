import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { cached, cachePath, contentKey } from './cache.ts';
import { command } from './command.ts';
import { aptOptions, type Release } from './release.ts';

/** What dom0 consists of; apt adds what these depend on. */
const dom0Packages = ({ xen }: Release): readonly string[] => [
  ...[`xen-utils-${xen}`, 'xen-utils-common', 'xenstore-utils', `xen-hypervisor-${xen}-amd64`, 'linux-image-amd64'],
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
async function resolve(release: Release): Promise<Resolved> {
  const names = dom0Packages(release);
  const file = await cached(versionsFile(release), async (path) => {
    const state = cachePath(`apt-${process.pid}`);
    try {
      mkdirSync(join(state, 'archives/partial'), { recursive: true });
      writeFileSync(join(state, 'status'), '');
      const apt = [
        ...aptOptions(release),
        '-o',
        `Dir::State::status=${join(state, 'status')}`,
        '-o',
        `Dir::Cache::archives=${join(state, 'archives')}`,
      ];
      const simulate = () => command('apt-get', [...apt, '--no-install-recommends', '-s', '-qq', 'install', ...names]);
      const plan = await simulate().catch(async () => {
        await command('apt-get', [...aptOptions(release), 'update'], { seconds: 120 });
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
 * A folder with the .deb files of what dom0 consists of and of all that depends on, their exact versions, and a key of
 * those.
 */
export async function downloadPackages(release: Release): Promise<{ folder: string; key: string; packages: Resolved }> {
  const packages = await resolve(release);
  const key = contentKey(packages);
  const folder = await cached(`debs-${key}`, async (path) => {
    mkdirSync(path);
    // apt checks the signatures; its unprivileged user could not write into this folder.
    const apt = aptOptions(release);
    const args = [...apt, '-o', 'APT::Sandbox::User=root', '-qq', 'download', ...packages];
    await command('apt-get', args, { seconds: 600, cwd: path }).catch(async () => {
      await command('apt-get', [...apt, 'update'], { seconds: 120 });
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
export function forgetVersions(release: Release): void {
  rmSync(cachePath(versionsFile(release)), { force: true });
}

function versionsFile(release: Release): string {
  return `packages-${release.name}-${contentKey(dom0Packages(release))}.json`;
}
