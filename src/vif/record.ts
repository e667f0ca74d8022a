import type { PlannedPort } from '../backends/backend.ts';
import { loadedBefore } from '../backends/base.ts';
import type { Managed } from '../backends/choice.ts';
import type { Device } from '../effects/sysfs.ts';
import { isObserved, type LoadedTerms } from '../filter/own-terms.ts';
import type { Host } from '../host.ts';
import { macListText } from '../net/mac-list.ts';
import type { RouteSetup } from '../port/route-setup.ts';
import { PORT_FLAGS, type PortFlags } from '../port/wished-port.ts';
import { isUnbound, leftAs, type RoutedState, type VifRecord } from '../state/records.ts';
import type { Note } from './notes.ts';
import { definedValues, type Prepared } from './prepare.ts';
import { wasPinned } from './shared-mac.ts';

/** What the backend is to load for a vif, and what an earlier run may have left of it. */
export function plannedPort(
  host: Pick<Host, 'bootId'>,
  { port, plan }: Prepared,
  before: VifRecord | undefined,
): PlannedPort {
  return { port, plan, loaded: loadedBefore(host, before), hadIngress: before?.ingress === true };
}

/**
 * The record of a run that begins to change things: `loaded` is all that may be in the kernel while it does.
 *
 * @param before what an earlier run left
 */
export function recordOf(
  host: Host,
  prepared: Prepared & { readonly route?: RouteSetup },
  device: Device,
  before: VifRecord | undefined,
): VifRecord {
  const { vif, event } = prepared;
  const record: VifRecord = {
    schema: 1,
    bootId: host.bootId(),
    device: vif.device,
    name: vif.name,
    type: vif.type,
    bridge: prepared.bridge,
    // The MAC as it was read: the state finds the ports that share it by its text.
    values: definedValues({ ...prepared.values, mac: vif.mac }),
    xenbus: event.xenbus?.path ?? event.savedPath,
    mode: prepared.plan.mode,
    ...(isObserved(prepared.plan.terms) ? { observed: true } : {}),
    ...(prepared.plan.allow.length === 0 ? {} : { allow: prepared.plan.allow }),
    ...flagsOf({ ...(before?.ifindex === device.ifindex ? before.flags : {}), ...prepared.setup.flags }),
    subnetBroadcasts: prepared.subnetBroadcasts,
    // Until its forwarding entry is gone it counts as pinned.
    shared: prepared.setup.binding === 'shared' && !wasPinned(host, before, device.ifindex),
    ingress: prepared.port.ingress || before?.ingress === true,
    ...(before?.accepts === undefined ? {} : { accepts: before.accepts }),
    ifindex: device.ifindex,
    loaded: distinct([...loadedBefore(host, before), loadedTerms(prepared, device.ifindex)]),
    ...routedOf(prepared, before, device.ifindex),
    ticket: Math.max(host.ticket, before?.bootId === host.bootId() ? before.ticket : 0),
    since: host.now(),
  };
  return { ...record, ...unfinishedOf(host, prepared, record, before) };
}

/** Whether a run that is ended here leaves a port that its record does not tell of. */
function unfinishedOf(
  host: Pick<Host, 'bootId'>,
  { setup }: Prepared,
  record: VifRecord,
  before: VifRecord | undefined,
): Pick<VifRecord, 'unfinished'> {
  if (before?.bootId !== host.bootId() || before.ifindex !== record.ifindex || record.routed !== undefined) return {};
  const flags = (one: Pick<VifRecord, 'flags'>): string => JSON.stringify(flagsOf(one.flags));
  const same = isUnbound(before) === isUnbound(record) && flags(before) === flags(setup);
  return same && before.unfinished === undefined ? {} : { unfinished: leftAs(before) };
}

/** While it is at work, of an earlier run too: what that has made is known until it is taken away. */
function routedOf(
  { route }: { readonly route?: RouteSetup },
  before: VifRecord | undefined,
  ifindex: number,
): Pick<VifRecord, 'routed'> {
  if (route === undefined) return {};
  const now = routedState(route);
  const earlier = before?.ifindex === ifindex ? before.routed : undefined;
  return {
    routed: { ...now, proxies: [...new Set([...now.proxies, ...(earlier?.proxies ?? [])])] },
  };
}

