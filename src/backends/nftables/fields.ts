import ipaddr from 'ipaddr.js';
import { Failure } from '../../errors.ts';
import type { Field, Value } from '../../filter/stage.ts';
import { LLADDR_OPTION, type Masked, RA_OPTION_STARTS } from '../../filter/wire.ts';

/** How nftables spells a field, and how it wants its values. */
export interface NftField {
  /**
   * The expression. Offsets in `@base,offset,length` are bits: `nh` from the network header, `th` from the transport
   * header (nft(8), raw payload expression).
   */
  readonly text: string;
  readonly value: 'plain' | 'hex';
  /** Width of a raw value in bits. */
  readonly bits?: number;
  /**
   * The same field as plain bits. The stages have asked for the ether type already; a named field would ask again, for
   * the protocol (measured: 125 ns a rule against 35).
   */
  readonly bare?: { readonly text: string; readonly bits: number };
  /** Plain bits for the short way alone, which has seen the protocol and that its header is there. */
  readonly quick?: string;
}

/**
 * Raw offsets are used where nft 1.0.6 has no name for a field, where its name follows extension headers (`@th` does
 * too, `@nh` does not: measured with --debug=netlink), and where its name asks for the ether type again: that of a
 * frame in a VLAN is its tag's, so a rule with `icmpv6 code` or `arp saddr ether` would not be about it, and one that
 * drops would let it go on. By way of `meta protocol`, as `ip saddr` does, nft asks for the type behind the tag.
 *
 * `ether type` is always asked first, in the shared stages: `ip saddr` also matches inside a VLAN tag.
 */
