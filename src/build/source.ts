import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { NFTABLES } from '../backends/nftables.ts';
import { DEFAULT_KEYS, DEFAULT_POLICY } from '../policy/keys.ts';

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
  return Object.fromEntries(
    choices.map((unmanaged) => [unmanaged, NFTABLES.baseDigest({ ...DEFAULT_POLICY, unmanaged })]),
  );
}

/**
 * A name for what a program is built of: the same for both forms of one source, another one for every other source. The
 * launcher compares it, so that an executable of an older build is not taken for the program.
 */
export function buildOf(): string {
  const hash = createHash('sha256').update(JSON.stringify(defines()));
  const sources = readdirSync(`${ROOT}src`, { recursive: true, encoding: 'utf8' }).filter((file) =>
    file.endsWith('.ts'),
  );
  for (const file of [...sources.map((name) => join('src', name)), 'package-lock.json'].sort()) {
    hash.update(`\0${file}\0`).update(readFileSync(join(ROOT, file)));
  }
  return hash.digest('hex').slice(0, 16);
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
