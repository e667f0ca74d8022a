import type { Managed } from '../backends/choice.ts';
import { runBatch } from '../effects/batch.ts';
import type { Device } from '../effects/sysfs.ts';
import { asFailure, Failure, failureLine } from '../errors.ts';
import { parseDeviceName, parseInterfaceName } from '../net/interface-name.ts';
import { parseVifName } from '../net/vif-name.ts';
import { firstName } from '../port/device-owner.ts';
import { isInRoutedService } from '../port/guest-group.ts';
import { leaveRouteLines } from '../port/route-setup.ts';
import { liveVifs } from '../state/present-devices.ts';
import { type HotplugEvent, parseXenbusPath, xenbusOfVif } from '../xen/hotplug-event.ts';
import { identified } from './prepare.ts';
import { recordOf } from './record.ts';
import { planRoute, routedAddresses } from './routed-plan.ts';
import { sourceOfOne } from './source.ts';
import { readUplink } from './uplink.ts';

/**
 * Routed vifs that a run of ours has put into service, and of which the state knows nothing any more. Where the tables
 * are made anew they would be in none of them, and pass unfiltered: so they have a record again before, as xenstore has
 * them; who cannot have one loses his link.
 *
 * @param own the vifs that the caller is at work on
 */
export async function rememberRoutes(host: Managed, own: ReadonlySet<string>): Promise<void> {
  const known = new Set(liveVifs(host).map(({ device }) => device.ifindex));
  const busy = new Set(host.locks.claimed());
  for (const device of host.deviceNames().flatMap((name) => host.readDevice(name) ?? [])) {
    const first = isInRoutedService(device) && !known.has(device.ifindex) ? firstName(device) : undefined;
    // What a run is at work on is left to it.
    if (first === undefined || own.has(first) || busy.has(first)) continue;
    try {
      await rememberOne(host, first, device);
      host.log.say('warning', `${device.name}: the state had lost it; it is known again from xenstore`);
    } catch (error) {
      host.log.say('err', `${device.name} is closed, as nothing is known of it: ${failureLine(asFailure(error))}`);
      await runBatch(host.run, 'ip', leaveRouteLines(device.name));
    }
  }
}

async function rememberOne(host: Managed, first: string, present: Device): Promise<void> {
  const device = parseDeviceName(first, 'the device');
  const named = parseVifName(device);
  if (named === undefined) throw new Failure('missing', `${device} is no name of Xen's`);
  const type = named.emulated ? 'tap' : 'vif';
  const xenbus = parseXenbusPath(xenbusOfVif(named));
  const event: HotplugEvent = {
    ...{ command: named.emulated ? 'add' : 'online', type, device, xenbus, given: {} },
    routed: true,
  };
  const source = sourceOfOne(host);
  const who = identified(event, await source.keys(xenbus.path), await source.guest(xenbus.domid));
  const vif = { ...who.vif, name: parseInterfaceName(present.name, 'the device') };
  const uplink = await readUplink(host, vif.uplink, routedAddresses(host, who));
  const prepared = planRoute(host, { ...who, vif }, event, uplink, present);
  // Before all runs: one of Xen's that is waiting decides.
  host.state.writeVif(recordOf({ ...host, ticket: 0 }, prepared, present, undefined));
}