export const NFT_FIELDS: Readonly<Record<Field, NftField>> = {
  'ether saddr': { text: 'ether saddr', value: 'plain' },
  'ether daddr': { text: 'ether daddr', value: 'plain' },
  'ether type': { text: 'ether type', value: 'hex', bits: 16 },
  'vlan id': { text: 'vlan id', value: 'plain' },
  'vlan type': { text: '@ll,128,16', value: 'hex', bits: 16 },
  // htype 1, ptype 0x0800, hlen 6, plen 4 in one look: RFC 826.
  'arp form': { text: '@nh,0,48', value: 'hex', bits: 48 },
  // By name it would make nft print the addresses of the same rule by name too, and not take them back (raw sets).
  'arp operation': { text: '@nh,48,16', value: 'hex', bits: 16 },
  'arp saddr ether': { text: '@nh,64,48', value: 'hex', bits: 48 },
  // RFC 826: sender's protocol address behind 14 bytes, the target's behind 24.
  'arp saddr ip': { text: 'arp saddr ip', value: 'plain', bare: { text: '@nh,112,32', bits: 32 } },
  'arp daddr ip': { text: 'arp daddr ip', value: 'plain', bare: { text: '@nh,192,32', bits: 32 } },
  // RARP has ARP's layout (RFC 903), but nft's `arp` fields ask for ARP's ethertype.
  'rarp form': { text: '@nh,0,64', value: 'hex', bits: 64 },
  'rarp saddr ether': { text: '@nh,64,48', value: 'hex', bits: 48 },
  'rarp saddr ip': { text: '@nh,112,32', value: 'hex', bits: 32 },
  'rarp daddr ether': { text: '@nh,144,48', value: 'hex', bits: 48 },
  'rarp daddr ip': { text: '@nh,192,32', value: 'hex', bits: 32 },
  'ip version-ihl': { text: '@nh,0,8', value: 'hex', bits: 8 },
  'ip options': { text: '@nh,160,32', value: 'hex', bits: 32 },
  'ip frag-off': { text: '@nh,48,16', value: 'hex', bits: 16 },
  // The kernel knows it only of packets that are whole: version, header, and a total length within the frame
  // (include/net/netfilter/nf_tables_ipv4.h: nft_set_pktinfo_ipv4_validate).
  'ip protocol': { text: 'meta l4proto', value: 'plain' },
  'ip saddr': { text: 'ip saddr', value: 'plain', bare: { text: '@nh,96,32', bits: 32 } },
  'ip daddr': { text: 'ip daddr', value: 'plain', bare: { text: '@nh,128,32', bits: 32 } },
  'icmp type': { text: '@th,0,8', value: 'hex', bits: 8 },
  // RFC 792: the packet that an error is about stands behind 8 bytes.
  'icmp quoted version-ihl': { text: '@th,64,8', value: 'hex', bits: 8 },
  'icmp quoted protocol': { text: '@th,136,8', value: 'hex', bits: 8 },
  'icmp quoted daddr': { text: '@th,192,32', value: 'hex', bits: 32 },
  'igmp type': { text: '@th,0,8', value: 'hex', bits: 8 },
  // RFC 768: ports and length, each 16 bits.
  'udp sport': { text: 'udp sport', value: 'plain' },
  'udp dport': { text: 'udp dport', value: 'plain', quick: '@th,16,16' },
  'udp length': { text: 'udp length', value: 'plain', quick: '@th,32,16' },
  // RFC 2131 figure 1 behind the 8 bytes of UDP.
  'dhcp op-htype-hlen': { text: '@th,64,24', value: 'hex', bits: 24 },
  'dhcp ciaddr': { text: '@th,160,32', value: 'hex', bits: 32 },
  'dhcp giaddr': { text: '@th,256,32', value: 'hex', bits: 32 },
  'dhcp chaddr': { text: '@th,288,48', value: 'hex', bits: 48 },
  'dhcp6 type': { text: '@th,64,8', value: 'hex', bits: 8 },
  'ip6 version': { text: 'ip6 version', value: 'plain', bare: { text: '@nh,0,4', bits: 4 } },
  'ip6 length': { text: 'ip6 length', value: 'plain' },
  'ip6 nexthdr': { text: 'ip6 nexthdr', value: 'plain', bare: { text: '@nh,48,8', bits: 8 } },
  // As of IPv4, behind all extension headers; not of later fragments of these (nft_set_pktinfo_ipv6_validate).
  'ip6 upper-layer': { text: 'meta l4proto', value: 'plain' },
  'ip6 hoplimit': { text: 'ip6 hoplimit', value: 'plain' },
  'ip6 saddr': { text: 'ip6 saddr', value: 'plain', bare: { text: '@nh,64,128', bits: 128 } },
  'ip6 daddr': { text: 'ip6 daddr', value: 'plain', bare: { text: '@nh,192,128', bits: 128 } },
  // The 8 bytes behind the 40 of the IPv6 header: RFC 8200 §4.3 (options), §4.5 (fragment); RFC 4302 §2.
  'ip6 hopopts': { text: '@nh,320,64', value: 'hex', bits: 64 },
  'ip6 dstopts': { text: '@nh,320,64', value: 'hex', bits: 64 },
  'ip6 ah nexthdr': { text: '@nh,320,8', value: 'hex', bits: 8 },
  'ip6 frag nexthdr': { text: '@nh,320,8', value: 'hex', bits: 8 },
  'ip6 frag offset': { text: '@nh,336,16', value: 'hex', bits: 16 },
  'icmpv6 type': { text: '@th,0,8', value: 'hex', bits: 8 },
  'icmpv6 code': { text: '@th,8,8', value: 'hex', bits: 8 },
  // RFC 4443 §3: as in ICMP.
  'icmpv6 quoted version': { text: '@th,64,4', value: 'hex', bits: 4 },
  'icmpv6 quoted nexthdr': { text: '@th,112,8', value: 'hex', bits: 8 },
  'icmpv6 quoted frag nexthdr': { text: '@th,384,8', value: 'hex', bits: 8 },
  'icmpv6 quoted daddr': { text: '@th,256,128', value: 'hex', bits: 128 },
  // RFC 4861 §4.2: its options begin at byte 16; the first of them. All are in `RA_OPTIONS`.
  'ra lladdr': { text: '@th,144,48', value: 'hex', bits: 48 },
  // RFC 4861 §4.1, §4.3, §4.4: options of RS start at byte 8, of NS and NA at byte 24; type, length, address.
  'rs option': { text: '@th,64,16', value: 'hex', bits: 16 },
  'rs lladdr': { text: '@th,80,48', value: 'hex', bits: 48 },
  'nd target': { text: '@th,64,128', value: 'hex', bits: 128 },
  'nd option': { text: '@th,192,16', value: 'hex', bits: 16 },
  'nd lladdr': { text: '@th,208,48', value: 'hex', bits: 48 },
};

