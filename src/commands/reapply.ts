import { lockBase } from '../backends/base.ts';
import { type Managed, withRules } from '../backends/choice.ts';
import { batchAhead } from '../effects/batch.ts';
import { holding } from '../effects/lock.ts';
import type { Failures } from '../effects/together.ts';
import { asFailure, Failure, failureLine } from '../errors.ts';
import type { Host } from '../host.ts';
import { parseInterfaceName } from '../net/interface-name.ts';
import { EMULATED, parseVifName } from '../net/vif-name.ts';
import { firstName } from '../port/device-owner.ts';
import { isInOurService } from '../port/guest-group.ts';
import { deviceFinder, readOnce, recordedVifs } from '../state/present-devices.ts';
import type { VifRecord } from '../state/records.ts';
import { knowBase, unrecordedPorts } from '../vif/forgotten.ts';
import { portNamed } from '../vif/guest-ports.ts';
import { acceptAtHost } from '../vif/host-accept.ts';
import { collectLeftOvers } from '../vif/left-over.ts';
import { isBusy, lockName, lockVif, overtaken, takeAllLock } from '../vif/lock.ts';
import { identified } from '../vif/prepare.ts';
import { type Renewable, renew } from '../vif/renewal.ts';
import { renewRoutes } from '../vif/routed-renewal.ts';
import { type Source, sourceOfAll, sourceOfOne } from '../vif/source.ts';
import { type HotplugEvent, parseXenbusPath, xenbusOfDevice } from '../xen/hotplug-event.ts';
import { noneReapplied, type Reapplied } from './reapplied.ts';

/** A vif, and what the state has of it. */
export interface Known {
  /** By its first name. */
  readonly device: string;
  readonly record: VifRecord | undefined;
}

/** A vif that is to be re-applied. */
interface Candidate extends Known {
  /** The name that its device has now. */
  readonly name: string;
}

interface FoundCandidate extends Candidate {
  /** A run of ours has configured it. */
  readonly isOurs: boolean;
}

/**
 * The same interfaces again, without a gap: from xenstore, or from the saved state where xenstore has gone. Also takes
 * over guests that stock started. Bad input changes nothing: what was loaded stays. One that fails keeps no other one
 * from it.
 */
export async function reapply(given: Host, names: readonly string[]): Promise<Reapplied> {
  const parsed = names.map((name) => parseInterfaceName(name, 'the command line'));
  const host = await withRules(given);
  const outcome = noneReapplied();
  const candidates = parsed.map((name) => candidateNamed(host, name));
  // Where nothing is known of bridges all devices are looked at: not for who is on none.
  const bridged = candidates.some(({ record }) => record?.routed === undefined) || host.rules.base() !== undefined;
  if (bridged) await knowBase(host);
  // What they stand on: a rule of its own in a chain that nobody comes to any more would repair nothing.
  await holding(await lockBase(host), () => repairShared(host, bridged));
  for (const candidate of candidates) {
    try {
      await reapplyAlone(host, candidate, () => true, outcome);
    } catch (error) {
      outcome.failures.set(candidate.device, asFailure(error));
    }
  }
  return outcome;
}

/** @param isWanted asked under the lock */
async function reapplyAlone(
  host: Managed,
  candidate: Candidate,
  isWanted: () => boolean,
  outcome: Reapplied,
): Promise<void> {
  const { device } = candidate;
  await using _vif = await lockVif(host, device);
  if (!isWanted()) return void outcome.gone.push(device);
  // It lists all devices first, while xenstore is read. Who is routed needs none.
  if (host.rtnetlink === undefined && candidate.record?.routed === undefined) batchAhead(host, 'bridge');
  const renewable = await recognise(candidate, sourceOfOne(host));
  if (hasMovedOn(host, candidate)) return void outcome.left.push(device);
  await using _name = await lockName(host, renewable.who.vif);
  for (const failure of (await renewAny(host, [renewable])).values()) throw failure;
  noteDone(outcome, renewable);
}

function noteDone({ done, fromState }: Reapplied, { event }: Renewable): void {
  done.push(event.device);
  if (event.xenbus === undefined) fromState.push(event.device);
}

/**
 * Every vif of this host that is configured or that Xen knows. What all share is repaired first, then all are renewed
 * together, as many at a time as suits the backend. A vif that a run of Xen's is at work on, or that did not go, is
 * tried alone at the end, when that run has ended: by then it may have gone, which is no failure.
 *
 * @param whose `ours`: only vifs that a run of ours has configured, so that units and timers take nobody over
 */
