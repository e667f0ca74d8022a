/**
 * The filter: all stages of both directions, in the order in which they are printed.
 *
 * What a guest may send reads as the threat model: who are you, is the frame in canonical form, does it speak for
 * somebody else, are its addresses yours. What it may hear is judged alone, for whom it is.
 *
 * Forms first, addresses last: the stages never depend on one vif, so they exist once in the kernel, and a vif only
 * brings its addresses (measured: an update costs the same with 10 and with 4000 vifs that way).
 */
import { ARP } from './arp.ts';
import { CONTROL } from './control-protocols.ts';
import { DHCP, DHCP6 } from './dhcp.ts';
import { ETHERNET } from './ethernet.ts';
import { FORWARDING } from './forwarding.ts';
import { ICMP, ICMPV6 } from './icmp.ts';
import { IGMP } from './igmp.ts';
import { IPV4 } from './ipv4.ts';
import { IPV6 } from './ipv6.ts';
import { MLD } from './mld.ts';
import { ND } from './nd.ts';
import type { Direction } from './reasons.ts';
import type { Stage } from './stage.ts';
import { UDP, UDP6 } from './udp.ts';

const FROM_GUEST = [
  ...ETHERNET.fromGuest,
  ...ARP.fromGuest,
  ...IPV4.fromGuest,
  ...ICMP.fromGuest,
  ...IGMP.fromGuest,
  ...UDP.fromGuest,
  ...DHCP.fromGuest,
  ...IPV6.fromGuest,
  ...MLD.fromGuest,
  ...ICMPV6.fromGuest,
  ...ND.fromGuest,
  ...UDP6.fromGuest,
  ...DHCP6.fromGuest,
  ...CONTROL.fromGuest,
  ...FORWARDING.fromGuest,
] as const;

const TO_GUEST = [
  ...ETHERNET.toGuest,
  ...ARP.toGuest,
  ...IPV4.toGuest,
  ...UDP.toGuest,
  ...DHCP.toGuest,
  ...DHCP.toGroup,
  ...IPV4.toGroup,
  ...UDP.toGroup,
  ...IPV6.toGuest,
  ...DHCP6.toGuest,
  ...DHCP6.toGroup,
  ...ND.toGroup,
  ...IPV6.toGroup,
  ...FORWARDING.toGuest,
] as const;

type NameIn<Stages extends readonly Stage[]> = Stages[number]['name'];
type OutcomeIn<One> = One extends { readonly steps: readonly (infer S)[]; readonly otherwise: infer Last }
  ? Last | (S extends { readonly so: infer So } | { readonly cases: readonly { readonly so: infer So }[] } ? So : never)
  : never;
type GotoIn<Stages extends readonly Stage[]> = Extract<OutcomeIn<Stages[number]>, { readonly goto: string }>['goto'];

/** Stages of one direction that are named and not there. */
type Missing<Stages extends readonly Stage[]> = Exclude<GotoIn<Stages>, NameIn<Stages>>;
type None<Names extends never> = Names;
/** Fails to compile, with the name, where a stage goes to one that does not exist in its direction. */
export type MissingStage = None<Missing<typeof FROM_GUEST>> | None<Missing<typeof TO_GUEST>>;

export type StageName = NameIn<typeof FROM_GUEST> | NameIn<typeof TO_GUEST>;

export const STAGES: Readonly<Record<Direction, readonly Stage<StageName>[]>> = {
  'from-guest': FROM_GUEST,
  'to-guest': TO_GUEST,
};
