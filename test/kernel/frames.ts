/**
 * Frames, byte by byte. Every field can be set to something that no decent host would write. Results are hex.
 *
 * Lengths and checksums are right unless told otherwise.
 */
import ipaddr from 'ipaddr.js';

export interface Station {
  readonly mac: string;
  readonly ip: string;
  readonly ip6: string;
  /** Link-local, derived from the MAC. */
  readonly local: string;
}

/** The cast of the tests, the same as in the corpus. A is the guest on vif1.0, V on vif2.0, G the gateway, H dom0. */
export const A: Station = station('00:16:3e:00:00:01', '10.0.0.11', 'fd00::11');
export const V: Station = station('00:16:3e:00:00:02', '10.0.0.2', 'fd00::2');
export const G: Station = station('02:00:00:00:00:fe', '10.0.0.254', 'fd00::fe');
export const H: Station = station('02:00:00:00:00:b0', '10.0.0.1', 'fd00::1');
/** Nobody. */
export const X: Station = station('00:16:3e:00:00:99', '10.0.0.99', 'fd00::99');

export const ALL = 'ff:ff:ff:ff:ff:ff';
export const ANY6 = '::';
export const TYPE = { ip: 0x0800, arp: 0x0806, rarp: 0x8035, ip6: 0x86dd, vlan: 0x8100, qinq: 0x88a8 } as const;

type Bytes = Buffer;

/** Anything that can stand in a frame: bytes, or hex. */
export type Content = Bytes | string;

export function station(mac: string, ip: string, ip6: string): Station {
  const bytes = [...macBytes(mac)];
  const low = [(bytes[0] ?? 0) ^ 2, ...bytes.slice(1, 3), 0xff, 0xfe, ...bytes.slice(3)];
  return { mac, ip, ip6, local: text6(Buffer.from([0xfe, 0x80, 0, 0, 0, 0, 0, 0, ...low])) };
}

/** The Ethernet address of an IP group, or broadcast. */
export function groupMac(address: string): string {
  const bytes = addressBytes(address);
  if (bytes.length === 16) return macText([0x33, 0x33, ...bytes.subarray(12)]);
  return bytes[0] === 255 ? ALL : macText([1, 0, 0x5e, (bytes[1] ?? 0) & 0x7f, ...bytes.subarray(2)]);
}

/** The solicited-node group of an IPv6 address (RFC 4291 §2.7.1). */
export function solicited(address: string): string {
  const bytes = addressBytes(address);
  return text6(Buffer.from([0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff, ...bytes.subarray(13)]));
}

/** One Ethernet frame as hex; `type` may be a length, or several tags with what follows them. */
export function frame(dst: string, src: string, type: number | readonly number[], payload: Content): string {
  const types = typeof type === 'number' ? [type] : type;
  return Buffer.concat([macBytes(dst), macBytes(src), ...types.map(u16), bytesOf(payload)]).toString('hex');
}

/** An 802.3 frame: the type is the length of what follows. */
export function llc(dst: string, src: string, payload: Content): string {
  return frame(dst, src, bytesOf(payload).length, payload);
}

/** SNAP header and what it wraps. */
export function snap(oui: string, type: number, payload: Content): Bytes {
  return Buffer.concat([Buffer.from(`aaaa03${oui}`, 'hex'), u16(type), bytesOf(payload)]);
}

// ---- ARP ---------------------------------------------------------------------------------------------------------

export interface Arp {
  readonly op?: number;
  readonly sha?: string;
  readonly spa?: string;
  readonly tha?: string;
  readonly tpa?: string;
  readonly hrd?: number;
  readonly pro?: number;
  readonly hln?: number;
  readonly pln?: number;
}

/** The 28 bytes of ARP; RARP has the same. */
export function arp(a: Arp): Bytes {
  return Buffer.concat([
    u16(a.hrd ?? 1),
    u16(a.pro ?? TYPE.ip),
    Buffer.from([a.hln ?? 6, a.pln ?? 4]),
    u16(a.op ?? 1),
    macBytes(a.sha ?? A.mac),
    addressBytes(a.spa ?? A.ip),
    macBytes(a.tha ?? '00:00:00:00:00:00'),
    addressBytes(a.tpa ?? V.ip),
  ]);
}

// ---- IPv4 --------------------------------------------------------------------------------------------------------

export interface Ip4 {
  readonly src?: string;
  readonly dst?: string;
  readonly protocol?: number;
  readonly ttl?: number;
  readonly id?: number;
  /** In units of 8 bytes. */
  readonly offset?: number;
  readonly more?: boolean;
  /** A multiple of 4 bytes. */
  readonly options?: Content;
  readonly versionIhl?: number;
  readonly totalLength?: number;
}