export async function reapplyAll(given: Host, whose: 'all' | 'ours' = 'all'): Promise<Reapplied> {
  if (!given.showsThisNetwork()) {
    throw new Failure('missing', '/sys shows the devices of another network than the one of this run', {
      hint: 'in a network namespace run it by ip netns exec; in a container mount /sys anew',
    });
  }
  const host = await withRules(given);
  const outcome = noneReapplied();
  // A repair of what all share starts from the saved state: who is at work now may not be in it.
  const atWork = host.locks.claimed();
  // Records first: a run that is there after this look is known by its ticket, and its keys are read again.
  const found = await collectFrom(host);
  const candidates = whose === 'all' ? found : found.filter(({ isOurs }) => isOurs);
  if (candidates.length === 0) {
    await host.rules.leaveAfterLast();
    await host.routedRules.leaveAfterLast();
    return outcome;
  }
  await knowBase(host);
  const repaired = lockBase(host).then((lock) => holding(lock, () => repairShared(host)));
  const [, source] = await Promise.all([
    repaired,
    sourceOfAll(
      host,
      candidates.flatMap((one) => pathOf(one) ?? []),
    ),
  ]);
  const again = new Set<string>();
  const { atOnce } = host.rules;
  for (let from = 0; from < candidates.length; from += atOnce) {
    const some = candidates.slice(from, from + atOnce);
    await holding(await takeAllLock(host), async () => {
      for (const device of await renewIdle(host, some, source, outcome)) again.add(device);
    });
  }
  for (const device of atWork) {
    const isNew = candidates.every((candidate) => candidate.device !== device);
    if (isNew && host.state.readVif(device) !== undefined) again.add(device);
  }
  for (const device of again) await reapplyAgain(host, device, outcome);
  if (outcome.gone.length > 0) await collectFrom(host);
  for (const [device, failure] of outcome.failures) {
    host.log.say('err', `reapply ${device}: ${failureLine(failure)}`);
  }
  return outcome;
}

/** Collects what is left of vifs that are gone. @returns those that are there */
async function collectFrom(host: Managed): Promise<readonly FoundCandidate[]> {
  const { candidates, vanished } = candidatesOf(host);
  await collectLeftOvers(host, vanished, new Set(candidates.map(({ device }) => device)));
  return candidates;
}

/** One that another run was at work on, or that failed among others. */
async function reapplyAgain(host: Managed, device: string, outcome: Reapplied): Promise<void> {
  const candidate = candidateNamed(host, device);
  try {
    await reapplyAlone(host, candidate, () => isThere(host, candidate), outcome);
    outcome.failures.delete(device);
  } catch (error) {
    const failure = asFailure(error);
    outcome.failures.delete(device);
    if (!isThere(host, candidateNamed(host, device))) outcome.gone.push(device);
    else if (failure.code === 'timeout' && host.locks.isClaimed(device)) outcome.left.push(device);
    else outcome.failures.set(device, failure);
  }
}

/**
 * Renews those that no run is at work on. The caller keeps every run from beginning.
 *
 * @returns who is to be tried again
 */
async function renewIdle(
  host: Managed,
  candidates: readonly Candidate[],
  source: Source,
  outcome: Reapplied,
): Promise<string[]> {
  const claimed = new Set(host.locks.claimed());
  const again: string[] = [];
  const idle: Renewable[] = [];
  const failed = (device: string, failure: Failure): void => {
    outcome.failures.set(device, failure);
    // Nobody's run can mend that.
    if (failure.code !== 'input') again.push(device);
  };
  for (const candidate of candidates) {
    const { device } = candidate;
    if (!isInService(host, candidate)) {
      outcome.gone.push(device);
      continue;
    }
    try {
      const renewable = await recognise(candidate, source);
      // A run has been there since its keys were read: they may be old.
      const stale = (host.state.readVif(device)?.ticket ?? 0) > (candidate.record?.ticket ?? 0);
      if (stale || isBusy(claimed, renewable.who.vif)) again.push(device);
      else if (hasMovedOn(host, candidate)) outcome.left.push(device);
      else idle.push(renewable);
    } catch (error) {
      failed(device, asFailure(error));
    }
  }
  const failures = await renewAny(host, idle);
  for (const [device, failure] of failures) failed(device, failure);
  for (const renewable of idle) if (!failures.has(renewable.event.device)) noteDone(outcome, renewable);
  return again;
}

/** Ports of bridges together, and those that are on none. */
async function renewAny(host: Managed, vifs: readonly Renewable[]): Promise<Failures> {
  const routed = vifs.filter(({ event }) => event.routed === true);
  const bridged = vifs.filter(({ event }) => event.routed !== true);
  const failures = new Map([
    ...(bridged.length === 0 ? [] : await renew(host, bridged)),
    ...(await renewRoutes(host, routed)),
  ]);
  // Who reloads the rules of the host takes those for vifs with them.
  const renewed = vifs.filter(({ event }) => !failures.has(event.device));
  await acceptAtHost(
    host,
    renewed.map(({ event }) => event.device),
  );
  return failures;
}

