import { type Managed, withRules } from '../backends/choice.ts';
import { batchAhead, runBatch } from '../effects/batch.ts';
import { holding } from '../effects/lock.ts';
import { logAhead } from '../effects/log.ts';
import type { Device } from '../effects/sysfs.ts';
import { nameLock, takeVifLock } from '../effects/vif-lock.ts';
import { directoryAhead, nodeAhead, nodeExists, writeKeys } from '../effects/xenstore.ts';
import { Failure } from '../errors.ts';
import type { LoadedTerms } from '../filter/own-terms.ts';
import type { Host } from '../host.ts';
import { definedValues, identify, type Prepared, prepareIdentified } from '../pipeline.ts';
import { joinLines, prepareLines, upLines } from '../port/port-setup.ts';
import type { VifRecord } from '../state/records.ts';
import { type BackendPath, frontendPath, type HotplugEvent } from '../xen/hotplug-event.ts';
import type { VifIdentity } from '../xen/vif-identity.ts';
import { sealTap } from './sealed-tap.ts';
import { enterMac, shareWithTwins, wasPinned } from './shared-mac.ts';

const LOCK_MS = 15_000;
/** The kernel announces a vif before it creates it (Linux 5.6 and later, contract §1.9). */
const DEVICE_MS = 8_000;
const POLL_MS = 20;

/**
 * `online` of a vif, `add` of a tap: rules first, then the port, up last, then tell Xen.
 *
 * Everything that can be refused is refused before anything is changed. The caller closes the link if this throws.
 */
export async function online(given: Host, event: HotplugEvent): Promise<void> {
  const host = await withRules(given);
  await withVifLock(host, event, async () => {
    // First what takes longest where there are many devices. xenstore is read under the lock: a re-apply that had it
    // meanwhile may have read something newer.
    if (event.type === 'vif' && host.rtnetlink === undefined) batchAhead(host, 'bridge');
    if (event.backend !== undefined) directoryAhead(host, event.backend.path);
    if (host.rules.base() !== undefined) host.rules.ahead();
    const identified = await identify(host, event);
    if (overtaken(host, event.device)) return;
    await withNameLock(host, identified.vif, async () => {
      const device = await waitForPort(host, identified.vif);
      const prepared = await prepareIdentified(host, event, device, identified);
      await apply(host, prepared, device);
      await reportConnected(host, prepared);
    });
  });
}

/**
 * Makes kernel and port what `prepared` says; the link goes down first. A re-apply, which takes none down, is
 * renewal.ts.
 */
async function apply(host: Managed, prepared: Prepared, device: Device): Promise<void> {
  const { vif, setup } = prepared;
  const before = host.state.readVif(vif.device);
  const record = recordOf(host, prepared, device, before);
  host.state.writeVif(record);

  if (!host.disableIpv6(device.name)) {
    host.log.say('warning', `${vif.name}: /proc/sys is read-only, IPv6 stays on in dom0`);
  }
  // Rules before anything else: they are bound to the interface index, by way of the group. Only an ingress chain is
  // bound to the name (kernel 6.18 detaches it on a rename), so a device that gets another name gets it first.
  const prepare = prepareLines(setup);
  const early = setup.rename ? await runBatch(host.run, 'ip', prepare) : [];
  const rules = loadRules(host, prepared, before, device.ifindex);
  // While nft works. What only closes and tidies the port need not wait for the rules.
  batchAhead(host, 'ip', setup.rename ? [] : prepare);
  batchAhead(host, 'ip');
  logAhead(host);
  await rules;
  const prepareAndJoin = [...(setup.rename ? [] : prepare), ...joinLines(setup)];
  const lost = [
    ...early,
    ...(await runBatch(host.run, 'ip', prepareAndJoin)),
    ...(await runBatch(host.run, 'bridge', await enterMac(host, prepared, before, device.ifindex))),
    ...(await goUp(host, prepared)),
  ];
  for (const text of lost) host.log.say('warning', `${vif.name}: ${text}`);
  await shareWithTwins(host, prepared);

  // Read again: a parallel run of a twin may have marked this port as shared.
  const now = host.state.readVif(vif.device) ?? record;
  host.state.writeVif({ ...now, ...inService(prepared, device.ifindex, now) });
  noteApplied(host, prepared);
}

/** What the record says at the end of a run, which the state `now` may know better: a twin may have marked the port. */
export function inService(prepared: Prepared, ifindex: number, now: VifRecord): Partial<VifRecord> {
  const shared = now.shared || prepared.setup.binding === 'shared';
  return { loaded: [loadedTerms(prepared, ifindex)], shared, ingress: shared || prepared.port.ingress };
}