/** An IPv4 packet. */
export function ip4(h: Ip4, payload: Content): Bytes {
  const options = bytesOf(h.options ?? '');
  const body = bytesOf(payload);
  const head = Buffer.concat([
    Buffer.from([h.versionIhl ?? 0x45 + options.length / 4, 0]),
    u16(h.totalLength ?? 20 + options.length + body.length),
    u16(h.id ?? 0x1234),
    u16((h.more ? 0x2000 : 0) | (h.offset ?? 0)),
    Buffer.from([h.ttl ?? 64, h.protocol ?? 17, 0, 0]),
    addressBytes(h.src ?? A.ip),
    addressBytes(h.dst ?? G.ip),
    options,
  ]);
  head.writeUInt16BE(checksum(head), 10);
  return Buffer.concat([head, body]);
}

/** UDP for IPv4: without a checksum, which is allowed there. */
export function udp(sport: number, dport: number, payload: Content = '78', length?: number): Bytes {
  const body = bytesOf(payload);
  return Buffer.concat([u16(sport), u16(dport), u16(length ?? 8 + body.length), u16(0), body]);
}

/** A bare TCP header; flags 2 is SYN, 0x10 is ACK. */
export function tcp(sport: number, dport: number, flags = 2): Bytes {
  return Buffer.concat([u16(sport), u16(dport), Buffer.alloc(8), Buffer.from([0x50, flags, 0xff, 0xff, 0, 0, 0, 0])]);
}

export function icmp(type: number, code = 0, body: Content = '00000000'): Bytes {
  return summed(Buffer.concat([Buffer.from([type, code, 0, 0]), bytesOf(body)]));
}

/** IGMP version 2, or a version 3 report with one record. */
export function igmp(type: number, group: string): Bytes {
  if (type !== 0x22) return summed(Buffer.concat([Buffer.from([type, 0, 0, 0]), addressBytes(group)]));
  return summed(Buffer.concat([Buffer.from([type, 0, 0, 0, 0, 0, 0, 1, 4, 0, 0, 0]), addressBytes(group)]));
}

/** The IPv4 option that IGMP carries. */
export const ROUTER_ALERT = '94040000';

export interface Dhcp {
  /** Behind the type of the message. */
  readonly options?: Content;
  readonly op?: number;
  readonly htype?: number;
  readonly hlen?: number;
  readonly ciaddr?: string;
  readonly yiaddr?: string;
  readonly giaddr?: string;
  readonly chaddr?: string;
  /** 1 discover, 2 offer, 3 request, 4 decline, 5 ack, 6 nak, 7 release, 8 inform. */
  readonly message?: number;
}

/** BOOTP with the message type option (RFC 2131). */
export function dhcp(d: Dhcp): Bytes {
  return Buffer.concat([
    Buffer.from([d.op ?? 1, d.htype ?? 1, d.hlen ?? 6, 0]),
    Buffer.from('11223344', 'hex'),
    u16(0),
    u16(0x8000),
    addressBytes(d.ciaddr ?? '0.0.0.0'),
    addressBytes(d.yiaddr ?? '0.0.0.0'),
    addressBytes('0.0.0.0'),
    addressBytes(d.giaddr ?? '0.0.0.0'),
    macBytes(d.chaddr ?? A.mac),
    Buffer.alloc(10 + 64 + 128),
    Buffer.from('63825363', 'hex'),
    Buffer.from([53, 1, d.message ?? 1]),
    bytesOf(d.options ?? ''),
    Buffer.from([255]),
  ]);
}

// ---- IPv6 --------------------------------------------------------------------------------------------------------

export interface Ip6 {
  readonly src?: string;
  readonly dst?: string;
  readonly next?: number;
  readonly hops?: number;
  readonly length?: number;
  readonly version?: number;
}

/** An IPv6 packet. */
export function ip6(h: Ip6, payload: Content): Bytes {
  const body = bytesOf(payload);
  return Buffer.concat([
    Buffer.from([(h.version ?? 6) << 4, 0, 0, 0]),
    u16(h.length ?? body.length),
    Buffer.from([h.next ?? 17, h.hops ?? 64]),
    addressBytes(h.src ?? A.ip6),
    addressBytes(h.dst ?? G.ip6),
    body,
  ]);
}

/** A hop-by-hop (0) or destination options (60) header around what follows; 6 bytes of padding unless told. */
export function options(next: number, payload: Content, content: Content = '010400000000'): Bytes {
  const inside = bytesOf(content);
  return Buffer.concat([Buffer.from([next, (inside.length + 2) / 8 - 1]), inside, bytesOf(payload)]);
}

/** The hop-by-hop header of MLD: router alert, then padding. */
export function mldOptions(payload: Content): Bytes {
  return options(58, payload, '050200000100');
}

/** An authentication header (RFC 4302) with a sum of 96 bits. */
export function ah(next: number, payload: Content = Buffer.alloc(40)): Bytes {
  return Buffer.concat([Buffer.from([next, 4, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1]), Buffer.alloc(12), bytesOf(payload)]);
}

