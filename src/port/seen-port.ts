import { array, boolean, count, object, oneOf, optional, type Reader, readJson, string } from '../json/reader.ts';

/** The commands whose output is read here (test/port/recorded has what iproute2 6.1 and 6.15 answer). */
export const LINKS = ['ip', '-j', '-d', 'link', 'show'] as const;
export const ADDRESSES = ['ip', '-j', 'address', 'show'] as const;
/** Tells what ip-link(8) does not, since iproute2 6.3. */
export const BRIDGE_LINKS = ['bridge', '-j', '-d', 'link', 'show'] as const;
/** By ranges; nothing where the kernel's bridges have no VLANs. */
export const VLANS = ['bridge', '-c', '-j', 'vlan', 'show'] as const;
export const ENTRIES = ['bridge', '-j', 'fdb', 'show'] as const;

/**
 * A device as `ip -j -d link show` tells of it, as far as we set it. Undefined is what it does not tell: the kernel or
 * the program is too old for it, or the device has no such thing.
 */
export interface SeenLink {
  readonly ifindex: number;
  readonly name: string;
  readonly up: boolean;
  readonly mtu: number;
  /** A number, or a name that /etc/iproute2/group gives it: `default` for 0. */
  readonly group: string;
  readonly master: string | undefined;
  readonly address: string | undefined;
  readonly alias: string | undefined;
  /** Absent where the kernel has no IPv6. */
  readonly addrgenmode: string | undefined;
  /** Absent for a device that is no port of a bridge, or without `-d`. */
  readonly port: SeenBridgePort | undefined;
  /** Of a bridge: BR_BOOLOPT_NO_LL_LEARN. */
  readonly noLinkLocalLearn: boolean | undefined;
}

export interface SeenBridgePort {
  readonly learning: boolean;
  readonly hairpin: boolean;
  readonly rootBlock: boolean;
  readonly flood: boolean;
  readonly mcastFlood: boolean | undefined;
  readonly bcastFlood: boolean | undefined;
  readonly isolated: boolean | undefined;
  readonly locked: boolean | undefined;
  /** Absent where there is none. */
  readonly backup: string | undefined;
}

/** What `bridge -j -d link show` tells of a port. */
export interface SeenBridgeLink {
  readonly name: string;
  /** The same as ip-link(8) tells. Undefined for what is no port of a bridge. */
  readonly port: SeenBridgePort | undefined;
  /** 0: any number. Undefined: the kernel or the program is too old to tell. */
  readonly maxGroups: number | undefined;
  /** It is up, and somebody is at its other end; undefined: it does not tell. */
  readonly carrier: boolean | undefined;
}

/** A forwarding entry. */
export interface SeenEntry {
  readonly mac: string;
  readonly port: string;
  /** Undefined: it belongs to the device itself, no bridge asks it. */
  readonly bridge: string | undefined;
  /** Undefined: of frames that are in none. */
  readonly vlan: number | undefined;
  /** `permanent`: an address of dom0; `static`: set by somebody; empty, and `stale` after a while: learned. */
  readonly state: string;
  readonly flags: readonly string[];
}

/** VLANs that a port is in. */
export interface SeenVlans {
  readonly port: string;
  readonly first: number;
  readonly last: number;
  /** What comes in without a tag is in it. */
  readonly pvid: boolean;
  /** What leaves by the port has no tag. */
  readonly untagged: boolean;
}

/** An address of dom0 on a device: `fe80::1/64`. */
export interface SeenAddress {
  readonly device: string;
  readonly text: string;
}

/** @throws Failure `input` for what is not as iproute2 writes it */
export function readLinks(text: string): SeenLink[] {
  return readJson(text, array(LINK), said(LINKS));
}

/** @throws Failure `input` */
export function readAddresses(text: string): SeenAddress[] {
  return readJson(text, array(DEVICE_ADDRESSES), said(ADDRESSES)).flat();
}

/** @throws Failure `input` */
export function readBridgeLinks(text: string): SeenBridgeLink[] {
  return readJson(text, array(BRIDGE_LINK), said(BRIDGE_LINKS));
}

