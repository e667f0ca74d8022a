/**
 * The language the filter is written in: a frame walks from stage to stage until it is let through or dropped for a
 * reason. Stages are data; a backend prints them in its own words.
 *
 * A stage tries its steps in order and ends in `otherwise`, so no frame can leave it undecided: whatever no step took
 * (also a frame that is too short for a field to be read) is dropped, or handed to the one stage that is named there.
 */
import type { LimitKind } from './frame-limits.ts';
import { OPT_IN_FLAGS, type OptInList } from './opt-ins.ts';
import type { Reason } from './reasons.ts';
import type {
  ARP_FORM,
  GRE_LIMIT,
  Ipv4,
  Ipv6,
  Mac,
  Masked,
  MLD_ALERT_FIRST,
  MLD_ALERT_LAST,
  MLD_ALERT_PAD1,
  RARP_FORM,
} from './wire.ts';

/**
 * The fields a step can look at, and what a value of each is: numbers in host order, addresses as text. Offsets and
 * widths are in the backends' field tables.
 */
export interface FieldValues {
  'ether saddr': Mac;
  'ether daddr': Mac;
  'ether type': number;
  /** Of a frame with an 802.1Q tag: IEEE 802.1Q §9.6, the VLAN without priority; and the type behind the tag. */
  'vlan id': number;
  'vlan type': number;
  'arp form': typeof ARP_FORM;
  'arp operation': number;
  'arp saddr ether': Mac;
  'arp saddr ip': Ipv4;
  'arp daddr ip': Ipv4;
  'rarp form': typeof RARP_FORM;
  'rarp saddr ether': Mac;
  'rarp saddr ip': Ipv4;
  'rarp daddr ether': Mac;
  'rarp daddr ip': Ipv4;
  'ip version-ihl': number;
  'ip options': number;
  'ip frag-off': number;
  'ip protocol': number;
  'ip saddr': Ipv4;
  'ip daddr': Ipv4;
  'icmp type': number;
  'icmp quoted version-ihl': number;
  'icmp quoted protocol': number;
  'icmp quoted daddr': Ipv4;
  'igmp type': number;
  'udp sport': number;
  'udp dport': number;
  'udp length': number;
  'dhcp op-htype-hlen': number;
  'dhcp ciaddr': Ipv4;
  'dhcp giaddr': Ipv4;
  'dhcp chaddr': Mac;
  'dhcp6 type': number;
  'ip6 version': number;
  'ip6 length': number;
  'ip6 nexthdr': number;
  'ip6 upper-layer': number;
  'ip6 hoplimit': number;
  'ip6 saddr': Ipv6;
  'ip6 daddr': Ipv6;
  'ip6 hopopts': typeof MLD_ALERT_FIRST | typeof MLD_ALERT_LAST | typeof MLD_ALERT_PAD1;
  'ip6 dstopts': typeof GRE_LIMIT;
  'ip6 ah nexthdr': number;
  'ip6 frag nexthdr': number;
  'ip6 frag offset': number;
  'icmpv6 type': number;
  'icmpv6 code': number;
  'icmpv6 quoted version': number;
  'icmpv6 quoted nexthdr': number;
  'icmpv6 quoted frag nexthdr': number;
  'icmpv6 quoted daddr': Ipv6;
  /** In an option that says so, wherever that stands; several of them, where there are several. */
  'ra lladdr': Mac;
  'rs option': number;
  'rs lladdr': Mac;
  'nd target': Ipv6;
  'nd option': number;
  'nd lladdr': Mac;
}

export type Field = keyof FieldValues;
export type Value = FieldValues[Field];
/** The fields whose values are plain numbers. */
export type NumberField = { [F in Field]: number extends FieldValues[F] ? F : never }[Field];

/**
 * What belongs to the vif whose frame it is.
 * - `ip`, `ip6`: its addresses and blocks of addresses; - `solicited`: the solicited-node groups of its IPv6 addresses.
 *   A vif with the flag `any` has every address there is;
 * - `mac`: its MAC addresses; - `extra`: those of them that it was not born with, and that others may have too;
 * - `gateway`: of the stations that it may speak with, where these are counted (gateways.ts);
 * - `broadcast`: the subnet broadcasts it may use and hear.
 */
