import type { Device } from '../effects/sysfs.ts';
import type { Failures } from '../effects/together.ts';
import type { LoadedTerms } from '../filter/own-terms.ts';
import type { FilterPlan } from '../filter/plan.ts';
import type { BackendName } from '../policy/keys.ts';
import type { LearnedAddress } from '../state/learned.ts';
import type { BaseRecord, VifRecord } from '../state/records.ts';

/** One port as a backend needs to know it. */
export interface FilterPort {
  readonly device: string;
  readonly name: string;
  readonly bridge: string;
  /** Undefined in a dry run for a device that does not exist yet. */
  readonly ifindex: number | undefined;
  /** Frames to link-local groups must teach the bridge nothing: STP is on, or the port learns. */
  readonly ingress: boolean;
  /**
   * The addresses and blocks that this host routes to it. It is no port of a bridge then: what it sends and hears is
   * judged at the device itself.
   */
  readonly routed?: readonly string[] | undefined;
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
  /** The name of its device, if it is no port of a bridge. */
  readonly routedAs?: string | undefined;
}

/** Drops of one port for one reason, as the kernel counts them. */
export interface DropCount {
  readonly ifindex: number;
  readonly direction: 'from-guest' | 'to-guest';
  readonly reason: string;
  readonly packets: number;
  readonly bytes: number;
}

/** What guests with rules have open: conversations that were allowed, and what goes with them. */
export interface Conversations {
  /** How full each table of them is; all guests share it. */
  readonly sets: readonly SetFill[];
  /** How many are a port's, by its index. */
  readonly ofPort: ReadonlyMap<number, number>;
  /** So many may each port begin in a second, and this many at once. */
  readonly limit: { readonly rate: number; readonly burst: number };
}

/** What one line of a guest's rules has counted: of conversations the first packet. */
export interface RuleCount {
  readonly packets: number;
  readonly bytes: number;
}

/** What a listing of the kernel's rules says. */
export interface KernelRules {
  /** Of vifs whose rules are not as they were loaded, by device: what is wrong, for people. */
  readonly damages: ReadonlyMap<string, string>;
  /** What all of them have in common: the rules are gone, or what all share is not as it was loaded. */
  readonly sharedDamage?: string | undefined;
  readonly drops: readonly DropCount[];
  /** Addresses that ports were given by DHCP servers; none, if it cannot learn. */
  readonly learned?: readonly LearnedAddress[];
  /** Of what traffic itself fills (counters, conversations): how full it is; none, if it has no such sets. */
  readonly fills?: readonly SetFill[];
  /** Undefined where nobody has rules, or it keeps none. */
  readonly conversations?: Conversations | undefined;
}

/** A set of the kernel that frames fill, and the most it can hold. */
export interface SetFill {
  readonly set: string;
  readonly elements: number;
  readonly size: number;
}

/** Something in the kernel's rules that is not as the plans say. */
export interface RuleDrift {
  /** Undefined for what is nobody's, or everybody's. */
  readonly device: string | undefined;
  /** Where it is, as the packet filter calls it: a set. */
  readonly place: string;
  /** `foreign`: somebody else has put it there. */
  readonly change: 'missing' | 'foreign';
  /** For people. */
  readonly what: string;
  /** As the packet filter writes it. */
  readonly text: string;
  /** An earlier run of ours has loaded it, and a re-apply takes it out as it loads what is wished now. */
  readonly recorded: boolean;
}

/** The plans of now. */
export interface WishedRules {
  readonly planned: readonly PlannedPort[];
  /** They are all vifs there are: what no vif of these has is nobody's. */
  readonly all: boolean;
}

/** What is there, beside what should be. */
export interface ComparedRules {
  readonly rules: KernelRules;
  readonly drift: readonly RuleDrift[];
}

/** What is closed or not fully checked for a vif because a backend cannot see it, as a line for people. */
export interface RuleLimit {
  /** Not fully checked, because the policy accepts that; else closed. */
  readonly accepted: boolean;
  readonly text: string;
}

/** What would be handed to which program; the text is complete, as if nothing of ours was there. */
export interface RuleText {
  /** The program and its arguments. */
  readonly title: string;
  readonly text: string;
  /** What is not known of it yet, for people. */
  readonly notes: readonly string[];
}

