import type { MacAddress } from '../net/mac-address.ts';
import { type VirtualRouter, virtualMac } from '../net/virtual-mac.ts';
import { joinedVlans, VLAN_MAX, vlanText } from '../net/vlan-range.ts';
import type { Reason } from './reasons.ts';
import { ORDINARY, PROTOCOL, ROUTING_PROTOCOLS, TUNNELS } from './wire.ts';

/**
 * What a vif may do that others may not: the key `allow` of the policy. This table is all there is of them: parser,
 * texts for people and sets of the kernel are made of it, and a stage asks for a flag right before the drop that it
 * lifts.
 *
 * Who is not given one pays nothing for it: a flag is only asked about frames that would be dropped otherwise.
 */

/** What stages ask for; in nftables a set of ports each. */
export const OPT_IN_FLAGS = [
  'vrrp',
  'vrrp6',
  'pfsync',
  'hsrp',
  'routing',
  'igmp-querier',
  'tunnels',
  'router-advertisement',
  'dhcp-server',
  'dhcp6-server',
  'dhcp-relay',
  'forwarding',
  'ip-options',
  'ip-protocol',
  'proxy-arp',
  'proxy-nd',
  'lldp',
] as const;
export type OptInFlag = (typeof OPT_IN_FLAGS)[number];

/** Lists of what a vif may use besides; in nftables a set of port and value each. */
export const OPT_IN_LISTS = ['ethertype', 'protocol', 'vlan'] as const;
export type OptInList = (typeof OPT_IN_LISTS)[number];

/** One opt-in of a vif, parsed. */
export interface OptIn {
  /** As the policy file says it, in its one form. */
  readonly text: string;
  readonly flags?: readonly OptInFlag[];
  readonly lists?: Readonly<Partial<Record<OptInList, string>>>;
  /** What it may send with besides its own: of the virtual router that it takes part in. */
  readonly macs?: readonly MacAddress[];
}

/** What a parameter says, or what is wrong with it: `meant` is the word that was probably meant. */
export type ReadParameter = Omit<OptIn, 'text'> | { readonly wrong: string; readonly meant?: string | undefined };

/** What may stand behind the word and a colon. */
interface Parameter {
  /** For people: `NUMBER`. */
  readonly form: string;
  readonly read: (text: string) => ReadParameter;
}

/** One word of `allow`. */
export interface OptInWord {
  readonly word: string;
  /** What the word alone gives; undefined: it needs a parameter. */
  readonly flags?: readonly OptInFlag[];
  readonly parameter?: Parameter;
  /** The reasons for which that is dropped otherwise. */
  readonly opens: readonly Reason[];
  /** For people, in lower case. */
  readonly meaning: string;
}

