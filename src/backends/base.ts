import { holding, type Lock } from '../effects/lock.ts';
import { asFailure, Failure, failureLine } from '../errors.ts';
import { NO_GATEWAYS } from '../filter/gateways.ts';
import type { LoadedTerms } from '../filter/own-terms.ts';
import { buildPlan, type FilterPlan } from '../filter/plan.ts';
import type { Host } from '../host.ts';
import { parseDeviceName } from '../net/interface-name.ts';
import type { MacAddress } from '../net/mac-address.ts';
import { commonVlans } from '../net/vlan-range.ts';
import { withAddresses } from '../policy/address-change.ts';
import type { BackendName } from '../policy/keys.ts';
import type { HeldPolicy } from '../policy/policy.ts';
import { resolvePolicy } from '../policy/resolve-policy.ts';
import { sharedName } from '../policy/shared-rules.ts';
import { isInOurService } from '../port/guest-group.ts';
import { deviceFinder } from '../state/present-devices.ts';
import { type BaseRecord, type EbtTools, gatewayMacsOf, trunkOf, type VifRecord } from '../state/records.ts';
import { parseIdentity, type VifIdentity } from '../xen/vif-identity.ts';
import type { Backend, LeavingPort, PlannedPort } from './backend.ts';
import { foreignPorts } from './foreign-ports.ts';

/** Who holds a base, as its record names him. */
export interface Holder {
  readonly name: BackendName;
  /** A short name for one version of what all vifs share: another program, or another policy, has another one. */
  readonly digest: () => string;
  /** The programs of ebtables, if it is that. */
  readonly tools?: EbtTools;
}

/**
 * The base as our state knows it, if it is of this boot, this holder and this version. Where the policy cannot be read
 * it is what it is: who leaves takes out what is his, and nobody makes another one.
 */
export function currentBase(
  host: Pick<Host, 'state' | 'bootId'> & { readonly policy?: Pick<Host['policy'], 'broken'> },
  holder: Holder,
): BaseRecord | undefined {
  const base = baseOfThisBoot(host);
  // Where the record names nobody, the digest does: no two backends print the same.
  if (base === undefined || (base.backend ?? holder.name) !== holder.name) return undefined;
  if (host.policy?.broken !== undefined) return isHeld(base) ? base : undefined;
  return base.sentinel.startsWith(sentinelPrefix(holder)) ? base : undefined;
}

/** Whatever base was made last since the host was started. */
export function baseOfThisBoot(host: Pick<Host, 'state' | 'bootId'>): BaseRecord | undefined {
  const base = host.state.readBase();
  return base?.bootId === host.bootId() ? base : undefined;
}

/**
 * The record of a base that is to be made with these vifs. Where the policy closes ports that no run has configured,
 * those stay open that Xen started with another script: this program must not cut off whom it was not asked about.
 */
export async function newBase(host: Host, holder: Holder, records: readonly VifRecord[]): Promise<BaseRecord> {
  mustKnowPolicy(host);
  const managed = new Set(records.map((record) => record.ifindex));
  const exempt = host.policy.unmanaged === 'open' ? [] : await foreignPorts(host, managed);
  return {
    schema: 1,
    bootId: host.bootId(),
    sentinel: `${sentinelPrefix(holder)}${Buffer.from(crypto.getRandomValues(new Uint8Array(4))).toString('hex')}`,
    backend: holder.name,
    auto: host.policy.backend === 'auto',
    policy: sharedName(holder.name, host.policy),
    ...(holder.tools === undefined ? {} : { tools: holder.tools }),
    exempt,
  };
}

/**
 * Nothing is made of a policy that cannot be read: by the defaults guests that run would be opened, or closed.
 *
 * @throws Failure that says what is wrong with it
 */
export function mustKnowPolicy({ policy: { broken } }: Pick<Host, 'policy'>): void {
  if (broken !== undefined) throw broken;
}

