import { DOM0_SIDE_MAC, type MacAddress } from '../net/mac-address.ts';
import { isVirtualMac } from '../net/virtual-mac.ts';

/**
 * - `pinned`: nobody else has a MAC of it: the bridge learns nothing from it and knows the owner of each for ever;
 * - `anchored`: the same, and the bridge learns besides: of a guest that may take over a MAC that moves between
 *   stations (VRRP), of which there is no entry; and on a bridge that filters VLANs. That one holds an entry for each
 *   VLAN and takes none for a VLAN that the port is not in (net/bridge/br_fdb.c: br_fdb_add), and nobody tells us of
 *   one that comes later: a locked port would drop all frames of the guest (measured, kernel 6.1);
 * - `shared`: several ports with one MAC (HVM pair, stub domain, localhost migration): the bridge learns where the
 *   guest talks now. The filter drops every foreign source before the bridge sees it;
 * - `unpinned`: unrestricted, as stock leaves it.
 */
export type Binding = 'pinned' | 'anchored' | 'shared' | 'unpinned';

/** What decides how a port is to be. */
export interface PortSetup {
  readonly device: string;
  readonly name: string;
  /** Interface group: see guest-group.ts. */
  readonly group: number;
  readonly bridge: string;
  /** Of the guest, its own first. */
  readonly macs: readonly MacAddress[];
  /** Bytes; 0 leaves it alone. */
  readonly mtu: number;
  /** True to rename the device; false if it already has its final name. */
  readonly rename: boolean;
  readonly binding: Binding;
  /** Of a pinned port: where frames for the guest go while the link of the port is down. Undefined: left alone. */
  readonly backup?: string | undefined;
  /** The backend cannot drop link-local frames at the device itself: the bridge is to learn nothing from them. */
  readonly quietLinkLocal?: boolean;
  /** The only VLAN it is in by frames without a tag, of a bridge that filters VLANs. Undefined: left alone. */
  readonly vlan?: number | undefined;
  /** VLANs that it is in by frames with a tag: `10`, `10-20`. */
  readonly trunk?: readonly string[];
  /** What of the kernel's defaults is to be otherwise. */
  readonly flags?: Partial<PortFlags>;
}

/** What the policy may say of a port of a bridge. */
export type PortFlags = Pick<KernelDefaults, 'isolated' | 'flood' | 'hairpin'>;
export const PORT_FLAGS = ['isolated', 'flood', 'hairpin'] as const satisfies readonly (keyof PortFlags)[];

/**
 * A port as it is to be when it is in service, all of it. The lines for `ip` and `bridge` are printed from it
 * (port-setup.ts), and what the kernel says is compared with it (differences.ts): so what is set is what is looked for.
 */
export interface WishedPort extends PortSetup, BridgePort {
  readonly quietLinkLocal: boolean;
  readonly vlan: number | undefined;
  readonly trunk: readonly string[];
  /**
   * The uplink (kernel 4.19, net/bridge/br_forward.c: br_forward). A guest that runs elsewhere by now, while its old
   * port is still here, is reached there by its neighbours: the entry that holds its MAC fast outlives the link.
   */
  readonly backup: string | undefined;
  readonly up: true;
  /** So that people and later runs know it again, whatever became of the saved state. Undefined: left alone. */
  readonly alias: string | undefined;
  /** The bridge takes the lowest MAC of its ports (br_stp_recalculate_bridge_id); this is the highest. */
  readonly address: MacAddress;
  /** dom0 takes no part on the port: no address, none that the kernel makes (ip-link(8), addrgenmode), no IPv6. */
  readonly addresses: readonly [];
  readonly addrgenmode: 'none';
  readonly ipv6: false;
  /** The entries that the bridge is to hold for the port, whoever talks. */
  readonly entries: readonly ForwardingEntry[];
  /** Whom the bridge may know behind the port at all; `anybody`: it is not looked at. */
  readonly stations: readonly MacAddress[] | 'anybody';
}