export const OPT_INS: readonly OptInWord[] = [
  {
    word: 'vrrp',
    flags: ['vrrp'],
    parameter: group(['vrrp'], ['vrrp']),
    opens: ['fhrp'],
    meaning:
      'VRRP over IPv4 (keepalived), from its own addresses: to 224.0.0.18, or to one station. vrrp:51: also with the virtual MAC of group 51',
  },
  {
    word: 'vrrp6',
    flags: ['vrrp6'],
    parameter: group(['vrrp6'], ['vrrp6']),
    opens: ['fhrp'],
    meaning:
      'VRRP over IPv6, from its own addresses: to ff02::12, or to one station. vrrp6:51: also with its virtual MAC',
  },
  {
    word: 'carp',
    flags: ['vrrp', 'vrrp6', 'pfsync'],
    parameter: group(['vrrp', 'vrrp6', 'pfsync'], ['vrrp']),
    opens: ['fhrp'],
    meaning: 'CARP of both families, which is sent as VRRP is, and pfsync. carp:5: also with the virtual MAC of vhid 5',
  },
  {
    word: 'hsrp',
    flags: ['hsrp'],
    parameter: group(['hsrp'], ['hsrp', 'hsrp2', 'hsrp6']),
    opens: ['fhrp'],
    meaning:
      'HSRP and GLBP (UDP ports 1985, 2029, 3222). hsrp:3: also with the virtual MACs of group 3, of both versions and families',
  },
  {
    word: 'routing',
    flags: ['routing'],
    opens: ['routing'],
    meaning: 'OSPF, PIM, EIGRP, RIP, Babel, LDP, from its own addresses',
  },
  {
    word: 'igmp-querier',
    flags: ['igmp-querier'],
    opens: ['igmp-query', 'mld-query', 'mrd'],
    meaning: 'IGMP and MLD queries and multicast router discovery, from its own addresses',
  },
  {
    word: 'tunnels',
    flags: ['tunnels'],
    opens: ['tunnel'],
    meaning: 'IP in bare IP (protocols 4, 41, 94, 97, 115, 137), from its own addresses: nobody judges what is inside',
  },
  {
    word: 'router-advertisement',
    flags: ['router-advertisement'],
    opens: ['ra'],
    meaning: 'IPv6 router advertisements, from its own link-local address',
  },
  {
    word: 'dhcp-server',
    flags: ['dhcp-server'],
    opens: ['dhcp-server', 'dhcp-form', 'dhcp-foreign'],
    meaning: 'answer DHCP from its own address, and hear what clients ask',
  },
  {
    word: 'dhcp6-server',
    flags: ['dhcp6-server'],
    opens: ['dhcp6-server', 'dhcp-foreign'],
    meaning: 'answer DHCPv6 from its own address, and hear what clients ask',
  },
  {
    word: 'dhcp-relay',
    flags: ['dhcp-relay'],
    opens: ['dhcp-server', 'dhcp-form', 'dhcp-foreign'],
    meaning: 'relay DHCP in its own name (giaddr), both ways, and hear what clients ask',
  },
  {
    word: 'forwarding',
    flags: ['forwarding'],
    opens: ['ip-src', 'ip-dst', 'ip6-src', 'ip6-dst', 'icmp-quote'],
    meaning:
      'any source and any destination, of the families that it has an address of: for a router whose networks change; what is known is better in `routes`',
  },
  {
    word: 'router',
    flags: ['forwarding', 'router-advertisement'],
    opens: ['ip-src', 'ip-dst', 'ip6-src', 'ip6-dst', 'icmp-quote', 'ra'],
    meaning: 'forwarding and router-advertisement',
  },
  {
    word: 'ip-options',
    flags: ['ip-options'],
    opens: ['ip-opt'],
    meaning: 'IPv4 options (source routing, record route, router alert) in packets to one station',
  },
  {
    word: 'proxy-arp',
    flags: ['proxy-arp'],
    opens: ['arp-spa', 'arp-foreign'],
    meaning: 'answer ARP, with its own MAC, for addresses of its `routes`',
  },
  {
    word: 'proxy-nd',
    flags: ['proxy-nd'],
    opens: ['nd-target', 'nd-foreign'],
    meaning: 'answer neighbour solicitations, with its own MAC, for addresses of its `routes`',
  },
  {
    word: 'lldp',
    flags: ['lldp'],
    opens: ['link-local', 'ethertype'],
    meaning: 'LLDP with its own MAC, to all groups it has, and both ways where the bridge forwards it (group_fwd_mask)',
  },
  {
    word: 'ip-protocol',
    flags: ['ip-protocol'],
    parameter: { form: 'NUMBER', read: readProtocol },
    opens: ['ip-protocol'],
    meaning: 'IPv4 protocols that nothing here knows, all or one: ip-protocol:253. Nobody judges what is inside',
  },
  {
    word: 'ethertype',
    parameter: { form: 'NUMBER', read: readEtherType },
    opens: ['ethertype'],
    meaning: 'frames of this ether type, both ways: ethertype:0x88e5 is MACsec. Nobody judges what is inside',
  },
  {
    word: 'vlan',
    parameter: { form: 'FIRST-LAST', read: readVlans },
    opens: ['vlan'],
    meaning:
      'send and hear frames with the tag of these VLANs, or of one (vlan:10), on a bridge that filters VLANs: what is behind the tag is judged as without it (nftables only)',
  },
];

/** How a word is written: `vrrp`, `ethertype:NUMBER`. */
export function optInForm({ word, parameter, flags }: OptInWord): string {
  if (parameter === undefined) return word;
  return flags === undefined ? `${word}:${parameter.form}` : `${word}[:${parameter.form}]`;
}

/** Every flag, and one value of each list: so that every stage that asks for one is reached. */
export const EVERY_OPT_IN: readonly OptIn[] = [
  { text: 'everything', flags: OPT_IN_FLAGS, lists: { ethertype: '0x88e5', protocol: '253', vlan: '10-20' } },
];