/** Says in the log what was made, and who stays unfiltered. */
export function reportBase(
  host: Host,
  holder: Holder,
  base: BaseRecord,
  earlier: BaseRecord | undefined,
  vifs: number,
): void {
  const made = earlier === undefined ? 'made' : 'repaired';
  const why = base.auto === true ? ', chosen by backend = auto' : '';
  const tool = holder.tools === undefined ? '' : ` (${holder.tools.restore})`;
  host.log.say('info', `${made} the base of the filter with ${vifs} vifs in ${holder.name}${tool}${why}`);
  for (const port of base.exempt) {
    host.log.say(
      'warning',
      `${port.name} was started with another script and stays unfiltered until: vif-bridge reapply ${port.name}`,
    );
  }
}

/** Takes the rules out of the backend that had them until now; ours are loaded already. */
export async function leaveFormer(host: Pick<Host, 'log'>, former: Backend | undefined, now: Holder): Promise<void> {
  if (former === undefined) return;
  await former.leave();
  host.log.say('info', `took the rules out of ${former.name}; they are in ${now.name} now`);
}

/** Who a record is about. @throws Failure `input` if it makes no sense */
export function recordedVif({ device, type, values }: VifRecord): VifIdentity {
  return parseIdentity({ device: parseDeviceName(device, 'state'), type }, values, 'state');
}

/** Who a record is about, and what the policy makes of it now. */
export interface UnderPolicy {
  readonly vif: VifIdentity;
  readonly policy: HeldPolicy;
  readonly plan: FilterPlan;
}

/** @throws Failure `input` for a record that makes no sense */
export function underPolicy(host: Pick<Host, 'policy' | 'now'>, record: VifRecord): UnderPolicy {
  const recorded = recordedVif(record);
  const bridge = record.routed === undefined ? record.bridge : undefined;
  const policy = resolvePolicy(host.policy, { ...recorded, bridge }, host.now());
  const vif = withAddresses(recorded, policy);
  const known = gatewayMacsOf(record);
  const gateways = canBeHeld(record, policy, known) ? policy.gateways : NO_GATEWAYS;
  const plan = buildPlan(vif, { ...policy, gateways }, record.subnetBroadcasts, known);
  return { vif, policy, plan: inCheckedVlans(plan, record) };
}

/** No other VLANs than a run has put it into: that one has looked whether its bridge keeps them apart. */
function inCheckedVlans(plan: FilterPlan, record: VifRecord): FilterPlan {
  const { values } = plan.terms;
  if (values.vlan.length === 0) return plan;
  const vlan = commonVlans(values.vlan, trunkOf(record));
  return { ...plan, terms: { ...plan.terms, values: { ...values, vlan } } };
}

/**
 * Whether whom it may speak with can be known without asking: a guest that runs goes on as it does until it is
 * re-applied, which finds their MACs or says that none is known, and that a routed vif has none.
 */
function canBeHeld({ routed }: VifRecord, { gateways }: HeldPolicy, known: readonly MacAddress[]): boolean {
  return routed === undefined && gateways.macs.length + known.length > 0;
}

/** The plan of a vif as it was configured last; undefined (and logged) if its record makes no sense. */
export function recordedPort(host: Pick<Host, 'policy' | 'log' | 'now'>, record: VifRecord): PlannedPort | undefined {
  const port = portOfRecord(host, record);
  if (!(port instanceof Failure)) return port;
  host.log.say('err', `${record.device} is closed: ${failureLine(port)}`);
  return undefined;
}

/** The same, or why there is none. */
export function portOfRecord(host: Pick<Host, 'policy' | 'now'>, record: VifRecord): PlannedPort | Failure {
  try {
    const { plan } = underPolicy(host, record);
    const { device, name, bridge, ifindex, ingress, routed } = record;
    const port = { device, name, bridge, ifindex, ingress, ...(routed === undefined ? {} : { routed: routed.routes }) };
    return { port, plan, loaded: [], hadIngress: false };
  } catch (error) {
    return asFailure(error);
  }
}

/**
 * Who runs, and would be closed if all was made anew now: a file that his rules are made of is broken. He is not to
 * pay for a change that is about others, so that one is refused.
 */
export function closedAnew(host: Pick<Host, 'policy' | 'now'>, records: readonly VifRecord[]): Failure | undefined {
  for (const record of records) {
    const failure = planFailure(host, record);
    if (failure === undefined) continue;
    const { message, at, hint } = failure;
    return new Failure('input', `${record.name} would be closed by it: ${message}`, { at, hint });
  }
  return undefined;
}

