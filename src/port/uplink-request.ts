import { type Family, type IpPrefix, makePrefix } from '../net/ip-prefix.ts';
import {
  type Attribute,
  attributesOf,
  lengthOf,
  NETLINK_HEADER,
  netlinkRequest,
  putAttributes,
} from './netlink-request.ts';

/** linux/rtnetlink.h, linux/if_addr.h, linux/neighbour.h, linux/socket.h */
const RTM_NEWADDR = 20;
const RTM_GETADDR = 22;
const RTM_NEWROUTE = 24;
const RTM_GETROUTE = 26;
const RTM_NEWNEIGH = 28;
const RTM_GETNEIGH = 30;
const IFADDRMSG = 8;
const RTMSG = 12;
const NDMSG = 12;
const IFA_ADDRESS = 1;
const IFA_LOCAL = 2;
const RTA_DST = 1;
const RTA_OIF = 4;
const RTA_PRIORITY = 6;
const RTM_F_FIB_MATCH = 0x2000;
const NDA_DST = 1;
const NTF_PROXY = 0x08;
const NUD_PERMANENT = 0x80;

const AF: Readonly<Record<Family, number>> = { 4: 2, 6: 10 };
const FAMILY: Readonly<Record<number, Family>> = { 2: 4, 10: 6 };

/** The addresses of one device, as `ip address show dev DEV` asks for them. */
export function addressesRequest(ifindex: number): Uint8Array {
  const { bytes, view } = netlinkRequest(RTM_GETADDR, 0, NETLINK_HEADER + IFADDRMSG, 'dump');
  view.setUint32(NETLINK_HEADER + 4, ifindex, true);
  return bytes;
}

/** Their texts, each with the length of its subnet; older kernels tell those of all devices. */
export function readAddressesAnswer(answer: readonly Uint8Array[], ifindex: number): string[] {
  return answer.flatMap((message) => {
    const view = new DataView(message.buffer, message.byteOffset, message.byteLength);
    const body = NETLINK_HEADER;
    if (view.getUint16(4, true) !== RTM_NEWADDR || message.length < body + IFADDRMSG) return [];
    if (view.getUint32(body + 4, true) !== ifindex) return [];
    const attributes = attributesOf(message, body + IFADDRMSG);
    const bytes = attributes.get(IFA_LOCAL) ?? attributes.get(IFA_ADDRESS);
    if (bytes === undefined || FAMILY[view.getUint8(body)] === undefined) return [];
    return [`${makePrefix(bytes, bytes.length * 8).text}/${view.getUint8(body + 1)}`];
  });
}

/** The route that leads to an address, as `ip route get fibmatch ADDRESS` asks for it. */
export function routeRequest({ family, bytes: address }: IpPrefix): Uint8Array {
  const attributes: Attribute[] = [{ type: RTA_DST, value: address }];
  const request = netlinkRequest(RTM_GETROUTE, 0, NETLINK_HEADER + RTMSG + lengthOf(attributes));
  request.view.setUint8(NETLINK_HEADER, AF[family]);
  request.view.setUint8(NETLINK_HEADER + 1, address.length * 8);
  request.view.setUint32(NETLINK_HEADER + 8, RTM_F_FIB_MATCH, true);
  putAttributes(request, NETLINK_HEADER + RTMSG, attributes);
  return request.bytes;
}

/** What is for this host, or for all that are in its subnet, whatever is routed elsewhere. */
export type Kept = 'address' | 'broadcast';

/** RTN_LOCAL, RTN_BROADCAST. */
const KEPT: Readonly<Record<number, Kept>> = { 2: 'address', 3: 'broadcast' };

/** A route, as far as it matters whose an address is. */
export interface AnsweredRoute {
  /** What it leads to: an address, or a block. */
  readonly to: string;
  readonly kept: Kept | undefined;
  /** Undefined: to nowhere, or to several devices. */
  readonly ifindex: number | undefined;
  readonly metric: number;
}

/** @returns undefined where there is none */
export function readRouteAnswer(answer: readonly Uint8Array[]): AnsweredRoute | undefined {
  const [message] = answer;
  if (message === undefined || message.length < NETLINK_HEADER + RTMSG) return undefined;
  const view = new DataView(message.buffer, message.byteOffset, message.byteLength);
  if (view.getUint16(4, true) !== RTM_NEWROUTE) return undefined;
  const family = FAMILY[view.getUint8(NETLINK_HEADER)];
  if (family === undefined) return undefined;
  const attributes = attributesOf(message, NETLINK_HEADER + RTMSG);
  // That of a default route is not told.
  const bytes = attributes.get(RTA_DST) ?? new Uint8Array(family === 4 ? 4 : 16);
  return {
    to: makePrefix(bytes, view.getUint8(NETLINK_HEADER + 1)).text,
    kept: KEPT[view.getUint8(NETLINK_HEADER + 7)],
    ifindex: numberIn(attributes.get(RTA_OIF)),
    metric: numberIn(attributes.get(RTA_PRIORITY)) ?? 0,
  };
}

/**
 * What is set of an address at a device, as `ip neigh get ADDRESS dev DEV` asks; or, with `proxy`, whether this host
 * answers for it there.
 */
export function neighbourRequest(
  { family, bytes: address }: IpPrefix,
  ifindex: number,
  how: 'entry' | 'proxy',
): Uint8Array {
  const attributes: Attribute[] = [{ type: NDA_DST, value: address }];
  const request = netlinkRequest(RTM_GETNEIGH, 0, NETLINK_HEADER + NDMSG + lengthOf(attributes));
  request.view.setUint8(NETLINK_HEADER, AF[family]);
  request.view.setInt32(NETLINK_HEADER + 4, ifindex, true);
  request.view.setUint8(NETLINK_HEADER + 10, how === 'proxy' ? NTF_PROXY : 0);
  putAttributes(request, NETLINK_HEADER + NDMSG, attributes);
  return request.bytes;
}

/** Whether somebody has set it: an entry that does not end, or that of a proxy. */
export function isSet([message]: readonly Uint8Array[]): boolean {
  if (message === undefined || message.length < NETLINK_HEADER + NDMSG) return false;
  const view = new DataView(message.buffer, message.byteOffset, message.byteLength);
  if (view.getUint16(4, true) !== RTM_NEWNEIGH) return false;
  const state = view.getUint16(NETLINK_HEADER + 8, true);
  return (view.getUint8(NETLINK_HEADER + 10) & NTF_PROXY) !== 0 || (state & NUD_PERMANENT) !== 0;
}

function numberIn(bytes: Uint8Array | undefined): number | undefined {
  return bytes === undefined || bytes.length < 4
    ? undefined
    : new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).getUint32(0, true);
}
