import type { Managed } from '../backends/choice.ts';
import { type BatchLine, runBatch } from '../effects/batch.ts';
import { asFailure } from '../errors.ts';
import type { Host } from '../host.ts';
import { fdbRequest } from '../port/fdb-request.ts';
import { fdbLines, unpinLines } from '../port/port-setup.ts';
import { heldMacs, isPinned } from '../port/wished-port.ts';
import { deviceFinder } from '../state/present-devices.ts';
import { isUnbound, leftAs, macsOf, type VifRecord } from '../state/records.ts';
import { type Prepared, twins } from './prepare.ts';

/**
 * Ports with one MAC must all learn, or a pinned one would keep the frames of the other. Each run writes its record
 * before it changes anything and looks here at its end, when its port has joined: whoever of two parallel runs ends
 * last sees the other.
 */
export async function shareWithTwins(host: Managed, prepared: Prepared): Promise<void> {
  if (prepared.setup.binding === 'unpinned') return;
  const macs = heldMacs(prepared.plan.macs);
  const all = twins(host, prepared.vif, macs);
  // It was planned for a port that is alone.
  if (all.length > 0 && isPinned(prepared.setup.binding))
    await unpin(host, { device: prepared.vif.device, name: prepared.setup.name, bridge: prepared.bridge }, macs);
  for (const twin of all) {
    const both = heldMacs(macsOf(twin)).filter((mac) => macs.some((own) => own === mac));
    host.log.say(
      'info',
      `${prepared.vif.name} and ${twin.name} share the MAC ${both.join(' ')}: the bridge learns which one is in use`,
    );
    if (!twin.shared && !isUnbound(twin)) await unpinTwin(host, twin);
  }
}

async function unpinTwin(host: Managed, twin: VifRecord): Promise<void> {
  try {
    await unpin(host, twin, macsOf(twin));
  } catch (error) {
    if (asFailure(error).code !== 'tool') throw error;
    const present = deviceFinder(host)(twin);
    // It is leaving; or it is on no bridge yet: its own run has not come so far, and looks for twins at its end.
    if (present?.master === undefined) return;
    // It has joined or got its name meanwhile.
    await unpin(host, { ...twin, name: present.name }, macsOf(twin));
  }
}

/** The record says `shared` when it is done: what a killed run left half done, the next twin or re-apply does again. */
async function unpin(
  host: Managed,
  { device, name, bridge }: Pick<VifRecord, 'device' | 'name' | 'bridge'>,
  macs: readonly string[],
): Promise<void> {
  const lines = unpinLines(name);
  amend(host, device, { ingress: true });
  await host.rules.dropLinkLocal({ device, name, bridge });
  await runBatch(host.run, 'ip', lines.link);
  await runBatch(host.run, 'bridge', lines.fdb(macs));
  amend(host, device, { shared: true });
}

function amend(host: Host, device: string, change: Partial<VifRecord>): void {
  const record = host.state.readVif(device);
  if (record !== undefined) host.state.writeVif({ ...record, ...change });
}

/** What has become of a port in service since its last run: it was filtered then and is not now, or the other way. */
export function changeOf(
  host: Pick<Host, 'bootId'>,
  { setup }: Pick<Prepared, 'setup'>,
  before: VifRecord | undefined,
  ifindex: number,
): 'bound' | 'unbound' | undefined {
  if (before === undefined || before.bootId !== host.bootId() || before.ifindex !== ifindex) return undefined;
  const now = setup.binding === 'unpinned' ? 'unbound' : 'bound';
  return leftAs(before) === now && before.unfinished === undefined ? undefined : now;
}

/** True for a port that has a forwarding entry of its own from an earlier run. */
export function wasPinned(host: Pick<Host, 'bootId'>, before: VifRecord | undefined, ifindex: number): boolean {
  return (
    before !== undefined &&
    before.bootId === host.bootId() &&
    before.ifindex === ifindex &&
    leftAs(before) === 'bound' &&
    !before.shared
  );
}

/**
 * The forwarding entries as they are to be: made, or taken away from a port that was alone with a MAC until now, or has
 * it no more. Where the kernel takes them from this run itself (rtnetlink.ts), they are made by this.
 *
 * @returns what is left for `bridge` to do
 */
export async function enterMac(
  host: Host,
  prepared: Prepared,
  before: VifRecord | undefined,
  ifindex: number,
): Promise<BatchLine[]> {
  const { entries, name } = prepared.setup;
  for (const { mac } of entries) {
    if ((await host.rtnetlink?.(fdbRequest(ifindex, mac))) !== true) return entryLines(host, prepared, before, ifindex);
  }
  return unpinLines(name).fdb(formerEntries(host, prepared, before, ifindex));
}

/** The same for `bridge` alone. */
export function entryLines(
  host: Pick<Host, 'bootId'>,
  prepared: Prepared,
  before: VifRecord | undefined,
  ifindex: number,
): BatchLine[] {
  const { setup } = prepared;
  return [...unpinLines(setup.name).fdb(formerEntries(host, prepared, before, ifindex)), ...fdbLines(setup)];
}

/** The MACs whose entries an earlier run made, and that are to have none. */
function formerEntries(
  host: Pick<Host, 'bootId'>,
  { setup }: Prepared,
  before: VifRecord | undefined,
  ifindex: number,
): readonly string[] {
  if (before === undefined || !wasPinned(host, before, ifindex)) return [];
  const held = { values: before.values, loaded: before.loaded.filter((terms) => terms.ifindex === ifindex) };
  return heldMacs(macsOf(held)).filter((mac) => !setup.entries.some((entry) => entry.mac === mac));
}
