import { ETHERTYPE } from './wire.ts';

/** The upper-layer header of a packet, as the kernel finds it. */
export interface UpperLayer {
  /** What `meta l4proto` is. */
  readonly protocol: number;
  /** Where its header begins, in bytes from the beginning of the frame. */
  readonly offset: number;
  /** Not zero: a later fragment, in which no field of the header is read (net/netfilter/nft_payload.c). */
  readonly fragmentOffset: number;
}

/** A frame as the hooks of the bridge see it: its bytes, and where its headers are. */
export interface Frame {
  readonly bytes: Uint8Array;
  /** The outer one: a tag is seen as it was sent (net/netfilter/nft_payload.c: nft_payload_copy_vlan). */
  readonly etherType: number;
  /** Where the packet begins, in bytes: behind the outer tag, if there is one. */
  readonly packet: number;
  /** Undefined for what is no whole packet, or neither IPv4 nor IPv6: then the kernel knows no upper protocol. */
  readonly upper: UpperLayer | undefined;
}

/** Two MAC addresses and an ether type. */
export const ETHERNET_BYTES = 14;
/** IEEE 802.1Q §9.3: TPID and TCI. */
const TAG_BYTES = 4;

/**
 * Finds the headers of a frame that begins with its destination MAC and has no checksum behind it.
 *
 * @returns undefined for what is shorter than an Ethernet header
 */
export function parseFrame(bytes: Uint8Array): Frame | undefined {
  if (bytes.length < ETHERNET_BYTES) return undefined;
  const etherType = word(bytes, 12);
  const tagged = etherType === ETHERTYPE.vlan || etherType === ETHERTYPE.qinq;
  const packet = ETHERNET_BYTES + (tagged ? TAG_BYTES : 0);
  return { bytes, etherType, packet, upper: upperLayer(bytes, packet) };
}

function upperLayer(bytes: Uint8Array, packet: number): UpperLayer | undefined {
  const type = word(bytes, packet - 2);
  if (type === ETHERTYPE.ip) return upperOfIpv4(bytes, packet);
  if (type === ETHERTYPE.ip6) return upperOfIpv6(bytes, packet);
  return undefined;
}

/** As include/net/netfilter/nf_tables_ipv4.h has it: __nft_set_pktinfo_ipv4_validate. */
function upperOfIpv4(bytes: Uint8Array, start: number): UpperLayer | undefined {
  const packet = bytes.subarray(start);
  if (packet.length < 20) return undefined;
  const header = (byte(packet, 0) & 15) * 4;
  const total = word(packet, 2);
  if (byte(packet, 0) >> 4 !== 4 || header < 20 || packet.length < total || total < header) return undefined;
  return {
    protocol: byte(packet, 9),
    offset: start + header,
    fragmentOffset: word(packet, 6) & 0x1fff,
  };
}

/** Numbers of extension headers: net/ipv6/exthdrs_core.c, ipv6_ext_hdr. */
const EXTENSION = { hopopts: 0, routing: 43, fragment: 44, ah: 51, none: 59, dstopts: 60 } as const;
const EXTENSIONS: ReadonlySet<number> = new Set(Object.values(EXTENSION));

/**
 * As include/net/netfilter/nf_tables_ipv6.h has it, and ipv6_find_hdr (net/ipv6/exthdrs_core.c) with the target -1 and
 * IP6_FH_F_AUTH: it stops at an authentication header, and looks into the frame, not only into the packet.
 */
function upperOfIpv6(bytes: Uint8Array, start: number): UpperLayer | undefined {
  const packet = bytes.subarray(start);
  if (packet.length < 40 || byte(packet, 0) >> 4 !== 6 || word(packet, 4) + 40 > packet.length) return undefined;
  let next = byte(packet, 6);
  let at = 40;
  while (EXTENSIONS.has(next) && next !== EXTENSION.none) {
    if (packet.length < at + 2) return undefined;
    const following = byte(packet, at);
    // The first four bytes of a routing header are read.
    if (next === EXTENSION.routing && packet.length < at + 4) return undefined;
    if (next === EXTENSION.ah) break;
    if (next === EXTENSION.fragment) {
      if (packet.length < at + 4) return undefined;
      const fragmentOffset = word(packet, at + 2) & 0xfff8;
      if (fragmentOffset !== 0) {
        // Of a later fragment the kernel names what follows, unless that is one more extension header.
        if (EXTENSIONS.has(following) && following !== EXTENSION.none) return undefined;
        return { protocol: following, offset: start, fragmentOffset };
      }
      at += 8;
    } else at += (byte(packet, at + 1) + 1) * 8;
    next = following;
  }
  return { protocol: next, offset: start + at, fragmentOffset: 0 };
}

/** Zero where there is none: who asks has looked how long it is. */
export function byte(bytes: Uint8Array, at: number): number {
  return bytes[at] ?? 0;
}

/** Two bytes in network order. */
export function word(bytes: Uint8Array, at: number): number {
  return byte(bytes, at) * 256 + byte(bytes, at + 1);
}
