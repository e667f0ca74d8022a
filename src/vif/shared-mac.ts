import type { Managed } from '../backends/choice.ts';
import { type BatchLine, runBatch } from '../effects/batch.ts';
import { asFailure } from '../errors.ts';
import type { Host } from '../host.ts';
import { fdbRequest } from '../port/fdb-request.ts';
import { fdbLines, unpinLines } from '../port/port-setup.ts';
import { isPinned } from '../port/wished-port.ts';
import { deviceFinder } from '../state/present-devices.ts';
import type { VifRecord } from '../state/records.ts';
import type { VifIdentity } from '../xen/vif-identity.ts';
import { type Prepared, twins } from './prepare.ts';

/**
 * Ports with one MAC must all learn, or a pinned one would keep the frames of the other. Each run writes its record
 * before it changes anything and looks here at its end, when its port has joined: whoever of two parallel runs ends
 * last sees the other.
 */
export async function shareWithTwins(host: Managed, prepared: Prepared): Promise<void> {
  if (prepared.setup.binding === 'unpinned') return;
  const all = twins(host, prepared.vif);
  // It was planned for a port that is alone.
  if (all.length > 0 && isPinned(prepared.setup.binding))
    await unpin(
      host,
      { device: prepared.vif.device, name: prepared.setup.name, bridge: prepared.bridge },
      prepared.vif,
    );
  for (const twin of all) {
    host.log.say(
      'info',
      `${prepared.vif.name} and ${twin.name} share the MAC ${prepared.vif.mac}: the bridge learns which one is in use`,
    );
    if (!twin.shared && twin.mode !== 'unrestricted') await unpinTwin(host, twin, prepared.vif);
  }
}

async function unpinTwin(host: Managed, twin: VifRecord, vif: VifIdentity): Promise<void> {
  try {
    await unpin(host, twin, vif);
  } catch (error) {
    if (asFailure(error).code !== 'tool') throw error;
    const present = deviceFinder(host)(twin);
    // It is leaving; or it is on no bridge yet: its own run has not come so far, and looks for twins at its end.
    if (present?.master === undefined) return;
    // It has joined or got its name meanwhile.
    await unpin(host, { ...twin, name: present.name }, vif);
  }
}

/** The record says `shared` when it is done: what a killed run left half done, the next twin or re-apply does again. */
async function unpin(
  host: Managed,
  { device, name, bridge }: Pick<VifRecord, 'device' | 'name' | 'bridge'>,
  { mac }: VifIdentity,
): Promise<void> {
  const lines = unpinLines(name);
  amend(host, device, { ingress: true });
  await host.rules.dropLinkLocal({ device, name, bridge });
  await runBatch(host.run, 'ip', lines.link);
  await runBatch(host.run, 'bridge', lines.fdb(mac));
  amend(host, device, { shared: true });
}

function amend(host: Host, device: string, change: Partial<VifRecord>): void {
  const record = host.state.readVif(device);
  if (record !== undefined) host.state.writeVif({ ...record, ...change });
}

/** True for a port that has a forwarding entry of its own from an earlier run. */
export function wasPinned(host: Host, before: VifRecord | undefined, ifindex: number): boolean {
  return (
    before !== undefined &&
    before.bootId === host.bootId() &&
    before.ifindex === ifindex &&
    before.mode !== 'unrestricted' &&
    !before.shared
  );
}

/**
 * The forwarding entry as it is to be: made, or taken away from a port that was alone with its MAC until now. Where the
 * kernel takes it from this run itself (rtnetlink.ts), it is made by this.
 *
 * @returns what is left for `bridge` to do
 */
export async function enterMac(
  host: Host,
  prepared: Prepared,
  before: VifRecord | undefined,
  ifindex: number,
): Promise<BatchLine[]> {
  const { setup } = prepared;
  if (isPinned(setup.binding) && (await host.rtnetlink?.(fdbRequest(ifindex, setup.mac))) === true) return [];
  return entryLines(host, prepared, before, ifindex);
}

/** The same for `bridge` alone. */
export function entryLines(
  host: Host,
  { setup, vif }: Prepared,
  before: VifRecord | undefined,
  ifindex: number,
): BatchLine[] {
  const unpins = setup.binding === 'shared' && wasPinned(host, before, ifindex);
  return unpins ? unpinLines(setup.name).fdb(vif.mac) : fdbLines(setup);
}
