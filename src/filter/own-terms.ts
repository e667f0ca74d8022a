import { contains, type IpPrefix, isHost, makePrefix } from '../net/ip-prefix.ts';
import { eui64LinkLocal, type MacAddress } from '../net/mac-address.ts';
import type { VifIdentity } from '../xen/vif-identity.ts';
import type { FrameLimits } from './frame-limits.ts';
import type { Learning } from './learning.ts';
import { type OptIn, optInTerms } from './opt-ins.ts';
import type { OwnFlag, OwnValue } from './stage.ts';

/** All that the filter knows of one vif; the shared stages ask for it by these names. */
export interface OwnTerms {
  /** Canonical text; an address of `ip`, `ip6` and `solicited` carries `/length` if it is a block. */
  readonly values: Readonly<Record<OwnValue, readonly string[]>>;
  readonly flags: readonly OwnFlag[];
  /** How much it may send; what an earlier version loaded has none. */
  readonly limits?: FrameLimits;
  /** Of a vif with the flag `learns`. */
  readonly learning?: Learning;
  /** The digest of the rules that are asked about what would pass; undefined: none. */
  readonly program?: string | undefined;
  /** The digest of the filter that is asked behind them; undefined: none. */
  readonly filter?: string | undefined;
}

/** What the policy says of the addresses of a vif, besides which they are. */
export interface AddressPolicy {
  /** Addresses that several stations may have; none, if it does not say. */
  readonly shared?: readonly IpPrefix[];
  /** What a vif may send from and receive for besides; none, if it does not say. */
  readonly routes?: readonly IpPrefix[];
  /** Whether IPv6 brings the link-local address of each MAC; if it does not say, it does. */
  readonly link_local?: { readonly made: boolean };
}

/** What a vif may have in the kernel's shared sets under one interface index. */
export interface LoadedTerms {
  readonly ifindex: number;
  readonly values: OwnTerms['values'];
  readonly flags: OwnTerms['flags'];
  readonly limits?: FrameLimits;
  /** Of a vif with the flag `learns`. */
  readonly learning?: Learning;
  readonly program?: OwnTerms['program'];
  readonly filter?: OwnTerms['filter'];
}

const NOTHING: OwnTerms['values'] = {
  mac: [],
  extra: [],
  ip: [],
  ip6: [],
  solicited: [],
  broadcast: [],
  sole: [],
  sole6: [],
  route: [],
  route6: [],
  gateway: [],
  gateway4: [],
  gatewayGroups: [],
  ethertype: [],
  protocol: [],
  vlan: [],
};

/**
 * The addresses are the given ones; a family without an address is closed ("empty" never means "any"). IPv6 brings the
 * link-local address of each MAC.
 *
 * @param macs all that it may use, its own first
 */
export function restrictedTerms(
  vif: VifIdentity,
  macs: readonly MacAddress[],
  broadcasts: readonly string[],
  { shared = [], routes = [], link_local: local = { made: true } }: AddressPolicy,
): OwnTerms {
  const ipv4 = vif.addresses.ipv4;
  const made =
    vif.addresses.ipv6.length === 0 || !local.made ? [] : macs.map((mac) => makePrefix(eui64LinkLocal(mac), 128));
  const isMade = new Set(made.map(({ text }) => text));
  const ipv6 = [...vif.addresses.ipv6.filter(({ text }) => !isMade.has(text)), ...made];
  // Another guest may have one of these MACs too, and then the address that is made of it.
  const ofMore = new Set(made.slice(1).map(({ text }) => text));
  return {
    values: {
      ...NOTHING,
      ...macTerms(macs),
      ip: ipv4.map((prefix) => prefix.text),
      ip6: ipv6.map((prefix) => prefix.text),
      solicited: solicitedNodes(ipv6),
      broadcast: ipv4.length === 0 ? [] : broadcasts,
      sole: soleAddresses(ipv4, shared),
      sole6: soleAddresses(
        ipv6.filter(({ text }) => !ofMore.has(text)),
        shared,
      ),
      // Of a family that is closed there is nothing to route.
      route: ipv4.length === 0 ? [] : routes.flatMap(({ family, text }) => (family === 4 ? [text] : [])),
      route6: ipv6.length === 0 ? [] : routes.flatMap(({ family, text }) => (family === 6 ? [text] : [])),
    },
    flags: [
      'managed',
      ...(ipv4.length === 0 ? [] : (['ipv4'] as const)),
      ...(ipv6.length === 0 ? [] : (['ipv6'] as const)),
    ],
  };
}