/** What `ip link set ... type bridge_slave` sets. Undefined: left alone. */
export interface BridgePort extends KernelDefaults {
  /**
   * Off keeps link-local frames (LACP, EAPOL, LLDP), which no bridge hook sees in time, from moving forwarding entries.
   */
  readonly learning: boolean;
  /** Makes the bridge itself drop foreign sources (kernel 5.18). */
  readonly locked: boolean;
  /**
   * Multicast groups that the bridge may know behind the port (kernel 6.3). When it knows `mcast_hash_max` (4096) it
   * switches snooping off for all its ports (net/bridge/br_multicast.c: br_multicast_new_group), and 23 frames are
   * enough for that. More groups are no loss for the guest: what nobody has joined goes to all ports.
   */
  readonly maxGroups: number | undefined;
  /** Keeps a guest from becoming the spanning tree's root if somebody switches STP on. */
  readonly rootBlock: true | undefined;
}

/**
 * Sticky: a plain static entry moves to whatever port forges one frame (measured; commit 435f2e7cc0b7, kernel 4.20).
 */
export interface ForwardingEntry {
  readonly mac: MacAddress;
  readonly sticky: true;
}

/** What a port has from the kernel when it joins a bridge (net/bridge/br_if.c: new_nbp), and is to keep. */
export type KernelDefaults = { readonly [K in keyof typeof KERNEL_DEFAULTS]: boolean };

/** Nothing is printed for these unless they are to be otherwise; who changes one by hand is told so. */
export const KERNEL_DEFAULTS = {
  hairpin: false,
  isolated: false,
  flood: true,
  mcastFlood: true,
  bcastFlood: true,
} as const;

/**
 * Sixty such guests do not fill a bridge together; a guest has a group for each of its IPv6 addresses, and a handful
 * for what it does (mDNS, LLMNR, SSDP).
 */
export const MOST_GROUPS = 64;

/** How a port is bound to its MAC, in the bridge's terms. */
export const BINDINGS: Readonly<Record<Binding, Pick<BridgePort, 'learning' | 'locked' | 'rootBlock' | 'maxGroups'>>> =
  {
    pinned: { learning: false, locked: true, rootBlock: true, maxGroups: MOST_GROUPS },
    anchored: { learning: true, locked: false, rootBlock: true, maxGroups: MOST_GROUPS },
    shared: { learning: true, locked: false, rootBlock: true, maxGroups: MOST_GROUPS },
    unpinned: { learning: true, locked: false, rootBlock: undefined, maxGroups: undefined },
  };

/** True where the bridge holds an entry for each MAC. */
export function isPinned(binding: Binding): boolean {
  return binding === 'pinned' || binding === 'anchored';
}

/** True where the bridge learns from a port that is filtered: link-local frames would move entries unseen. */
export function learnsUnseen(binding: Binding): boolean {
  return binding !== 'unpinned' && BINDINGS[binding].learning;
}

/** Of a port that is alone with its MACs. */
export function bindingAlone(macs: readonly string[], vlanFiltering: boolean | undefined): Binding {
  return vlanFiltering === true || heldMacs(macs).length < macs.length ? 'anchored' : 'pinned';
}

/** Those of them that nobody else has: no other station takes them over. */
export function heldMacs<M extends string>(macs: readonly M[]): readonly M[] {
  return macs.filter((mac, at) => at === 0 || !isVirtualMac(mac));
}

/** The wished state that follows from a decision: every default and every constant is named here and nowhere else. */
export function wishPort(setup: PortSetup): WishedPort {
  const { device, name, macs, binding } = setup;
  return {
    ...setup,
    ...KERNEL_DEFAULTS,
    ...setup.flags,
    ...BINDINGS[binding],
    quietLinkLocal: setup.quietLinkLocal === true,
    vlan: setup.vlan,
    trunk: setup.trunk ?? [],
    // An entry that was learned goes with the link.
    backup: isPinned(binding) ? setup.backup : undefined,
    up: true,
    alias: name === device ? undefined : device,
    address: DOM0_SIDE_MAC,
    addresses: [],
    addrgenmode: 'none',
    ipv6: false,
    // A shared MAC has none: the bridge learns it.
    entries: isPinned(binding) ? heldMacs(macs).map((mac) => ({ mac, sticky: true })) : [],
    stations: binding === 'unpinned' ? 'anybody' : macs,
  };
}