/** All that some opt-ins give together. */
export function optInTerms(optIns: readonly OptIn[]): {
  readonly flags: readonly OptInFlag[];
  readonly lists: Readonly<Record<OptInList, readonly string[]>>;
} {
  const given = new Set(optIns.flatMap(({ flags }) => flags ?? []));
  const listed = (list: OptInList): string[] => [...new Set(optIns.flatMap(({ lists }) => lists?.[list] ?? []))];
  return {
    flags: OPT_IN_FLAGS.filter((flag) => given.has(flag)),
    lists: { ethertype: listed('ethertype'), protocol: listed('protocol'), vlan: joinedVlans(listed('vlan')) },
  };
}

/** The number of a group of virtual routers: also their MAC, or MACs. */
function group(flags: readonly OptInFlag[], families: readonly VirtualRouter[]): Parameter {
  const [first] = families;
  // 0 is a group of HSRP alone (RFC 2281 §5.1, RFC 5798 §5.2.3).
  const least = first === 'hsrp' ? 0 : 1;
  return {
    form: 'GROUP',
    read(text) {
      const number = /^(0|[1-9]\d{0,3})$/.test(text) ? Number(text) : -1;
      const macs = families.flatMap((family) => virtualMac(family, number) ?? []);
      const most = first === 'hsrp' ? 4095 : 255;
      if (number < least || macs.length === 0) return { wrong: `a group is a number from ${least} to ${most}` };
      return { flags, macs };
    },
  };
}

/** Ether types that these rules judge, or that would hide one from them, and what to write instead. */
const JUDGED_TYPES: Readonly<Record<string, string>> = {
  '0x0800': 'IPv4 is judged by its addresses',
  '0x0806': 'ARP is judged by its addresses',
  '0x86dd': 'IPv6 is judged by its addresses',
  '0x8035': 'RARP is judged by its addresses',
  '0x8100': 'a VLAN tag hides the rest of a frame: vlan:10-20 is about it',
  '0x88a8': 'a VLAN tag hides the rest of a frame',
  '0x9100': 'a VLAN tag hides the rest of a frame',
  '0x9200': 'a VLAN tag hides the rest of a frame',
  '0x9300': 'a VLAN tag hides the rest of a frame',
};

function readEtherType(text: string): ReadParameter {
  if (!/^0x[0-9a-f]{4}$/i.test(text)) return { wrong: 'an ether type is written with four digits: ethertype:0x88e5' };
  const type = text.toLowerCase();
  const judged = JUDGED_TYPES[type];
  if (judged !== undefined) return { wrong: judged };
  // IEEE 802.3: below 0x0600 it is a length.
  if (Number(type) < 0x0600) return { wrong: 'below 0x0600 it is a length, no ether type' };
  return { lists: { ethertype: type } };
}

/** `10` or `10-20`. IEEE 802.1Q table 9-2: 0 is no VLAN, 4095 is reserved. */
function readVlans(text: string): ReadParameter {
  const [, first, last = first] = /^([1-9]\d{0,3})(?:-([1-9]\d{0,3}))?$/.exec(text) ?? [];
  if (first === undefined || Number(first) > Number(last) || Number(last) > VLAN_MAX)
    return { wrong: `VLANs are numbers from 1 to ${VLAN_MAX}: vlan:10, or vlan:10-20` };
  return { lists: { vlan: vlanText([Number(first), Number(last)]) } };
}

/** IPv4 protocols that other words open. */
const PROTOCOL_WORDS: readonly (readonly [word: string, protocols: readonly number[]])[] = [
  ['vrrp', [112]],
  ['carp', [240]],
  ['tunnels', TUNNELS],
  ['routing', ROUTING_PROTOCOLS],
];
/** Those that every guest may use. */
const USUAL_PROTOCOLS: readonly number[] = [PROTOCOL.icmp, PROTOCOL.igmp, PROTOCOL.udp, PROTOCOL.ah, ...ORDINARY];

function readProtocol(text: string): ReadParameter {
  const protocol = Number(text);
  if (!/^(0|[1-9]\d{0,2})$/.test(text) || protocol > 255)
    return { wrong: 'a protocol of IPv4 is a number from 0 to 255' };
  if (USUAL_PROTOCOLS.includes(protocol)) return { wrong: 'every guest may use it' };
  const [word] = PROTOCOL_WORDS.find(([, protocols]) => protocols.includes(protocol)) ?? [];
  if (word !== undefined) return { wrong: `it has a word of its own`, meant: word };
  return { lists: { protocol: text } };
}
