/**
 * `npm run test:userlands`: the kernel's tests with the tools of each release of Debian, on the kernel of this machine.
 *
 *   npm run test:userlands                                bookworm, trixie and sid, one after the other
 *   npm run test:userlands -- --release sid kernel/quick  one; only files that have one of the words in their path
 *
 * Exit status: 0 all passed, 1 a test failed, 2 a release could not be had (it says why). Needs root.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { debootstrapped } from '../lab/debootstrap.ts';
import { form } from '../lab/program.ts';

const SUITES = ['bookworm', 'trixie', 'sid'] as const;
/** What test/setup.sh installs on a machine, as far as these tests need it; a place in /var/tmp keeps it. */
const PACKAGES = [
  ...['nftables', 'iproute2', 'iptables', 'ethtool', 'xenstore-utils', 'curl', 'gcc', 'libc6-dev', 'netbase', 'procps'],
  ...['ca-certificates', 'python3-minimal', 'net-tools'],
];
const WORDS = ['kernel/', 'kernel-ebtables/'];
const CHECKOUT = fileURLToPath(new URL('../../', import.meta.url));
const INSIDE = fileURLToPath(new URL('inside.sh', import.meta.url));

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { release: { type: 'string', default: 'each' } },
});
const suites = values.release === 'each' ? SUITES : SUITES.filter((suite) => suite === values.release);
if (suites.length === 0) {
  console.error(`--release ${values.release}: one of ${SUITES.join(', ')}, each`);
  process.exit(2);
}
if (process.getuid?.() !== 0) {
  console.error('needs root: for a mount namespace and for chroot');
  process.exit(2);
}
let status = 0;
for (const suite of suites) {
  const place = `/var/tmp/xvb-userland-${suite}`;
  const obstacle = await debootstrapped(place, suite, PACKAGES);
  if (obstacle !== undefined) {
    console.log(`skipped: the userland of ${suite}: ${obstacle}`);
    status = 2;
    continue;
  }
  const version = spawnSync('chroot', [place, 'nft', '--version'], { encoding: 'utf8' }).stdout.trim();
  console.log(`userland of ${suite}: ${version}`);
  const layer = mkdtempSync(join(tmpdir(), `xvb-${suite}-`));
  const argv = ['--mount', '--propagation', 'private', 'sh', '-eu', INSIDE, place, CHECKOUT, layer, process.execPath];
  const words = positionals.length > 0 ? positionals : WORDS;
  const run = spawnSync('unshare', [...argv, form(), ...words], { stdio: 'inherit' });
  rmdirSync(layer);
  if (run.status !== 0) status = Math.max(status, 1);
}
process.exitCode = status;
