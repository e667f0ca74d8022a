/**
 * Sends one request to the kernel's rtnetlink (rtnetlink(7)). What is in it is made elsewhere: port/fdb-request.ts.
 *
 * @param request a whole message that asks for an acknowledgement
 * @returns true if the kernel has done it; false if it refused, or could not be asked: then a program is to do it,
 *   which says why not
 */
export type Rtnetlink = (request: Uint8Array) => Promise<boolean>;

const AF_NETLINK = 16;
const SOCK_RAW = 3;
const SOCK_CLOEXEC = 0o2000000;
const NETLINK_ROUTE = 0;
const MSG_DONTWAIT = 0x40;
/** An acknowledgement is 36 bytes; one of an error repeats the request. */
const ANSWER_BYTES = 1024;

/**
 * By the C library of the standalone executable, by way of bun:ffi; undefined with Node, which has no way to such a
 * socket. It costs a quarter of what starting a program costs, and `bridge` lists all devices of the host first.
 *
 * It waits for the kernel's lock of all network devices, as writing to /proc/sys/net does, and no timer of the run
 * fires meanwhile. Where that hangs for ever Xen ends the run after 40 s, without a `hotplug-error`; the link is still
 * down.
 */
export const rtnetlink: Rtnetlink | undefined = process.versions.bun === undefined ? undefined : send;

async function send(request: Uint8Array): Promise<boolean> {
  try {
    opened ??= open();
    if ((await opened)(request)) return true;
    // Nothing that was said to this one may be taken for the answer to another.
    opened = undefined;
    return false;
  } catch {
    // No such library, or no memory for code (a hardened kernel).
    return false;
  }
}

/** Sends a request through a socket, and closes that unless it was done. */
type Ask = (request: Uint8Array) => boolean;

/** One socket for all requests of a run: opening library and socket takes three times as long as a request. */
let opened: Promise<Ask> | undefined;

async function open(): Promise<Ask> {
  const { dlopen } = await import('bun:ffi');
  const { symbols } = dlopen('libc.so.6', {
    socket: { args: ['i32', 'i32', 'i32'], returns: 'i32' },
    send: { args: ['i32', 'ptr', 'u64', 'i32'], returns: 'i64_fast' },
    recv: { args: ['i32', 'ptr', 'u64', 'i32'], returns: 'i64_fast' },
    close: { args: ['i32'], returns: 'i32' },
  });
  const socket = symbols.socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
  return (request) => {
    const sent = symbols.send(socket, request, request.length, 0);
    // The kernel works while it is sent to (net/netlink/af_netlink.c: netlink_rcv_skb): the answer is there.
    const answer = new Uint8Array(ANSWER_BYTES);
    const length = sent === request.length ? symbols.recv(socket, answer, answer.length, MSG_DONTWAIT) : 0;
    const done = isDone(answer.subarray(0, Math.max(0, length)));
    if (!done) symbols.close(socket);
    return done;
  };
}

const NLMSG_HEADER = 16;
const NLMSG_ERROR = 2;

/** True for the acknowledgement of success: struct nlmsgerr with error 0 (linux/netlink.h). */
export function isDone(answer: Uint8Array): boolean {
  const view = new DataView(answer.buffer, answer.byteOffset, answer.byteLength);
  return (
    answer.length >= NLMSG_HEADER + 4 &&
    view.getUint16(4, true) === NLMSG_ERROR &&
    view.getInt32(NLMSG_HEADER, true) === 0
  );
}
