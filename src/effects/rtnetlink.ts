import { errorOf, type Netlink, netlink } from './netlink.ts';

/**
 * Sends one request to the kernel's rtnetlink (rtnetlink(7)). What is in it is made elsewhere: port/fdb-request.ts.
 *
 * @param request a whole message that asks for an acknowledgement
 * @returns true if the kernel has done it; false if it refused, or could not be asked: then a program is to do it,
 *   which says why not
 */
export type Rtnetlink = (request: Uint8Array) => Promise<boolean>;

/** Undefined where the runtime has no way to the kernel: see netlink.ts. */
export const rtnetlink: Rtnetlink | undefined = netlink && rtnetlinkBy(netlink);

function rtnetlinkBy(ask: Netlink): Rtnetlink {
  return async (request) => {
    const answer = await ask('route', request);
    return answer?.length === 1 && errorOf(answer) === 0;
  };
}
