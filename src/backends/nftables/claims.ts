import { type Family, firstAddress, type IpPrefix, makePrefix, parsePrefix } from '../../net/ip-prefix.ts';
import { INGRESS_TABLE } from './base-text.ts';

/**
 * Where an address may be one of a routed guest. The routes know whose it is, and to ask them costs each frame from
 * elsewhere 300 ns, of IPv6 850 (measured); so they are asked of what is near such an address alone: in the same 256
 * of IPv4, in the same /64 of IPv6.
 *
 * The sets hold more than what guests have, never less: an element stays when its vif goes, as another one may have an
 * address near it. All go with the table, when it is made anew or with the last vif.
 */
interface NearSet {
  readonly name: string;
  /** As nft declares it; one with a size is quicker (own.ts). */
  readonly type: string;
  readonly holds: (prefix: IpPrefix) => readonly string[];
}

const SIZE = 65_536;
/** So many elements a block may be; a wider one is told by its version of IP alone. */
const MOST = 256;
const IPV4_BITS = 24;
/** One word: a lookup of 4 bytes costs half of one of 16, and tells nearly all that is not near. */
const WORD_BITS = 32;
const LINK_BITS = 64;

const NEAR: readonly NearSet[] = [
  {
    name: 'near',
    type: `type ipv4_addr; size ${SIZE}`,
    holds: (one) => (one.family === 4 && !isWide(one) ? around(one, IPV4_BITS).map(firstAddress) : []),
  },
  {
    name: 'near6-word',
    type: `typeof @nh,64,32; size ${SIZE}`,
    holds: (one) => (one.family === 6 && !isWide(one) ? around(one, WORD_BITS).map(firstWord) : []),
  },
  {
    name: 'near6',
    type: `type ipv6_addr; size ${SIZE}`,
    holds: (one) => (one.family === 6 && one.length >= LINK_BITS ? around(one, LINK_BITS).map(firstAddress) : []),
  },
  {
    name: 'near6-block',
    type: `typeof @nh,64,32; size ${SIZE}`,
    holds: (one) =>
      one.family === 6 && one.length < LINK_BITS && !isWide(one) ? around(one, WORD_BITS).map(firstWord) : [],
  },
  { name: 'wide', type: 'type nf_proto; size 16', holds: (one) => (isWide(one) ? [FAMILIES[one.family]] : []) },
];

const FAMILIES: Readonly<Record<Family, string>> = { 4: 'ipv4', 6: 'ipv6' };

function isWide({ family, length }: IpPrefix): boolean {
  return 2 ** ((family === 4 ? IPV4_BITS : WORD_BITS) - length) > MOST;
}

/** The sets, as the table declares them. */
export function declareNear(): string[] {
  return NEAR.map(({ name, type }) => `set ${name} { ${type}; }`);
}

/** The rules that lead to where the routes are asked, and the chain that they need. */
export const NEAR_RULES = {
  asks: (so: string): string[] => [
    `ip saddr & 255.255.255.0 @near ${so}`,
    'meta nfproto ipv6 @nh,64,32 @near6-word jump near6',
    `meta nfproto @wide ${so}`,
  ],
  near6: (so: string): string[] => [`ip6 saddr & ffff:ffff:ffff:ffff:: @near6 ${so}`, `@nh,64,32 @near6-block ${so}`],
} as const;

/**
 * What the sets hold of a guest, by their names.
 *
 * @param routes addresses and blocks that are routed to it
 */
export function nearElements(routes: readonly string[]): ReadonlyMap<string, readonly string[]> {
  const all = routes.flatMap((route) => parsePrefix(route) ?? []);
  return new Map(
    NEAR.flatMap(({ name, holds }): [string, string[]][] => {
      const elements = [...new Set(all.flatMap(holds))];
      return elements.length === 0 ? [] : [[name, elements]];
    }),
  );
}

export function addNear(routes: readonly string[]): string[] {
  return [...nearElements(routes)].map(
    ([name, elements]) => `add element ${INGRESS_TABLE} ${name} { ${elements.join(', ')} }`,
  );
}

/** The prefix of that length that it is in, or all that are in it. */
function around({ bytes, length }: IpPrefix, bits: number): IpPrefix[] {
  const first = makePrefix(bytes, bits);
  const last = bits / 8 - 1;
  return Array.from({ length: 2 ** Math.max(0, bits - length) }, (_, at) =>
    makePrefix(
      first.bytes.map((byte, index) => (index === last ? byte + at : byte)),
      bits,
    ),
  );
}

function firstWord({ bytes }: IpPrefix): string {
  return `0x${Buffer.from(bytes.subarray(0, 4)).toString('hex')}`;
}
