/** linux/netlink.h, linux/rtnetlink.h, linux/if_link.h */
const RTM_SETLINK = 19;
const NLM_F_REQUEST = 0x001;
const NLM_F_ACK = 0x004;
const AF_BRIDGE = 7;
const IFLA_PROTINFO = 12;
const NLA_F_NESTED = 0x8000;
const IFLA_BRPORT_MCAST_MAX_GROUPS = 42;

const HEADER = 16;
const IFINFOMSG = 16;
const ATTRIBUTE = 4;

/**
 * The limit of multicast groups of a port as a request to the kernel (effects/rtnetlink.ts sends it), byte for byte
 * what `bridge link set dev PORT mcast_max_groups N` sends. Kernels before 6.3 say yes and do nothing.
 *
 * @param ifindex of the port
 */
export function groupLimitRequest(ifindex: number, groups: number): Uint8Array {
  const bytes = new Uint8Array(HEADER + IFINFOMSG + 2 * ATTRIBUTE + 4);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, bytes.length, true);
  view.setUint16(4, RTM_SETLINK, true);
  view.setUint16(6, NLM_F_REQUEST | NLM_F_ACK, true);
  view.setUint8(HEADER, AF_BRIDGE);
  view.setInt32(HEADER + 4, ifindex, true);
  const info = HEADER + IFINFOMSG;
  view.setUint16(info, 2 * ATTRIBUTE + 4, true);
  view.setUint16(info + 2, IFLA_PROTINFO | NLA_F_NESTED, true);
  view.setUint16(info + ATTRIBUTE, ATTRIBUTE + 4, true);
  view.setUint16(info + ATTRIBUTE + 2, IFLA_BRPORT_MCAST_MAX_GROUPS, true);
  view.setUint32(info + 2 * ATTRIBUTE, groups, true);
  return bytes;
}
