import { withKnownRules, withRules } from '../backends/choice.ts';
import { type BatchLine, runBatch } from '../effects/batch.ts';
import { logAhead } from '../effects/log.ts';
import type { Device } from '../effects/sysfs.ts';
import { readDirectory } from '../effects/xenstore.ts';
import { asFailure, failureLine } from '../errors.ts';
import type { Host } from '../host.ts';
import { parseInterfaceName } from '../net/interface-name.ts';
import { EMULATED } from '../net/vif-name.ts';
import { leaveLines } from '../port/port-setup.ts';
import { leaveRouteLines } from '../port/route-setup.ts';
import { deviceFinder } from '../state/present-devices.ts';
import type { VifRecord } from '../state/records.ts';
import { portNamed } from '../vif/device.ts';
import { isForgotten, makeAllAnew } from '../vif/forgotten.ts';
import { runVifHooks } from '../vif/hooks.ts';
import { forgetAtHost } from '../vif/host-accept.ts';
import { removeVifRules } from '../vif/kind.ts';
import { lockVif } from '../vif/lock.ts';
import { unsealing } from '../vif/sealed-tap.ts';
import type { HotplugEvent } from '../xen/hotplug-event.ts';

/**
 * `offline` of a vif, `remove` of a tap: the port out of service first, then its rules. Each step takes what it finds
 * (the interface is being destroyed while this runs), and nothing that is already gone is an error.
 *
 * Xen ignores a failure here, and would only complain to the admin (libxl_device.c: device_hotplug_child_death_cb): so
 * this reports to syslog and never throws for what it could not do.
 */
export async function offline(host: Host, event: HotplugEvent): Promise<void> {
  await using _vif = await lockVif(host, event.device);
  const record = host.state.readVif(event.device);
  if (record !== undefined && record.ticket > host.ticket) {
    host.log.say('warning', `${event.device}: a newer run has been here already; nothing done`);
    return;
  }
  // A full disk must not keep the link open.
  await attempt(host, event, async () => host.state.writeOffline(event.device, host.ticket));
  const device = await theirDevice(host, event, record);
  const lines = [
    ...(device === undefined ? [] : linesOf(event, record, device.name)),
    ...(event.type === 'tap' ? unsealing(host, event.device) : []),
  ];
  const left = lines.length === 0 ? true : attempt(host, event, () => runBatch(host.run, 'ip', lines));
  // While ip works.
  if (record !== undefined) {
    rulesAhead(host, record);
    logAhead(host);
  }
  await left;
  if (record === undefined) {
    if (event.routed === true) await attempt(host, event, () => removeUnknownRoute(host, event));
    else if (isForgotten(host, event.device, device)) await attempt(host, event, () => removeForgotten(host, event));
    await attempt(host, event, () =>
      runVifHooks(host, event, { name: device?.name ?? event.device, ...NOTHING_KNOWN }),
    );
    return;
  }
  await attempt(host, event, () => forgetAtHost(host, record));
  // What could not be removed stays known: the next run of this vif, or a repair, removes it.
  const removed = await attempt(host, event, () => removeRules(host, record));
  if (removed) {
    host.state.removeVif({ device: record.device, mac: record.values.mac });
    await attempt(host, event, async () => {
      const { rules, routedRules } = await withRules(host, kindOf(record));
      await (record.routed === undefined ? rules : routedRules).leaveAfterLast();
    });
  }
  const { name, values, routed } = record;
  const bridge = routed === undefined ? record.bridge : '';
  await attempt(host, event, () => runVifHooks(host, event, { name, bridge, ip: values.ip ?? '' }));
  if (!removed) return;
  host.log.say('info', `${record.name} is off ${routed === undefined ? bridge : 'its routes'}`);
  host.sendLog();
}

const NOTHING_KNOWN = { bridge: '', ip: '' } as const;

/** The state does not know what is loaded for it: all is made anew, without it. */
async function removeForgotten(given: Host, { device }: HotplugEvent): Promise<void> {
  const host = await withRules(given);
  await makeAllAnew(host, new Set([device]));
  await host.rules.remove({ device, loaded: [], hadIngress: true });
  host.state.removeVif({ device, mac: undefined });
  await host.rules.leaveAfterLast();
  host.log.say('info', `${device}: nothing was known of it; its rules are gone`);
}

async function removeRules(host: Host, record: VifRecord): Promise<void> {
  await removeVifRules(await withRules(host, kindOf(record)), record);
}

function kindOf({ routed }: VifRecord): 'any' | 'routed' {
  return routed === undefined ? 'any' : 'routed';
}

/** Who it was is what it is: the script may have been changed since. */
function linesOf(event: HotplugEvent, record: VifRecord | undefined, name: string): BatchLine[] {
  const routed = record === undefined ? event.routed === true : record.routed !== undefined;
  return routed ? leaveRouteLines(name) : leaveLines(name);
}

/** A chain that an earlier run left would stay with the name of the device (kernel 6.16), and so with the next one. */
async function removeUnknownRoute(given: Host, { device }: HotplugEvent): Promise<void> {
  const { routedRules } = await withRules(given, 'routed');
  if (routedRules.base() === undefined) return;
  await routedRules.remove({ device, loaded: [], hadIngress: false, routedAs: device });
  await routedRules.leaveAfterLast();
}

function rulesAhead(host: Host, { routed }: VifRecord): void {
  try {
    const { rules, routedRules } = withKnownRules(host);
    (routed === undefined ? rules : routedRules).ahead();
  } catch {
    // State that cannot be read: told by what cannot do without.
  }
}

/**
 * The interface this run is about, if it is still there. A late offline of an old domain must not touch the
 * interface of a new one that has its name by now (`vifname=`, reboot).
 */
export async function theirDevice(
  host: Host,
  event: HotplugEvent,
  record: VifRecord | undefined,
): Promise<Device | undefined> {
  if (record !== undefined) return deviceFinder(host)(record);
  // No name is a proof: by vifname= the device of another domain may have either of them.
  const names = [await finalName(host, event), event.device];
  const others = host.state.allVifs().filter(({ device }) => device !== event.device);
  return names
    .map((name) => portNamed(host, name, event.device))
    .find((device) => device !== undefined && !others.some(({ ifindex }) => ifindex === device.ifindex));
}

async function finalName(host: Host, event: HotplugEvent): Promise<string> {
  try {
    const vifname =
      event.xenbus === undefined
        ? event.given.vifname
        : (await readDirectory(host.run, event.xenbus.path))?.get('vifname');
    if (vifname === undefined || vifname === '') return event.device;
    return parseInterfaceName(event.type === 'tap' ? `${vifname}${EMULATED}` : vifname, 'vifname');
  } catch {
    return event.device;
  }
}

/** True if the step went well; if not, the log says why. */
async function attempt(host: Host, event: HotplugEvent, step: () => Promise<unknown>): Promise<boolean> {
  try {
    await step();
    return true;
  } catch (error) {
    host.log.say('err', `${event.command} ${event.device}: ${failureLine(asFailure(error))}`);
    return false;
  }
}
