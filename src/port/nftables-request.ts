import {
  type Attribute,
  lengthOf,
  NETLINK_HEADER,
  netlinkRequest,
  putAttributes,
  type Wanted,
} from './netlink-request.ts';

/** linux/netfilter/nfnetlink.h */
const NFNL_SUBSYS_NFTABLES = 10;
const NFGENMSG = 4;

/** Where the attributes of such a message begin. */
export const NFTABLES_HEADER = NETLINK_HEADER + NFGENMSG;

/** What the kernel says where there is no such table, chain or set: errno(3). */
export const ENOENT = 2;

/** The type of a message of nftables, by its number in linux/netfilter/nf_tables.h. */
export function nftablesType(message: number): number {
  return (NFNL_SUBSYS_NFTABLES << 8) | message;
}

/**
 * A request to nftables.
 *
 * @param family of the table: NFPROTO_* of linux/netfilter.h
 * @param names by the types of their attributes
 */
export function nftablesRequest(
  message: number,
  family: number,
  names: readonly (readonly [type: number, name: string])[],
  wanted: Wanted,
): Uint8Array {
  const attributes = names.map(([type, name]): Attribute => ({ type, value: new TextEncoder().encode(`${name}\0`) }));
  const request = netlinkRequest(nftablesType(message), 0, NFTABLES_HEADER + lengthOf(attributes), wanted);
  request.view.setUint8(NETLINK_HEADER, family);
  putAttributes(request, NFTABLES_HEADER, attributes);
  return request.bytes;
}
