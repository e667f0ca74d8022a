/**
 * The language the filter is written in: a frame walks from stage to stage until it is accepted or dropped for a
 * reason. Stages are data; a backend prints them in its own words.
 *
 * A stage tries its steps in order and ends in `otherwise`, so no frame can leave it undecided: whatever no step took
 * (also a frame that is too short for a field to be read) is dropped, or handed to the one stage that is named there.
 */
import type { Reason } from './reasons.ts';

/** The fields a step can look at. Offsets and widths are in the backends' field tables. */
export type Field =
  | 'ether saddr'
  | 'ether daddr'
  | 'ether type'
  | 'arp form'
  | 'arp operation'
  | 'arp saddr ether'
  | 'arp saddr ip'
  | 'arp daddr ip'
  | 'rarp form'
  | 'rarp saddr ether'
  | 'rarp saddr ip'
  | 'rarp daddr ether'
  | 'rarp daddr ip'
  | 'ip version-ihl'
  | 'ip options'
  | 'ip frag-off'
  | 'ip protocol'
  | 'ip saddr'
  | 'ip daddr'
  | 'icmp type'
  | 'igmp type'
  | 'udp sport'
  | 'udp dport'
  | 'udp length'
  | 'dhcp op-htype-hlen'
  | 'dhcp ciaddr'
  | 'dhcp giaddr'
  | 'dhcp chaddr'
  | 'dhcp6 type'
  | 'ip6 version'
  | 'ip6 length'
  | 'ip6 nexthdr'
  | 'ip6 hoplimit'
  | 'ip6 saddr'
  | 'ip6 daddr'
  | 'ip6 hopopts'
  | 'ip6 frag nexthdr'
  | 'ip6 frag offset'
  | 'icmpv6 type'
  | 'icmpv6 code'
  | 'rs option'
  | 'rs lladdr'
  | 'nd target'
  | 'nd option'
  | 'nd lladdr'
  | 'na flags';

/**
 * What belongs to the vif whose frame it is.
 * - `ip`, `ip6`: its addresses and blocks of addresses; - `solicited`: the solicited-node groups of its IPv6 addresses.
 *   A vif with the flag `any` has every address there is;
 * - `mac`: its MAC address; - `broadcast`: the subnet broadcasts it may use and hear.
 */
export type OwnAddress = 'ip' | 'ip6' | 'solicited';
export type OwnValue = OwnAddress | 'mac' | 'broadcast';
/**
 * What a vif is.
 * - `managed`: it is configured; - `open`: it is exempt from all filtering; - `denied`: it may not send or hear at all;
 * - `ipv4`, `ipv6`: it has this family at all; - `any`: it has no addresses assigned and may use every one.
 */
export type OwnFlag = 'managed' | 'open' | 'denied' | 'ipv4' | 'ipv6' | 'any';

/** One condition. Values are numbers, MAC or IP text, in host order and plain notation. */
export type Match =
  | { readonly field: Field; readonly is: number | string }
  | { readonly field: Field; readonly isNot: number | string }
  | { readonly field: Field; readonly within: readonly [number, number] }
  | { readonly field: Field; readonly notWithin: readonly [number, number] }
  /** Equal in the bits of `mask`. */
  | { readonly field: Field; readonly masked: readonly [mask: number | string, value: number | string] }
  | { readonly field: Field; readonly notMasked: readonly [mask: number | string, value: number | string] }
  /** Inside a block written as address/length. */
  | { readonly field: Field; readonly block: string }
  | { readonly field: Field; readonly own: OwnValue }
  | { readonly field: Field; readonly notOwn: 'mac' }
  | { readonly vif: OwnFlag };

export type Outcome = { readonly drop: Reason } | { readonly goto: StageName } | { readonly accept: true };

export const ACCEPT: Outcome = { accept: true };

/** The outcome "drop, for this reason". */
export function drop(reason: Reason): Outcome {
  return { drop: reason };
}

/** The outcome "go on in this stage". */
export function go(stage: StageName): Outcome {
  return { goto: stage };
}

export interface Step {
  readonly when: readonly Match[];
  readonly so: Outcome;
  /** Reason and source (RFC, measurement, CVE). */
  readonly why?: string;
}

/** One look at a field decides between many ways (a verdict map in nftables). */
export interface Switch {
  readonly switch: Field;
  readonly cases: readonly { readonly values: readonly [number, ...number[]]; readonly so: Outcome }[];
  readonly why?: string;
}

export type StageName = string;

export interface Stage {
  readonly name: StageName;
  readonly about: string;
  readonly steps: readonly (Step | Switch)[];
  readonly otherwise: Outcome;
}

/** Every reason that some stage drops for, in order of appearance. */
export function droppedBy(stages: readonly Stage[]): Reason[] {
  const outcomes = stages.flatMap((stage) => [
    ...stage.steps.flatMap((step) => ('switch' in step ? step.cases.map((one) => one.so) : [step.so])),
    stage.otherwise,
  ]);
  return [...new Set(outcomes.flatMap((outcome) => ('drop' in outcome ? [outcome.drop] : [])))];
}

/** The multicast bit of an Ethernet address (IEEE 802: I/G). */
export const GROUP_BIT: readonly [string, string] = ['01:00:00:00:00:00', '01:00:00:00:00:00'];
/** IPv4 multicast on Ethernet: 01:00:5e and 23 bits of the group (RFC 1112 §6.4). */
export const IPV4_GROUP_MAC: readonly [string, string] = ['ff:ff:ff:80:00:00', '01:00:5e:00:00:00'];
/** IPv6 multicast on Ethernet: 33:33 and 32 bits of the group (RFC 2464 §7). */
export const IPV6_GROUP_MAC: readonly [string, string] = ['ff:ff:00:00:00:00', '33:33:00:00:00:00'];
/** The groups a bridge must not forward, 01:80:c2:00:00:00 to :0f (IEEE 802.1D table 7-10). */
export const LINK_LOCAL_MAC: readonly [string, string] = ['ff:ff:ff:ff:ff:f0', '01:80:c2:00:00:00'];
export const BROADCAST_MAC = 'ff:ff:ff:ff:ff:ff';

export const ETHERTYPE = { ip: 0x0800, arp: 0x0806, rarp: 0x8035, vlan: 0x8100, qinq: 0x88a8, ip6: 0x86dd } as const;
