import { existsSync, readdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs';
import { basename } from 'node:path';
import { once } from '../once.ts';

/** What the kernel shows of one network device under /sys/class/net. */
export interface Device {
  readonly name: string;
  readonly ifindex: number;
  readonly mac: string;
  readonly mtu: number;
  /** Administratively up (IFF_UP). */
  readonly up: boolean;
  /** The bridge (or bond) it is a port of. */
  readonly master: string | undefined;
  readonly isBridge: boolean;
  /** STP is on; only of a bridge. */
  readonly stp: boolean;
  /** It keeps VLANs apart; only of a bridge. */
  readonly vlanFiltering: boolean;
  /** Only of such a bridge: the VLAN of a port that joins, by frames without a tag. */
  readonly defaultPvid?: number;
  /** The xenbus device behind a netback interface: `vif-1-0`. */
  readonly xenbus: string | undefined;
  /** Interface group (ip-link(8)): a number of its own for each port of ours, see port/guest-group.ts. */
  readonly group: number;
  /** Free text of `ip link set alias`: what a renamed port was called first. */
  readonly alias?: string | undefined;
  /** Only of a port of a bridge: the bridge learns from it. */
  readonly learning?: boolean | undefined;
}

const NET = '/sys/class/net';
const IFF_UP = 1;

/** Reads a device; undefined if there is none of that name (also if it vanishes meanwhile). */
export function readDevice(name: string): Device | undefined {
  const read = (file: string): string | undefined => readText(`${NET}/${name}/${file}`)?.trim();
  const ifindex = read('ifindex');
  if (ifindex === undefined) return undefined;
  // An error for every port that is no bridge would cost more than all that is read of it.
  const stp = existsSync(`${NET}/${name}/bridge`) ? read('bridge/stp_state') : undefined;
  const master = linkName(`${NET}/${name}/master`);
  const learning = master === undefined ? undefined : read('brport/learning');
  // Absent where the kernel's bridges cannot.
  const vlanFiltering = stp !== undefined && (read('bridge/vlan_filtering') ?? '0') !== '0';
  // What few ask for is read when it is asked for: of thousands of ports each file counts.
  const mac = once(() => read('address') ?? '');
  const mtu = once(() => Number(read('mtu') ?? 0));
  const xenbus = once(() => (existsSync(`${NET}/${name}/device`) ? linkName(`${NET}/${name}/device`) : undefined));
  const alias = once(() => read('ifalias') || undefined);
  return {
    name,
    ifindex: Number(ifindex),
    get mac() {
      return mac();
    },
    get mtu() {
      return mtu();
    },
    get xenbus() {
      return xenbus();
    },
    get alias() {
      return alias();
    },
    up: (Number(read('flags') ?? 0) & IFF_UP) !== 0,
    master,
    isBridge: stp !== undefined,
    stp: stp !== undefined && stp !== '0',
    vlanFiltering,
    ...(vlanFiltering ? { defaultPvid: Number(read('bridge/default_pvid') ?? 0) } : {}),
    group: Number(read('netdev_group') ?? 0),
    learning: learning === undefined ? undefined : learning === '1',
  };
}

/**
 * False where /sys is of another network namespace than this process (a container, `unshare --net` without a new
 * mount): whoever believed it would take all vifs for gone, and their rules away.
 */
export function showsThisNetwork(): boolean {
  // /proc/net is always of the reader's own network. A device that comes or goes meanwhile is looked for again.
  const unseen = (): string[] =>
    [...(readText('/proc/net/dev') ?? '').matchAll(/^ *([^:\s]+):/gm)]
      .flatMap(([, name]) => name ?? [])
      .filter((name) => !existsSync(`${NET}/${name}`));
  const first = new Set(unseen());
  return first.size === 0 || !unseen().some((name) => first.has(name));
}

/** linux/if_tun.h */
const IFF_VNET_HDR = 0x4000;

/** True for a tap that was opened with a virtio_net_hdr before each frame; QEMU opens all of its taps so. */
export function hasVnetHeader(name: string): boolean {
  return (Number(readText(`${NET}/${name}/tun_flags`) ?? 0) & IFF_VNET_HDR) !== 0;
}

/** The names of the ports of a bridge, in no order. */
export function portsOf(bridge: string): string[] {
  return namesIn(`${NET}/${bridge}/brif`);
}

/** What a port of a bridge is, as far as it says who is behind it. */
export interface PortKind {
  readonly name: string;
  readonly ifindex: number;
  /** Interface group. */
  readonly group: number;
  /** It is netback's end of a guest's interface. */
  readonly netback: boolean;
  /** It has a driver of its own, or stands on a device that has (bond, VLAN). */
  readonly hardware: boolean;
}

/** Undefined if it has gone. */
export function portKind(name: string): PortKind | undefined {
  const ifindex = readText(`${NET}/${name}/ifindex`);
  if (ifindex === undefined) return undefined;
  const driven = linkName(`${NET}/${name}/device`);
  return {
    name,
    ifindex: Number(ifindex),
    group: Number(readText(`${NET}/${name}/netdev_group`) ?? 0),
    netback: driven !== undefined && /^vif-\d+-\d+$/.test(driven),
    hardware: driven !== undefined || namesIn(`${NET}/${name}`).some((entry) => entry.startsWith('lower_')),
  };
}

/** The names of all devices. */
export function deviceNames(): string[] {
  return namesIn(NET);
}

function namesIn(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch {
    return [];
  }
}

/**
 * Switches IPv6 off on dom0's side of a port, so that dom0 neither answers nor configures itself there (OSSN-0069).
 *
 * @returns false if /proc/sys is read-only; true also where the kernel has no IPv6
 */
export function disableIpv6(name: string): boolean {
  const file = `/proc/sys/net/ipv6/conf/${name}/disable_ipv6`;
  try {
    // Every write waits for the kernel's lock of all network devices, also one that changes nothing.
    if (readFileSync(file, 'utf8').trim() !== '1') writeFileSync(file, '1');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EROFS') return false;
    if (!isAbsent(error)) throw error;
  }
  return true;
}

/**
 * A setting of sysctl(8) below `net`, with slashes between its words: names of devices have dots.
 *
 * @returns undefined where there is none
 */
export function readSetting(path: string): string | undefined {
  return readText(`/proc/sys/net/${path}`)?.trim();
}

/** @returns false if /proc/sys is read-only, or has no such setting */
export function writeSetting(path: string, value: string): boolean {
  const file = `/proc/sys/net/${path}`;
  try {
    if (readFileSync(file, 'utf8').trim() !== value) writeFileSync(file, value);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EROFS' || isAbsent(error)) return false;
    throw error;
  }
}

/** What the kernel tells of the networks of this host: a file of /proc/net. */
export type NetTable =
  | 'route'
  | 'ipv6_route'
  | 'fib_trie'
  | 'if_inet6'
  | 'arp'
  | 'ip_tables_names'
  | 'ip6_tables_names';

/** As the kernel prints it; empty where it has no such protocol. `route` is the main table of IPv4. */
export function netTable(name: NetTable): string {
  return readText(`/proc/net/${name}`) ?? '';
}

/** True where bridged packets pass the tables of this program (net/bridge/br_netfilter_hooks.c). */
export function callsHostFilter(filter: 'iptables' | 'ip6tables'): boolean {
  return readText(`/proc/sys/net/bridge/bridge-nf-call-${filter}`)?.trim() === '1';
}

/**
 * Identifies this boot of the host: interface indices and domain ids start anew with the next. Read once: each
 * record of the state asks for it, and no run outlives a boot.
 */
export const bootId = once((): string => readText('/proc/sys/kernel/random/boot_id')?.trim() ?? '');

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (isAbsent(error)) return undefined;
    throw error;
  }
}

function linkName(path: string): string | undefined {
  try {
    return basename(readlinkSync(path));
  } catch (error) {
    if (isAbsent(error)) return undefined;
    throw error;
  }
}

/** EINVAL and ENODEV: sysfs answers so for a device that is going away, and for files a device type does not have. */
function isAbsent(error: unknown): boolean {
  const code = (error as NodeJS.ErrnoException).code ?? '';
  return ['ENOENT', 'ENOTDIR', 'ENODEV', 'EINVAL'].includes(code);
}
