/**
 * Asks the kernel something by a netlink socket (netlink(7)). What is in a request, and in an answer, is made and read
 * elsewhere: port/fdb-request.ts, port/uplink-request.ts.
 *
 * @param request a whole message that asks for an acknowledgement, or for a dump
 * @returns the messages of the answer, the acknowledgement last; undefined if the kernel could not be asked
 */
export type Netlink = (protocol: NetlinkProtocol, request: Uint8Array) => Promise<readonly Uint8Array[] | undefined>;

/** include/uapi/linux/netlink.h */
const PROTOCOLS = { route: 0, netfilter: 12 } as const;
export type NetlinkProtocol = keyof typeof PROTOCOLS;

const AF_NETLINK = 16;
const SOCK_RAW = 3;
const SOCK_CLOEXEC = 0o2000000;
const SOL_NETLINK = 270;
/** A dump of the addresses of one device is of that alone (Linux 4.20). */
const NETLINK_GET_STRICT_CHK = 12;
const MSG_DONTWAIT = 0x40;
/** The kernel fills at most as much at a time (net/netlink/af_netlink.c: netlink_dump). */
const ANSWER_BYTES = 32 * 1024;

/**
 * By the C library of the standalone executable, by way of bun:ffi; undefined with Node, which has no way to such a
 * socket. It costs a quarter of what starting a program costs, and `bridge` lists all devices of the host first.
 *
 * It waits for the kernel's lock of all network devices, as writing to /proc/sys/net does, and no timer of the run
 * fires meanwhile. Where that hangs for ever Xen ends the run after 40 s, without a `hotplug-error`; the link is still
 * down.
 */
export const netlink: Netlink | undefined = process.versions.bun === undefined ? undefined : send;

async function send(protocol: NetlinkProtocol, request: Uint8Array): Promise<readonly Uint8Array[] | undefined> {
  try {
    let ask = opened.get(protocol);
    if (ask === undefined) {
      library ??= loadLibrary();
      ask = openSocket(await library, protocol);
      opened.set(protocol, ask);
    }
    const answer = ask(request);
    // Nothing that was said to this one may be taken for the answer to another.
    if (answer === undefined) opened.delete(protocol);
    return answer;
  } catch {
    // No such library, or no memory for code (a hardened kernel).
    return undefined;
  }
}

/** Sends a request through a socket, and closes that if it was not answered. */
type Ask = (request: Uint8Array) => readonly Uint8Array[] | undefined;

/** One library, and one socket of each kind, for all requests of a run: opening them takes longer than a request. */
let library: ReturnType<typeof loadLibrary> | undefined;
const opened = new Map<NetlinkProtocol, Ask>();

async function loadLibrary() {
  const { dlopen } = await import('bun:ffi');
  return dlopen('libc.so.6', {
    socket: { args: ['i32', 'i32', 'i32'], returns: 'i32' },
    setsockopt: { args: ['i32', 'i32', 'i32', 'ptr', 'u64'], returns: 'i32' },
    send: { args: ['i32', 'ptr', 'u64', 'i32'], returns: 'i64_fast' },
    recv: { args: ['i32', 'ptr', 'u64', 'i32'], returns: 'i64_fast' },
    close: { args: ['i32'], returns: 'i32' },
  }).symbols;
}

function openSocket(libc: Awaited<ReturnType<typeof loadLibrary>>, protocol: NetlinkProtocol): Ask {
  const socket = libc.socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, PROTOCOLS[protocol]);
  libc.setsockopt(socket, SOL_NETLINK, NETLINK_GET_STRICT_CHK, new Uint8Array([1, 0, 0, 0]), 4);
  return (request) => {
    const answer: Uint8Array[] = [];
    let sent = libc.send(socket, request, request.length, 0) === request.length;
    while (sent) {
      // The kernel works while it is sent to (net/netlink/af_netlink.c: netlink_rcv_skb): the answer is there.
      const part = new Uint8Array(ANSWER_BYTES);
      const length = libc.recv(socket, part, part.length, MSG_DONTWAIT);
      const messages = messagesIn(part.subarray(0, Math.max(0, length)));
      answer.push(...messages);
      // Half a message would be missed without a word.
      sent = length > 0 && messages.reduce((sum, one) => sum + Math.ceil(one.length / 4) * 4, 0) >= length;
      if (sent && messages.some(isLast)) return answer;
    }
    libc.close(socket);
    return undefined;
  };
}

const NLMSG_HEADER = 16;
const NLMSG_ERROR = 2;
const NLMSG_DONE = 3;

/** Messages stand one behind the other, each at a multiple of four bytes; what is cut off is none. */
export function messagesIn(bytes: Uint8Array): Uint8Array[] {
  const found: Uint8Array[] = [];
  for (let at = 0; at + NLMSG_HEADER <= bytes.length; ) {
    const length = viewOf(bytes).getUint32(at, true);
    if (length < NLMSG_HEADER || at + length > bytes.length) break;
    found.push(bytes.subarray(at, at + length));
    at += Math.ceil(length / 4) * 4;
  }
  return found;
}

/** An acknowledgement, an error, or the end of a dump. */
function isLast(message: Uint8Array): boolean {
  return [NLMSG_ERROR, NLMSG_DONE].includes(typeOf(message));
}

export function typeOf(message: Uint8Array): number {
  return viewOf(message).getUint16(4, true);
}

/**
 * The error that an answer ends with, as errno(3) numbers it; 0 if all is well, undefined if it does not end as it
 * must: struct nlmsgerr (linux/netlink.h), or what stands behind a dump.
 */
export function errorOf(answer: readonly Uint8Array[]): number | undefined {
  const last = answer.at(-1);
  if (last === undefined || !isLast(last) || last.length < NLMSG_HEADER + 4) return undefined;
  return -viewOf(last).getInt32(NLMSG_HEADER, true) || 0;
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
