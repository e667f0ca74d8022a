import type { HostFilter } from './host-accept.ts';
import { nftablesRequest } from './nftables-request.ts';

/** linux/netfilter/nf_tables.h, linux/netfilter.h */
const NFT_MSG_GETCHAIN = 4;
const NFTA_CHAIN_TABLE = 1;
const NFTA_CHAIN_NAME = 3;
const FAMILY: Readonly<Record<HostFilter, number>> = { iptables: 2, ip6tables: 10 };

/** Whether nftables has the chain FORWARD that iptables-nft makes. */
export function forwardRequest(filter: HostFilter): Uint8Array {
  const names = [
    [NFTA_CHAIN_TABLE, 'filter'],
    [NFTA_CHAIN_NAME, 'FORWARD'],
  ] as const;
  return nftablesRequest(NFT_MSG_GETCHAIN, FAMILY[filter], names, 'ack');
}
