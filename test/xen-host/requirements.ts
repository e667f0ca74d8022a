import { accessSync, constants, existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { command, HarnessError } from './command.ts';

/** What the harness needs on the machine it runs on, and the Debian package it is in. */
const NEEDED: readonly (readonly [program: string, debian: string])[] = [
  ['qemu-system-x86_64', 'qemu-system-x86'],
  ['gcc', 'gcc'],
  ['mke2fs', 'e2fsprogs'],
  ['depmod', 'kmod'],
  ['xz', 'xz-utils'],
  ['zstd', 'zstd'],
  ['dpkg-deb', 'dpkg'],
  ['apt-get', 'apt'],
  ['ldd', 'libc-bin'],
];

function onPath(program: string): boolean {
  const folders = `${process.env.PATH ?? ''}${delimiter}/usr/sbin${delimiter}/sbin`.split(delimiter);
  return folders.some((folder) => {
    try {
      accessSync(join(folder, program), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

/**
 * Makes sure that the needed programs exist. As root the missing ones are installed with apt-get, and that is said.
 * @throws HarnessError naming what is missing and the command that installs it
 */
export async function requirePrograms(say: (text: string) => void): Promise<void> {
  if (process.platform !== 'linux' || process.arch !== 'x64')
    throw new HarnessError(`the Xen host needs Linux on x86-64, this is ${process.platform} on ${process.arch}`);
  if (!existsSync('/etc/debian_version'))
    throw new HarnessError('the Xen host is built from Debian packages with apt-get');
  process.env.PATH = `${process.env.PATH ?? ''}${delimiter}/usr/sbin${delimiter}/sbin`;
  const missing = NEEDED.filter(([program]) => !onPath(program)).map(([, debian]) => debian);
  // The programs for dom0 and the guests are static, so that they do not depend on what is in there.
  if (!existsSync('/usr/lib/x86_64-linux-gnu/libc.a')) missing.push('libc6-dev');
  if (missing.length === 0) return;
  const install = ['install', '-y', '--no-install-recommends', ...missing];
  if (process.getuid?.() !== 0)
    throw new HarnessError(`missing: ${missing.join(' ')}\nhint: sudo apt-get ${install.join(' ')}`);
  say(`installing with apt-get: ${missing.join(' ')}`);
  await command('apt-get', ['update'], { seconds: 120 });
  await command('apt-get', install, { seconds: 600 });
}
