import { holding } from '../effects/lock.ts';
import { asFailure, Failure, oneLine } from '../errors.ts';
import type { Host } from '../host.ts';
import type { BackendName } from '../policy/keys.ts';
import type { EbtTools } from '../state/records.ts';
import type { State } from '../state/state.ts';
import type { Backend } from './backend.ts';
import { backendOf, baseOfThisBoot } from './base.ts';
import { DEFAULT_EBT_TOOLS, ebtables } from './ebtables/chains.ts';
import { NFTABLES } from './nftables/text.ts';

/** Variants of ebtables, best first: what the system's alternatives name is what other software uses too. */
const EBT_PROGRAMS = [
  { list: 'ebtables', restore: 'ebtables-restore' },
  { list: 'ebtables-nft', restore: 'ebtables-nft-restore' },
  { list: 'ebtables-legacy', restore: 'ebtables-legacy-restore' },
] as const;

/** A transaction that nft only checks: it needs nft, nf_tables, and hooks of the bridge family. */
const NFT_PROBE = `add table bridge xen-vif-probe
add chain bridge xen-vif-probe probe { type filter hook prerouting priority -200; }
`;

const BASE_LOCK_MS = 12_000;

/** The backend as far as it is known without asking the kernel: what the policy names, or what was chosen last. */
export function knownBackend(policy: Host['policy'], state: State, bootId: () => string): Backend {
  const base = baseOfThisBoot({ state, bootId });
  const name: BackendName =
    policy.backend !== 'auto' ? policy.backend : base === undefined ? 'nftables' : backendOf(base);
  return name === 'nftables' ? NFTABLES : ebtables(base?.tools ?? DEFAULT_EBT_TOOLS);
}

/**
 * The host with the backend that its rules go to. `auto` asks the kernel once per boot: nftables if `nft` and its bridge
 * family work, else ebtables; after that the choice is in the state and costs no process.
 *
 * @throws Failure `tool` if neither works, or if the one that the policy names does not
 */
export async function withBackend(host: Host): Promise<Host> {
  const base = baseOfThisBoot(host);
  const wanted = host.policy.backend;
  if (wanted === 'nftables') return { ...host, backend: NFTABLES };
  if (wanted === 'ebtables') return { ...host, backend: ebtables(base?.tools ?? (await workingEbtables(host))) };
  if (base?.auto === true) return { ...host, backend: knownBackend(host.policy, host.state, host.bootId) };
  const nft = await nftObstacle(host);
  const backend = nft === undefined ? NFTABLES : await ebtablesInstead(host, nft);
  if (base !== undefined && backendOf(base) === backend.name) await rememberAuto(host);
  return { ...host, backend };
}

/** Why nftables does not work here; undefined if it does. */
async function nftObstacle(host: Host): Promise<string | undefined> {
  try {
    const result = await host.run('nft', ['-c', '-f', '-'], { input: NFT_PROBE });
    if (result.status === 0) return undefined;
    // The choice lasts until the host boots again, and ebtables closes more: a passing fault must not make it.
    if (PASSING.test(result.stderr)) throw passing(result.stderr);
    return oneLine(result.stderr, 100) || `status ${result.status}`;
  } catch (error) {
    const failure = asFailure(error);
    // An nft that hangs says nothing about the kernel either.
    if (failure.code !== 'tool' || failure.message.startsWith(PASSING_TEXT)) throw failure;
    return failure.message;
  }
}

/** Errors of nft that say nothing about what this kernel can do (strerror(3): EAGAIN, EINTR, ENOMEM, EBUSY, ...). */
const PASSING =
  /temporarily unavailable|Interrupted|Cannot allocate memory|resource busy|buffer space|Too many open files|not permitted/i;
const PASSING_TEXT = 'cannot find out whether nftables works';

function passing(stderr: string): Failure {
  return new Failure('tool', `${PASSING_TEXT}: ${oneLine(stderr, 100)}`, {
    hint: 'try again, as root, or name the backend in the policy file',
  });
}

async function ebtablesInstead(host: Host, nft: string): Promise<Backend> {
  try {
    const backend = ebtables(await workingEbtables(host));
    host.log.say('info', `backend = auto: ebtables (${backend.tools.restore}), because nftables does not work: ${nft}`);
    return backend;
  } catch (error) {
    const failure = asFailure(error);
    throw new Failure('tool', `no packet filter works: nft: ${nft}; ${failure.message}`, { hint: failure.hint });
  }
}

async function workingEbtables(host: Host): Promise<EbtTools> {
  const obstacles: string[] = [];
  for (const tools of EBT_PROGRAMS) {
    try {
      const result = await host.run(tools.list, ['-t', 'nat', '-L', 'PREROUTING']);
      if (result.status === 0) return { ...tools, variant: await variantOf(host, tools.list) };
      obstacles.push(`${tools.list}: ${oneLine(result.stderr, 60)}`);
    } catch (error) {
      const failure = asFailure(error);
      if (failure.code !== 'tool') throw failure;
      obstacles.push(failure.message);
    }
  }
  throw new Failure('tool', `ebtables does not work: ${obstacles.join('; ')}`, {
    hint: 'install nftables or ebtables, and a kernel that has one of them for bridges',
  });
}

/** `ebtables 1.8.9 (nf_tables)`, `ebtables v2.0.11 (legacy) (2015-10-18)`. */
async function variantOf(host: Host, program: string): Promise<EbtTools['variant']> {
  const { stdout } = await host.run(program, ['-V']);
  return /nf_tables/.test(stdout) ? 'nft' : 'legacy';
}

async function rememberAuto(host: Host): Promise<void> {
  await holding(await host.takeLock('base', BASE_LOCK_MS), async () => {
    const base = host.state.readBase();
    if (base !== undefined) host.state.writeBase({ ...base, auto: true });
  });
}
