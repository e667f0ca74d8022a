import { runBatch } from '../effects/batch.ts';
import { CLOSE_MS, REPORT_MS, RUN_MS } from '../effects/deadline.ts';
import { sinceStart } from '../effects/run-start.ts';
import type { Device } from '../effects/sysfs.ts';
import { nodeExists, writeKeys } from '../effects/xenstore.ts';
import { asFailure, type Failure, failureLine } from '../errors.ts';
import type { Host } from '../host.ts';
import { guestGroup } from '../port/guest-group.ts';
import { deviceFinder } from '../state/present-devices.ts';
import { portNamed } from '../vif/device.ts';
import type { HotplugEvent } from '../xen/hotplug-event.ts';
import { offline } from './offline.ts';
import { online } from './online.ts';

/** How to reach the host in one run. */
export interface HotplugHosts {
  /** With the policy; fails if that is broken. */
  readonly working: () => Host | Promise<Host>;
  /** With time of its own, for when the run's is up, and without the policy: it may be `broken`. */
  readonly reporting: (ms: number, broken?: Failure) => Host;
}

/**
 * One run of the hotplug script. On failure the link is closed first, then Xen is told (as by stock's
 * xen-hotplug-common.sh, fatal): `hotplug-error` with one line for the admin, `hotplug-status` = error, and a status
 * that is not 0.
 *
 * @throws the Failure of an online or add, already reported
 */
export async function hotplug(hosts: HotplugHosts, event: HotplugEvent): Promise<void> {
  switch (event.command) {
    case 'online':
    case 'add':
      return join(hosts, event);
    case 'offline':
    case 'remove':
      return leave(hosts, event);
    default:
      return event.command satisfies never;
  }
}

async function join(hosts: HotplugHosts, event: HotplugEvent): Promise<void> {
  let begun = false;
  const begin = (): void => {
    begun = true;
  };
  try {
    await online(await hosts.working(), event, begin);
  } catch (error) {
    const failure = asFailure(error);
    // By hand, what was refused has changed nothing: a slip must not cut off a guest that runs.
    await reportFailure(hosts, event, failure, begun || event.xenbus !== undefined);
    throw failure;
  }
}

/** Xen ignores a failed offline and would only alarm the admin: it ends well, and syslog has the reason. */
async function leave(hosts: HotplugHosts, event: HotplugEvent): Promise<void> {
  const host = await workingOrDefaults(hosts);
  try {
    await offline(host, event);
  } catch (error) {
    host.log.say('err', `${event.command} ${event.device}: ${failureLine(asFailure(error))}`);
  }
}

/** A policy file that somebody broke must not keep a guest's rules alive. */
async function workingOrDefaults(hosts: HotplugHosts): Promise<Host> {
  try {
    return await hosts.working();
  } catch (error) {
    return hosts.reporting(RUN_MS - sinceStart(), asFailure(error));
  }
}

async function reportFailure(
  hosts: HotplugHosts,
  event: HotplugEvent,
  failure: Failure,
  closes: boolean,
): Promise<void> {
  const closing = hosts.reporting(CLOSE_MS);
  closing.log.say('err', `${event.command} ${event.device}: ${failureLine(failure)}`);
  if (closes) await closeLink(closing, event);
  if (event.xenbus === undefined) return;
  // With time of its own: an `ip` that hangs must not keep Xen from being told.
  const host = hosts.reporting(REPORT_MS);
  const { path } = event.xenbus;
  try {
    // A write would bring a directory back that Xen has removed meanwhile.
    if (!(await nodeExists(host.run, `${path}/script`))) return;
    await writeKeys(host.run, [
      [`${path}/hotplug-error`, failureLine(failure)],
      [`${path}/hotplug-status`, 'error'],
    ]);
  } catch (error) {
    host.log.say('err', `cannot tell Xen: ${failureLine(asFailure(error))}`);
  }
}

/**
 * Down, by whatever name it has by now: a guest whose filter is not complete must not talk. In a group of ours, for
 * which nothing is loaded, the rules keep it closed even if somebody else sets it up.
 */
async function closeLink(host: Host, event: HotplugEvent): Promise<void> {
  try {
    const lines = portsOf(host, event.device).flatMap(({ name, ifindex }) => [
      { text: `link set dev ${name} down`, optional: 'link not closed' },
      { text: `link set dev ${name} group ${guestGroup(ifindex)}`, optional: 'not in a group of ours' },
    ]);
    for (const lost of await runBatch(host.run, 'ip', lines)) host.log.say('err', lost);
  } catch (error) {
    host.log.say('err', `link not closed: ${failureLine(asFailure(error))}`);
  }
}

/** The port, by whatever name it has now; what bears its first name may be that of another domain. */
function portsOf(host: Host, device: string): Device[] {
  const record = host.state.readVif(device);
  const recorded = record && deviceFinder(host)(record);
  const ports = [recorded, portNamed(host, device, device)].filter((port) => port !== undefined);
  return [...new Map(ports.map((port) => [port.ifindex, port])).values()];
}
