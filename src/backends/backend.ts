import type { LoadedTerms } from '../effects/state.ts';
import type { FilterPlan } from '../filter/plan.ts';
import type { Unmanaged } from './nft-base.ts';

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

/**
 * A packet filter: pure renderers of text, and the name of the program that loads it as one transaction.
 *
 * `renderBase` starts anew: all rules and ports of ours in the kernel are replaced by what it and the following
 * `renderPort`s say, in the same transaction.
 */
export interface Backend {
  readonly name: string;
  /** Identifies this version of the shared part, given the policy. */
  baseDigest(unmanaged: Unmanaged): string;
  renderBase(base: BaseOptions): string;
  renderPort(planned: PlannedPort, sentinel: string | undefined): string;
  renderLeave(leaving: LeavingPort, sentinel: string): string;
  /** Lets a port that had a pinned address live beside another one with the same MAC. */
  renderIngress(device: string, name: string): string;
}
