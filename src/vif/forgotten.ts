import { lockBase } from '../backends/base.ts';
import type { Managed } from '../backends/choice.ts';
import { holding } from '../effects/lock.ts';
import type { Device } from '../effects/sysfs.ts';
import { asFailure, failureLine } from '../errors.ts';
import type { Host } from '../host.ts';
import { parseDeviceName, parseInterfaceName } from '../net/interface-name.ts';
import { parseVifName } from '../net/vif-name.ts';
import { firstName } from '../port/device-owner.ts';
import { isInOurService } from '../port/guest-group.ts';
import { type DeviceView, liveVifs, readOnce } from '../state/present-devices.ts';
import type { VifRecord } from '../state/records.ts';
import { type HotplugEvent, parseXenbusPath, xenbusOfDevice, xenbusOfVif } from '../xen/hotplug-event.ts';
import { identified, prepareIdentified } from './prepare.ts';
import { recordOf } from './record.ts';
import { type Source, sourceOfAll } from './source.ts';

/**
 * Vifs that a run of ours has put into service and of which the state knows nothing any more: somebody removed it, or
 * it cannot be read. The kernel still holds rules for them, and only xenstore can say what they are to be.
 */

/**
 * True for a vif without a record that has, or may have, rules in the kernel.
 *
 * @param present its device, if that is known
 */
export function isForgotten(host: Pick<Host, 'state'>, device: string, present: Device | undefined): boolean {
  return (present !== undefined && isInOurService(present)) || host.state.useless().unreadable.includes(device);
}

/** A port of a guest, by the name that it had first. */
export interface UnrecordedPort {
  readonly first: string;
  readonly device: Device;
}

/**
 * Ports of guests on a bridge, without those that are known.
 *
 * @param known their interface indices
 */
export function unrecordedPorts(host: DeviceView, known: ReadonlySet<number>): UnrecordedPort[] {
  return host
    .deviceNames()
    .flatMap((name) => host.readDevice(name) ?? [])
    .filter((device) => device.master !== undefined && !known.has(device.ifindex))
    .flatMap((device) => {
      const first = firstName(device);
      return first === undefined ? [] : [{ first, device }];
    });
}

/** The ports of ours that no record knows. */
function forgottenPorts(given: Host): UnrecordedPort[] {
  const host = readOnce(given);
  const known = new Set(liveVifs(host).map(({ device }) => device.ifindex));
  return unrecordedPorts(host, known).filter(({ device }) => isInOurService(device));
}

/**
 * What is loaded is not what the records say: the next change of the rules makes all anew from them. So that this cuts
 * off nobody, those that were forgotten have a record again before, as xenstore has them.
 *
 * @param own the vifs that the caller is at work on
 */
export async function makeAllAnew(host: Managed, own: ReadonlySet<string>): Promise<void> {
  await rememberForgotten(host, own);
  await holding(await lockBase(host), async () => host.rules.distrust());
}

/** Before rules are changed: whatever the state has lost is in it again, or is made anew. */
export async function knowAll(host: Managed, vifs: readonly Known[]): Promise<void> {
  const own = new Set(vifs.map(({ record }) => record.device));
  const forgotten = vifs.some(
    ({ record, present, before }) => before === undefined && isForgotten(host, record.device, present),
  );
  if (forgotten) await makeAllAnew(host, own);
  else if (host.rules.base() === undefined) await rememberForgotten(host, own);
}

/** Before what all share is repaired: where nothing is known of it, it is made anew with everybody who is known. */
export async function knowBase(host: Managed): Promise<void> {
  if (host.rules.base() === undefined) await rememberForgotten(host, new Set());
}

/** A vif that is to be configured, and what an earlier run has left of it. */
interface Known {
  readonly record: Pick<VifRecord, 'device'>;
  readonly present: Device;
  readonly before: VifRecord | undefined;
}

/** Gives forgotten vifs their records again, as far as xenstore knows them. What a run is at work on is left to it. */
export async function rememberForgotten(host: Managed, own: ReadonlySet<string>): Promise<void> {
  const busy = new Set(host.locks.claimed());
  const forgotten = forgottenPorts(host).filter(({ first }) => !own.has(first) && !busy.has(first));
  if (forgotten.length === 0) return;
  const source = await sourceOfAll(
    host,
    forgotten.flatMap(({ first }) => xenbusOfDevice(first) ?? []),
  );
  for (const { first, device } of forgotten) {
    try {
      await rememberOne(host, first, device, source);
    } catch (error) {
      host.log.say('err', `${device.name} stays closed, as nothing is known of it: ${failureLine(asFailure(error))}`);
    }
  }
}

async function rememberOne(host: Managed, first: string, present: Device, source: Source): Promise<void> {
  const device = parseDeviceName(first, 'the device');
  const vif = parseVifName(device);
  if (vif === undefined) return;
  const type = vif.emulated ? 'tap' : 'vif';
  const xenbus = parseXenbusPath(xenbusOfVif(vif));
  const event: HotplugEvent = { command: vif.emulated ? 'add' : 'online', type, device, xenbus, given: {} };
  const who = identified(event, await source.keys(xenbus.path), await source.guest(xenbus.domid));
  const named = { ...who, vif: { ...who.vif, name: parseInterfaceName(present.name, 'the device') } };
  const prepared = prepareIdentified(host, event, present, named);
  // Before all runs: one of Xen's that is waiting decides.
  host.state.writeVif(recordOf({ ...host, ticket: 0 }, prepared, present, undefined));
  host.log.say('warning', `${present.name}: the state had lost it; it is known again from xenstore`);
}
