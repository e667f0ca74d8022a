import type { PlannedPort } from '../backends/backend.ts';
import type { Managed } from '../backends/choice.ts';
import type { Device } from '../effects/sysfs.ts';
import { type DeviceLines, type Failures, runTogether } from '../effects/together.ts';
import { asFailure, Failure } from '../errors.ts';
import type { LoadedTerms } from '../filter/own-terms.ts';
import type { Host } from '../host.ts';
import type { InterfaceName } from '../net/interface-name.ts';
import { type Identified, type Prepared, prepareIdentified, twins } from '../pipeline.ts';
import { joinLines, prepareLines, upLines } from '../port/port-setup.ts';
import { tapSeal } from '../port/tap-seal.ts';
import { deviceFinder, type FindDevice, readOnce } from '../state/present-devices.ts';
import type { VifRecord } from '../state/records.ts';
import type { HotplugEvent } from '../xen/hotplug-event.ts';
import type { VifIdentity } from '../xen/vif-identity.ts';
import { collision, endExemptions, inService, isRenamed, noteApplied, recordOf } from './online.ts';
import { sealTap } from './sealed-tap.ts';
import { enterMac, shareWithTwins } from './shared-mac.ts';

/** A vif that is to be renewed: the event that its `online` would be, and who it is. */
export interface Renewable {
  readonly event: HotplugEvent;
  readonly who: Identified;
}

/** A vif on its way through the steps. */
interface Port {
  readonly device: string;
  readonly prepared: Prepared;
  readonly present: Device;
  readonly before: VifRecord | undefined;
  readonly record: VifRecord;
}

/**
 * Makes rules, ports and state of vifs what their `online` would make of them now, without taking a link down. Each
 * step is one program for all of them, and a vif that fails at one takes no part in the next; the others do.
 *
 * The caller has locked all of them. One vif or 4000: there is no other way to re-apply.
 *
 * @returns what failed, by device
 */
export async function renew(given: Managed, vifs: readonly Renewable[]): Promise<Failures> {
  const failures: Failures = new Map();
  // It makes other devices of them.
  for (const { event, who } of vifs) {
    try {
      await sealTap(given, who.vif);
    } catch (error) {
      failures.set(event.device, asFailure(error));
    }
  }
  const host = readOnce(given);
  const sealed = vifs.filter(({ event }) => !failures.has(event.device));
  const ports = planAll(host, sealed, failures);
  const working = (): Port[] => ports.filter((port) => !failures.has(port.device));
  const note = (failed: Failures): void => {
    for (const [device, failure] of failed) failures.set(device, failure);
  };
  const batch = async (tool: 'ip' | 'bridge', linesOf: (port: Port) => DeviceLines['lines']): Promise<void> => {
    const lines = working().map((port) => ({ device: port.device, lines: linesOf(port) }));
    note(await runTogether(host.run, tool, lines, (device, what) => host.log.say('warning', `${device}: ${what}`)));
  };

  // Before the kernel is told: a killed run leaves nothing that the next one does not know of.
  for (const port of working()) write(host, port.record, port.before);
  for (const { prepared, present } of working()) {
    if (!host.disableIpv6(present.name)) {
      host.log.say('warning', `${prepared.vif.name}: /proc/sys is read-only, IPv6 stays on in dom0`);
    }
  }
  // A port that still has its first name was never in service: it may go down to be renamed, and before its rules,
  // because an ingress chain is bound to the name.
  await batch('ip', ({ prepared: { setup } }) => (setup.rename ? prepareLines(setup) : []));
  note(await loadAll(host, working()));
  await batch('ip', ({ prepared: { setup } }) => joinLines(setup));
  const left = new Map<Port, DeviceLines['lines']>();
  for (const port of working()) {
    left.set(port, await enterMac(host, port.prepared, port.before, port.present.ifindex));
  }
  await batch('bridge', (port) => left.get(port) ?? []);
  await batch('ip', ({ prepared: { setup }, present }) => (setup.rename || !present.up ? upLines(setup.name) : []));
  for (const port of working()) {
    try {
      await finish(given, port);
    } catch (error) {
      failures.set(port.device, asFailure(error));
    }
  }
  return failures;
}