/** What the log is to say of a vif that is in service now. */
export function noteApplied(host: Managed, prepared: Prepared): void {
  const { vif, setup } = prepared;
  for (const note of vif.addresses.notes) host.log.say('info', `${vif.name}: ${note}`);
  for (const { text } of host.rules.limits(prepared.plan)) host.log.say('info', `${vif.name}: ${text}`);
  if (setup.quietLinkLocal && setup.binding === 'pinned') {
    host.log.say(
      'warning',
      `${vif.name}: STP is on, and ebtables does not see its frames: only root_block is in their way`,
    );
  }
  host.log.say('info', `${vif.name} on ${prepared.bridge}: ${describe(prepared)}`);
}

/** The port into service; whether Xen still knows the vif is asked at the same time, for what follows. */
async function goUp(host: Host, { event, setup }: Prepared): Promise<string[]> {
  if (isReported(event)) nodeAhead(host, aliveNode(event.backend));
  return runBatch(host.run, 'ip', upLines(setup.name));
}

async function loadRules(
  host: Managed,
  prepared: Prepared,
  before: VifRecord | undefined,
  ifindex: number,
): Promise<void> {
  const exempt = host.rules.base()?.exempt.some((port) => port.ifindex === ifindex) === true;
  const loaded = before?.bootId === host.bootId() ? before.loaded : [];
  const port = { ...prepared.port, ifindex };
  await host.rules.load({ port, plan: prepared.plan, loaded, hadIngress: before?.ingress === true });
  if (exempt) await endExemptions(host, new Set([ifindex]));
}

/** Ports that are taken over must not become exempt again when the base is repaired. */
export async function endExemptions(host: Host, taken: ReadonlySet<number>): Promise<void> {
  if (taken.size === 0) return;
  await holding(await host.takeLock('base', LOCK_MS), async () => {
    const base = host.state.readBase();
    if (base !== undefined) {
      host.state.writeBase({ ...base, exempt: base.exempt.filter((port) => !taken.has(port.ifindex)) });
    }
  });
}

export function recordOf(host: Managed, prepared: Prepared, device: Device, before: VifRecord | undefined): VifRecord {
  const { vif, event } = prepared;
  return {
    schema: 1,
    bootId: host.bootId(),
    device: vif.device,
    name: vif.name,
    type: vif.type,
    bridge: prepared.bridge,
    // The MAC as it was read: the state finds the ports that share it by its text.
    values: definedValues({ ...prepared.values, mac: vif.mac }),
    xenbus: event.backend?.path ?? event.savedPath,
    mode: prepared.plan.mode,
    backend: host.rules.name,
    subnetBroadcasts: prepared.subnetBroadcasts,
    // Until its forwarding entry is gone it counts as pinned.
    shared: prepared.setup.binding === 'shared' && !wasPinned(host, before, device.ifindex),
    ingress: prepared.port.ingress || before?.ingress === true,
    ifindex: device.ifindex,
    loaded: [...(before?.bootId === host.bootId() ? before.loaded : []), loadedTerms(prepared, device.ifindex)],
    ticket: Math.max(host.ticket, before?.bootId === host.bootId() ? before.ticket : 0),
    since: host.now(),
  };
}

export function loadedTerms(prepared: Prepared, ifindex: number): LoadedTerms {
  const { values, flags } = prepared.plan.terms;
  return { ifindex, values, flags };
}

/** hotplug-status last: netback lets the guest connect when it reads exactly `connected` (contract §1.9). */
async function reportConnected(host: Host, prepared: Prepared): Promise<void> {
  const { event, setup, keys } = prepared;
  host.sendLog();
  if (!isReported(event)) return;
  // The guest may have ended while this run waited: a write would bring back the directory that Xen has removed.
  if (!(await nodeExists(host.run, aliveNode(event.backend)))) {
    throw new Failure('missing', `xenstore has no ${event.backend.path} any more`, {
      hint: 'the guest has ended meanwhile',
    });
  }
  await writeKeys(host.run, connectedKeys(prepared.event, setup.mtu, keys?.get('hotplug-error')));
}

/** Only Xen's `online` is answered in xenstore. */
function isReported(event: HotplugEvent): event is HotplugEvent & { readonly backend: BackendPath } {
  return event.backend !== undefined && event.command === 'online';
}

/** A node that is there as long as Xen knows the vif. */
function aliveNode(backend: BackendPath): string {
  return `${backend.path}/mac`;
}

