import { readDirectoriesBelow, type XenstoreKeys } from '../effects/xenstore.ts';
import { asFailure, failureLine } from '../errors.ts';
import type { Host } from '../host.ts';
import { isGuestPort } from '../net/vif-name.ts';
import { firstName } from '../port/device-owner.ts';
import { xenbusOfDevice } from '../xen/hotplug-event.ts';

/** A port as a base remembers it. */
export interface NamedPort {
  readonly name: string;
  readonly ifindex: number;
}

/** Where Xen has the directories of all vifs, relative to the own domain. */
const VIFS = 'backend/vif';

/**
 * Ports of guests, on a bridge, that Xen started with another script than this program: not ours to close. Who has no
 * `script`, or ours, is none of them; nor is anybody while xenstore does not answer.
 *
 * @param managed the interface indices of ports that are ours
 */
export async function foreignPorts(host: Host, managed: ReadonlySet<number>): Promise<NamedPort[]> {
  const strangers = host
    .deviceNames()
    .filter(isGuestPort)
    .flatMap((name) => host.readDevice(name) ?? [])
    .filter((device) => device.master !== undefined && !managed.has(device.ifindex));
  if (strangers.length === 0) return [];
  const keysOf = await vifKeys(host);
  return strangers.flatMap((device) => {
    const { name, ifindex } = device;
    const path = xenbusOfDevice(firstName(device) ?? name);
    const script = path === undefined ? undefined : keysOf(path)?.get('script');
    return script === undefined || script === '' || host.isOwnScript(script) ? [] : [{ name, ifindex }];
  });
}

/** Nothing is known of any where xenstore cannot be read. */
async function vifKeys(host: Host): Promise<(path: string) => XenstoreKeys | undefined> {
  try {
    const read = await readDirectoriesBelow(host.run, VIFS);
    return (path) => {
      try {
        return read(path);
      } catch {
        // It was being made or removed while all were read.
        return undefined;
      }
    };
  } catch (error) {
    const why = failureLine(asFailure(error));
    host.log.say('warning', `which script started the unmanaged ports is not known, they are closed (${why})`);
    return () => undefined;
  }
}
