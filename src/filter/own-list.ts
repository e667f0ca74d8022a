import { addressText, type IpPrefix, isHost, makePrefix } from '../net/ip-prefix.ts';
import { eui64LinkLocal } from '../net/mac-address.ts';
import type { VifIdentity } from '../xen/vif-identity.ts';
import type { Match, Outcome, OwnFlag, OwnList, OwnValue } from './stage.ts';

/** One entry of a vif's own list: what it permits. */
export interface Permit {
  readonly when: readonly Match[];
  readonly so: Outcome;
}

/** All that the filter knows of one vif; the shared stages ask for it by these names. */
export interface OwnTerms {
  readonly lists: Readonly<Record<OwnList, readonly Permit[]>>;
  readonly values: Readonly<Record<OwnValue, readonly string[]>>;
  readonly flags: readonly OwnFlag[];
}

const ACCEPT: Outcome = { accept: true };
const EVERYTHING: readonly Permit[] = [{ when: [], so: ACCEPT }];
const NOTHING: Readonly<Record<OwnList, readonly Permit[]>> = { in: [], nd: [], out: [] };

/** The addresses are the given ones; a family without an address is closed ("empty" never means "any"). */
export function restrictedTerms(vif: VifIdentity, broadcasts: readonly string[]): OwnTerms {
  const ipv4 = vif.addresses.ipv4;
  const linkLocal = makePrefix(eui64LinkLocal(vif.mac), 128);
  const ipv6 =
    vif.addresses.ipv6.length === 0
      ? []
      : [...vif.addresses.ipv6.filter((prefix) => prefix.text !== linkLocal.text), linkLocal];
  return {
    lists: {
      in: [
        ...ipv4.map((prefix) => permit({ field: 'ip saddr', block: prefix.text })),
        ...ipv4.map((prefix) => permit({ field: 'arp saddr ip', block: prefix.text })),
        ...ipv4.map((prefix) =>
          permit(
            { field: 'arp operation', is: 1 },
            { field: 'arp saddr ip', is: '0.0.0.0' },
            { field: 'arp daddr ip', block: prefix.text },
          ),
        ),
        ...ipv6.map((prefix) => permit({ field: 'ip6 saddr', block: prefix.text })),
        // Only stages that checked the whole form (DAD, MLD, RS) ask about ::.
        ...(ipv6.length === 0 ? [] : [permit({ field: 'ip6 saddr', is: '::' })]),
      ],
      nd: ipv6.map((prefix) => ({ when: [{ field: 'nd target', block: prefix.text }], so: { ask: 'in' } })),
      out: [
        ...ipv4.map((prefix) => permit({ field: 'ip daddr', block: prefix.text })),
        ...ipv4.map((prefix) => permit({ field: 'arp daddr ip', block: prefix.text })),
        ...ipv6.map((prefix) => permit({ field: 'ip6 daddr', block: prefix.text })),
        ...[...new Set(ipv6.map(solicitedNode))].map((block) => permit({ field: 'ip6 daddr', block })),
      ],
    },
    values: {
      mac: [vif.mac],
      'dhcp-address': ipv4.filter(isHost).map((prefix) => prefix.text),
      broadcast: ipv4.length === 0 ? [] : broadcasts,
    },
    flags: [
      'managed',
      ...(ipv4.length === 0 ? [] : (['ipv4'] as const)),
      ...(ipv6.length === 0 ? [] : (['ipv6'] as const)),
      ...(ipv4.every(isHost) ? [] : (['blocks'] as const)),
    ],
  };
}

/** Any address, but only its own MAC, canonical forms and no control protocols. */
export function macOnlyTerms(vif: VifIdentity, broadcasts: readonly string[]): OwnTerms {
  return {
    lists: { in: EVERYTHING, nd: EVERYTHING, out: EVERYTHING },
    values: { mac: [vif.mac], 'dhcp-address': [], broadcast: broadcasts },
    flags: ['managed', 'ipv4', 'ipv6', 'blocks'],
  };
}

/** Nothing at all, in neither direction. */
export const DENIED_TERMS: OwnTerms = {
  lists: NOTHING,
  values: { mac: [], 'dhcp-address': [], broadcast: [] },
  flags: ['managed', 'denied'],
};

/** Not filtered. */
export const OPEN_TERMS: OwnTerms = {
  lists: NOTHING,
  values: { mac: [], 'dhcp-address': [], broadcast: [] },
  flags: ['managed', 'open'],
};

function permit(...when: Match[]): Permit {
  return { when, so: ACCEPT };
}

/**
 * The solicited-node group of an address (RFC 4291 §2.7.1: ff02::1:ff00:0/104 and its last 24 bits), or the block of
 * groups of a block of addresses.
 */
function solicitedNode(prefix: IpPrefix): string {
  const bytes = Uint8Array.from([0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff, ...prefix.bytes.slice(13)]);
  return prefix.length === 128 ? addressText(bytes) : makePrefix(bytes, Math.max(104, prefix.length)).text;
}
