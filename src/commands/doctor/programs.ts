import { isNotInstalled } from '../../effects/exec.ts';
import type { Finding, Group, Look } from './finding.ts';

/** What each is needed for, and how it is asked whether it is there. */
const PROGRAMS: readonly (readonly [program: string, args: readonly string[], need: string, brings: string])[] = [
  ['ip', ['-V'], 'no vif can be configured', 'iproute2'],
  ['bridge', ['-V'], 'no vif can be configured', 'iproute2'],
  ['logger', ['--version'], 'messages go to stderr in place of syslog', 'util-linux (bsdutils)'],
  ['xenstore-read', ['-h'], 'no vif of Xen can be configured', 'xenstore-utils'],
];

/** The oldest release whose text and listings the tests have seen. */
const OLDEST_NFT = [1, 0, 6] as const;

/** Programs that runs need, and their versions. */
export const programs: Group = {
  name: 'programs',
  async look(look) {
    const missing = await Promise.all(
      PROGRAMS.map(
        async ([program, args, need, brings]): Promise<Finding[]> =>
          (await isThere(look, program, args))
            ? []
            : [
                {
                  id: 'program-missing',
                  severity: 'error',
                  what: `${program} is not installed`,
                  why: need,
                  fix: `apt install ${brings}`,
                },
              ],
      ),
    );
    return [...missing.flat(), ...(await flockMissing(look)), ...(await nftVersion(look))];
  },
};

async function isThere({ host }: Look, program: string, args: readonly string[]): Promise<boolean> {
  try {
    await host.run(program, args, { lockless: true });
    return true;
  } catch (error) {
    if (isNotInstalled(error)) return false;
    throw error;
  }
}

async function flockMissing(look: Look): Promise<Finding[]> {
  if (look.host.policy.lock !== 'flock' || (await isThere(look, 'flock', ['--version']))) return [];
  return [
    {
      id: 'flock-missing',
      severity: 'error',
      what: 'flock is not installed, and lock = flock',
      why: 'every run needs a lock, and fails without',
      fix: 'apt install util-linux, or lock = lockfile in the policy',
    },
  ];
}

async function nftVersion({ host }: Look): Promise<Finding[]> {
  const said = await host.run('nft', ['--version'], { lockless: true }).catch((error: unknown) => {
    if (isNotInstalled(error)) return undefined;
    throw error;
  });
  const [, ...version] = /v(\d+)\.(\d+)\.(\d+)/.exec(said?.stdout ?? '') ?? [];
  if (version.length === 0 || !isOlder(version.map(Number), OLDEST_NFT)) return [];
  return [
    {
      id: 'nft-old',
      severity: 'warning',
      what: `nft is ${version.join('.')}`,
      why: `nothing older than ${OLDEST_NFT.join('.')} was tried: it may refuse the rules, and the guest is not started then`,
      fix: 'apt install nftables of a later release, or backend = ebtables in the policy',
    },
  ];
}

function isOlder(version: readonly number[], than: readonly number[]): boolean {
  const at = than.findIndex((part, index) => part !== version[index]);
  return at >= 0 && (version[at] ?? 0) < (than[at] ?? 0);
}