/** @throws Failure `input` */
export function readEntries(text: string): SeenEntry[] {
  return readJson(text, array(ENTRY), said(ENTRIES));
}

/** @throws Failure `input` */
export function readVlans(text: string): SeenVlans[] {
  return readJson(text, array(PORT_VLANS), said(VLANS)).flat();
}

function said(command: readonly string[]): { at: string; hint: string } {
  return { at: `the output of ${command.join(' ')}`, hint: 'the output of iproute2 6.1 and 6.15 is known' };
}

const BRIDGE_PORT: Reader<SeenBridgePort> = object((get) => ({
  learning: get('learning', boolean),
  hairpin: get('hairpin', boolean),
  rootBlock: get('root_block', boolean),
  flood: get('flood', boolean),
  mcastFlood: get('mcast_flood', optional(boolean)),
  bcastFlood: get('bcast_flood', optional(boolean)),
  isolated: get('isolated', optional(boolean)),
  locked: get('locked', optional(boolean)),
  backup: get('backup_port', optional(string)),
}));

const NO_LINK_LOCAL_LEARN: Reader<boolean | undefined> = object((get) => {
  const told = get('no_linklocal_learn', optional(oneOf(0, 1)));
  return told === undefined ? undefined : told === 1;
});

// What is inside depends on the kind: a port of a bond has other keys than one of a bridge.
const LINK_INFO = object((get) => ({
  port: get('info_slave_kind', optional(string)) === 'bridge' ? get('info_slave_data', BRIDGE_PORT) : undefined,
  noLinkLocalLearn: get('info_kind', optional(string)) === 'bridge' ? get('info_data', NO_LINK_LOCAL_LEARN) : undefined,
}));

const LINK: Reader<SeenLink> = object((get) => {
  const info = get('linkinfo', optional(LINK_INFO));
  return {
    ifindex: get('ifindex', count),
    name: get('ifname', string),
    up: get('flags', array(string)).includes('UP'),
    mtu: get('mtu', count),
    group: get('group', string),
    master: get('master', optional(string)),
    address: get('address', optional(string)),
    alias: get('ifalias', optional(string)),
    addrgenmode: get('inet6_addr_gen_mode', optional(string)),
    port: info?.port,
    noLinkLocalLearn: info?.noLinkLocalLearn,
  };
});

const BRIDGE_LINK: Reader<SeenBridgeLink> = (found) =>
  object((get) => ({
    name: get('ifname', string),
    // A card with a bridge of its own is listed too, by other words.
    port: get('learning', optional(boolean)) === undefined ? undefined : BRIDGE_PORT(found),
    maxGroups: get('mcast_max_groups', optional(count)),
    // IFF_LOWER_UP
    carrier: get('flags', optional(array(string)))?.includes('LOWER_UP'),
  }))(found);

const ENTRY: Reader<SeenEntry> = object((get) => ({
  mac: get('mac', string),
  port: get('ifname', string),
  bridge: get('master', optional(string)),
  vlan: get('vlan', optional(count)),
  state: get('state', string),
  flags: get('flags', array(string)),
}));

const ADDRESS: Reader<string> = object((get) => `${get('local', string)}/${get('prefixlen', count)}`);

const DEVICE_ADDRESSES: Reader<SeenAddress[]> = object((get) => {
  const device = get('ifname', string);
  return get('addr_info', array(ADDRESS)).map((text) => ({ device, text }));
});

const VLAN_ROW = object((get) => {
  const flags = get('flags', optional(array(string))) ?? [];
  const first = get('vlan', count);
  return {
    first,
    last: get('vlanEnd', optional(count)) ?? first,
    pvid: flags.includes('PVID'),
    untagged: flags.includes('Egress Untagged'),
  };
});

const PORT_VLANS: Reader<SeenVlans[]> = object((get) => {
  const port = get('ifname', string);
  return get('vlans', array(VLAN_ROW)).map((row) => ({ port, ...row }));
});
