import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { debootstrapped } from './debootstrap.ts';
import type { Namespace } from './namespace.ts';
import { type RunOptions, runChecked } from './subprocess.ts';

/** One version of nft: the host's own, or another release's. */
export interface Nft {
  readonly label: string;
  /** Runs it in a namespace; it has to work. */
  run(ns: Namespace, args: readonly string[], options?: RunOptions): Promise<string>;
}

export const HOST_NFT: Nft = {
  label: "the host's nft",
  run: (ns, args, options) => ns.check(['nft', ...args], options),
};

const PACKAGES = ['nftables', 'netbase'];
const place = (suite: string): string => `/var/tmp/xvb-nft-${suite}`;

/**
 * The nft of a release of Debian, in a folder of its own, with the libraries it was built for.
 *
 * @param suite `trixie`, `sid`
 * @returns a reason in words if it cannot be had here: no debootstrap, no mirror
 */
export async function releaseNft(suite: string): Promise<Nft | string> {
  const root = place(suite);
  const obstacle = await debootstrapped(root, suite, PACKAGES);
  if (obstacle !== undefined) return obstacle;
  const version = (await runChecked(['chroot', root, 'nft', '--version'])).trim();
  return { label: version, run: (ns, args, options) => ns.check(['chroot', root, 'nft', ...args], options) };
}

/**
 * A folder with a program `nft` of a release, for a PATH: it reads and writes as the host's own would.
 *
 * @param folder an empty one
 * @param suite as above
 * @returns a reason in words if it cannot be had here
 */
export async function installReleaseNft(folder: string, suite: string): Promise<string | undefined> {
  const root = place(suite);
  const obstacle = await debootstrapped(root, suite, PACKAGES);
  if (obstacle !== undefined) return obstacle;
  const libraries = ['usr/lib', 'lib'].map((name) => `${root}/${name}/x86_64-linux-gnu`).join(':');
  const loader = `${root}/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2`;
  if (!existsSync(loader)) return `no ${loader}`;
  const script = `#!/bin/sh\nexec ${loader} --library-path ${libraries} ${root}/usr/sbin/nft "$@"\n`;
  writeFileSync(join(folder, 'nft'), script, { mode: 0o755 });
  return undefined;
}
