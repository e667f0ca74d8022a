import type { LoadedTerms } from '../filter/own-terms.ts';
import type { FilterMode } from '../filter/plan.ts';
import { type MacAddress, parseMac } from '../net/mac-address.ts';
import type { BackendName } from '../policy/keys.ts';
import type { HostFilter } from '../port/host-accept.ts';
import type { PortFlags } from '../port/wished-port.ts';
import type { IdentityValues, PortType } from '../xen/vif-identity.ts';

/** The programs of one variant of ebtables. */
export interface EbtTools {
  /** `ebtables`, `ebtables-nft`, `ebtables-legacy`: for listings. */
  readonly list: string;
  /** The same with `-restore`: for changes. */
  readonly restore: string;
  /** `legacy` changes the tables of x_tables, `nft` those of nf_tables. */
  readonly variant: 'legacy' | 'nft';
}

/** What is remembered of a vif between runs. Values are raw and parsed again on use, like all input. */
export interface VifRecord {
  readonly schema: 1;
  readonly bootId: string;
  /** Kernel name of the device: vif1.0, vif1.0-emu. */
  readonly device: string;
  /** Final name, bridge in use. */
  readonly name: string;
  readonly type: PortType;
  readonly bridge: string;
  readonly values: IdentityValues;
  /** XENBUS_PATH; undefined for a vif configured by hand. */
  readonly xenbus: string | undefined;
  readonly mode: FilterMode;
  /** What that forbids is only counted (`mode = observe`). */
  readonly observed?: boolean;
  /** Flags of the port that may be otherwise than the kernel's. */
  readonly flags?: Partial<PortFlags>;
  /**
   * A run has begun to make the port another one and has not ended: how it was by then. Flags may be of before.
   */
  readonly unfinished?: 'bound' | 'unbound';
  /** What it may do besides (`allow`), as the policy said it; an earlier version says nothing. */
  readonly allow?: readonly string[];
  readonly subnetBroadcasts: readonly string[];
  /** MAC shared with another port: learning instead of a pinned FDB entry. */
  readonly shared: boolean;
  /** A netdev ingress chain may be loaded. */
  readonly ingress: boolean;
  readonly ifindex: number;
  /** Everything that may be loaded, written before the kernel is told: a killed run leaves no unknown element. */
  readonly loaded: readonly LoadedTerms[];
  /** The host's own filters that let its packets pass because of a run of ours; none, if it does not say. */
  readonly accepts?: readonly HostFilter[];
  /** Which run decided this (Host.ticket): one that was started earlier must not undo it. */
  readonly ticket: number;
  /** Of a vif that is no port of a bridge; `bridge` is then the device behind which its network is. */
  readonly routed?: RoutedState;
  /** ISO 8601. */
  readonly since: string;
}

/** What this host does for a vif that it routes for, besides filtering it. */
export interface RoutedState {
  /** This host's address on its link; undefined where it has no IPv4. */
  readonly main?: string;
  /** Of its routes: the smaller one of two for the same address holds. */
  readonly metric: number;
  /** Its addresses and blocks, as they are routed to it. */
  readonly routes: readonly string[];
  /** The interface index of the uplink, whatever it is called now. */
  readonly uplinkIndex?: number;
  /** Addresses that this host answers for at the uplink, because a run of ours has told it to. */
  readonly proxies: readonly string[];
  /** A run is telling its neighbours there, or was ended while it did: tables of that may be loaded. */
  readonly announcing?: true;
}

/** All MAC addresses that a vif may have in the kernel, its own first: as text that was read as one. */
export function macsOf({ values, loaded }: Pick<VifRecord, 'values' | 'loaded'>): string[] {
  const own = values.mac === undefined ? [] : [values.mac];
  return [...new Set([...own, ...loaded.flatMap((terms) => terms.values.mac ?? [])])];
}

/** The VLANs that a vif may be in by frames with a tag. */
export function trunkOf({ loaded }: Pick<VifRecord, 'loaded'>): string[] {
  // An earlier version has none.
  return [...new Set(loaded.flatMap(({ values }) => values.vlan ?? []))];
}

/** Whether a run has put its port into VLANs. */
export function isInVlans(record: Pick<VifRecord, 'values' | 'loaded'>): boolean {
  return record.values.vlan !== undefined || trunkOf(record).length > 0;
}

/** The MACs of the gateways that a vif was loaded with. @throws Failure `input` if they are none */
export function gatewayMacsOf({ loaded }: Pick<VifRecord, 'loaded'>): MacAddress[] {
  return [...new Set(loaded.flatMap(({ values }) => values.gateway ?? []))].map((mac) => parseMac(mac, 'state'));
}

/** Whether nothing was kept from the vif: its port was left as it would be without this program. */
export function isUnbound({ mode, observed }: Pick<VifRecord, 'mode' | 'observed'>): boolean {
  return mode === 'unrestricted' || observed === true;
}

/** For people. */
export const UNFINISHED = 'a run has begun to change it and has not ended';

/** How the last run that ended has left the port. */
export function leftAs(record: Pick<VifRecord, 'mode' | 'observed' | 'unfinished'>): 'bound' | 'unbound' {
  return record.unfinished ?? (isUnbound(record) ? 'unbound' : 'bound');
}

/** Ties the kernel's table to this directory: see backends/nftables/base-text.ts, sentinel. */
export interface BaseRecord {
  readonly schema: 1;
  readonly bootId: string;
  readonly sentinel: string;
  /** Who holds it; nftables if it does not say. */
  readonly backend?: BackendName;
  /** `backend = auto` chose it: the choice holds until the host is started again. */
  readonly auto?: boolean;
  /** The variant of ebtables that holds it. */
  readonly tools?: EbtTools;
  /** What nft lists of the shared rules as they were loaded; see backends/nftables/nftables.ts, sharedRules. */
  readonly listing?: string;
  /** What of the policy it was made with, by name (policy/shared-rules.ts); an earlier version says nothing. */
  readonly policy?: string;
  /** Ports that stay unfiltered although the policy closes others: Xen started them with another script. */
  readonly exempt: readonly { readonly name: string; readonly ifindex: number }[];
}
