import { type MacAddress, macBytes } from '../net/mac-address.ts';

/** linux/netlink.h, linux/rtnetlink.h, linux/neighbour.h */
const RTM_NEWNEIGH = 28;
const NLM_F_REQUEST = 0x001;
const NLM_F_ACK = 0x004;
const NLM_F_REPLACE = 0x100;
const NLM_F_CREATE = 0x400;
const AF_BRIDGE = 7;
const NUD_REACHABLE = 0x02;
const NUD_NOARP = 0x40;
const NTF_MASTER = 0x04;
const NTF_STICKY = 0x40;
const NDA_LLADDR = 2;

const HEADER = 16;
const NDMSG = 12;
const ATTRIBUTE = 4;
const MAC_BYTES = 6;

/**
 * The forwarding entry as a request to the kernel, byte for byte what `bridge fdb replace MAC dev PORT master static
 * sticky` sends (test/port/fdb-request.test.ts has what iproute2 6.1 sent). All Xen hosts are little-endian.
 *
 * The other half is effects/rtnetlink.ts, which sends a request and knows nothing of what is in it: here is no socket,
 * there is no port.
 *
 * @param ifindex of the port
 */
export function fdbRequest(ifindex: number, mac: MacAddress): Uint8Array {
  const length = HEADER + NDMSG + ATTRIBUTE + MAC_BYTES;
  const bytes = new Uint8Array(Math.ceil(length / 4) * 4);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, bytes.length, true);
  view.setUint16(4, RTM_NEWNEIGH, true);
  view.setUint16(6, NLM_F_REQUEST | NLM_F_ACK | NLM_F_REPLACE | NLM_F_CREATE, true);
  view.setUint8(HEADER, AF_BRIDGE);
  view.setInt32(HEADER + 4, ifindex, true);
  view.setUint16(HEADER + 8, NUD_REACHABLE | NUD_NOARP, true);
  view.setUint8(HEADER + 10, NTF_MASTER | NTF_STICKY);
  view.setUint16(HEADER + NDMSG, ATTRIBUTE + MAC_BYTES, true);
  view.setUint16(HEADER + NDMSG + 2, NDA_LLADDR, true);
  bytes.set(macBytes(mac), HEADER + NDMSG + ATTRIBUTE);
  return bytes;
}