export type OwnAddress = 'ip' | 'ip6' | 'solicited';
export type OwnMac = 'mac' | 'extra' | 'gateway';
/**
 * - `sole`, `sole6`: the addresses that it alone has, one by one; who may use any has none;
 * - `gateway4`, `gatewayGroups`: whom of its gateways it may ask for: addresses, and solicited-node groups;
 * - `route`, `route6`: what it sends from and receives for and is not: nobody finds these behind its MAC by asking;
 * - `ethertype`, `protocol`: types of frames and IPv4 protocols that it may use besides;
 * - `vlan`: VLANs of which it may send and hear tagged frames: `10`, `10-20`.
 */
export type OwnValue =
  | OwnAddress
  | OwnMac
  | 'broadcast'
  | 'sole'
  | 'sole6'
  | 'route'
  | 'route6'
  | 'gateway4'
  | 'gatewayGroups'
  | OptInList;
/**
 * What a vif is.
 * - `managed`: it is configured; - `open`: it is exempt from all filtering; - `denied`: it may not send or hear at all;
 * - `observe`: what is dropped is counted, and then let go on. No stage asks for it: drops do;
 * - `ipv4`, `ipv6`: it has this family at all; - `any`: it has no addresses assigned and may use every one;
 * - `hairpin`: its own frames may come back to it;
 * - `learns`: what a DHCP server gives it becomes its own;
 * - `gated`: it speaks with its gateways only; - `asks-anybody`: which of their addresses it may ask for is not said;
 * - all others: what it may do besides (opt-ins.ts).
 */
export const OWN_FLAGS = [
  'managed',
  'open',
  'denied',
  'observe',
  'ipv4',
  'ipv6',
  'any',
  'hairpin',
  'learns',
  'gated',
  'asks-anybody',
  ...OPT_IN_FLAGS,
] as const;
export type OwnFlag = (typeof OWN_FLAGS)[number];

/** What of a vif a value can be compared with. */
type OwnOf<V extends Value> = V extends Mac
  ? OwnMac
  : V extends Ipv4
    ? 'ip' | 'broadcast' | 'sole' | 'route' | 'gateway4'
    : V extends Ipv6
      ? 'ip6' | 'solicited' | 'sole6' | 'route6' | 'gatewayGroups'
      : V extends number
        ? OptInList
        : never;
type RangeOf<V extends Value> = V extends number | Ipv4 | Ipv6 ? readonly [first: V, last: V] : never;
/** Addresses that begin alike, as `address/length`. */
type BlockOf<V extends Value> = V extends Ipv4 | Ipv6 ? `${V}/${number}` : never;

/** What is asked about the value of a field. */
export type Test<V extends Value = Value> =
  | { readonly is: V }
  | { readonly isNot: V }
  | { readonly within: RangeOf<V> }
  | { readonly notWithin: RangeOf<V> }
  /** Equal in the bits of the mask. */
  | { readonly masked: Masked<V> }
  | { readonly notMasked: Masked<V> }
  | { readonly block: BlockOf<V> }
  | { readonly own: OwnOf<V> }
  | { readonly notOwn: OwnOf<V> & OwnMac };

/** A condition on a field: only values of its kind compile. */
export type FieldMatch =
  | ({ readonly field: NumberField } & Exclude<Test<number>, { readonly own: unknown }>)
  | { readonly field: 'ether type'; readonly own: 'ethertype' }
  | { readonly field: 'ip protocol'; readonly own: 'protocol' }
  | { readonly field: 'vlan id'; readonly own: 'vlan' }
  | { [F in Exclude<Field, NumberField>]: { readonly field: F } & Test<FieldValues[F]> }[Exclude<Field, NumberField>];
/** One condition. */
export type Match =
  | FieldMatch
  | { readonly vif: OwnFlag }
  /** It sends more of this kind than it may; asking counts the frame. */
  | { readonly over: LimitKind };

export type Outcome<Name extends string = string> =
  | { readonly drop: Reason }
  | { readonly goto: Name }
  | { readonly accept: true }
  | { readonly permitted: true };

/**
 * It is who it says it is: form and addresses were asked about, and are its own. What comes behind that question stands
 * in the place of this outcome: today nothing does, and backends print it as their `accept`; rules per guest begin
 * here.
 *
 * Some of what no rule may ever stop still arrives here, because it shares its last question with everything else:
 * IGMP, MLD, neighbour discovery and DHCP from an address, and towards a guest all of ICMPv6 and IGMP, which no stage
 * looks at. test/filter/permitted.test.ts has the list; whoever puts rules here lets that pass first.
 */
