import { existsSync, renameSync, rmSync } from 'node:fs';
import type { Namespace } from './namespace.ts';
import { PLAIN_ENV, type RunOptions, runChecked, runProgram } from './subprocess.ts';

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

/** Where a release is unpacked: kept, because it takes a minute and 250 MB, and is no part of the project. */
const place = (suite: string): string => `/var/tmp/xvb-nft-${suite}`;
const MIRROR = 'http://deb.debian.org/debian';
const DEBOOTSTRAP_MS = 15 * 60_000;

/**
 * The nft of a release of Debian, in a folder of its own, with the libraries it was built for.
 *
 * @param suite `trixie`, `sid`
 * @returns a reason in words if it cannot be had here: no debootstrap, no mirror
 */
export async function releaseNft(suite: string): Promise<Nft | string> {
  const root = place(suite);
  if (!existsSync(`${root}/usr/sbin/nft`)) {
    const draft = `${root}.${process.pid}`;
    const argv = ['debootstrap', '--variant=minbase', '--include=nftables,netbase', suite, draft, MIRROR];
    const made = await runProgram(argv, { env: PLAIN_ENV, timeoutMs: DEBOOTSTRAP_MS }).catch(() => undefined);
    if (made === undefined) return 'needs debootstrap';
    if (made.status !== 0) {
      rmSync(draft, { recursive: true, force: true });
      return `debootstrap ${suite} failed: ${made.stdout.trim().split('\n').at(-1)}`;
    }
    if (!existsSync(root)) renameSync(draft, root);
  }
  const version = (await runChecked(['chroot', root, 'nft', '--version'])).trim();
  return { label: version, run: (ns, args, options) => ns.check(['chroot', root, 'nft', ...args], options) };
}
