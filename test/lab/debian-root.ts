import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { debootstrapped } from './debootstrap.ts';
import type { Namespace } from './namespace.ts';
import { type RunOptions, type RunResult, runChecked, runProgram } from './subprocess.ts';

/** A release of Debian as its installation leaves it, in the network of a namespace. What it changes is lost. */
export interface DebianRoot {
  /** Where it is on this host. */
  readonly path: string;
  run(argv: readonly string[], options?: RunOptions): Promise<RunResult>;
  /** The same for commands that have to work: stdout. */
  check(argv: readonly string[], options?: RunOptions): Promise<string>;
  remove(): Promise<void>;
}

/** What our packages depend on, so that installing them needs no network. */
const PACKAGES: Readonly<Record<Suite, readonly string[]>> = {
  bookworm: ['nftables', 'iproute2', 'xenstore-utils', 'ethtool', 'netbase'],
  trixie: ['nftables', 'iproute2', 'xenstore-utils', 'ethtool', 'netbase', 'nodejs'],
};
export type Suite = 'bookworm' | 'trixie';

/**
 * A layer above a release that was unpacked once: kept, because it takes half a minute and 300 MB, and is no part of
 * the project.
 *
 * @returns a reason in words if it cannot be had here: no debootstrap, no mirror
 */
export async function debianRoot(suite: Suite, ns: Namespace): Promise<DebianRoot | string> {
  const place = `/var/tmp/xvb-package-${suite}`;
  const obstacle = await debootstrapped(place, suite, PACKAGES[suite]);
  if (obstacle !== undefined) return obstacle;
  const folder = mkdtempSync(join(tmpdir(), `xvb-${suite}-`));
  const path = join(folder, 'root');
  for (const name of ['layer', 'upper', 'work', 'root']) mkdirSync(join(folder, name));
  const layer = join(folder, 'layer');
  // Its own file system: a layer may not lie on another one.
  await runChecked(['mount', '-t', 'tmpfs', 'tmpfs', layer]);
  for (const name of ['upper', 'work']) mkdirSync(join(layer, name));
  const options = `lowerdir=${place},upperdir=${layer}/upper,workdir=${layer}/work`;
  await runChecked(['mount', '-t', 'overlay', 'overlay', '-o', options, path]);
  // Of a mount namespace of its own, which `ip netns exec` makes: they go with the program.
  const inside = (argv: readonly string[]): string[] => [
    'sh',
    '-c',
    'mount --rbind /sys "$0/sys" && mount -t proc proc "$0/proc" && exec chroot "$0" "$@"',
    path,
    ...argv,
  ];
  const env = { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C', DEBIAN_FRONTEND: 'noninteractive' };
  return {
    path,
    run: (argv, more) => ns.run(inside(argv), { timeoutMs: 120_000, ...more, env: { ...env, ...more?.env } }),
    check: (argv, more) => ns.check(inside(argv), { timeoutMs: 120_000, ...more, env: { ...env, ...more?.env } }),
    async remove() {
      await runProgram(['umount', path], {});
      await runProgram(['umount', layer], {});
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