export const PERMITTED = { permitted: true } as const satisfies Outcome;

/**
 * It may pass, and nobody asks again:
 * - ports that are exempt from all filtering;
 * - ARP, the announcement by RARP, DHCP and IGMP without an address, MLD reports, and what is sent from `::` (duplicate
 *   address detection, router solicitations): without them a guest has no network, and whoever stopped them by a rule
 *   would not know why. Only where the stages have seen that it is that.
 */
export const ACCEPT = { accept: true } as const satisfies Outcome;

/** The outcome "drop, for this reason". */
export function drop<const Why extends Reason>(reason: Why): { readonly drop: Why } {
  return { drop: reason };
}

/** The outcome "go on in this stage". */
export function go<const Name extends string>(stage: Name): { readonly goto: Name } {
  return { goto: stage };
}

export interface Step<Name extends string = string> {
  readonly when: readonly Match[];
  readonly so: Outcome<Name>;
  /** Reason and source (RFC, measurement, CVE). */
  readonly why?: string;
}

/** One look at a field decides between many ways (a verdict map in nftables). */
export interface Switch<Name extends string = string> {
  readonly switch: NumberField;
  readonly cases: readonly { readonly values: readonly [number, ...number[]]; readonly so: Outcome<Name> }[];
  readonly why?: string;
}

/** @typeParam Name the stages there are; those of the filter are closed in stages.ts */
export interface Stage<Name extends string = string> {
  readonly name: Name;
  /** At most 7 of a-z, 0-9 and -, where the name is no such word: names of chains are short in ebtables. */
  readonly short?: string;
  readonly about: string;
  readonly steps: readonly (Step<Name> | Switch<Name>)[];
  readonly otherwise: Outcome<Name>;
}

/** The stages of one protocol, both directions side by side. */
export interface BothWays {
  readonly fromGuest: readonly Stage[];
  /** In frames to one station. */
  readonly toGuest?: readonly Stage[];
  /** In frames to many, where these have stages of their own. */
  readonly toGroup?: readonly Stage[];
}

export function isSwitch<Name extends string>(step: Step<Name> | Switch<Name>): step is Switch<Name> {
  return 'switch' in step;
}

/** Every outcome that a stage can have, in order; the last one is `otherwise`. */
export function outcomesOf<Name extends string>(stage: Stage<Name>): Outcome<Name>[] {
  return [
    ...stage.steps.flatMap((step) => (isSwitch(step) ? step.cases.map((one) => one.so) : [step.so])),
    stage.otherwise,
  ];
}

/** Every reason that some stage drops for, in order of appearance. */
export function droppedBy(stages: readonly Stage[]): Reason[] {
  return [...new Set(stages.flatMap(outcomesOf).flatMap((outcome) => ('drop' in outcome ? [outcome.drop] : [])))];
}

/** True if both lead to the same. */
export function sameOutcome(a: Outcome, b: Outcome): boolean {
  if ('drop' in a) return 'drop' in b && a.drop === b.drop;
  if ('goto' in a) return 'goto' in b && a.goto === b.goto;
  if ('accept' in a) return 'accept' in b;
  return 'permitted' in b;
}

/** True if both ask the same. */
export function sameTest(a: Test, b: Test): boolean {
  if ('is' in a) return 'is' in b && a.is === b.is;
  if ('isNot' in a) return 'isNot' in b && a.isNot === b.isNot;
  if ('within' in a) return 'within' in b && samePair(a.within, b.within);
  if ('notWithin' in a) return 'notWithin' in b && samePair(a.notWithin, b.notWithin);
  if ('masked' in a) return 'masked' in b && samePair(a.masked, b.masked);
  if ('notMasked' in a) return 'notMasked' in b && samePair(a.notMasked, b.notMasked);
  if ('block' in a) return 'block' in b && a.block === b.block;
  if ('own' in a) return 'own' in b && a.own === b.own;
  return 'notOwn' in b && a.notOwn === b.notOwn;
}

function samePair(a: readonly [Value, Value], b: readonly [Value, Value]): boolean {
  return a[0] === b[0] && a[1] === b[1];
}
