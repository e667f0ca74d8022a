import ipaddr from 'ipaddr.js';
import { Failure, shown } from '../errors.ts';

/** IP version of a prefix. */
export type Family = 4 | 6;

/**
 * One address (`length` 32 or 128) or a block of them. `bytes` are in network order with all host bits zero,
 * `text` is canonical (RFC 5952 for IPv6) and carries `/length` only for a block.
 */
export interface IpPrefix {
  readonly family: Family;
  readonly bytes: Uint8Array;
  readonly length: number;
  readonly text: string;
}

/** What one word of `ip=` says: what the guest may use, and the subnet broadcast that its netmask tells. */
export interface AssignedAddress {
  readonly prefix: IpPrefix;
  /** Directed broadcast address (RFC 919) of the subnet that the netmask of one address tells, as canonical text. */
  readonly broadcast: string | undefined;
  /** The length of the subnet that it tells of one address; undefined for a block, and where none is told. */
  readonly netmask: number | undefined;
  /** Something the admin should read in the log, e.g. that host bits made this one address. */
  readonly note: string | undefined;
}

const FULL: Readonly<Record<Family, number>> = { 4: 32, 6: 128 };
const HINT = 'write 192.0.2.10, 192.0.2.0/28 or 2001:db8::10; separate several with blanks';

/** Canonical text of an address: dotted quad, or RFC 5952. */
function addressText(bytes: Uint8Array): string {
  return bytes.length === 4 ? bytes.join('.') : ipaddr.fromByteArray([...bytes]).toString();
}

/** The text of the first address of a block, or of the one that it is. */
export function firstAddress({ text }: IpPrefix): string {
  return text.replace(/\/.*/, '');
}

/** @param address text that `familyOf` has taken for an address of this family */
function addressBytes(address: string, family: Family): Uint8Array {
  return Uint8Array.from(ipaddr.parse(family === 6 ? (withoutDots(address) ?? address) : address).toByteArray());
}

/** The block of `length` bits that holds `bytes`; host bits are cleared. */
export function makePrefix(bytes: Uint8Array, length: number): IpPrefix {
  const family: Family = bytes.length === 4 ? 4 : 6;
  const network = length === FULL[family] ? bytes : bytes.map((byte, index) => byte & maskByte(length, index));
  const text = addressText(network);
  return { family, bytes: network, length, text: length === FULL[family] ? text : `${text}/${length}` };
}

/** An address or a block as `text` of a prefix has it; undefined for all else. */
export function parsePrefix(text: string): IpPrefix | undefined {
  const [address = '', length] = text.split('/');
  const family = familyOf(address);
  if (family === undefined) return undefined;
  return makePrefix(addressBytes(address, family), Number(length ?? FULL[family]));
}

/** True for a single address. */
export function isHost(prefix: IpPrefix): boolean {
  return prefix.length === FULL[prefix.family];
}

/** True if every address of `inner` is in `outer`. */
export function contains(outer: IpPrefix, inner: IpPrefix): boolean {
  if (outer.family !== inner.family || outer.length > inner.length) return false;
  return sameBits(inner.bytes, outer.bytes, outer.length);
}

/**
 * Reads one word of an `ip=` list.
 *
 * A block without host bits (`192.0.2.0/24`) is the whole block. With host bits (`192.0.2.5/24`) it is that one
 * address with its netmask, as in `ip addr`. A netmask may be dotted, as iptables takes it. Host names, zone ids,
 * octal-looking numbers, mapped addresses and addresses no guest can own are refused: whoever reads such a word
 * differently than we do would let a guest through.
 *
 * @param at where the text comes from, for the error
 */
