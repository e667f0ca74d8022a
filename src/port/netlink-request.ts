/** linux/netlink.h, linux/socket.h */
const NLM_F_REQUEST = 0x001;
const NLM_F_ACK = 0x004;
const NLM_F_DUMP = 0x300;
const AF_BRIDGE = 7;

export const NETLINK_HEADER = 16;
export const ATTRIBUTE_HEADER = 4;

/** A message with room for what comes behind its header. */
export interface Request {
  readonly bytes: Uint8Array;
  readonly view: DataView;
}

/** `ack`: with what is asked for, and an acknowledgement behind it; `dump`: all there is of it. */
export type Wanted = 'ack' | 'dump';

/**
 * A request to the kernel. All Xen hosts are little-endian. effects/netlink.ts sends it and knows nothing of what is in
 * it: here is no socket, there is no port.
 *
 * @param length of all, in bytes; filled up to a multiple of four
 */
export function netlinkRequest(type: number, flags: number, length: number, wanted: Wanted = 'ack'): Request {
  const bytes = new Uint8Array(aligned(length));
  const view = new DataView(bytes.buffer);
  view.setUint32(0, bytes.length, true);
  view.setUint16(4, type, true);
  view.setUint16(6, NLM_F_REQUEST | (wanted === 'ack' ? NLM_F_ACK : NLM_F_DUMP) | flags, true);
  return { bytes, view };
}

/**
 * One of the bridge family.
 *
 * @param ifindex of the port: both kinds of message have it four bytes behind the family
 */
export function bridgeRequest(type: number, flags: number, ifindex: number, length: number): Request {
  const request = netlinkRequest(type, flags, length);
  request.view.setUint8(NETLINK_HEADER, AF_BRIDGE);
  request.view.setInt32(NETLINK_HEADER + 4, ifindex, true);
  return request;
}

/** @param length of the value, in bytes */
export function putAttribute(view: DataView, at: number, type: number, length: number): void {
  view.setUint16(at, ATTRIBUTE_HEADER + length, true);
  view.setUint16(at + 2, type, true);
}

/** Writes attributes one behind the other. */
export function putAttributes({ bytes, view }: Request, from: number, all: readonly Attribute[]): void {
  let at = from;
  for (const { type, value } of all) {
    putAttribute(view, at, type, value.length);
    bytes.set(value, at + ATTRIBUTE_HEADER);
    at += aligned(ATTRIBUTE_HEADER + value.length);
  }
}

export interface Attribute {
  readonly type: number;
  readonly value: Uint8Array;
}

/** What they take, in bytes. */
export function lengthOf(all: readonly Attribute[]): number {
  return all.reduce((sum, { value }) => sum + aligned(ATTRIBUTE_HEADER + value.length), 0);
}

/** The attributes of a message, by their types. @param from where they begin in it */
export function attributesOf(message: Uint8Array, from: number): ReadonlyMap<number, Uint8Array> {
  const view = new DataView(message.buffer, message.byteOffset, message.byteLength);
  const found = new Map<number, Uint8Array>();
  for (let at = from; at + ATTRIBUTE_HEADER <= message.length; ) {
    const length = view.getUint16(at, true);
    if (length < ATTRIBUTE_HEADER || at + length > message.length) break;
    found.set(view.getUint16(at + 2, true), message.subarray(at + ATTRIBUTE_HEADER, at + length));
    at += aligned(length);
  }
  return found;
}

function aligned(length: number): number {
  return Math.ceil(length / 4) * 4;
}