/** Undefined also for a record that makes no sense, which no policy mends. */
function planFailure(host: Pick<Host, 'policy' | 'now'>, record: VifRecord): Failure | undefined {
  try {
    recordedVif(record);
  } catch {
    return undefined;
  }
  const port = portOfRecord(host, record);
  return port instanceof Failure ? port : undefined;
}

/** What `status` says of every vif where nothing of ours is loaded. */
export const RULES_GONE = 'the rules are gone';

export function allDamaged(records: readonly VifRecord[], damage: string): Map<string, string> {
  return new Map(records.map(({ device }) => [device, damage]));
}

/** The first half of the sentinel: which version of the base it is. The second half is drawn by chance. */
export function sentinelPrefix(holder: Holder): string {
  return `base/${holder.digest()}-`;
}

/** For the lock that all changes of the base take, whoever makes them: 50 vifs with ebtables take turns, 0.1 s each. */
const BASE_LOCK_MS = 20_000;
const BASE_LOCK = 'base';
/** For who only looks. */
const BASE_PASS_MS = 5_000;

/** One run at a time that makes, changes or leaves the base, or uses ebtables. */
export function lockBase(host: Pick<Host, 'takeLock'>): Promise<Lock> {
  return host.takeLock(BASE_LOCK, BASE_LOCK_MS);
}

/**
 * True if no vif of ours is there any more, or only the one that leaves. A record that cannot be read counts as one
 * that is there, and so does a port of ours of which nothing is known any more. Records are only read until one is
 * found whose device is there.
 */
export function isLastGone(
  host: Pick<Host, 'state' | 'readDevice' | 'deviceNames' | 'bootId'>,
  leaving?: string,
): boolean {
  const find = deviceFinder(host);
  const isThere = host.state.devices().some((device) => {
    if (device === leaving) return false;
    const record = host.state.readVif(device);
    return record === undefined ? host.state.useless().unreadable.includes(device) : find(record) !== undefined;
  });
  if (isThere) return false;
  const left = leaving === undefined ? undefined : host.state.readVif(leaving)?.ifindex;
  return !host
    .deviceNames()
    .flatMap((name) => host.readDevice(name) ?? [])
    .some((device) => isInOurService(device) && device.ifindex !== left);
}

/** Takes away what all share, under the lock of the base, if no vif of ours is there any more. */
export async function ifLastGone(
  host: Parameters<typeof isLastGone>[0] & Pick<Host, 'takeLock'>,
  holder: Holder,
  take: (base: BaseRecord) => Promise<void>,
): Promise<void> {
  if (!isLastGone(host)) return;
  await holding(await lockBase(host), async () => {
    const base = currentBase(host, holder);
    if (base !== undefined && isLastGone(host)) await take(base);
  });
}

/**
 * The record of a base that is left: of no version, so that the next run makes another one; who was chosen stays known.
 */
export function leftBase({ listing: _, ...base }: BaseRecord): BaseRecord {
  return { ...base, sentinel: LEFT, exempt: [] };
}

const LEFT = 'left';

/** Whether rules of a run of this boot are there, whatever policy and version they are of. */
export function isHeld(base: BaseRecord | undefined): base is BaseRecord {
  return base !== undefined && base.sentinel !== LEFT;
}

/** Waits for the run that changes the base, if there is one; not for ever. */
export async function passBase({ locks }: Pick<Host, 'locks'>): Promise<void> {
  if (!locks.isClaimed(BASE_LOCK)) return;
  await locks.pass(BASE_LOCK, BASE_PASS_MS).catch(() => undefined);
}

/** What earlier runs may have loaded for a vif: nothing outlives the kernel. */
export function loadedBefore(host: Pick<Host, 'bootId'>, before: VifRecord | undefined): readonly LoadedTerms[] {
  return before?.bootId === host.bootId() ? before.loaded : [];
}

/** What a backend is to take out of a vif. */
export function leavingPort(host: Pick<Host, 'bootId'>, record: VifRecord): LeavingPort {
  return {
    device: record.device,
    loaded: loadedBefore(host, record),
    hadIngress: record.ingress,
    ...(record.routed === undefined ? {} : { routedAs: record.name }),
  };
}
