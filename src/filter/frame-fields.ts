import type { Frame } from './frame.ts';
import type { Field } from './stage.ts';
import { LLADDR_OPTION, PROTOCOL, RA_OPTION_STARTS } from './wire.ts';

/** Where the bits of a field are: from the frame's beginning, behind the Ethernet header, or in the upper layer. */
interface Place {
  readonly base: 'frame' | 'packet' | 'upper';
  /** In bits. */
  readonly offset: number;
  readonly bits: number;
  /** Only a packet of this protocol has it. */
  readonly of?: number;
}

const at = (base: Place['base'], offset: number, bits: number, of?: number): Place => ({
  base,
  offset,
  bits,
  ...(of === undefined ? {} : { of }),
});

/**
 * Where each field is on the wire. Two are none: what the kernel found as the upper protocol. A test holds this to what
 * the backend asks the kernel for (test/filter/frame-fields.test.ts).
 */
const PLACES: Readonly<Record<Field, Place | 'upper protocol'>> = {
  'ether daddr': at('frame', 0, 48),
  'ether saddr': at('frame', 48, 48),
  'ether type': at('frame', 96, 16),
  'vlan id': at('frame', 116, 12),
  'vlan type': at('frame', 128, 16),
  // RFC 826, RFC 903.
  'arp form': at('packet', 0, 48),
  'arp operation': at('packet', 48, 16),
  'arp saddr ether': at('packet', 64, 48),
  'arp saddr ip': at('packet', 112, 32),
  'arp daddr ip': at('packet', 192, 32),
  'rarp form': at('packet', 0, 64),
  'rarp saddr ether': at('packet', 64, 48),
  'rarp saddr ip': at('packet', 112, 32),
  'rarp daddr ether': at('packet', 144, 48),
  'rarp daddr ip': at('packet', 192, 32),
  // RFC 791.
  'ip version-ihl': at('packet', 0, 8),
  'ip frag-off': at('packet', 48, 16),
  'ip protocol': 'upper protocol',
  'ip saddr': at('packet', 96, 32),
  'ip daddr': at('packet', 128, 32),
  'ip options': at('packet', 160, 32),
  // RFC 792, RFC 2236.
  'icmp type': at('upper', 0, 8),
  'icmp quoted version-ihl': at('upper', 64, 8),
  'icmp quoted protocol': at('upper', 136, 8),
  'icmp quoted daddr': at('upper', 192, 32),
  'igmp type': at('upper', 0, 8),
  // RFC 768, RFC 2131, RFC 8415.
  'udp sport': at('upper', 0, 16, PROTOCOL.udp),
  'udp dport': at('upper', 16, 16, PROTOCOL.udp),
  'udp length': at('upper', 32, 16, PROTOCOL.udp),
  'dhcp op-htype-hlen': at('upper', 64, 24),
  'dhcp ciaddr': at('upper', 160, 32),
  'dhcp giaddr': at('upper', 256, 32),
  'dhcp chaddr': at('upper', 288, 48),
  'dhcp6 type': at('upper', 64, 8),
  // RFC 8200, RFC 4302.
  'ip6 version': at('packet', 0, 4),
  'ip6 length': at('packet', 32, 16),
  'ip6 nexthdr': at('packet', 48, 8),
  'ip6 upper-layer': 'upper protocol',
  'ip6 hoplimit': at('packet', 56, 8),
  'ip6 saddr': at('packet', 64, 128),
  'ip6 daddr': at('packet', 192, 128),
  'ip6 hopopts': at('packet', 320, 64),
  'ip6 dstopts': at('packet', 320, 64),
  'ip6 ah nexthdr': at('packet', 320, 8),
  'ip6 frag nexthdr': at('packet', 320, 8),
  'ip6 frag offset': at('packet', 336, 16),
  // RFC 4443, RFC 4861.
  'icmpv6 type': at('upper', 0, 8),
  'icmpv6 code': at('upper', 8, 8),
  'icmpv6 quoted version': at('upper', 64, 4),
  'icmpv6 quoted nexthdr': at('upper', 112, 8),
  'icmpv6 quoted frag nexthdr': at('upper', 384, 8),
  'icmpv6 quoted daddr': at('upper', 256, 128),
  'ra lladdr': at('upper', 144, 48),
  'rs option': at('upper', 64, 16),
  'rs lladdr': at('upper', 80, 48),
  'nd target': at('upper', 64, 128),
  'nd option': at('upper', 192, 16),
  'nd lladdr': at('upper', 208, 48),
};

/** Every link-layer address of a router advertisement, wherever the option that says it stands. */
export function routerAddresses(frame: Frame): bigint[] {
  return RA_OPTION_STARTS.flatMap((start) => {
    const there = readBits(frame, 'upper', start * 8, 16) === BigInt(LLADDR_OPTION);
    return there ? (readBits(frame, 'upper', start * 8 + 16, 48) ?? []) : [];
  });
}

/** How wide a field is, in bits. */
export function widthOf(field: Field): number {
  const place = PLACES[field];
  return place === 'upper protocol' ? 8 : place.bits;
}

/** A field as the kernel compares it; of which only the first bits are needed, if it says so. */
export function readField(frame: Frame, field: Field, bits = widthOf(field)): bigint | undefined {
  const place = PLACES[field];
  if (place === 'upper protocol') return frame.upper === undefined ? undefined : BigInt(frame.upper.protocol);
  if (place.of !== undefined && frame.upper?.protocol !== place.of) return undefined;
  return readBits(frame, place.base, place.offset, bits);
}

/**
 * Bits of a frame as a number; undefined where they are not there, or nobody can say where they would be: a rule that
 * asks for them then matches nothing, whatever it asks (NFT_BREAK).
 *
 * @param base `upper` is what nft calls `@th`, `packet` what it calls `@nh`
 */
export function readBits(frame: Frame, base: Place['base'], offset: number, bits: number): bigint | undefined {
  const start = startOf(frame, base);
  if (start === undefined) return undefined;
  const first = start + Math.floor(offset / 8);
  const end = start + Math.ceil((offset + bits) / 8);
  if (end > frame.bytes.length) return undefined;
  let value = 0n;
  for (const byte of frame.bytes.subarray(first, end)) value = (value << 8n) | BigInt(byte);
  const behind = (end - start) * 8 - offset - bits;
  return (value >> BigInt(behind)) & ((1n << BigInt(bits)) - 1n);
}

function startOf({ packet, upper }: Frame, base: Place['base']): number | undefined {
  if (base === 'frame') return 0;
  if (base === 'packet') return packet;
  return upper === undefined || upper.fragmentOffset !== 0 ? undefined : upper.offset;
}
