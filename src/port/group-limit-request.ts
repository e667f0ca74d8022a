import { ATTRIBUTE_HEADER, bridgeRequest, NETLINK_HEADER, putAttribute } from './netlink-request.ts';

/** linux/rtnetlink.h, linux/if_link.h, linux/netlink.h */
const RTM_SETLINK = 19;
const IFLA_PROTINFO = 12;
const NLA_F_NESTED = 0x8000;
const IFLA_BRPORT_MCAST_MAX_GROUPS = 42;

const IFINFOMSG = 16;

/**
 * The limit of multicast groups of a port as a request to the kernel, byte for byte what `bridge link set dev PORT
 * mcast_max_groups N` sends. Kernels before 6.3 say yes and do nothing.
 *
 * @param ifindex of the port
 */
export function groupLimitRequest(ifindex: number, groups: number): Uint8Array {
  const info = NETLINK_HEADER + IFINFOMSG;
  const limit = info + ATTRIBUTE_HEADER;
  const { bytes, view } = bridgeRequest(RTM_SETLINK, 0, ifindex, limit + ATTRIBUTE_HEADER + 4);
  putAttribute(view, info, IFLA_PROTINFO | NLA_F_NESTED, ATTRIBUTE_HEADER + 4);
  putAttribute(view, limit, IFLA_BRPORT_MCAST_MAX_GROUPS, 4);
  view.setUint32(limit + ATTRIBUTE_HEADER, groups, true);
  return bytes;
}
