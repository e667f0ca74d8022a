import { nodeAhead, nodeExists, writeKeys } from '../effects/xenstore.ts';
import { Failure } from '../errors.ts';
import type { Host } from '../host.ts';
import { frontendPath, type HotplugEvent, type XenbusPath } from '../xen/hotplug-event.ts';
import type { Prepared } from './prepare.ts';

/** hotplug-status last: netback lets the guest connect when it reads exactly `connected` (xen-netback/xenbus.c). */
export async function reportConnected(host: Host, prepared: Prepared): Promise<void> {
  const { event, setup, keys } = prepared;
  host.sendLog();
  if (!isReported(event)) return;
  // The guest may have ended while this run waited: a write would bring back the directory that Xen has removed.
  if (!(await nodeExists(host.run, aliveNode(event.xenbus)))) {
    throw new Failure('missing', `xenstore has no ${event.xenbus.path} any more`, {
      hint: 'the guest has ended meanwhile',
    });
  }
  await writeKeys(host.run, connectedKeys(prepared.event, setup.mtu, keys?.get('hotplug-error')));
}

/** For speed alone: begins to ask whether Xen still knows the vif, which `reportConnected` wants to know. */
export function reportAhead(host: Host, event: HotplugEvent): void {
  if (isReported(event)) nodeAhead(host, aliveNode(event.xenbus));
}

/** Only Xen's `online` is answered in xenstore. */
function isReported(event: HotplugEvent): event is HotplugEvent & { readonly xenbus: XenbusPath } {
  return event.xenbus !== undefined && event.command === 'online';
}

/** A node that is there as long as Xen knows the vif. */
function aliveNode(xenbus: XenbusPath): string {
  return `${xenbus.path}/mac`;
}

/** What is written to xenstore when all is well; the MTU tells the guest how large its frames may be (netif.h). */
export function connectedKeys(event: HotplugEvent, mtu: number, earlierError: string | undefined): [string, string][] {
  if (!isReported(event)) return [];
  const { path } = event.xenbus;
  return [
    ...(mtu > 0 ? [[`${frontendPath(event.xenbus)}/mtu`, String(mtu)] as [string, string]] : []),
    ...(earlierError === undefined || earlierError === '' ? [] : [[`${path}/hotplug-error`, ''] as [string, string]]),
    [`${path}/hotplug-status`, 'connected'],
  ];
}