/** What is written to xenstore when all is well; the MTU tells the guest how large its frames may be (netif.h). */
export function connectedKeys(event: HotplugEvent, mtu: number, earlierError: string | undefined): [string, string][] {
  if (!isReported(event)) return [];
  const { path } = event.backend;
  return [
    ...(mtu > 0 ? [[`${frontendPath(event.backend)}/mtu`, String(mtu)] as [string, string]] : []),
    ...(earlierError === undefined || earlierError === '' ? [] : [[`${path}/hotplug-error`, ''] as [string, string]]),
    [`${path}/hotplug-status`, 'connected'],
  ];
}

/** One run at a time for one vif, around reading, applying and reporting. */
export async function withVifLock(host: Host, event: { device: string }, work: () => Promise<void>): Promise<void> {
  return holding(await takeVifLock(host, event.device), () => closing(host, work));
}

/** Two vifs may want one name (`vifname=` over a reboot): the second waits. Always taken after the vif's own lock. */
export async function withNameLock(host: Host, vif: VifIdentity, work: () => Promise<void>): Promise<void> {
  if (vif.name === vif.device) return work();
  return holding(await host.takeLock(nameLock(vif.name), LOCK_MS), () => closing(host, work));
}

/** Before a lock is given back: what was started ahead and not used holds it too. */
async function closing(host: Host, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } finally {
    host.close();
  }
}

/** True if a run that started later has already done its work for this vif: the order of online and offline is kept. */
export function overtaken(host: Host, device: string): boolean {
  const newer = Math.max(host.state.readOffline(device), host.state.readVif(device)?.ticket ?? 0);
  if (newer <= host.ticket) return false;
  host.log.say('warning', `${device}: a newer run has been here already; nothing done`);
  return true;
}

/**
 * The device, as it appears, or under its final name if an earlier run renamed it.
 *
 * @throws Failure `missing` if it does not come, or if another device has the final name (stock's text)
 */
export async function waitForDevice(host: Host, vif: VifIdentity): Promise<Device> {
  for (let waited = 0; ; waited += POLL_MS) {
    const device = host.readDevice(vif.device);
    const named = vif.name === vif.device ? undefined : host.readDevice(vif.name);
    if (device !== undefined) {
      if (named !== undefined) throw collision(vif);
      return device;
    }
    if (named !== undefined) {
      if (isOurs(host, vif, named)) return named;
      if (waited >= DEVICE_MS / 4) throw collision(vif);
    }
    if (waited >= DEVICE_MS) {
      throw new Failure('missing', `${vif.device} did not appear within ${DEVICE_MS / 1000} s`, {
        hint: 'is xen-netback loaded in this domain?',
      });
    }
    await host.sleep(POLL_MS);
  }
}

/** The device that is to be the port: for the tap of a guest that could write behind the filter, another one. */
async function waitForPort(host: Host, vif: VifIdentity): Promise<Device> {
  // Before it is waited for: what a killed run began has no device of that name.
  const known = await sealTap(host, vif);
  const device = await waitForDevice(host, vif);
  if (known || !(await sealTap(host, vif))) return device;
  return waitForDevice(host, vif);
}

function isOurs(host: Host, vif: VifIdentity, named: Device): boolean {
  const record = host.state.readVif(vif.device);
  if (record !== undefined && record.bootId === host.bootId()) return record.ifindex === named.ifindex;
  return isRenamed(named, vif.device);
}

/** True if `device` got the name it has from being `first`; known from the kernel alone. */
export function isRenamed(device: Device, first: string): boolean {
  const ids = /^vif(\d+)\.(\d+)$/.exec(first);
  return device.alias === first || (ids !== null && device.xenbus === `vif-${ids[1]}-${ids[2]}`);
}

export function collision(vif: VifIdentity): Failure {
  return new Failure(
    'missing',
    `Cannot rename interface ${vif.device}. An interface with name ${vif.name} already exists.`,
    { hint: 'another guest has the same vifname=' },
  );
}

/** One line for the log: who may use what. */
export function describe(prepared: Prepared): string {
  const { vif, plan, setup } = prepared;
  const addresses = [...vif.addresses.ipv4, ...vif.addresses.ipv6].map((prefix) => prefix.text).join(' ');
  const what: Record<typeof plan.mode, string> = {
    addresses,
    'mac-only': 'any address (no ip= is set)',
    deny: 'nothing (no ip= is set)',
    unrestricted: 'everything, unfiltered (no ip= is set)',
  };
  return `${vif.mac} may use ${what[plan.mode]}, ${setup.binding}`;
}