/** What all vifs share, of each kind that there is. */
async function repairShared(host: Managed, bridged = true): Promise<void> {
  if (bridged) await host.rules.repair();
  if (host.routedRules.base() !== undefined) await host.routedRules.repair();
}

/**
 * True if an offline, or a run that started later, has been there. A re-apply is no event in the life of a vif: it
 * stands where the run stands that it repeats, and an offline that was started meanwhile, or is waiting already, still
 * decides.
 */
function hasMovedOn(host: Host, { device, record }: Candidate): boolean {
  return overtaken(record === undefined ? host : { ...host, ticket: record.ticket }, device);
}

/**
 * False for a vif without a record that is on no bridge: who re-applies all must not begin it. It was on one when it
 * was found, so an offline has been there meanwhile, perhaps one that was started before this run and had to wait.
 * Asked under the lock, because an online writes the record first, and an offline leaves the bridge first.
 */
function isInService(host: Host, { name, record }: Candidate): boolean {
  return record !== undefined || host.readDevice(name)?.master !== undefined;
}

/** The same, and its device is there. */
function isThere(host: Host, candidate: Candidate): boolean {
  const { record } = candidate;
  return record === undefined ? isInService(host, candidate) : deviceFinder(host)(record) !== undefined;
}

/** Managed vifs that are alive, and vifs that carry a guest without us (started by stock). */
export function devicesToReapply(host: Host): string[] {
  return candidatesOf(host).candidates.map(({ device }) => device);
}

function candidatesOf(given: Host): { readonly candidates: readonly FoundCandidate[]; readonly vanished: string[] } {
  const host = readOnce(given);
  const { live, vanished } = recordedVifs(host);
  const others = unrecordedPorts(host, new Set(live.map(({ device }) => device.ifindex)));
  const candidates = [
    ...live.map(({ record, device: { name } }) => ({ device: record.device, name, record, isOurs: true })),
    ...others.map(({ first, device }) => ({
      device: first,
      name: device.name,
      record: undefined,
      isOurs: isInOurService(device),
    })),
  ];
  return { candidates, vanished: vanished.map(({ device }) => device) };
}

function candidateNamed(host: Host, name: string): Candidate {
  const record = recordNamed(host, name);
  const present = record === undefined ? host.readDevice(name) : undefined;
  return { device: record?.device ?? (present && firstName(present)) ?? name, name, record };
}

/** What is known of a vif: by its kernel name, or by the name it has now or was given. */
export function recordNamed(host: Host, name: string): VifRecord | undefined {
  const own = host.state.readVif(name);
  if (own !== undefined) return own;
  const index = host.readDevice(name)?.ifindex;
  const present = (one: VifRecord): boolean => one.ifindex === index && one.bootId === host.bootId();
  const all = host.state.allVifs();
  return all.find(present) ?? all.find((one) => one.name === name);
}

/** Who a vif is now, as a re-apply would take it; named by its port, or by its guest if that has only one. */
export async function identityNamed(host: Host, name: string): Promise<Renewable> {
  return recognise(candidateNamed(host, await portNamed(host, name)), sourceOfOne(host));
}

/** Who a vif is, and the event that its `online` would have been: from xenstore if that has it, else from the state. */
export async function recognise({ device, record }: Known, source: Source): Promise<Renewable> {
  const name = parseInterfaceName(device, 'the command line');
  const type = record?.type ?? (parseVifName(name)?.emulated || name.endsWith(EMULATED) ? 'tap' : 'vif');
  const command = type === 'tap' ? 'add' : 'online';
  const path = pathOf({ device, record });
  const keys = path === undefined ? undefined : await source.keys(path);
  const routed = record === undefined ? isRouteScript(keys?.get('script')) : record.routed !== undefined;
  const how = routed ? { routed: true as const } : {};
  const event = ((): HotplugEvent => {
    if (path !== undefined && keys?.has('mac')) {
      return { command, type, device: name, xenbus: parseXenbusPath(path), given: {}, ...how };
    }
    if (record === undefined) {
      throw new Failure('missing', `nothing is known of ${name}`, {
        hint: `neither Xen nor an earlier run has it; by hand: vif-bridge ${command} vif=${name} mac=... ip=... bridge=...`,
      });
    }
    return { command, type, device: name, xenbus: undefined, given: record.values, savedPath: record.xenbus, ...how };
  })();
  const guest = event.xenbus && (await source.guest(event.xenbus.domid));
  return { event, who: identified(event, keys, guest) };
}

/** Xen was told to run stock's script of that name, or ours. */
function isRouteScript(script: string | undefined): boolean {
  return script?.split('/').at(-1) === 'vif-route';
}

/** Where Xen has its keys, if it is a vif of Xen's. */
export function pathOf({ device, record }: Known): string | undefined {
  if (record?.xenbus !== undefined) return record.xenbus;
  // Also of one that was configured by hand: if Xen knows it, it is what Xen says.
  return xenbusOfDevice(device);
}