/** What this host does for a routed vif in service. */
export function routedState({ main, metric, ipv4, ipv6, ...route }: RouteSetup): RoutedState {
  return {
    ...(main === undefined ? {} : { main }),
    metric,
    routes: [...ipv4, ...ipv6].map(({ text }) => text),
    ...(route.uplinkIndex === undefined ? {} : { uplinkIndex: route.uplinkIndex }),
    proxies: route.proxies.filter((one) => !route.foreignProxies.includes(one)),
  };
}

/** In their order, so that equal ones are equal as text. */
function flagsOf(flags: Partial<PortFlags> = {}): Pick<VifRecord, 'flags'> {
  const set = PORT_FLAGS.filter((flag) => flags[flag] !== undefined);
  return set.length === 0 ? {} : { flags: Object.fromEntries(set.map((flag) => [flag, flags[flag]])) };
}

function loadedTerms(prepared: Prepared, ifindex: number): LoadedTerms {
  return { ifindex, ...prepared.plan.terms };
}

/** What the record says at the end of a run, which the state `now` may know better: a twin may have marked the port. */
export function inService(prepared: Prepared, ifindex: number, now: VifRecord): Partial<VifRecord> {
  const shared = now.shared || prepared.setup.binding === 'shared';
  const loaded = [loadedTerms(prepared, ifindex)];
  return { loaded, shared, ingress: shared || prepared.port.ingress, ...flagsOf(prepared.setup.flags) };
}

/** What the log is to say of a vif that is in service now. */
export function noteApplied(host: Managed, prepared: Prepared, notes: readonly Note[]): void {
  const { vif, setup } = prepared;
  for (const { loud, text } of notes) host.log.say(loud ? 'warning' : 'info', `${vif.name}: ${text}`);
  for (const note of vif.addresses.notes) host.log.say('info', `${vif.name}: ${note}`);
  for (const { text } of host.rules.limits(prepared.plan)) host.log.say('info', `${vif.name}: ${text}`);
  if (setup.quietLinkLocal && setup.binding === 'pinned') {
    host.log.say(
      'warning',
      `${vif.name}: STP is on, and ebtables does not see its frames: only root_block is in their way`,
    );
  }
  const where = prepared.port.routed !== undefined ? 'behind' : 'on';
  host.log.say('info', `${vif.name} ${where} ${prepared.bridge}: ${describe(prepared)}`);
}

/** Writes a record if it says anything new: `since` is the time of the last change. */
export function writeRecord(host: Host, record: VifRecord, before: VifRecord | undefined): void {
  const text = (one: VifRecord | undefined): string => JSON.stringify({ ...one, since: '' });
  if (text(record) !== text(before)) host.state.writeVif(record);
}

function distinct(loaded: readonly LoadedTerms[]): LoadedTerms[] {
  return [...new Map(loaded.map((terms) => [JSON.stringify(terms), terms])).values()];
}

/** One line for the log: who may use what. */
function describe(prepared: Prepared): string {
  const { vif, plan, setup } = prepared;
  const given = [...vif.addresses.ipv4, ...vif.addresses.ipv6].map((prefix) => prefix.text);
  const addresses = [...given, ...(plan.terms.learning === undefined ? [] : ['what DHCP gives'])].join(' ');
  const what: Record<typeof plan.mode, string> = {
    addresses,
    'mac-only': 'any address',
    deny: 'nothing',
    unrestricted: 'everything, unfiltered',
  };
  const why = plan.mode === 'addresses' || addresses !== '' ? '' : ' (no ip= is set)';
  const observed = isObserved(plan.terms) ? 'nothing is filtered, only counted: as if ' : '';
  const how = prepared.port.routed !== undefined ? 'routed' : setup.binding;
  return `${observed}${macListText(plan.macs)} may use ${what[plan.mode]}${why}, ${how}`;
}
