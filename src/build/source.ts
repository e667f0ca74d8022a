import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { baseDigest } from '../backends/nftables/base-text.ts';
import { DEFAULT_KEYS } from '../policy/keys.ts';

/** The folder of package.json, with a slash at its end. */
export const ROOT = fileURLToPath(new URL('../../', import.meta.url));

/** Compile-time constants of the program, as `define` of esbuild and bun takes them. */
export function defines(): Readonly<Record<'VIF_BRIDGE_VERSION' | 'VIF_BRIDGE_BASE_DIGESTS', string>> {
  const { version } = JSON.parse(readFileSync(`${ROOT}package.json`, 'utf8')) as { version: string };
  return {
    VIF_BRIDGE_VERSION: JSON.stringify(`${version} (${commit()})`),
    VIF_BRIDGE_BASE_DIGESTS: JSON.stringify(baseDigests()),
  };
}

/** What baseDigest says for every policy that makes a difference. */
function baseDigests(): Record<string, string> {
  const { choices } = DEFAULT_KEYS.unmanaged;
  return Object.fromEntries(choices.map((unmanaged) => [unmanaged, baseDigest(unmanaged)]));
}

/** The commit the sources are of; a released archive has no repository. */
function commit(): string {
  try {
    const git = (...args: string[]): string =>
      execFileSync('git', args, { cwd: ROOT, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();
    return `${git('rev-parse', '--short=12', 'HEAD')}${git('status', '--porcelain', '--', 'src', 'package-lock.json') === '' ? '' : ', modified'}`;
  } catch {
    return 'no commit';
  }
}
