/** linux/netlink.h, linux/rtnetlink.h, linux/socket.h */
const NLM_F_REQUEST = 0x001;
const NLM_F_ACK = 0x004;
const AF_BRIDGE = 7;

export const NETLINK_HEADER = 16;
export const ATTRIBUTE_HEADER = 4;

/**
 * A request of the bridge family that wants an answer, with room for what comes behind its header. All Xen hosts are
 * little-endian. effects/rtnetlink.ts sends it and knows nothing of what is in it: here is no socket, there is no port.
 *
 * @param length of all, in bytes; filled up to a multiple of four
 * @param ifindex of the port: both kinds of message have it four bytes behind the family
 */
export function bridgeRequest(
  type: number,
  flags: number,
  ifindex: number,
  length: number,
): { readonly bytes: Uint8Array; readonly view: DataView } {
  const bytes = new Uint8Array(Math.ceil(length / 4) * 4);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, bytes.length, true);
  view.setUint16(4, type, true);
  view.setUint16(6, NLM_F_REQUEST | NLM_F_ACK | flags, true);
  view.setUint8(NETLINK_HEADER, AF_BRIDGE);
  view.setInt32(NETLINK_HEADER + 4, ifindex, true);
  return { bytes, view };
}

/** @param length of the value, in bytes */
export function putAttribute(view: DataView, at: number, type: number, length: number): void {
  view.setUint16(at, ATTRIBUTE_HEADER + length, true);
  view.setUint16(at + 2, type, true);
}
