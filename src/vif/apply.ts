import type { Managed } from '../backends/choice.ts';
import type { BatchLine } from '../effects/batch.ts';
import type { Device } from '../effects/sysfs.ts';
import { type Failures, runTogether } from '../effects/together.ts';
import { asFailure } from '../errors.ts';
import {
  changeLines,
  defaultFlagLines,
  joinLines,
  prepareLines,
  restoreLines,
  upLines,
  vlanLines,
} from '../port/port-setup.ts';
import { readOnce } from '../state/present-devices.ts';
import { trunkOf, type VifRecord } from '../state/records.ts';
import { doubleFinder } from './doubles.ts';
import { knowAll } from './forgotten.ts';
import { type LimitedPort, limitGroups } from './group-limit.ts';
import { type Note, noteTaker } from './notes.ts';
import type { Prepared } from './prepare.ts';
import { inService, noteApplied, plannedPort, writeRecord } from './record.ts';
import { changeOf, enterMac, shareWithTwins } from './shared-mac.ts';

/** A vif that is to be made what is planned for it. */
export interface Wanted {
  readonly prepared: Prepared;
  readonly present: Device;
  /** What an earlier run left. */
  readonly before: VifRecord | undefined;
  readonly record: VifRecord;
}

/** How it is done. */
export interface Manner {
  /** Every link goes down first; else only one that has to, to be renamed. */
  readonly takesDown: boolean;
  /** The devices that have addresses; unless told, any may have some. */
  readonly addressed?: ReadonlySet<string>;
  /** For speed alone: begun while the rules are loaded, and while the port comes up. */
  readonly whileLoading?: () => void;
  readonly whileComingUp?: () => void;
}

/**
 * Makes kernel, ports and state what is planned. Each step is one program for all vifs, and a vif that fails at one
 * takes no part in the next; the others do. One vif or 4000, new or in service: there is no other way.
 *
 * The caller has locked all of them.
 *
 * @returns what failed, by device
 */
export async function apply(given: Managed, vifs: readonly Wanted[], manner: Manner): Promise<Failures> {
  const failures: Failures = new Map();
  const host = readOnce(given);
  const working = (): Wanted[] => vifs.filter(({ record }) => !failures.has(record.device));
  const note = (failed: Failures): void => {
    for (const [device, failure] of failed) failures.set(device, failure);
  };
  const batch = async (tool: 'ip' | 'bridge', linesOf: (vif: Wanted) => readonly BatchLine[]): Promise<void> => {
    const lines = working().map((vif) => ({ device: vif.record.device, lines: linesOf(vif) }));
    note(await runTogether(host.run, tool, lines, (device, what) => host.log.say('warning', `${device}: ${what}`)));
  };

  await knowAll(given, working());
  // Before the kernel is told: a killed run leaves nothing that the next one does not know of.
  for (const { record, before } of working()) writeRecord(host, record, before);
  for (const { prepared, present } of working()) {
    if (!host.disableIpv6(present.name)) {
      host.log.say('warning', `${prepared.vif.name}: /proc/sys is read-only, IPv6 stays on in dom0`);
    }
  }
  // Rules before anything else: they are bound to the interface index, by way of the group. Only an ingress chain is
  // bound to the name (kernel 6.18 detaches it on a rename), so a device that gets another name gets it first. Such a
  // one was never in service: it may go down.
  await batch('ip', ({ prepared: { setup } }) => (setup.rename ? prepareLines(setup) : []));
  const rules = host.rules.load(working().map(({ prepared, before }) => plannedPort(host, prepared, before)));
  manner.whileLoading?.();
  note(await rules);
  await batch('ip', (vif) => joiningLines(host, vif, manner));
  const joined = working().map((vif) => ({ setup: limitsOf(host, vif), ifindex: vif.present.ifindex }));
  await limitGroups(host, joined, manner.takesDown);
  await batch('bridge', ({ prepared: { setup }, present, before }) =>
    vlanLines(setup, before?.ifindex === present.ifindex ? trunkOf(before) : []),
  );
  const left = new Map<Wanted, readonly BatchLine[]>();
  for (const vif of working()) left.set(vif, await enterMac(host, vif.prepared, vif.before, vif.present.ifindex));
  await batch('bridge', (vif) => left.get(vif) ?? []);
  if (working().length > 0) manner.whileComingUp?.();
  await batch('ip', ({ prepared: { setup }, present }) =>
    manner.takesDown || setup.rename || !present.up ? upLines(setup.name) : [],
  );
  const notesOf = noteTaker(host);
  const doublesOf = doubleFinder(host);
  for (const vif of working()) {
    try {
      await finish(given, vif, [...(await doublesOf(vif.prepared)), ...notesOf(vif.prepared)]);
    } catch (error) {
      failures.set(vif.record.device, asFailure(error));
    }
  }
  return failures;
}

/** What makes a port of a device that has its name. */
export function joiningLines(
  host: Pick<Managed, 'bootId'>,
  { prepared, present, before }: Pick<Wanted, 'prepared' | 'present' | 'before'>,
  { takesDown, addressed }: Pick<Manner, 'takesDown' | 'addressed'>,
): BatchLine[] {
  const { setup } = prepared;
  const change = changeOf(host, prepared, before, present.ifindex);
  const preparing = takesDown
    ? prepareLines(setup)
    : restoreLines(setup, { ...present, addressed: addressed?.has(present.name) !== false });
  return [
    ...(setup.rename ? [] : preparing),
    ...joinLines(setup),
    ...(before?.ifindex === present.ifindex ? defaultFlagLines(setup, before.flags ?? {}) : []),
    ...(change === undefined ? [] : changeLines(setup.name, change)),
  ];
}

/** A limit that an earlier run has set is lifted from a port that is not filtered any more. */
function limitsOf(host: Pick<Managed, 'bootId'>, { prepared, before, present }: Wanted): LimitedPort['setup'] {
  const { setup } = prepared;
  return changeOf(host, prepared, before, present.ifindex) === 'unbound' ? { ...setup, maxGroups: 0 } : setup;
}

/** Twins that came meanwhile, the state as it is now, and what the log is to say. */
async function finish(host: Managed, { prepared, present, record }: Wanted, notes: readonly Note[]): Promise<void> {
  await shareWithTwins(host, prepared);
  // Read again: a parallel run of a twin may have marked this port as shared.
  const known = host.state.readVif(record.device);
  const now = known ?? record;
  // Also if somebody has removed it meanwhile.
  const { flags: _, unfinished: _ended, ...rest } = now;
  writeRecord(host, { ...rest, ...inService(prepared, present.ifindex, now) }, known);
  noteApplied(host, prepared, notes);
}