/**
 * Each link-layer address that a router advertisement may have, as the condition that it is there, and where it is.
 * What looks like one inside another option counts too.
 */
export const RA_OPTIONS: readonly { readonly there: string; readonly address: string }[] = RA_OPTION_STARTS.map(
  (start) => ({
    there: `@th,${start * 8},16 0x${LLADDR_OPTION.toString(16).padStart(4, '0')}`,
    address: `@th,${start * 8 + 16},48`,
  }),
);

/** The name of a field, as the typed key of a set has it; plain bits where nft has no name for it. */
export function nftName(field: Field): string {
  return NFT_FIELDS[field].text;
}

/** The expression for a field in a condition: plain bits if there is a choice. */
export function nftBare(field: Field): string {
  return NFT_FIELDS[field].bare?.text ?? NFT_FIELDS[field].text;
}

/** A value as nft wants it beside `nftBare`: a number, or an address as text. */
export function nftValue(field: Field, value: Value): string {
  const spec = NFT_FIELDS[field];
  if (spec.bare !== undefined) return hexText(value, spec.bare.bits);
  return spec.value === 'hex' ? hexText(value, spec.bits ?? 8) : String(value);
}

/** A value as a number as wide as its field. */
function hexText(value: Value, bits: number): string {
  const digits =
    typeof value !== 'string' ? value.toString(16) : isMac(value) ? value.replaceAll(':', '') : addressHex(value);
  return `0x${digits.padStart(Math.max(1, bits / 4), '0')}`;
}

function isMac(text: string): boolean {
  return /^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/.test(text);
}

/** A block of addresses as a condition; plain bits compare the leading ones only. */
export function nftBlock(field: Field, block: string): string {
  const text = nftBare(field);
  const [address, length] = block.split('/') as [string, string?];
  if (!text.startsWith('@')) return `${text} ${block}`;
  const hex = addressHex(address);
  const width = hex.length * 4;
  const bits = length === undefined ? width : Number(length);
  const lead = length === undefined ? hex : (BigInt(`0x${hex}`) >> BigInt(width - bits)).toString(16);
  return `${text.replace(/,\d+$/, `,${bits}`)} 0x${lead}`;
}

/** A field as plain bits, as the short way looks at it. */
export function nftQuick(field: Field): string {
  return NFT_FIELDS[field].quick ?? nftBare(field);
}

/** The first bits of a field. */
export function nftLeading(field: Field, bits: number): string {
  const { base, offset } = placeOf(field);
  return `@${base},${offset},${bits}`;
}

/**
 * A field under a mask, in the aligned word of 32 bits that it is in: comparisons of those are the kernel's fast ones.
 */
export function nftInWord(field: Field, is: '==' | '!=', [mask, value]: Masked<number>): string {
  const { base, offset, bits } = placeOf(field);
  const start = offset - (offset % 32);
  const above = 2 ** (start + 32 - offset - bits);
  const hex = (part: number): string => `0x${(part * above).toString(16).padStart(8, '0')}`;
  return `@${base},${start},32 & ${hex(mask)} ${is} ${hex(value)}`;
}

/** Where plain bits are. */
function placeOf(field: Field): { base: string; offset: number; bits: number } {
  const [, base, offset, bits] = /^@(\w+),(\d+),(\d+)$/.exec(nftQuick(field)) ?? [];
  if (base === undefined) throw new Failure('internal', `${field} has no spelling as plain bits`);
  return { base, offset: Number(offset), bits: Number(bits) };
}

/** 32 or 8 hexadecimal digits of an address. */
export function addressHex(address: string): string {
  return ipaddr
    .parse(address)
    .toByteArray()
    .map((byte) => byte.toString(16).padStart(2, '0'))
    .join('');
}
