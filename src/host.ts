import type { RunTool, StartAhead } from './effects/exec.ts';
import type { LockSigns, TakeLock } from './effects/lock.ts';
import type { Log } from './effects/log.ts';
import type { Netlink } from './effects/netlink.ts';
import type { Rtnetlink } from './effects/rtnetlink.ts';
import type { Device, NetTable } from './effects/sysfs.ts';
import type { TransmitChecksum } from './effects/transmit-checksum.ts';
import type { Policy } from './policy/policy.ts';
import type { HostFilter } from './port/host-accept.ts';
import type { State } from './state/state.ts';

/** All that a command may touch, handed in as one value. Tests hand in what throws on any call they did not expect. */
export interface Host {
  readonly run: RunTool;
  /** For speed alone: nothing may depend on it. What is not used then is ended by `close`. */
  readonly ahead: StartAhead;
  readonly close: () => void;
  /** Undefined where the runtime has no way to it; the programs of iproute2 then do all. */
  readonly rtnetlink?: Rtnetlink | undefined;
  /** The same, for who asks something. */
  readonly netlink?: Netlink | undefined;
  /** Undefined where the runtime has no way to it; `ethtool` then does it. */
  readonly transmitChecksum?: TransmitChecksum | undefined;
  readonly log: Log;
  /** Begins to send the log, while the run goes on. What it starts holds no lock. */
  readonly sendLog: () => void;
  readonly takeLock: TakeLock;
  readonly locks: LockSigns;
  readonly state: State;
  readonly policy: Policy;
  readonly readDevice: (name: string) => Device | undefined;
  /** False where a port cannot have a limit of multicast groups: kernels before 6.3, which take one and forget it. */
  readonly limitsGroups: () => boolean;
  /** The port of a bridge behind which the rest of the network is: port/bridge.ts, uplink. */
  readonly uplinkOf: (bridge: string) => string | undefined;
  readonly deviceNames: () => readonly string[];
  /** False where `readDevice` and `deviceNames` tell of another network than the one the programs work in. */
  readonly showsThisNetwork: () => boolean;
  /** True for a script that is this program, or nobody knows what it is. */
  readonly isOwnScript: (script: string) => boolean;
  /** True for a tap whose frames begin with a virtio_net_hdr. */
  readonly hasVnetHeader: (name: string) => boolean;
  /** What the kernel tells of the networks of this host; empty where it has no such protocol. */
  readonly netTable: (name: NetTable) => string;
  /** True where the kernel hands bridged packets to that program's FORWARD chain (br_netfilter). */
  readonly callsHostFilter: (filter: HostFilter) => boolean;
  readonly disableIpv6: (name: string) => boolean;
  /** A setting of sysctl(8) below `net`: `ipv4/ip_forward`. Undefined where there is none. */
  readonly readSetting: (path: string) => string | undefined;
  /** False where it cannot be set. */
  readonly writeSetting: (path: string, value: string) => boolean;
  readonly sleep: (ms: number) => Promise<void>;
  readonly bootId: () => string;
  /** The place of this run among all runs of this boot, by when it was started: greater is later. */
  readonly ticket: number;
  /** Now, ISO 8601. */
  readonly now: () => string;
}
