import { type MacAddress, macBytes } from '../net/mac-address.ts';
import { ATTRIBUTE_HEADER, bridgeRequest, NETLINK_HEADER, putAttribute } from './netlink-request.ts';

/** linux/rtnetlink.h, linux/netlink.h, linux/neighbour.h */
const RTM_NEWNEIGH = 28;
const NLM_F_REPLACE = 0x100;
const NLM_F_CREATE = 0x400;
const NUD_REACHABLE = 0x02;
const NUD_NOARP = 0x40;
const NTF_MASTER = 0x04;
const NTF_STICKY = 0x40;
const NDA_LLADDR = 2;

const NDMSG = 12;
const MAC_BYTES = 6;

/**
 * The forwarding entry as a request to the kernel, byte for byte what `bridge fdb replace MAC dev PORT master static
 * sticky` sends (test/port/fdb-request.test.ts has what iproute2 6.1 sent).
 *
 * @param ifindex of the port
 */
export function fdbRequest(ifindex: number, mac: MacAddress): Uint8Array {
  const entry = NETLINK_HEADER;
  const address = entry + NDMSG;
  const flags = NLM_F_REPLACE | NLM_F_CREATE;
  const { bytes, view } = bridgeRequest(RTM_NEWNEIGH, flags, ifindex, address + ATTRIBUTE_HEADER + MAC_BYTES);
  view.setUint16(entry + 8, NUD_REACHABLE | NUD_NOARP, true);
  view.setUint8(entry + 10, NTF_MASTER | NTF_STICKY);
  putAttribute(view, address, NDA_LLADDR, MAC_BYTES);
  bytes.set(macBytes(mac), address + ATTRIBUTE_HEADER);
  return bytes;
}
