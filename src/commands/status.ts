import type { DropCount } from '../backends/backend.ts';
import { recordedPort, recordedVif, underPolicy } from '../backends/base.ts';
import { type Managed, withKnownRules } from '../backends/choice.ts';
import { readGuestNames } from '../effects/guest-names.ts';
import type { Device } from '../effects/sysfs.ts';
import { asFailure, Failure, failureLine } from '../errors.ts';
import { hasBlocks } from '../filter/own-terms.ts';
import { buildPlan, type FilterSwitch } from '../filter/plan.ts';
import type { Host } from '../host.ts';
import { isGuestPort, parseVifName } from '../net/vif-name.ts';
import { once } from '../once.ts';
import { indexOfGroup } from '../port/guest-group.ts';
import { liveVifs, readOnce } from '../state/present-devices.ts';
import type { VifRecord } from '../state/records.ts';
import { doubleFinder } from '../vif/doubles.ts';
import { type Note, noteTaker } from '../vif/notes.ts';
import { portDamage } from '../vif/port-damage.ts';
import { driftOf } from '../vif/port-drift.ts';
import { type TapPort, unsealedTaps } from '../vif/sealed-tap.ts';

/** What one port looks like to an admin. */
export interface PortStatus {
  readonly name: string;
  readonly device: string;
  /**
   * - `managed`: our rules are loaded for it; - `unmanaged`: a vif* port no run has configured;
   * - `exempt`: the same, unfiltered although the policy closes such ports, because another script started it;
   * - `damaged`: configured, but somebody has changed the port or its rules since.
   */
  readonly state: 'managed' | 'exempt' | 'unmanaged' | 'damaged';
  readonly bridge: string | undefined;
  readonly up: boolean;
  readonly guest: { readonly domid: number; readonly name: string | undefined } | undefined;
  readonly mac: string | undefined;
  readonly addresses: readonly string[];
  readonly mode: VifRecord['mode'] | undefined;
  /** What is not restricted, in words; empty if all is. */
  readonly warnings: readonly string[];
  /** What its admin should know: who else has an address of it, which family is closed. */
  readonly notes: readonly Note[];
  readonly drops: readonly Omit<DropCount, 'ifindex'>[];
  readonly since: string | undefined;
}

/**
 * All ports of guests, or one: read from state and kernel, with one listing of one set of the kernel's tables (that
 * costs the same at any number of rules).
 *
 * @throws Failure `missing` for a port that does not exist
 */
export async function portStatus(given: Host, wanted: string | undefined): Promise<PortStatus[]> {
  const host = withKnownRules(readOnce(given));
  const seen = once(() => seenPorts(host, wanted));
  const drifting = driftOf(host);
  const kernel = await host.rules.look(() => seen().records);
  const { ports, changed } = seen();
  const drops = dropsByPort(kernel.drops);
  const guests = await guestNames(
    host,
    ports.flatMap(({ device, record }) => parseVifName(record?.device ?? device.name)?.domid ?? []),
  );
  const exempt = new Set((host.rules.base()?.exempt ?? []).map((port) => port.ifindex));
  const wrong = await unsealedTaps(
    host,
    ports.flatMap(({ device, record }) => tapOf(host, device, record)),
  );
  const notes = await notesByDevice(
    host,
    ports.flatMap(({ record }) => record ?? []),
  );
  const drift = await drifting;
  return ports.map(({ device, record }) => {
    const domid = parseVifName(record?.device ?? device.name)?.domid;
    const unconfigured = exempt.has(device.ifindex) ? 'exempt' : 'unmanaged';
    const seal = record === undefined ? undefined : wrong.get(record.device);
    const lost = record === undefined ? undefined : (kernel.damages.get(record.device) ?? changed.get(record.device));
    const rules = record === undefined ? unconfigured : lost === undefined ? 'managed' : 'damaged';
    return {
      name: device.name,
      device: record?.device ?? device.name,
      state: seal?.damaged === true ? 'damaged' : rules,
      bridge: device.master,
      up: device.up,
      guest: domid === undefined ? undefined : { domid, name: guests.get(domid) },
      mac: record?.values.mac,
      addresses: record === undefined ? [] : recordAddresses(host, record),
      mode: record?.mode,
      warnings: [
        ...(lost === undefined ? warningsOf(host, device, rules, record) : [damaged(device, lost)]),
        ...(seal === undefined ? [] : [seal.text]),
      ],
      notes: [
        ...(record === undefined || lost !== undefined ? [] : drift(record, device)),
        ...(notes.get(record?.device ?? '') ?? []),
      ],
      drops: drops.get(device.ifindex) ?? [],
      since: record?.since,
    };
  });
}

/**
 * Ports of guests that are there, each with its record, and what somebody has done to them since, by device.
 *
 * @throws Failure `missing`
 */