function macTerms([own, ...more]: readonly MacAddress[]): Pick<OwnTerms['values'], 'mac' | 'extra'> {
  return { mac: own === undefined ? [] : [own, ...more], extra: more };
}

/**
 * What nobody else has: its single addresses, but for shared ones. A block may hold its neighbours, and its gateway.
 */
function soleAddresses(own: readonly IpPrefix[], shared: readonly IpPrefix[]): string[] {
  return own
    .filter((address) => isHost(address) && !shared.some((block) => contains(block, address)))
    .map(({ text }) => text);
}

/** Any address, but only its own MAC, canonical forms and no control protocols. */
export function macOnlyTerms(macs: readonly MacAddress[], broadcasts: readonly string[]): OwnTerms {
  return {
    values: { ...NOTHING, ...macTerms(macs), broadcast: broadcasts },
    flags: ['managed', 'ipv4', 'ipv6', 'any'],
  };
}

/** The same, and what the policy allows it besides. */
export function withOptIns({ values, flags }: OwnTerms, optIns: readonly OptIn[]): OwnTerms {
  const more = optInTerms(optIns);
  return { values: { ...values, ...more.lists }, flags: [...flags, ...more.flags] };
}

/** Nothing at all, in neither direction. */
export const DENIED_TERMS: OwnTerms = { values: NOTHING, flags: ['managed', 'denied'] };

/** Not filtered. */
export const OPEN_TERMS: OwnTerms = { values: NOTHING, flags: ['managed', 'open'] };

/** The same terms, and what they forbid is counted, not kept from it. Who is not filtered is not observed either. */
export function observedTerms(terms: OwnTerms): OwnTerms {
  return terms.flags.includes('open') ? terms : { ...terms, flags: [...terms.flags, 'observe'] };
}

/** The same, and its own frames may come back. */
export function hairpinTerms(terms: OwnTerms): OwnTerms {
  return { ...terms, flags: [...terms.flags, 'hairpin'] };
}

export function isObserved({ flags }: Pick<OwnTerms, 'flags'>): boolean {
  return flags.includes('observe');
}

/** What is asked about what would pass: rules and filter, by their digests. */
export function digestsOfTerms({ program, filter }: Pick<OwnTerms, 'program' | 'filter'>): string[] {
  return [program ?? [], filter ?? []].flat();
}

/** True if it has more addresses than can be written one by one. */
export function hasBlocks({ values }: OwnTerms): boolean {
  return [...values.ip, ...values.ip6].some((address) => address.includes('/'));
}

/**
 * The solicited-node groups of addresses (RFC 4291 §2.7.1: ff02::1:ff00:0/104 and their last 24 bits), and blocks of
 * groups of blocks of addresses; none of them in another one.
 */
export function solicitedNodes(prefixes: readonly IpPrefix[]): string[] {
  const groups = prefixes.map(({ bytes, length }) => {
    const group = Uint8Array.from([0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff, ...bytes.slice(13)]);
    return makePrefix(group, length === 128 ? 128 : Math.max(104, length));
  });
  const distinct = new Map(groups.map((group) => [group.text, group]));
  return [...distinct.values()]
    .filter((group) => ![...distinct.values()].some((other) => other !== group && contains(other, group)))
    .map((group) => group.text);
}
