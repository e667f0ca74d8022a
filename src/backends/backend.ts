import type { LoadedTerms } from '../filter/own-terms.ts';
import type { FilterPlan } from '../filter/plan.ts';
import type { Policy, Unmanaged } from '../policy/keys.ts';
import type { EbtTools } from '../state/records.ts';
import type { Compiled, EbtChain } from './ebtables/stages.ts';
import type { EbtLoad } from './ebtables/text.ts';

/** One port as a backend needs to know it. */
export interface FilterPort {
  readonly device: string;
  readonly name: string;
  /** Undefined in a dry run for a device that does not exist yet. */
  readonly ifindex: number | undefined;
  /** Frames to link-local groups must be dropped at the device itself: STP is on, or the port learns. */
  readonly ingress: boolean;
}

/** A vif with its plan and what earlier runs may have left of it in the kernel. */
export interface PlannedPort {
  readonly port: FilterPort;
  readonly plan: FilterPlan;
  readonly loaded: readonly LoadedTerms[];
  readonly hadIngress: boolean;
}

/** A vif to be removed. */
export interface LeavingPort {
  readonly device: string;
  readonly loaded: readonly LoadedTerms[];
  readonly hadIngress: boolean;
}

/** What the shared part of the rules needs. */
export interface BaseOptions {
  readonly sentinel: string;
  readonly unmanaged: Unmanaged;
  readonly exempt: readonly number[];
  /** True to replace whatever is there; false to fill the present table of the same sentinel anew, losing no frame. */
  readonly fresh: boolean;
}

/** Drops of one port for one reason, as the kernel counts them. */
export interface DropCount {
  readonly ifindex: number;
  readonly direction: 'from-guest' | 'to-guest';
  readonly reason: string;
  readonly packets: number;
  readonly bytes: number;
}

/** What of the policy is in the rules that all vifs share. */
export type BasePolicy = Pick<Policy, 'unmanaged' | 'ebtables_gaps'>;

/** What both have: a name, and a short name for one version of what they print, given the policy. */
interface AnyBackend {
  baseDigest(policy: BasePolicy): string;
  /** What is closed or not fully checked for this vif because the backend cannot see it, as lines for people. */
  limits(plan: FilterPlan, policy: BasePolicy): readonly { readonly open: boolean; readonly text: string }[];
}

/**
 * nftables: pure renderers of text for `nft -f -`, one transaction a run.
 *
 * `renderBase` starts anew: all rules and ports of ours in the kernel are replaced by what it and the following
 * `renderPort`s say, in the same transaction.
 */
export interface NftBackend extends AnyBackend {
  readonly name: 'nftables';
  renderBase(base: BaseOptions): string;
  renderPort(planned: PlannedPort, sentinel: string | undefined): string;
  renderLeave(leaving: LeavingPort, sentinel: string): string;
  /** Lets a port that had a pinned address live beside another one with the same MAC. */
  renderIngress(device: string, name: string): string;
}

/** ebtables: pure renderers of text for `ebtables-restore --noflush`, one exchange of each table. */
export interface EbtBackend extends AnyBackend {
  readonly name: 'ebtables';
  readonly tools: EbtTools;
  renderLoad(load: EbtLoad): string;
  /** Chains alone, to which nothing leads yet, or whole vifs' chains to be filled anew. */
  renderChains(chains: readonly EbtChain[]): string;
  /** The chains of one vif, for both directions. */
  chainsOf(plan: FilterPlan, policy: BasePolicy): { readonly 'from-guest': Compiled; readonly 'to-guest': Compiled };
}

/** A packet filter. Loading, and what must be locked and remembered for it, is in src/effects. */
export type Backend = NftBackend | EbtBackend;
