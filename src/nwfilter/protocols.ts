import type { Family } from '../net/address-range.ts';
import {
  address,
  BOOLEAN,
  IPSET,
  IPSET_FLAGS,
  type Kind,
  MAC,
  MAC_MASK,
  mask,
  numbers,
  STATE,
  TCP_FLAGS,
  TEXT,
} from './value.ts';

/** An attribute of a protocol's element. */
export interface AttributeKind {
  readonly kind: Kind;
  /** What numbers are printed as. */
  readonly names?: Readonly<Record<string, number>>;
  /** The attribute whose `match='no'` also holds for this one (libvirt's virNWFilterRuleDefFixup). */
  readonly negatedLike?: string;
}

/** Layer 2 rules come first; what they accept is judged by those of layer 4, a family each. */
export type Layer = 2 | 4;

export interface FilterProtocol {
  readonly layer: Layer;
  /** Of layer 4. */
  readonly family?: Family;
  /** The IP protocol, of layer 4; undefined: all. */
  readonly number?: number;
  /** In the order in which they are printed. */
  readonly attributes: Readonly<Record<string, AttributeKind>>;
}

const ETHER_NAMES = { arp: 0x0806, rarp: 0x8035, ipv4: 0x0800, ipv6: 0x86dd, vlan: 0x8100 } as const;
const IP_NAMES = {
  tcp: 6,
  udp: 17,
  udplite: 136,
  esp: 50,
  ah: 51,
  icmp: 1,
  igmp: 2,
  sctp: 132,
  icmpv6: 58,
} as const;
/** As ebtables names them (RFC 826, RFC 903, RFC 2390). */
const ARP_NAMES = {
  Request: 1,
  Reply: 2,
  Request_Reverse: 3,
  Reply_Reverse: 4,
  DRARP_Request: 5,
  DRARP_Reply: 6,
  DRARP_Error: 7,
  InARP_Request: 8,
  ARP_NAK: 9,
} as const;

const of = (kind: Kind, more: Omit<AttributeKind, 'kind'> = {}): AttributeKind => ({ kind, ...more });
const U8 = numbers({ most: 0xff });
const U16 = numbers({ most: 0xffff });
const U32 = numbers({ most: 0xffff_ffff });
const DSCP = numbers({ most: 63 });
const COMMENT = { comment: of(TEXT) };

const SOURCE_MAC = { srcmacaddr: of(MAC), srcmacmask: of(MAC_MASK, { negatedLike: 'srcmacaddr' }) };
const MACS = { ...SOURCE_MAC, dstmacaddr: of(MAC), dstmacmask: of(MAC_MASK, { negatedLike: 'dstmacaddr' }) };
/** Of arp and rarp libvirt copies no sign. */
const PLAIN_MACS = { srcmacaddr: of(MAC), srcmacmask: of(MAC_MASK), dstmacaddr: of(MAC), dstmacmask: of(MAC_MASK) };

const addresses = (family: Family) => ({
  srcipaddr: of(address(family)),
  srcipmask: of(mask(family), { negatedLike: 'srcipaddr' }),
  dstipaddr: of(address(family)),
  dstipmask: of(mask(family), { negatedLike: 'dstipaddr' }),
});
const PORTS = { srcportstart: of(U16), srcportend: of(U16), dstportstart: of(U16), dstportend: of(U16) };
/** One sign for all four. */
const SIGNED_PORTS = {
  srcportstart: of(U16),
  srcportend: of(U16, { negatedLike: 'srcportstart' }),
  dstportstart: of(U16, { negatedLike: 'srcportstart' }),
  dstportend: of(U16, { negatedLike: 'srcportstart' }),
};

const transport = (family: Family) => ({
  srcmacaddr: of(MAC),
  ...addresses(family),
  srcipfrom: of(address(family)),
  srcipto: of(address(family), { negatedLike: 'srcipfrom' }),
  dstipfrom: of(address(family)),
  // In libvirt 9.0 it is an IPv4 address in every protocol, a mistake of its table that would refuse all of IPv6.
  dstipto: of(address(family), { negatedLike: 'dstipfrom' }),
  dscp: of(DSCP),
  'connlimit-above': of(numbers({ most: 0xffff, hex: false })),
  state: of(STATE),
  ipset: of(IPSET),
  ipsetflags: of(IPSET_FLAGS),
});

const ranged = (name: string, kind: Kind) => ({ [name]: of(kind), [`${name}-hi`]: of(kind, { negatedLike: name }) });
const masked = (name: string) => ({ [name]: of(MAC), [`${name}-mask`]: of(MAC_MASK, { negatedLike: name }) });

