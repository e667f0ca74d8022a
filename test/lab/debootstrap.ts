import { existsSync, renameSync, rmSync } from 'node:fs';
import { PLAIN_ENV, runProgram } from './subprocess.ts';

/** Where packages of any release come from. */
export const MIRROR = 'http://deb.debian.org/debian';
const MINUTES = 15;

/**
 * A release of Debian with some packages, in a folder that is kept: unpacking it takes a minute and some 100 MB, and it
 * is no part of the project.
 *
 * @param place the folder; several processes may ask for it at once
 * @returns a reason in words if it cannot be had here: no debootstrap, no mirror
 */
export async function debootstrapped(
  place: string,
  suite: string,
  packages: readonly string[],
  minutes: number = MINUTES,
): Promise<string | undefined> {
  if (existsSync(place)) return undefined;
  const draft = `${place}.${process.pid}`;
  const argv = ['debootstrap', '--variant=minbase', `--include=${packages.join(',')}`, suite, draft, MIRROR];
  const made = await runProgram(argv, { env: PLAIN_ENV, timeoutMs: minutes * 60_000 }).catch(() => undefined);
  if (made?.status !== 0) rmSync(draft, { recursive: true, force: true });
  if (made === undefined) return 'needs debootstrap';
  if (made.status !== 0) return `debootstrap ${suite} failed: ${made.stdout.trim().split('\n').at(-1)}`;
  // Another one may have been faster.
  if (existsSync(place)) rmSync(draft, { recursive: true, force: true });
  else renameSync(draft, place);
  return undefined;
}
