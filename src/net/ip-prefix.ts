import { isIPv4, isIPv6 } from 'node:net';
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
  /** Directed broadcast address known from a netmask (RFC 919), as canonical text. */
  readonly broadcast: string | undefined;
  /** Something the admin should read in the log, e.g. that host bits made this one address. */
  readonly note: string | undefined;
}

const FULL: Readonly<Record<Family, number>> = { 4: 32, 6: 128 };
const HINT = 'write 192.0.2.10, 192.0.2.0/28 or 2001:db8::10; separate several with blanks';

/** Canonical text of an address: dotted quad, or RFC 5952. */
export function addressText(bytes: Uint8Array): string {
  return ipaddr.fromByteArray([...bytes]).toString();
}

/** The block of `length` bits that holds `bytes`; host bits are cleared. */
export function makePrefix(bytes: Uint8Array, length: number): IpPrefix {
  const family: Family = bytes.length === 4 ? 4 : 6;
  const network = bytes.map((byte, index) => byte & maskByte(length, index));
  const text = addressText(network);
  return { family, bytes: network, length, text: length === FULL[family] ? text : `${text}/${length}` };
}

/** True for a single address. */
export function isHost(prefix: IpPrefix): boolean {
  return prefix.length === FULL[prefix.family];
}

/** True if every address of `inner` is in `outer`. */
export function contains(outer: IpPrefix, inner: IpPrefix): boolean {
  if (outer.family !== inner.family || outer.length > inner.length) return false;
  return makePrefix(inner.bytes, outer.length).text === outer.text;
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
  const bytes = Uint8Array.from(ipaddr.parse(address).toByteArray());
  const forbidden = whyForbidden(bytes, length);
  if (forbidden !== undefined) throw refuse(`${shown(word)} ${forbidden}`);

  const block = makePrefix(bytes, length);
  const host = makePrefix(bytes, FULL[family]);
  if (length === FULL[family] || block.text.split('/')[0] === host.text) {
    return { prefix: block, broadcast: blockBroadcast(block), note: wideNote(block) };
  }
  const broadcast = blockBroadcast(block);
  if (broadcast === host.text) {
    throw refuse(`${shown(word)} is the broadcast address of ${block.text}`);
  }
  return {
    prefix: host,
    broadcast,
    note: `${word} has host bits: it means the one address ${host.text}${
      broadcast === undefined ? '' : ` and the subnet broadcast ${broadcast}`
    }; write ${block.text} for the whole block`,
  };
}

function familyOf(address: string): Family | undefined {
  if (isIPv4(address)) return 4;
  // isIPv6 takes zone ids (fe80::1%eth0), and an address with a dotted tail is a mapped or translated one.
  return isIPv6(address) && !/[%.]/.test(address) ? 6 : undefined;
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
function blockBroadcast(block: IpPrefix): string | undefined {
  if (block.family === 6 || block.length > 30) return undefined;
  return addressText(block.bytes.map((byte, index) => byte | (0xff & ~maskByte(block.length, index))));
}

function wideNote(block: IpPrefix): string | undefined {
  const limit = block.family === 4 ? 24 : 64;
  if (block.length >= limit) return undefined;
  return `${block.text} is wide: the guest may answer ARP or ND for every address in it`;
}

function maskByte(length: number, index: number): number {
  const bits = Math.min(8, Math.max(0, length - index * 8));
  return (0xff << (8 - bits)) & 0xff;
}

/** Blocks that are never a guest's own: IANA special-purpose registries (RFC 6890) and RFC 4291. */
const NEVER_OWN: readonly (readonly [string, number, string])[] = [
  ['0.0.0.0', 8, 'is in 0.0.0.0/8 ("this network", RFC 1122)'],
  ['127.0.0.0', 8, 'is a loopback address'],
  ['224.0.0.0', 4, 'is a multicast address'],
  ['240.0.0.0', 4, 'is in the reserved block 240.0.0.0/4'],
  ['::', 128, 'is the unspecified address'],
  ['::1', 128, 'is the loopback address'],
  ['::ffff:0:0', 96, 'is an IPv4-mapped address; write the IPv4 address'],
  ['::', 96, 'is an IPv4-compatible address (RFC 4291: deprecated)'],
  ['64:ff9b::', 96, 'is a NAT64 address, which no host owns (RFC 6052)'],
  ['ff00::', 8, 'is a multicast address'],
];

function whyForbidden(bytes: Uint8Array, length: number): string | undefined {
  const asked = makePrefix(bytes, length);
  for (const [text, bits, why] of NEVER_OWN) {
    const block = makePrefix(Uint8Array.from(ipaddr.parse(text).toByteArray()), bits);
    if (contains(block, asked)) return why;
    if (contains(asked, block)) return `holds addresses that no guest can own (${block.text} ${why})`;
  }
  return undefined;
}
