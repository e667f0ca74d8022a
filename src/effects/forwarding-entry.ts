import type { Host } from '../host.ts';
import { fdbRequest } from '../port/fdb-request.ts';
import type { PortSetup } from '../port/port-setup.ts';

/**
 * Makes the forwarding entry of a pinned port without a program, where that can be.
 *
 * @param ifindex of the port
 * @returns false if `bridge` is to do it (fdbLines)
 */
export async function pinned(host: Pick<Host, 'rtnetlink'>, setup: PortSetup, ifindex: number): Promise<boolean> {
  return setup.binding === 'pinned' && (await host.rtnetlink?.(fdbRequest(ifindex, setup.mac))) === true;
}
