import { cpSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { CODE_CACHES, PROGRAM_FILES } from '../../src/install/program-files.ts';
import { insidePath, PROJECT } from './cache.ts';
import { command } from './command.ts';
import { type Corpus, frameLines } from './corpus.ts';
import { character, directory, initrd, program, text } from './cpio.ts';
import type { HostParts } from './dom0-image.ts';
import { FORMS, type Form, INSTALLED } from './network.ts';

/** The initrd of every test guest: busybox, the network driver, the frames and the program that sends them. */
function guestInitrd(parts: HostParts, frames: string): Buffer {
  return initrd([
    ...['bin', 'dev', 'proc', 'sys', 'tmp'].map(directory),
    character('dev/console', 5, 1),
    program('bin/busybox', readFileSync(parts.busybox)),
    program('bin/frames', readFileSync(parts.frames)),
    program('init', readFileSync(insidePath('guest-init'))),
    program('dhcp-lease', readFileSync(insidePath('dhcp-lease'))),
    text('frames.txt', frames),
    ...(['netfront', 'e1000'] as const).map((nic) =>
      text(`modules-${nic}`, parts[nic].map((path) => `${basename(path)}\n`).join('')),
    ),
    ...[...parts.netfront, ...parts.e1000].map((path) => program(basename(path), readFileSync(path))),
  ]);
}

/** What of the product goes into dom0 for each form, and how to build what is not in the repository. */
const PRODUCT_PARTS: Readonly<Record<Form, readonly string[]>> = {
  node: [
    'package.json',
    'CHANGELOG.md',
    'docs/man',
    'bin/vif-bridge',
    ...[...PROGRAM_FILES.node, ...CODE_CACHES].map((name) => `dist/${name}`),
    'xen-scripts',
  ],
  standalone: ['dist/vif-bridge', 'xen-scripts'],
};
const BUILD: Readonly<Record<Form, string>> = { node: 'npm run build', standalone: 'npm run build:standalone' };

/** Why a form of the product cannot be installed; undefined if it can. */
export function productMissing(form: Form): string | undefined {
  const missing = PRODUCT_PARTS[form].filter((name) => !existsSync(join(PROJECT, name)));
  return missing.length ? `${missing.join(', ')} missing (${BUILD[form]})` : undefined;
}

/** Makes the drive that changes from run to run: guests' kernel and initrd, frames, the product and its Node. */
export async function makeRunDrive(parts: HostParts, corpus: Corpus, folder: string): Promise<string> {
  const root = join(folder, 'run-drive');
  mkdirSync(join(root, 'opt/node/bin'), { recursive: true });
  const frames = frameLines(corpus);
  writeFileSync(join(root, 'frames.txt'), frames);
  cpSync(join(PROJECT, 'test/race/classic-vif.sh'), join(root, 'classic-vif.sh'));
  writeFileSync(join(root, 'guest-initrd.gz'), guestInitrd(parts, frames));
  cpSync(parts.kernel, join(root, 'vmlinux'));
  cpSync(parts.bzImage, join(root, 'vmlinuz'));
  cpSync(process.execPath, join(root, 'opt/node/bin/node'), { dereference: true });
  for (const form of FORMS.filter((form) => productMissing(form) === undefined))
    for (const part of PRODUCT_PARTS[form])
      cpSync(join(PROJECT, part), join(root, INSTALLED[form], part), { recursive: true });
  const image = join(folder, 'run-drive.img');
  await command('mke2fs', ['-q', '-t', 'ext4', '-O', '^has_journal', '-d', root, image, '640M']);
  return image;
}