/**
 * A packet filter that holds the rules of all vifs of a host. Nothing else in the program knows which one it is, but
 * choice.ts, which chooses. The host, and the packet filter that had the rules before, are handed in where one is made.
 *
 * What is to be taken out and is not there is no error. Everything that changes rules throws a Failure `tool` or
 * `timeout` if it could not.
 */
export interface Backend {
  readonly name: BackendName;
  /**
   * Whether it drops frames to link-local groups at the devices that are ports of this bridge; if not, the bridge is
   * told to learn nothing from them.
   */
  dropsAtDevice(bridge: Device | undefined): boolean;
  /** So many MACs one vif can have. */
  readonly mostMacs: number;
  /** Whether vifs may learn addresses from DHCP. */
  readonly learns: boolean;
  /** Whether it can judge what is behind a VLAN tag. */
  readonly seesBehindTags: boolean;
  /** Whether it can judge what devices send and hear that are on no bridge. */
  readonly routes: boolean;
  /** So many vifs at once are renewed best. */
  readonly atOnce: number;

  /**
   * Makes the kernel's rules of vifs what the plans say, whatever they were; first the base if it is not there. A vif
   * whose rules cannot be loaded does not keep the others from theirs.
   */
  load(planned: readonly PlannedPort[]): Promise<Failures>;
  /** Takes the rules of one vif out, whatever is left of them. */
  remove(leaving: LeavingPort): Promise<void>;
  /** For a port whose learning is switched on: frames to link-local groups must not teach the bridge anything. */
  dropLinkLocal(port: { readonly device: string; readonly name: string; readonly bridge: string }): Promise<void>;
  /**
   * Puts back what all vifs share, if it is not there as it was loaded. All vifs must be loaded after it. The caller
   * holds the lock `base`.
   */
  repair(): Promise<void>;
  /**
   * Says that the records do not know all that is loaded: the next change makes everything anew from them. The caller
   * holds the lock `base`.
   */
  distrust(): void;
  /** Takes all that is ours out: another backend has the rules by now. The caller holds the lock `base`. */
  leave(): Promise<void>;
  /**
   * Takes all that is ours out if no vif of ours is there any more, whatever online comes meanwhile: after the last
   * one the host is as it was before the first one.
   */
  leaveAfterLast(): Promise<void>;
  /** For speed alone: starts what a load or a removal, which is sure to come soon, will use. */
  ahead(): void;

  /** The base as our state knows it, if it is of this boot, this backend and this version. */
  base(): BaseRecord | undefined;
  /**
   * What the kernel has dropped, by port, direction and reason, and whose rules it has lost. The records are asked for
   * once, when all is begun that does not need them.
   */
  look(recordsOf: () => readonly VifRecord[]): Promise<KernelRules>;
  /**
   * What the rules of a vif, and of its filter, have counted, as they were loaded last: by direction and number (`in
   * 3`), and by the keys of a program of chains. Undefined if they are not there.
   */
  ruleCounts(record: VifRecord): Promise<ReadonlyMap<string, RuleCount> | undefined>;
  /** Guests with the same rules are counted together. */
  readonly countsTogether: boolean;
  /**
   * What `look` says, and what of each vif is missing in the rules, and what is there that nobody of ours has put
   * there: by the plans of now, which may still be made meanwhile.
   */
  compare(recordsOf: () => readonly VifRecord[], wished: Promise<WishedRules>): Promise<ComparedRules>;
  /** Takes out what is foreign. What is not there any more is no error. */
  takeOut(foreign: readonly RuleDrift[]): Promise<void>;
  limits(plan: FilterPlan): readonly RuleLimit[];
  /**
   * What `load` would load for this vif.
   *
   * @param upon `nothing`: on a host that has no other vif; `base`: upon what is there, as far as our state knows it
   */
  loadText(planned: PlannedPort, upon: 'nothing' | 'base'): RuleText;
  /** What `remove` would load. */
  removalText(leaving: LeavingPort): RuleText;
}

/** The backend that has had the rules until now; undefined if that is the one that asks, or nobody. */
export type Former = () => Backend | undefined;