export function parseAssignedAddress(word: string, at: string): AssignedAddress {
  const refuse = (message: string, hint = HINT): Failure => new Failure('input', message, { at, hint });
  if (word.length > 64) throw refuse(`${shown(word)} is not an IP address`);
  const slash = word.indexOf('/');
  const address = slash < 0 ? word : word.slice(0, slash);
  const family = familyOf(address);
  if (family === undefined) throw refuse(`${shown(word)} is not an IP address`);

  const length = slash < 0 ? FULL[family] : parseLength(word.slice(slash + 1), family);
  if (length === undefined) throw refuse(`${shown(word)} has no valid prefix length or netmask`);
  if (length === 0) {
    throw refuse(
      `${shown(word)} means every address`,
      'to leave a guest unrestricted write no ip= and set no_ip = unrestricted in the policy file',
    );
  }
  const bytes = addressBytes(address, family);
  const forbidden = whyForbidden(bytes, length);
  if (forbidden !== undefined) throw refuse(`${shown(word)} ${forbidden}`);

  const block = makePrefix(bytes, length);
  const host = length === FULL[family] ? block : makePrefix(bytes, FULL[family]);
  if (block === host || block.text.split('/')[0] === host.text) {
    // A block is no subnet: all of its addresses are the guest's.
    return { prefix: block, broadcast: undefined, netmask: undefined, note: blockNote(block) };
  }
  const broadcast = blockBroadcast(block);
  if (broadcast === host.text) {
    throw refuse(`${shown(word)} is the broadcast address of ${block.text}`);
  }
  return {
    prefix: host,
    broadcast,
    netmask: length,
    note: `${word} has host bits: it means the one address ${host.text}${
      broadcast === undefined ? '' : ` and the subnet broadcast ${broadcast}`
    }; write ${block.text} for the whole block`,
  };
}

/**
 * Which family the text is a complete address of; undefined for everything else, also a zone id (`fe80::1%eth0`).
 *
 * node:net says the same, by one expression that takes Node 7 ms to compile.
 */
export function familyOf(address: string): Family | undefined {
  if (isIPv4(address)) return 4;
  return isIPv6(address) ? 6 : undefined;
}

/** Four decimal numbers without leading zeros, which some read as octal. */
function isIPv4(text: string): boolean {
  const parts = text.split('.');
  return parts.length === 4 && parts.every((part) => /^(0|[1-9][0-9]{0,2})$/.test(part) && Number(part) <= 255);
}

/**
 * RFC 4291 section 2.2, all three forms: eight groups, or fewer and one `::` for at least one group; the last two
 * dotted.
 */
function isIPv6(text: string): boolean {
  const halves = withoutDots(text)?.split('::') ?? [];
  if (halves.length === 0) return false;
  if (halves.length > 2) return false;
  const groups = halves.flatMap((half) => (half === '' ? [] : half.split(':')));
  if (!groups.every((group) => /^[0-9a-f]{1,4}$/i.test(group))) return false;
  return halves.length === 2 ? groups.length < 8 : groups.length === 8;
}

/**
 * RFC 4291 section 2.2, form 3: the last two groups may be written like an IPv4 address (`2001:db8::192.0.2.33`).
 * Here as two groups; undefined if the dotted part is no IPv4 address.
 */
function withoutDots(text: string): string | undefined {
  if (!text.includes('.')) return text;
  const tail = text.slice(text.lastIndexOf(':') + 1);
  if (!isIPv4(tail)) return undefined;
  const [a = 0, b = 0, c = 0, d = 0] = tail.split('.').map(Number);
  return `${text.slice(0, -tail.length)}${(a * 256 + b).toString(16)}:${(c * 256 + d).toString(16)}`;
}

function parseLength(text: string, family: Family): number | undefined {
  if (/^(0|[1-9][0-9]{0,2})$/.test(text)) {
    const length = Number(text);
    return length <= FULL[family] ? length : undefined;
  }
  if (family === 6 || !isIPv4(text)) return undefined;
  const bits = ipaddr.IPv4.parse(text).prefixLengthFromSubnetMask();
  return bits ?? undefined;
}

/** RFC 919: all host bits one. RFC 3021: a /31 has none. IPv6 has none at all. */
export function blockBroadcast(block: IpPrefix): string | undefined {
  if (block.family === 6 || block.length > 30) return undefined;
  return addressText(block.bytes.map((byte, index) => byte | (0xff & ~maskByte(block.length, index))));
}