const ARP = {
  ...PLAIN_MACS,
  hwtype: of(U16),
  protocoltype: of(U16),
  opcode: of(numbers({ most: 0xffff, names: ARP_NAMES }), { names: ARP_NAMES }),
  arpsrcmacaddr: of(MAC),
  arpdstmacaddr: of(MAC),
  arpsrcipaddr: of(address(4)),
  arpsrcipmask: of(mask(4)),
  arpdstipaddr: of(address(4)),
  arpdstipmask: of(mask(4)),
  gratuitous: of(BOOLEAN),
  ...COMMENT,
};
const IP_PROTOCOL = of(numbers({ most: 0xff, names: IP_NAMES }), { names: IP_NAMES });

/** The forms of a protocol over IPv4 and IPv6. */
function plain(family: Family, number?: number): FilterProtocol {
  return {
    layer: 4,
    family,
    ...(number === undefined ? {} : { number }),
    attributes: { ...transport(family), ...COMMENT },
  };
}
function withPorts(family: Family, number: number, more: FilterProtocol['attributes'] = {}): FilterProtocol {
  return {
    layer: 4,
    family,
    number,
    attributes: { ...transport(family), ...SIGNED_PORTS, ...more, ...COMMENT },
  };
}
function icmp(family: Family, number: number): FilterProtocol {
  const types = { type: of(U8), code: of(U8, { negatedLike: 'type' }) };
  return { layer: 4, family, number, attributes: { ...transport(family), ...types, ...COMMENT } };
}

/** What a rule can be about: libvirt's 24 protocols (nwfilter_conf.c, virAttr). */
export const PROTOCOLS = {
  arp: { layer: 2, attributes: ARP },
  rarp: { layer: 2, attributes: ARP },
  mac: {
    layer: 2,
    attributes: {
      ...MACS,
      protocolid: of(numbers({ least: 0x600, most: 0xffff, names: ETHER_NAMES }), { names: ETHER_NAMES }),
      ...COMMENT,
    },
  },
  vlan: {
    layer: 2,
    attributes: {
      ...MACS,
      vlanid: of(numbers({ most: 4095 })),
      'encap-protocol': of(numbers({ least: 0x3c, most: 0xffff, names: ETHER_NAMES }), { names: ETHER_NAMES }),
      ...COMMENT,
    },
  },
  stp: {
    layer: 2,
    attributes: {
      ...SOURCE_MAC,
      type: of(U8),
      flags: of(U8),
      ...ranged('root-priority', U16),
      ...masked('root-address'),
      ...ranged('root-cost', U32),
      ...ranged('sender-priority', U16),
      ...masked('sender-address'),
      ...ranged('port', U16),
      ...ranged('age', U16),
      ...ranged('max-age', U16),
      ...ranged('hello-time', U16),
      ...ranged('forward-delay', U16),
      ...COMMENT,
    },
  },
  ip: {
    layer: 2,
    attributes: { ...MACS, ...addresses(4), protocol: IP_PROTOCOL, ...PORTS, dscp: of(DSCP), ...COMMENT },
  },
  ipv6: {
    layer: 2,
    attributes: {
      ...MACS,
      ...addresses(6),
      protocol: IP_PROTOCOL,
      ...PORTS,
      type: of(U8),
      typeend: of(U8, { negatedLike: 'type' }),
      code: of(U8, { negatedLike: 'type' }),
      codeend: of(U8, { negatedLike: 'type' }),
      ...COMMENT,
    },
  },
  tcp: withPorts(4, 6, { option: of(U8), flags: of(TCP_FLAGS) }),
  udp: withPorts(4, 17),
  udplite: plain(4, 136),
  esp: plain(4, 50),
  ah: plain(4, 51),
  sctp: withPorts(4, 132),
  icmp: icmp(4, 1),
  all: plain(4),
  igmp: plain(4, 2),
  'tcp-ipv6': withPorts(6, 6, { option: of(U8) }),
  'udp-ipv6': withPorts(6, 17),
  'udplite-ipv6': plain(6, 136),
  'esp-ipv6': plain(6, 50),
  'ah-ipv6': plain(6, 51),
  'sctp-ipv6': withPorts(6, 132),
  icmpv6: icmp(6, 58),
  'all-ipv6': plain(6),
} as const satisfies Readonly<Record<string, FilterProtocol>>;

export type ProtocolName = keyof typeof PROTOCOLS;
export const PROTOCOL_NAMES: readonly ProtocolName[] = Object.keys(PROTOCOLS).filter(isProtocol);

export function isProtocol(name: string): name is ProtocolName {
  return Object.hasOwn(PROTOCOLS, name);
}

export function filterProtocol(name: ProtocolName): FilterProtocol {
  return PROTOCOLS[name];
}