function seenPorts(
  host: Managed,
  wanted: string | undefined,
): {
  readonly records: readonly VifRecord[];
  readonly ports: readonly { readonly device: Device; readonly record: VifRecord | undefined }[];
  readonly changed: ReadonlyMap<string, string | undefined>;
} {
  const live = liveVifs(host);
  const records = live.map(({ record, device }) => ({ ...record, name: device.name }));
  const changed = new Map(live.map(({ record, device }) => [record.device, portDamage(record, device)]));
  const byIndex = new Map(records.map((record) => [record.ifindex, record]));
  const names = [...new Set([...records.map((record) => record.name), ...host.deviceNames().filter(isGuestPort)])].sort(
    byNumbers,
  );
  const ports = names
    .flatMap((name) => host.readDevice(name) ?? [])
    .map((device) => ({ device, record: byIndex.get(device.ifindex) }))
    .filter(({ device, record }) => wanted === undefined || wanted === device.name || wanted === record?.device);
  if (wanted !== undefined && ports.length === 0) {
    throw new Failure('missing', `there is no port ${wanted}`, { hint: 'vif-bridge status shows all' });
  }
  return { records, ports, changed };
}

/** None where the record makes no sense: that is said elsewhere. */
function tapOf({ log }: Host, { name }: Device, record: VifRecord | undefined): TapPort[] {
  if (record?.type !== 'tap') return [];
  try {
    return [{ vif: recordedVif(record), name }];
  } catch (error) {
    log.say('debug', `${name}: ${failureLine(asFailure(error))}`);
    return [];
  }
}

function dropsByPort(all: readonly DropCount[]): Map<number, PortStatus['drops'][number][]> {
  const drops = new Map<number, PortStatus['drops'][number][]>();
  for (const { ifindex, ...drop } of all) {
    const own = drops.get(ifindex);
    if (own === undefined) drops.set(ifindex, [drop]);
    else own.push(drop);
  }
  return drops;
}

/** vif2.0 before vif10.0. One collator for all: `localeCompare` makes one for each pair. */
const { compare: byNumbers } = new Intl.Collator('en', { numeric: true });

function damaged({ name }: Device, what: string): string {
  return `damaged: ${what}; repair with: vif-bridge reapply ${name}`;
}

function warningsOf(
  host: Managed,
  { name, group = 0 }: Device,
  state: PortStatus['state'],
  record: VifRecord | undefined,
): string[] {
  const takeOver = `take it over with: vif-bridge reapply ${name}`;
  if (state === 'exempt') return [`unfiltered: Xen started it with another script; ${takeOver}`];
  if (state === 'unmanaged') {
    if (indexOfGroup(group) !== undefined) return ['closed: its configuration failed, or it has been offline'];
    return [
      host.policy.unmanaged === 'open'
        ? `unfiltered: no run of this program has configured it (unmanaged = open); ${takeOver}`
        : `closed: no run of this program has configured it (unmanaged = closed); ${takeOver}`,
    ];
  }
  if (record === undefined) return [];
  const mode = modeUnderPolicy(host, record);
  if (record.mode === 'unrestricted') {
    return [`not filtered: ${mode === 'unlocked' ? 'mode = unlocked' : 'no ip= and no_ip = unrestricted'}`];
  }
  if (mode === 'disabled') return ['cut off: mode = disabled'];
  const plan = recordedPort(host, record)?.plan;
  if (plan === undefined) return [];
  const unseen = host.rules.limits(plan).filter((limit) => limit.accepted);
  return [
    ...(record.mode === 'mac-only' ? ['any IP address: no ip= and no_ip = mac-only'] : []),
    ...(record.mode === 'addresses' && hasBlocks(plan.terms) ? ['every address of its blocks'] : []),
    ...unseen.map((limit) => limit.text),
  ];
}

/** Undefined where the record makes no sense, which is said elsewhere. */
function modeUnderPolicy(host: Host, record: VifRecord): FilterSwitch | undefined {
  try {
    return underPolicy(host, record).policy.mode;
  } catch {
    return undefined;
  }
}

/** None where a record makes no sense, which is said elsewhere. */
async function notesByDevice(host: Managed, records: readonly VifRecord[]): Promise<Map<string, readonly Note[]>> {
  const notesOf = noteTaker(host);
  const doublesOf = doubleFinder(host);
  const notes = new Map<string, readonly Note[]>();
  for (const record of records) {
    try {
      const { vif, policy } = underPolicy(host, record);
      const subject = { vif, plan: buildPlan(vif, policy, record.subnetBroadcasts), bridge: record.bridge };
      notes.set(record.device, [...(await doublesOf(subject)), ...notesOf(subject)]);
    } catch (error) {
      host.log.say('debug', `${record.device}: ${failureLine(asFailure(error))}`);
    }
  }
  return notes;
}

function recordAddresses(host: Host, record: VifRecord): string[] {
  try {
    const { addresses } = underPolicy(host, record).vif;
    return [...addresses.ipv4, ...addresses.ipv6].map((prefix) => prefix.text);
  } catch {
    return [];
  }
}

/** Names of guests; without xenstore there are none. */
async function guestNames(host: Host, domids: readonly number[]): Promise<Map<number, string>> {
  if (domids.length === 0) return new Map();
  try {
    return await readGuestNames(host.run, domids);
  } catch (error) {
    host.log.say('debug', `no guest names: ${failureLine(asFailure(error))}`);
    return new Map();
  }
}