function blockNote(block: IpPrefix): string | undefined {
  if (block.length < FULL[6] && overlaps(block, LINK_LOCAL)) {
    return `${block.text} holds the link-local addresses of routers and neighbours: the guest may answer ND for them; write its own fe80:: address instead`;
  }
  const limit = block.family === 4 ? 24 : 64;
  if (block.length >= limit) return undefined;
  return `${block.text} is wide: the guest may answer ARP or ND for every address in it`;
}

/** True if some address is in both. */
export function overlaps(one: IpPrefix, other: IpPrefix): boolean {
  return contains(one, other) || contains(other, one);
}

function maskByte(length: number, index: number): number {
  const bits = Math.min(8, Math.max(0, length - index * 8));
  return (0xff << (8 - bits)) & 0xff;
}

/** RFC 4291 section 2.5.6. */
export const LINK_LOCAL = makePrefix(Uint8Array.from([0xfe, 0x80, ...Array<number>(14).fill(0)]), 10);

/** Blocks that are never a guest's own: IANA special-purpose registries (RFC 6890) and RFC 4291. */
const NEVER_OWN: readonly { readonly bytes: Uint8Array; readonly length: number; readonly why: string }[] = [
  block4([0], 8, 'is in 0.0.0.0/8 ("this network", RFC 1122)'),
  block4([127], 8, 'is a loopback address'),
  block4([224], 4, 'is a multicast address'),
  block4([240], 4, 'is in the reserved block 240.0.0.0/4'),
  block6([], 128, 'is the unspecified address'),
  block6([0, 0, 0, 0, 0, 0, 0, 1], 128, 'is the loopback address'),
  block6([0, 0, 0, 0, 0, 0xffff], 96, 'is an IPv4-mapped address; write the IPv4 address'),
  block6([], 96, 'is an IPv4-compatible address (RFC 4291: deprecated)'),
  block6([0x64, 0xff9b], 96, 'is a NAT64 address, which no host owns (RFC 6052)'),
  block6([0xff00], 8, 'is a multicast address'),
];

/** @param start its first bytes */
function block4(start: readonly number[], length: number, why: string) {
  return { bytes: Uint8Array.from({ length: 4 }, (_, index) => start[index] ?? 0), length, why };
}

/** @param start its first 16-bit groups */
function block6(start: readonly number[], length: number, why: string) {
  const byte = (_: unknown, index: number): number => ((start[index >> 1] ?? 0) >> (index % 2 === 0 ? 8 : 0)) & 0xff;
  return { bytes: Uint8Array.from({ length: 16 }, byte), length, why };
}

function whyForbidden(bytes: Uint8Array, length: number): string | undefined {
  for (const block of NEVER_OWN) {
    if (block.bytes.length !== bytes.length || !sameBits(block.bytes, bytes, Math.min(length, block.length))) continue;
    if (block.length <= length) return block.why;
    const { text } = makePrefix(block.bytes, block.length);
    return `holds addresses that no guest can own (${text} ${block.why})`;
  }
  return undefined;
}

/** True if the first `count` bits are the same. */
function sameBits(one: Uint8Array, other: Uint8Array, count: number): boolean {
  const whole = count >> 3;
  for (let index = 0; index < whole; index += 1) if (one[index] !== other[index]) return false;
  return count === whole * 8 || (((one[whole] ?? 0) ^ (other[whole] ?? 0)) & maskByte(count, whole)) === 0;
}

/**
 * An address of a block, by its place in it.
 *
 * @param index 0 is the first one; it must be in the block
 */
export function addressIn(block: IpPrefix, index: number): IpPrefix {
  let carry = index;
  const bytes = Uint8Array.from(block.bytes);
  for (let at = bytes.length - 1; at >= 0 && carry > 0; at -= 1) {
    carry += bytes[at] ?? 0;
    bytes[at] = carry & 0xff;
    carry >>= 8;
  }
  return makePrefix(bytes, FULL[block.family]);
}

/** How many addresses a block has; a number too large to count is one too large. */
export function sizeOf({ family, length }: IpPrefix): number {
  return 2 ** (FULL[family] - length);
}
