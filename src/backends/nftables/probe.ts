import { asFailure, Failure, oneLine } from '../../errors.ts';
import type { Host } from '../../host.ts';

/**
 * A transaction that nft only checks: it needs nft, nf_tables, hooks of the bridge family, and raw bits in a set of
 * several parts, which nft 0.9.8 (Debian 11) does not know.
 */
const NFT_PROBE = `add table bridge xen-vif-probe
add set bridge xen-vif-probe probe { typeof iifgroup . @nh,64,128; }
add chain bridge xen-vif-probe probe { type filter hook prerouting priority -200; }
`;

/**
 * Why nftables does not work here; undefined if it does.
 *
 * @throws Failure for a fault that will pass, and so says nothing
 */
export async function nftObstacle(host: Pick<Host, 'run'>): Promise<string | undefined> {
  const result = await host.run('nft', ['-c', '-f', '-'], { input: NFT_PROBE }).catch((error: unknown) => {
    const failure = asFailure(error);
    // An nft that hangs says nothing about the kernel.
    if (failure.code !== 'tool' && failure.code !== 'not-installed') throw failure;
    return failure.message;
  });
  if (typeof result === 'string') return result;
  if (result.status === 0) return undefined;
  // The choice lasts until the host boots again, and ebtables closes more: a passing fault must not make it.
  if (TRANSIENT.test(result.stderr)) {
    throw new Failure('tool', `cannot find out whether nftables works: ${oneLine(result.stderr, 100)}`, {
      hint: 'try again, as root, or name the backend in the policy file',
    });
  }
  return oneLine(result.stderr, 100) || `status ${result.status}`;
}

/** Errors of nft that say nothing about what this kernel can do (strerror(3): EAGAIN, EINTR, ENOMEM, EBUSY, ...). */
const TRANSIENT =
  /temporarily unavailable|Interrupted|Cannot allocate memory|resource busy|buffer space|Too many open files|not permitted/i;
