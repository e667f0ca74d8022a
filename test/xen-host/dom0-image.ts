import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { basename, join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { cached, contentKey, insidePath } from './cache.ts';
import { command } from './command.ts';
import { directory, initrd, program, text } from './cpio.ts';
import { kernelVersion, moduleOrder, unpackKernel } from './kernel.ts';
import { downloadPackages, unpackPackages } from './packages.ts';
import type { Release } from './release.ts';

/** The parts of a Xen host, in one folder: what QEMU boots, and what a guest is made of. */
export interface HostParts {
  readonly folder: string;
  /** The packages that matter most, with their versions. */
  readonly versions: readonly string[];
  readonly hypervisor: string;
  readonly kernel: string;
  readonly initrd: string;
  readonly disk: string;
  /** For guests: programs and modules to put into their initrd. */
  readonly busybox: string;
  readonly frames: string;
  readonly netfront: readonly string[];
  /** For HVM guests: the kernel as a boot loader takes it, and the driver of their emulated network card. */
  readonly bzImage: string;
  readonly e1000: readonly string[];
}

/** Bump when a step below changes in a way that its inputs do not show. */
const RECIPE = '3';

// The rest of Debian's 300 MiB of modules is for hardware that QEMU does not have.
const KEPT_MODULES = [
  'drivers/block',
  'drivers/char/virtio_console.ko',
  'drivers/net',
  'drivers/virtio',
  'drivers/xen',
];
const KEPT_MODULE_TREES = ['net', 'lib', 'crypto', 'arch', 'fs/ext4', 'fs/jbd2', 'fs/mbcache.ko'];
const DROPPED = [
  'usr/share/doc',
  'usr/share/man',
  'usr/share/locale',
  'usr/share/info',
  'usr/share/perl',
  'usr/lib/debug',
];

/** usr-merge, alternatives and accounts: what the packages' maintainer scripts would have done. */
function prepareRoot(root: string): void {
  for (const name of ['bin', 'sbin', 'lib', 'lib64', 'lib32', 'libx32']) {
    mkdirSync(join(root, 'usr', name), { recursive: true });
    symlinkSync(`usr/${name}`, join(root, name));
  }
  // Relative: an absolute target would make tar unpack into this machine's own /run.
  mkdirSync(join(root, 'run/lock'), { recursive: true });
  mkdirSync(join(root, 'var'));
  symlinkSync('../run', join(root, 'var/run'));
  symlinkSync('../run/lock', join(root, 'var/lock'));
}

function configureRoot(root: string): void {
  const link = (to: string, at: string) => {
    rmSync(join(root, at), { force: true });
    symlinkSync(to, join(root, at));
  };
  for (const tool of ['iptables', 'ip6tables', 'ebtables', 'arptables'])
    for (const part of ['', '-save', '-restore']) {
      const nft = `usr/sbin/${tool}-nft${part}`;
      if (existsSync(join(root, nft))) link(`/${nft}`, `usr/sbin/${tool}${part}`);
    }
  link('mawk', 'usr/bin/awk');
  for (const name of [
    'proc',
    'sys',
    'dev',
    'run',
    'tmp',
    'mnt',
    'opt',
    'root',
    'var/log/xen',
    'var/lib/xen',
    'usr/local/bin',
  ])
    mkdirSync(join(root, name), { recursive: true });
  writeFileSync(
    join(root, 'etc/passwd'),
    'root:x:0:0:root:/root:/bin/bash\nnobody:x:65534:65534::/nonexistent:/bin/false\n',
  );
  writeFileSync(join(root, 'etc/group'), 'root:x:0:\nadm:x:4:\nnogroup:x:65534:\n');
  writeFileSync(join(root, 'etc/hostname'), 'dom0\n');
  writeFileSync(join(root, 'etc/fstab'), '');
}

/** Removes everything in a folder but one name. */
function keepOnly(folder: string, kept: string): void {
  for (const name of readdirSync(folder)) if (name !== kept) rmSync(join(folder, name), { recursive: true });
}

async function keepUsefulModules(root: string): Promise<void> {
  const modules = join(root, 'usr/lib/modules', kernelVersion(root));
  const all = join(modules, 'kernel');
  const keep = join(modules, 'kept');
  for (const kept of [...KEPT_MODULES, ...KEPT_MODULE_TREES]) {
    const name = [kept, `${kept}.xz`].find((one) => existsSync(join(all, one)));
    if (name === undefined) continue;
    mkdirSync(join(keep, name, '..'), { recursive: true });
    await command('mv', [join(all, name), join(keep, name)]);
  }
  await unpackModules(keep);
  for (const name of ['drivers/net/wireless', 'net/mac80211', 'net/wireless'])
    rmSync(join(keep, name), { recursive: true, force: true });
  keepOnly(join(keep, 'drivers/net/ethernet'), 'intel');
  keepOnly(join(keep, 'drivers/net/ethernet/intel'), 'e1000');
  rmSync(all, { recursive: true });
  await command('mv', [keep, all]);
  await command('depmod', ['-b', join(root, 'usr'), kernelVersion(root)]);
}

/** Debian packs modules since 13, and busybox of a guest loads none that are packed. */
async function unpackModules(folder: string): Promise<void> {
  await command('find', [folder, '-name', '*.ko.xz', '-exec', 'xz', '--decompress', '{}', '+'], { seconds: 120 });
}

function bootInitrd(root: string): Buffer {
  const modules = moduleOrder(root, ['virtio_pci', 'virtio_blk', 'crc32c_generic', 'ext4']);
  return initrd([
    ...['bin', 'dev', 'root'].map(directory),
    program('bin/busybox', readFileSync(join(root, 'usr/bin/busybox'))),
    program('init', readFileSync(insidePath('dom0-initrd-init'))),
    text('modules', modules.map((path) => `${basename(path)}\n`).join('')),
    ...modules.map((path) => program(basename(path), readFileSync(join(root, path)))),
  ]);
}

async function compile(source: string, target: string): Promise<void> {
  await command('gcc', ['-O2', '-Wall', '-Werror', '-static', '-s', '-o', target, insidePath(source)]);
}

async function build({ xen }: Release, debs: string, folder: string): Promise<void> {
  mkdirSync(folder);
  const root = join(folder, 'root');
  mkdirSync(root);
  prepareRoot(root);
  await unpackPackages(debs, root);
  configureRoot(root);
  const version = kernelVersion(root);
  copyFileSync(join(root, 'boot', `vmlinuz-${version}`), join(folder, 'vmlinuz'));
  await unpackKernel(join(root, 'boot', `vmlinuz-${version}`), join(folder, 'vmlinux'));
  writeFileSync(join(folder, 'xen.elf'), gunzipSync(readFileSync(join(root, `boot/xen-${xen}-amd64.gz`))));
  for (const name of [...DROPPED, 'boot']) rmSync(join(root, name), { recursive: true, force: true });
  await keepUsefulModules(root);
  writeFileSync(join(folder, 'dom0-initrd.gz'), bootInitrd(root));
  for (const name of ['agent', 'console', 'frames']) {
    await compile(`${name}.c`, join(folder, name));
    copyFileSync(join(folder, name), join(root, 'usr/local/bin', name));
  }
  copyFileSync(join(root, 'usr/bin/busybox'), join(folder, 'busybox'));
  const copied = (module: string) =>
    moduleOrder(root, [module]).map((path) => {
      copyFileSync(join(root, path), join(folder, basename(path)));
      return basename(path);
    });
  writeFileSync(
    join(folder, 'modules.json'),
    JSON.stringify({ netfront: copied('xen-netfront'), e1000: copied('e1000') }),
  );
  await command('install', ['-m', '755', insidePath('dom0-init'), join(root, 'init')]);
  await command('mke2fs', ['-q', '-t', 'ext4', '-O', '^has_journal', '-d', root, join(folder, 'dom0.img'), '1024M'], {
    seconds: 300,
  });
  rmSync(root, { recursive: true });
}

/** Builds (or finds in the cache) everything a Xen host of a release boots from. */
export async function hostParts(release: Release): Promise<HostParts> {
  const { folder: debs, key, packages } = await downloadPackages(release);
  const sources = ['agent.c', 'console.c', 'frames.c', 'dom0-init', 'dom0-initrd-init'].map(insidePath);
  const folder = await cached(`host-${contentKey([RECIPE, key], sources)}`, (path) => build(release, debs, path));
  const at = (name: string) => join(folder, name);
  const modules = JSON.parse(readFileSync(at('modules.json'), 'utf8')) as { netfront: string[]; e1000: string[] };
  return {
    folder,
    versions: packages.filter((name) => /^(xen-utils-4|linux-image|nftables|ebtables)/.test(name)),
    hypervisor: at('xen.elf'),
    kernel: at('vmlinux'),
    initrd: at('dom0-initrd.gz'),
    disk: at('dom0.img'),
    busybox: at('busybox'),
    frames: at('frames'),
    netfront: modules.netfront.map(at),
    bzImage: at('vmlinuz'),
    e1000: modules.e1000.map(at),
  };
}
