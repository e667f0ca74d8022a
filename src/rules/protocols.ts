import type { Family } from '../net/address-range.ts';

/** A protocol that a rule can name. */
export interface Protocol {
  readonly number: number;
  /** The only family it is of. */
  readonly family?: Family;
  /** It has ports, in the first four bytes behind the IP header. */
  readonly ports: boolean;
}

/** Names of protocols in rules. There are no names of services: what a file of the host says is no constant. */
export const PROTOCOLS = {
  tcp: { number: 6, ports: true },
  udp: { number: 17, ports: true },
  icmp: { number: 1, family: 4, ports: false },
  icmp6: { number: 58, family: 6, ports: false },
  sctp: { number: 132, ports: true },
  dccp: { number: 33, ports: true },
  udplite: { number: 136, ports: true },
  gre: { number: 47, ports: false },
  esp: { number: 50, ports: false },
  ah: { number: 51, ports: false },
} as const satisfies Readonly<Record<string, Protocol>>;

export type ProtocolName = keyof typeof PROTOCOLS;
export const PROTOCOL_NAMES: readonly ProtocolName[] = Object.keys(PROTOCOLS).filter(isProtocolName);

export function isProtocolName(word: string): word is ProtocolName {
  return Object.hasOwn(PROTOCOLS, word);
}

/** What is known of a number. */
export function protocolOf(number: number): Protocol {
  return Object.values(PROTOCOLS).find((one) => one.number === number) ?? { number, ports: false };
}

/** As a rule writes it. */
export function protocolText(number: number): string {
  return PROTOCOL_NAMES.find((name) => PROTOCOLS[name].number === number) ?? String(number);
}

/** Types of ICMP (RFC 792) and ICMPv6 (RFC 4443) by the names that ping and nft have for them. */
export const ICMP_TYPES: Readonly<Record<'icmp' | 'icmp6', Readonly<Record<string, number>>>> = {
  icmp: {
    'echo-reply': 0,
    'destination-unreachable': 3,
    'echo-request': 8,
    'time-exceeded': 11,
    'parameter-problem': 12,
    'timestamp-request': 13,
    'timestamp-reply': 14,
  },
  icmp6: {
    'destination-unreachable': 1,
    'packet-too-big': 2,
    'time-exceeded': 3,
    'parameter-problem': 4,
    'echo-request': 128,
    'echo-reply': 129,
  },
};

/** A type by its name or number; undefined if this protocol has none of that name. */
export function icmpTypeOf(protocol: number, word: string): number | undefined {
  const known = protocol === PROTOCOLS.icmp.number ? ICMP_TYPES.icmp : ICMP_TYPES.icmp6;
  if (protocol !== PROTOCOLS.icmp.number && protocol !== PROTOCOLS.icmp6.number) return undefined;
  if (Object.hasOwn(known, word)) return known[word];
  return /^(0|[1-9][0-9]{0,2})$/.test(word) && Number(word) <= 255 ? Number(word) : undefined;
}
