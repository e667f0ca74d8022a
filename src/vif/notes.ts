import type { UnderPolicy } from '../backends/base.ts';
import type { FilterPlan } from '../filter/plan.ts';
import type { Host } from '../host.ts';

import { contains, type IpPrefix, isHost, overlaps, parsePrefix } from '../net/ip-prefix.ts';
import { moment } from '../policy/moment.ts';
import type { HeldPolicy } from '../policy/policy.ts';
import { opens } from '../policy/resolve-policy.ts';

import { type Neighbourhood, neighbourhood } from '../port/neighbourhood.ts';
import type { VifRecord } from '../state/records.ts';
import type { VifIdentity } from '../xen/vif-identity.ts';

/** Something an admin should know of a vif before it bites: a line for the log, a dry run and `status`. */
export interface Note {
  /** Somebody loses what is his. */
  readonly loud: boolean;
  readonly text: string;
}

/** Whom it is about. */
export interface Subject {
  readonly vif: VifIdentity;
  readonly plan: FilterPlan;
  readonly bridge: string;
  /** It is on no bridge: this host routes for it. */
  readonly routed?: true;
  readonly policy: Pick<HeldPolicy, 'mode' | 'until' | 'ended'>;
}

/** A vif of which there is a record, as policy and xenstore say it now. */
export function subjectOf({ bridge, routed }: VifRecord, known: UnderPolicy): Subject {
  return { ...known, bridge, ...(routed === undefined ? {} : { routed: true }) };
}

type NoteHost = Pick<Host, 'netTable' | 'readDevice'>;

/**
 * What is to be said of vifs. Everything that is read for one is kept for the next.
 */
export function noteTaker(host: NoteHost): (subject: Subject) => readonly Note[] {
  const known = new Map<string, Neighbourhood>();
  return (subject) => {
    const { mode } = subject.plan;
    const ends = [...endOf(subject), ...inVlan(subject), ...filterNotes(subject)];
    if (mode !== 'addresses' && mode !== 'mac-only') return ends;
    if (subject.routed === true || host.readDevice(subject.bridge) === undefined)
      return [...ends, ...optIns(subject), ...closedFamilies(subject)];
    const around = known.get(subject.bridge) ?? neighbourhood(host.netTable, subject.bridge);
    known.set(subject.bridge, around);
    return [
      ...ends,
      ...claims(subject, around),
      ...optIns(subject),
      ...closedFamilies(subject),
      ...noBroadcast(subject, around),
      ...routesHere(subject, around),
    ];
  };
}

/** What it may do that others may not. */
function optIns({ plan: { allow } }: Subject): Note[] {
  return allow.length === 0 ? [] : [{ loud: false, text: `allowed besides: ${allow.join(' ')}` }];
}

/** Its filter of libvirt's. */
function filterNotes({ plan: { filter } }: Subject): Note[] {
  return (filter?.notes ?? []).map((text) => ({ loud: false, text }));
}

/** It is where nobody looks for it who does not know. */
function inVlan({ vif: { vlan }, plan: { terms }, bridge }: Subject): Note[] {
  const trunk = terms.values.vlan;
  return [
    ...(vlan === undefined ? [] : [{ loud: false, text: `in VLAN ${vlan} of ${bridge}, without tags` }]),
    ...(trunk.length === 0 ? [] : [{ loud: false, text: `in VLANs ${trunk.join(' ')} of ${bridge}, with tags` }]),
  ];
}

/** What became of `until`; of one that is still to come that it holds is said (status.ts). */
function endOf({ policy }: Subject): Note[] {
  const { mode, until, ended } = policy;
  if (until === 'never') return [];
  const at = moment.write(until);
  if (ended !== undefined) return [{ loud: false, text: `mode = ${ended} has ended at ${at}: it counts as locked` }];
  return opens(policy)
    ? [{ loud: false, text: `mode = ${mode} ends at ${at}` }]
    : [{ loud: false, text: `until = ${at} says nothing: mode = ${mode} does not end` }];
}

/** Addresses that somebody else has who is no guest. */
function claims({ vif, plan, bridge }: Subject, { host, gateways, gatewayMacs }: Neighbourhood): Note[] {
  const macs = gatewayMacs
    .filter(({ mac }) => plan.macs.some((own) => own === mac))
    .map(({ mac, address }) => ({ loud: true, text: `${mac} is the MAC of the gateway ${address} of this host` }));
  if (plan.mode !== 'addresses') return macs;
  const own = [...vif.addresses.ipv4, ...vif.addresses.ipv6];
  const claimed = (address: IpPrefix, whose: string, by = own): Note[] =>
    by.filter((prefix) => contains(prefix, address)).map((prefix) => claim(prefix, address, whose));
  const routers = new Set(gateways.map(({ text }) => text));
  return [
    ...macs,
    ...gateways.flatMap((one) => claimed(one, 'the gateway of this host')),
    ...host
      .filter(({ text }) => !routers.has(text))
      .flatMap((one) => {
        // That a block holds the link-local addresses of others is said of the block (net/ip-prefix.ts).
        const by = one.text.startsWith('fe80:') ? own.filter(isHost) : own;
        return claimed(one, `an address of this host on ${bridge}`, by);
      }),
  ];
}

function claim(prefix: IpPrefix, address: IpPrefix, whose: string): Note {
  if (isHost(prefix)) return { loud: true, text: `${address.text} is ${whose}: the guest may take it over` };
  const text = `${prefix.text} holds ${address.text}, ${whose}: the guest may answer for it; leave it out of ip=`;
  return { loud: false, text };
}

/** A guest of both families that is given one loses the other. */
function closedFamilies({ plan: { mode, terms } }: Subject): Note[] {
  if (mode !== 'addresses') return [];
  return (['ipv4', 'ipv6'] as const)
    .filter((family) => !terms.flags.includes(family))
    .map((family) => ({
      loud: false,
      text: `${family === 'ipv4' ? 'IPv4' : 'IPv6'}: closed, no address of it in ip=`,
    }));
}

/** What is on the bridge itself is found by ARP or ND, which the guest may not answer for it. */
function routesHere({ plan: { terms }, bridge }: Subject, { subnets }: Neighbourhood): Note[] {
  return [...terms.values.route, ...terms.values.route6]
    .flatMap((text) => parsePrefix(text) ?? [])
    .flatMap((route) => subnets.filter((subnet) => overlaps(route, subnet)).map((subnet) => ({ route, subnet })))
    .map(({ route, subnet }) => ({
      loud: false,
      text:
        `${route.text} of routes is in ${subnet.text} of ${bridge}: who is there asks for it by ARP or ND, which the ` +
        'guest may not answer; write it into ip, if it is to',
    }));
}

/** Which address is the broadcast of its subnet, only a netmask says, its own or that of the bridge. */
function noBroadcast({ vif, plan: { terms }, bridge }: Subject, { subnets }: Neighbourhood): Note[] {
  const { ipv4, broadcasts } = vif.addresses;
  if (!terms.flags.includes('ipv4') || broadcasts.length > 0) return [];
  const outside = ipv4.find((prefix) => !subnets.some((subnet) => contains(subnet, prefix)));
  if (ipv4.length > 0 ? outside === undefined : subnets.length > 0) return [];
  const where = subnets.length === 0 ? `${bridge} has no IPv4 address` : `it is in no subnet of ${bridge}`;
  const example = ipv4.find(isHost)?.text ?? '192.0.2.10';
  return [
    {
      loud: false,
      text: `no broadcast of its subnet passes, in neither direction: ${where} and ip= no netmask; write it, as ${example}/24`,
    },
  ];
}
