import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { rulesDigest } from '../backends/ebtables/chains.ts';
import { baseDigest, namedDigests } from '../backends/nftables/base-text.ts';
import { namedDeviceDigests } from '../backends/nftables/text.ts';
import { once } from '../once.ts';
import { BACKEND_NAMES, type BackendName } from '../policy/keys.ts';
import { combine, parsePolicyText } from '../policy/parse-policy.ts';
import { type SharedPolicy, sharedName, sharedPolicies } from '../policy/shared-rules.ts';

/** The folder of package.json, with a slash at its end. */
export const ROOT = fileURLToPath(new URL('../../', import.meta.url));

/** Compile-time constants of the program, as `define` of esbuild and bun takes them. */
export const defines = once((): Readonly<Record<'VIF_BRIDGE_VERSION' | 'VIF_BRIDGE_BASE_DIGESTS', string>> => {
  const { version } = JSON.parse(readFileSync(`${ROOT}package.json`, 'utf8')) as { version: string };
  return {
    VIF_BRIDGE_VERSION: JSON.stringify(`${version} (${commit()})`),
    VIF_BRIDGE_BASE_DIGESTS: JSON.stringify(baseDigests()),
  };
});

/** How each backend names the rules that all vifs share. */
export const SHARED_DIGESTS: Readonly<Record<BackendName, (policy: SharedPolicy) => string>> = {
  nftables: baseDigest,
  ebtables: rulesDigest,
};

/** Policies in which some vif asks for something: to print such a base takes a run 0.1 s. */
const ASKING = [
  'learn = dhcp\n',
  'rules = any\n',
  'nwfilter = any\n',
  'gateways = 00:00:5e:00:01:01\n',
  'mode = observe\n',
].reduce((texts: readonly string[], line) => texts.flatMap((text) => [text, text + line]), ['']);

/** What they say for every policy that makes a difference and can be listed, by its name. */
export function baseDigests(): Record<string, string> {
  const digests = BACKEND_NAMES.flatMap((backend) =>
    sharedPolicies(backend).map((policy) => [sharedName(backend, policy), SHARED_DIGESTS[backend](policy)]),
  );
  return Object.fromEntries([...digests, ...namedDeviceDigests([]), ...ASKING.flatMap(askingDigests)]);
}

function askingDigests(lines: string): [string, string][] {
  const text = parsePolicyText(`[rules any]\nin drop\n[defaults]\n${lines}`, 'build');
  const { sections } = combine([text]);
  return [...namedDigests(sections), ...namedDeviceDigests(sections)];
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