/** What each is to become. Nothing is changed yet; who has bad input is left as it was. */
function planAll(host: Managed, vifs: readonly Renewable[], failures: Failures): Port[] {
  const find = deviceFinder(host);
  const macs = new Map<string, number>();
  for (const { who } of vifs) macs.set(who.vif.mac, (macs.get(who.vif.mac) ?? 0) + 1);
  return vifs.flatMap(({ event, who }): Port[] => {
    const { device } = event;
    try {
      const before = host.state.readVif(device);
      const present = presentDevice(host, find, who.vif, before);
      const vif = { ...who.vif, name: nameInService(who.vif, present) };
      const hasTwin = (macs.get(vif.mac) ?? 0) > 1 || twins(host, vif, find).length > 0;
      const prepared = prepareIdentified(host, event, present, { ...who, vif }, hasTwin);
      // It stands where the run stands that it repeats (see reapply.ts); where there is none, before all runs: an
      // offline may have been started before this, and be waiting.
      const ticket = before?.bootId === host.bootId() ? before.ticket : 0;
      const record = recordOf({ ...host, ticket }, prepared, present, before);
      return [{ device, prepared, present, before, record: { ...record, loaded: distinct(record.loaded) } }];
    } catch (error) {
      failures.set(device, asFailure(error));
      return [];
    }
  });
}

/** The device of a vif in service: the one that was configured, whatever it is called now; else by its names. */
function presentDevice(host: Host, find: FindDevice, vif: VifIdentity, before: VifRecord | undefined): Device {
  const known = before && find(before);
  // The tap that was the port is behind it now.
  if (known !== undefined && known.name !== tapSeal(vif.device)?.raw) return known;
  const first = host.readDevice(vif.device);
  const named = vif.name === vif.device ? undefined : host.readDevice(vif.name);
  if (first !== undefined && named === undefined) return first;
  if (first === undefined && named !== undefined && isRenamed(named, vif.device)) return named;
  if (named !== undefined) throw collision(vif);
  throw new Failure('missing', `there is no interface ${vif.name}`, { hint: 'is the guest running?' });
}

/** Its final name if it has that, or is to get it; a name that somebody else gave it is left to it. */
function nameInService(vif: VifIdentity, present: Device): InterfaceName {
  // The kernel has it, so it is one.
  return present.name === vif.name || present.name === vif.device ? vif.name : (present.name as InterfaceName);
}

/** One transaction for all of them. */
async function loadAll(host: Managed, ports: readonly Port[]): Promise<Failures> {
  const exempt = new Set(host.rules.base()?.exempt.map((port) => port.ifindex));
  const planned = ports.map(({ prepared, before, present: { ifindex } }): PlannedPort => {
    const known = before?.bootId === host.bootId() ? before.loaded : [];
    return {
      port: { ...prepared.port, ifindex },
      plan: prepared.plan,
      loaded: known,
      hadIngress: before?.ingress === true,
    };
  });
  const failures = await host.rules.loadAll(planned);
  const taken = ports.filter(({ device, present }) => exempt.has(present.ifindex) && !failures.has(device));
  await endExemptions(host, new Set(taken.map(({ present }) => present.ifindex)));
  return failures;
}

/** Twins that came meanwhile, the state as it is now, and what the log is to say. */
async function finish(host: Managed, { prepared, present, record }: Port): Promise<void> {
  await shareWithTwins(host, prepared);
  const now = host.state.readVif(record.device) ?? record;
  write(host, { ...now, ...inService(prepared, present.ifindex, now) }, now);
  noteApplied(host, prepared);
}

/** Writes a record if it says anything new: `since` is the time of the last change. */
function write(host: Host, record: VifRecord, before: VifRecord | undefined): void {
  const text = (one: VifRecord | undefined): string => JSON.stringify({ ...one, since: '' });
  if (text(record) !== text(before)) host.state.writeVif(record);
}

function distinct(loaded: readonly LoadedTerms[]): LoadedTerms[] {
  return [...new Map(loaded.map((terms) => [JSON.stringify(terms), terms])).values()];
}
