import type { HostFilter } from './host-accept.ts';
import { type Attribute, lengthOf, NETLINK_HEADER, netlinkRequest, putAttributes } from './netlink-request.ts';

/** linux/netfilter/nfnetlink.h, linux/netfilter/nf_tables.h, linux/netfilter.h */
const NFNL_SUBSYS_NFTABLES = 10;
const NFT_MSG_GETCHAIN = 4;
const NFTA_CHAIN_TABLE = 1;
const NFTA_CHAIN_NAME = 3;
const NFGENMSG = 4;
const FAMILY: Readonly<Record<HostFilter, number>> = { iptables: 2, ip6tables: 10 };

/** What the kernel says where there is no such table or chain: errno(3). */
export const ENOENT = 2;

/** Whether nftables has the chain FORWARD that iptables-nft makes. */
export function forwardRequest(filter: HostFilter): Uint8Array {
  const attributes: Attribute[] = [
    { type: NFTA_CHAIN_TABLE, value: text('filter') },
    { type: NFTA_CHAIN_NAME, value: text('FORWARD') },
  ];
  const type = (NFNL_SUBSYS_NFTABLES << 8) | NFT_MSG_GETCHAIN;
  const request = netlinkRequest(type, 0, NETLINK_HEADER + NFGENMSG + lengthOf(attributes));
  request.view.setUint8(NETLINK_HEADER, FAMILY[filter]);
  putAttributes(request, NETLINK_HEADER + NFGENMSG, attributes);
  return request.bytes;
}

function text(word: string): Uint8Array {
  return new TextEncoder().encode(`${word}\0`);
}