/** A fragment header. */
export function fragment6(next: number, payload: Content, offset = 0, more = false): Bytes {
  return Buffer.concat([
    Buffer.from([next, 0]),
    u16((offset & 0xfff8) | (more ? 1 : 0)),
    Buffer.from('00000007', 'hex'),
    bytesOf(payload),
  ]);
}

/** A routing header of a type with one address in it. */
export function routing6(next: number, type: number, address: string, payload: Content): Bytes {
  return Buffer.concat([Buffer.from([next, 2, type, 1, 0, 0, 0, 0]), addressBytes(address), bytesOf(payload)]);
}

/** UDP with its IPv6 checksum. */
export function udp6(ends: Ip6, sport: number, dport: number, payload: Content = '78'): Bytes {
  const body = udp(sport, dport, payload);
  body.writeUInt16BE(pseudoChecksum(ends, 17, body), 6);
  return body;
}

/** ICMPv6 with its checksum. */
export function icmp6(ends: Ip6, type: number, code = 0, body: Content = '00000000'): Bytes {
  const message = Buffer.concat([Buffer.from([type, code, 0, 0]), bytesOf(body)]);
  message.writeUInt16BE(pseudoChecksum(ends, 58, message), 2);
  return message;
}

/** A link-layer address option: 1 is the sender's (SLLA), 2 the target's (TLLA). */
export function lla(kind: 1 | 2, mac: string): Bytes {
  return Buffer.concat([Buffer.from([kind, 1]), macBytes(mac)]);
}

/** The nonce option of enhanced duplicate address detection (RFC 7527). */
export const NONCE = '0e014e4f4e434531';

/** Body of NS (135) and, with flags, of NA (136): reserved or flags, target, options. */
export function ndBody(target: string, more: Content = '', flags = 0): Bytes {
  return Buffer.concat([Buffer.from([flags, 0, 0, 0]), addressBytes(target), bytesOf(more)]);
}

export const ROUTER = 0x80;
export const SOLICITED = 0x40;
export const OVERRIDE = 0x20;

/** Body of a router advertisement (134) that offers itself as the default router with a prefix. */
export function raBody(mac: string): Bytes {
  return Buffer.concat([
    Buffer.from('400007080000000000000000', 'hex'),
    lla(1, mac),
    Buffer.from('030440c0000151800000384000000000fd660000000000000000000000000000', 'hex'),
  ]);
}

/** Body of MLD version 1: report 131, done 132; a query 130 with the unspecified group. */
export function mldBody(group: string): Bytes {
  return Buffer.concat([Buffer.alloc(4), addressBytes(group)]);
}

/** Body of an MLDv2 report (143) with one record. */
export function mld2Body(group: string): Bytes {
  return Buffer.concat([Buffer.from([0, 0, 0, 1, 4, 0, 0, 0]), addressBytes(group)]);
}

/** Client identifier, enough of it: a DHCPv6 message of a type. */
export function dhcp6(type: number): Bytes {
  return Buffer.concat([Buffer.from([type, 1, 2, 3]), Buffer.from('0001000400010001', 'hex')]);
}

// ---- bytes -------------------------------------------------------------------------------------------------------

export function bytesOf(content: Content): Bytes {
  return typeof content === 'string' ? Buffer.from(content.replace(/\s/g, ''), 'hex') : content;
}

export function macBytes(mac: string): Bytes {
  return Buffer.from(mac.replaceAll(':', ''), 'hex');
}

export function addressBytes(address: string): Bytes {
  return Buffer.from(ipaddr.parse(address).toByteArray());
}

function macText(bytes: readonly number[]): string {
  return bytes.map((byte) => byte.toString(16).padStart(2, '0')).join(':');
}

function text6(bytes: Bytes): string {
  return ipaddr.fromByteArray([...bytes]).toString();
}

function u16(value: number): Bytes {
  return Buffer.from([(value >> 8) & 255, value & 255]);
}

/** RFC 1071. */
export function checksum(bytes: Bytes): number {
  let sum = 0;
  for (let at = 0; at < bytes.length; at += 2) sum += ((bytes[at] ?? 0) << 8) + (bytes[at + 1] ?? 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16);
  return ~sum & 0xffff;
}

/** Of ICMP and IGMP, whose checksum is in the third byte. */
function summed(message: Bytes): Bytes {
  message.writeUInt16BE(checksum(message), 2);
  return message;
}

/** RFC 8200 §8.1. */
function pseudoChecksum(ends: Ip6, next: number, body: Bytes): number {
  const pseudo = Buffer.concat([
    addressBytes(ends.src ?? A.ip6),
    addressBytes(ends.dst ?? G.ip6),
    Buffer.from([0, 0]),
    u16(body.length),
    Buffer.from([0, 0, 0, next]),
  ]);
  return checksum(Buffer.concat([pseudo, body]));
}
