import type { DropCount, KernelRules, SetFill } from '../backends/backend.ts';
import { baseOfThisBoot, RULES_GONE, type UnderPolicy, underPolicy } from '../backends/base.ts';
import { type Managed, withHeldRules } from '../backends/choice.ts';
import { hostFiles } from '../effects/look-file.ts';
import type { Device } from '../effects/sysfs.ts';
import { asFailure, Failure, failureLine } from '../errors.ts';
import { hasBlocks, type LoadedTerms } from '../filter/own-terms.ts';
import { grouped } from '../grouped.ts';
import type { Host } from '../host.ts';
import { parsePrefix } from '../net/ip-prefix.ts';
import { macListText } from '../net/mac-list.ts';
import { isGuestPort, parseVifName } from '../net/vif-name.ts';
import { once } from '../once.ts';
import { KEYS } from '../policy/keys.ts';
import { moment } from '../policy/moment.ts';
import type { HeldPolicy } from '../policy/policy.ts';
import { opens } from '../policy/resolve-policy.ts';
import { indexOfGroup } from '../port/guest-group.ts';
import type { HostFilter } from '../port/host-accept.ts';
import { endingHere, type NowhereRoute, nowhereRoutes, toNowhere } from '../port/nowhere-routes.ts';
import { lookOnce } from '../state/look-once.ts';
import { deviceFinder, type LiveVif, liveVifs } from '../state/present-devices.ts';
import { isUnbound, UNFINISHED, type VifRecord } from '../state/records.ts';
import { doubleFinder } from '../vif/doubles.ts';
import { guestNames } from '../vif/guest-ports.ts';
import { silencedAtHost } from '../vif/host-accept.ts';
import { notTakenIn, sharedNotTakenIn } from '../vif/not-taken-in.ts';
import { type Note, noteTaker, subjectOf } from '../vif/notes.ts';
import { portDamage } from '../vif/port-damage.ts';
import { lookAtBridgePorts, vlanDriftOf } from '../vif/port-drift.ts';
import { type TapPort, unsealedTaps } from '../vif/sealed-tap.ts';
import { seenRules } from '../vif/seen-rules.ts';
import { type Opening, openingOf, overdueSince } from './unfiltered.ts';

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
  /** Of a vif that this host routes for: the device behind which its network is. */
  readonly uplink?: string | undefined;
  readonly up: boolean;
  /** `no-carrier`: it is up, and nobody is at its other end; its guest has not connected, or has ended. */
  readonly link: 'up' | 'no-carrier' | 'down';
  readonly guest: { readonly domid: number; readonly name: string | undefined } | undefined;
  readonly mac: string | undefined;
  /** What it may use besides, as the policy writes it; empty if there is none. */
  readonly extraMacs: string;
  readonly addresses: readonly string[];
  /** Those of its addresses that others may have too. */
  readonly shared: readonly string[];
  /** What it may send from and receive for besides. */
  readonly routes: readonly string[];
  /** What a DHCP server gave it, and how many seconds it is still known. */
  readonly learned: readonly { readonly address: string; readonly seconds: number }[];
  readonly mode: VifRecord['mode'] | undefined;
  /** What `mode` of the policy is now (`locked` when the time of another one is over); undefined of a stranger. */
  readonly policyMode: HeldPolicy['mode'] | undefined;
  /** Nothing is filtered: `drops` are frames that would have been dropped (`mode = observe`). */
  readonly observed: boolean;
  /** Why nothing is kept from it, as it is loaded; undefined of one that is filtered, or that nothing passes. */
  readonly unfiltered: Opening | 'unmanaged' | undefined;
  /** Since when that should have ended, ISO 8601: the time of its mode is over, and nobody has re-applied it. */
  readonly overdue: string | undefined;
  /** What it may do besides, as its rules are loaded: the words of `allow`. */
  readonly allow: readonly string[];
  /** When `mode = observe` or `unlocked` ends, ISO 8601. */
  readonly until: string | undefined;
  /** The lists of rules that are asked about what it sends and hears. */
  readonly rules: readonly string[];
  /** What it has open by its rules; undefined without rules, or where no table of conversations is kept. */
  readonly conversations: OpenConversations | undefined;
  /** What `log` tells of it, as the policy writes it; undefined of a stranger. */
  readonly log: string | undefined;
  /** What is not restricted, in words; empty if all is. */
  readonly warnings: readonly string[];
  /** What its admin should know: who else has an address of it, which family is closed. */
  readonly notes: readonly Note[];
  readonly drops: readonly Omit<DropCount, 'ifindex'>[];
  /** Of what is told of `drops`: ISO 8601; undefined: since the rules were loaded. */
  readonly countedSince?: string;
  readonly since: string | undefined;
}

/** The conversations of one port, and how full the tables are that it shares with all others. */
export interface OpenConversations {
  readonly own: number;
  /** So many it may begin in a second, and so many at once. */
  readonly limit: { readonly rate: number; readonly burst: number };
  readonly sets: readonly SetFill[];
}

/** A port that is there, and what the state has of it. */
interface FoundPort {
  readonly device: Device;
  readonly record: VifRecord | undefined;
}

/** The same with what is known of it. */
interface SeenPort extends FoundPort {
  /** Undefined where there is no record, or what policy and xenstore say of it cannot be followed. */
  readonly known: UnderPolicy | undefined;
  /** Why it cannot; of files that are broken it is said for all. */
  readonly unfollowed?: Note;
}

/**
 * All ports of guests, or one: read from state and kernel, with one listing of each of the kernel's tables.
 *
 * @throws Failure `missing` for a port that does not exist
 */
export async function portStatus(given: Host, wanted: readonly string[] | undefined): Promise<readonly PortStatus[]> {
  return (await hostStatus(given, wanted)).ports;
}

/** The same, with what is of the host and of no port. */
export interface HostStatus {
  readonly ports: readonly PortStatus[];
  /** The packet filter that has the rules. */
  readonly backend: string;
  readonly fills: readonly SetFill[];
}

/** @throws Failure `missing` for a port that does not exist */
export async function hostStatus(given: Host, wanted: readonly string[] | undefined): Promise<HostStatus> {
  const host = withHeldRules(lookOnce(given));
  const seen = once(() => seenPorts(host, wanted));
  const bridgePorts = lookAtBridgePorts(host);
  bridgePorts.catch(() => undefined);
  const looking = seenRules(host, () => seen().records);
  looking.catch(() => undefined);
  const silencing = silencedAtHost(host, seen().records);
  silencing.catch(() => undefined);
  const { found, changed } = seen();
  const domidOf = ({ device, record }: FoundPort): number | undefined =>
    parseVifName(record?.device ?? device.name)?.domid;
  // All this while the kernel's rules are listed, which takes nft as long.
  const guests = await guestNames(
    host,
    found.flatMap((one) => domidOf(one) ?? []),
  );
  const ports = found.map((one): SeenPort => {
    const domid = domidOf(one);
    const guest = domid === undefined ? undefined : guests.get(domid);
    return { ...one, known: undefined, ...(one.record && knownOf(host, calledNow(one.record, guest))) };
  });
  const kernel = await looking;
  const drops = grouped(kernel.drops.map(({ ifindex, ...drop }) => [ifindex, drop]));
  const exempt = new Set((baseOfThisBoot(host)?.exempt ?? []).map((port) => port.ifindex));
  const wrong = await unsealedTaps(host, ports.flatMap(tapOf));
  const notes = await notesByDevice(host, ports);
  const silenced = await silencing;
  const { drift, carrier } = await bridgePorts;
  const vlanDrift = await vlanDriftOf(
    host,
    ports.flatMap(({ record }) => record ?? []),
  );
  const shared = sharedNotTakenIn(host);
  const now = Date.parse(host.now());
  const learned = grouped(
    (kernel.learned ?? []).map(({ ifindex, address, until }) => [
      ifindex,
      { address, seconds: Math.max(0, Math.round((until - now) / 1000)) },
    ]),
  );
  const areGone = kernel.sharedDamage === RULES_GONE;
  const closesStrangers = !areGone && host.policy.unmanaged === 'closed';
  const isClosed = (device: Device): boolean => (isOurs(device) ? !areGone || !device.up : closesStrangers);
  const rows = ports.map(({ device, record, known, unfollowed }): PortStatus => {
    const domid = domidOf({ device, record });
    const unconfigured = exempt.has(device.ifindex) ? 'exempt' : 'unmanaged';
    const seal = record === undefined ? undefined : wrong.get(record.device);
    const lost = record === undefined ? undefined : (kernel.damages.get(record.device) ?? changed.get(record.device));
    const rules = record === undefined ? unconfigured : lost === undefined ? 'managed' : 'damaged';
    return {
      name: device.name,
      device: record?.device ?? device.name,
      state: seal?.damaged === true ? 'damaged' : rules,
      bridge: device.master,
      uplink: record?.routed === undefined ? undefined : record.bridge,
      up: device.up,
      link: !device.up ? 'down' : (carrier(device.name) ?? hasCarrier(device.name)) ? 'up' : 'no-carrier',
      guest: domid === undefined ? undefined : { domid, name: guests.get(domid) },
      mac: record?.values.mac,
      extraMacs:
        known === undefined ? valuesOf(record, 'mac').slice(1).join(' ') : macListText(known.plan.macs.slice(1)),
      routes:
        known === undefined
          ? valuesOf(record, 'route', 'route6')
          : [...known.plan.terms.values.route, ...known.plan.terms.values.route6],
      addresses: addressesOf(known, record),
      shared: known === undefined ? [] : sharedOf(known),
      learned: learned.get(device.ifindex) ?? [],
      mode: record?.mode,
      policyMode: known?.policy.mode,
      observed: record?.observed === true,
      unfiltered:
        record !== undefined
          ? openingOf(record, known)
          : unconfigured === 'unmanaged' && isClosed(device)
            ? undefined
            : 'unmanaged',
      overdue: record && overdueSince(record, known),
      allow: record?.allow ?? [],
      log: known && KEYS.log.kind.write(known.policy.log),
      until: known && opens(known.policy) && known.policy.until !== 'never' ? known.policy.until : undefined,
      conversations: hasRules(record) ? ofPort(kernel.conversations, device.ifindex) : undefined,
      rules: [
        ...(!hasRules(record) ? [] : (known?.plan.program?.lists ?? ['of an earlier policy'])),
        ...(record?.loaded.at(-1)?.filter === undefined
          ? []
          : [`nwfilter=${known?.plan.filter?.name ?? 'of an earlier policy'}`]),
      ],
      warnings: [
        ...(lost === undefined
          ? warningsOf(host, rules, { device, record, known }, isClosed(device))
          : [damaged(device, lost)]),
        ...(seal === undefined ? [] : [seal.text]),
      ],
      notes: [
        ...(unfollowed === undefined ? [] : [unfollowed]),
        ...(record === undefined || known === undefined || lost !== undefined
          ? []
          : [...drift(record, known.vif, device), ...vlanDrift(record, known.vif, device)]),
        ...(record === undefined ? [] : silenced(record).map(silence)),
        ...(notes.get(record?.device ?? '') ?? []),
        ...(record === undefined || record.routed !== undefined || shared === undefined
          ? []
          : [{ loud: true, text: `${shared}: vif-bridge reapply --all` }]),
      ],
      drops: drops.get(device.ifindex) ?? [],
      since: record?.since,
    };
  });
  return { ports: rows, backend: host.rules.name, fills: kernel.fills ?? [] };
}

/**
 * Ports of guests that are there, each with its record, and what somebody has done to them since, by device.
 *
 * @throws Failure `missing`
 */
function seenPorts(
  host: Managed,
  wanted: readonly string[] | undefined,
): {
  readonly records: readonly VifRecord[];
  readonly found: readonly FoundPort[];
  readonly changed: ReadonlyMap<string, string | undefined>;
} {
  const live = (wanted && namedVifs(host, wanted)) ?? liveVifs(host);
  const records = live.map(({ record, device }) => ({ ...record, name: device.name }));
  const changed = new Map(live.map(({ record, device }) => [record.device, portDamage(record, device)]));
  const byIndex = new Map(records.map((record) => [record.ifindex, record]));
  // A port that no run has configured is only found by its own name.
  const strangers = (wanted ?? host.deviceNames()).filter(isGuestPort);
  const names = [...new Set([...records.map((record) => record.name), ...strangers])].sort(byNumbers);
  const found = names
    .flatMap((name) => host.readDevice(name) ?? [])
    .map((device) => ({ device, record: byIndex.get(device.ifindex) }))
    .filter(
      ({ device, record }) =>
        wanted === undefined || wanted.includes(device.name) || wanted.includes(record?.device ?? ''),
    );
  if (wanted !== undefined && found.length === 0) {
    throw new Failure('missing', `there is no port and no guest ${wanted.join(' ')}`, {
      hint: 'vif-bridge status shows all',
    });
  }
  return { records, found, changed };
}

/** The vifs of these names, without a look at any other; undefined where one is not found by the name of its record. */
function namedVifs(host: Managed, wanted: readonly string[]): readonly LiveVif[] | undefined {
  const find = deviceFinder(host);
  const live = wanted.flatMap((word): LiveVif[] => {
    const record = host.state.readVif(word);
    const device = record && find(record);
    return record === undefined || device === undefined ? [] : [{ record, device }];
  });
  return live.length === wanted.length ? live : undefined;
}

/** Its guest may have another name since, by which the policy says something else of it. */
function calledNow(record: VifRecord, guest: string | undefined): VifRecord {
  return guest === undefined || record.xenbus === undefined
    ? record
    : { ...record, values: { ...record.values, guest } };
}

function hasCarrier(name: string): boolean {
  return hostFiles.read(`/sys/class/net/${name}/carrier`)?.trim() !== '0';
}

function knownOf(host: Host, record: VifRecord): Partial<Pick<SeenPort, 'known' | 'unfollowed'>> {
  if (host.policy.broken !== undefined) return {};
  try {
    return { known: underPolicy(host, record) };
  } catch (error) {
    const why = failureLine(asFailure(error));
    const text = `what policy and xenstore say of it cannot be followed, so what was loaded goes on: ${why}`;
    return { unfollowed: { loud: true, text } };
  }
}

function hasRules(record: VifRecord | undefined): boolean {
  return record?.loaded.at(-1)?.program !== undefined;
}

function ofPort(all: KernelRules['conversations'], ifindex: number): OpenConversations | undefined {
  if (all === undefined) return undefined;
  return { own: all.ofPort.get(ifindex) ?? 0, limit: all.limit, sets: all.sets };
}

function tapOf({ device: { name }, known }: SeenPort): TapPort[] {
  return known?.vif.type === 'tap' ? [{ vif: known.vif, name }] : [];
}

/** vif2.0 before vif10.0. One collator for all: `localeCompare` makes one for each pair. */
const { compare: byNumbers } = new Intl.Collator('en', { numeric: true });

function damaged({ name }: Device, what: string): string {
  return `damaged: ${what}; repair with: vif-bridge reapply ${name}`;
}

/** A run of ours has begun to configure it. */
function isOurs({ group }: Device): boolean {
  return indexOfGroup(group) !== undefined;
}

function warningsOf(
  host: Managed,
  state: PortStatus['state'],
  { device, record, known }: SeenPort,
  isClosed: boolean,
): string[] {
  const takeOver = `take it over with: vif-bridge reapply ${device.name}`;
  if (state === 'exempt') return [`unfiltered: Xen started it with another script; ${takeOver}`];
  if (state === 'unmanaged') {
    if (isOurs(device) && isClosed) return ['closed: its configuration failed, or it has been offline'];
    const { unmanaged } = host.policy;
    if (isClosed) return [`closed: no run of this program has configured it (unmanaged = ${unmanaged}); ${takeOver}`];
    const why = unmanaged === 'open' ? 'unmanaged = open' : RULES_GONE;
    return [`unfiltered: no run of this program has configured it (${why}); ${takeOver}`];
  }
  if (record !== undefined && isUnbound(record) && known?.policy.ended !== undefined) {
    const { ended, until } = known.policy;
    return [
      `still not filtered: mode = ${ended} has ended at ${moment.write(until)}; vif-bridge reapply ${device.name}`,
    ];
  }
  if (record?.mode === 'unrestricted') {
    if (known === undefined) return ['not filtered'];
    if (known.policy.mode === 'unlocked') return ['not filtered: mode = unlocked'];
    return [
      `not filtered: ${known.plan.mode === 'unrestricted' ? 'no ip= and no_ip = unrestricted' : 'as it was loaded'}`,
    ];
  }
  if (known === undefined) return record?.observed === true ? [OBSERVED] : [];
  if (known.policy.mode === 'disabled') return ['cut off: mode = disabled'];
  const unseen = host.rules.limits(known.plan).filter((limit) => limit.accepted);
  return [
    ...(record?.observed === true ? [OBSERVED] : []),
    ...(record?.mode === 'mac-only' ? ['any IP address: no ip= and no_ip = mac-only'] : []),
    ...(record?.mode === 'addresses' && hasBlocks(known.plan.terms) ? ['every address of its blocks'] : []),
    ...unseen.map((limit) => limit.text),
  ];
}

const OBSERVED = 'not filtered: mode = observe; what is counted would have been dropped with mode = locked';

async function notesByDevice(host: Managed, ports: readonly SeenPort[]): Promise<Map<string, readonly Note[]>> {
  const notesOf = noteTaker(host);
  const doublesOf = doubleFinder(host);
  const nowhere = once(() => nowhereRoutes(host.netTable('route'), host.netTable('ipv6_route')));
  const notes = new Map<string, readonly Note[]>();
  for (const { record, known } of ports) {
    if (record === undefined || known === undefined) continue;
    const now = subjectOf(record, known);
    // That it has ended and is due is said of the port: nothing of it counts yet.
    const isDue = overdueSince(record, known) !== undefined;
    const subject = isDue ? { ...now, policy: { ...known.policy, until: 'never' as const } } : now;
    try {
      notes.set(record.device, [
        ...(await doublesOf(subject)),
        ...notesOf(subject),
        ...notTakenIn(record, known),
        ...silentByRoutes(record, nowhere),
        ...unfinished(record),
      ]);
    } catch (error) {
      host.log.say('debug', `${record.device}: ${failureLine(asFailure(error))}`);
    }
  }
  return notes;
}

/** Somebody has made a route that is not taken away: a guest that is to be silent, or one that has been forgotten. */
function silentByRoutes({ routed }: VifRecord, nowhere: () => readonly NowhereRoute[]): Note[] {
  if (routed === undefined) return [];
  const own = routed.routes.flatMap((route) => parsePrefix(route) ?? []);
  return endingHere(nowhere(), own, routed.metric).map((one) => ({
    loud: true,
    text: `${toNowhere(one)} by another route of this host, so nothing comes to it: ip route show ${one.to.text}`,
  }));
}

/** Somebody has loaded the host's own rules anew, or has begun to drop. */
function silence(filter: HostFilter): Note {
  return {
    loud: true,
    text: `${filter} drops its packets in the chain FORWARD: what lets them pass (host_accept) is not there; put right with: vif-bridge repair`,
  };
}

/** What a killed run leaves is not all that is compared. */
function unfinished({ name, unfinished: left }: VifRecord): Note[] {
  return left === undefined ? [] : [{ loud: true, text: `${UNFINISHED}: vif-bridge reapply ${name}` }];
}

/** Where nothing is known of the policy, those that were loaded. */
function addressesOf(known: UnderPolicy | undefined, record?: VifRecord): string[] {
  if (known === undefined) return valuesOf(record, 'ip', 'ip6');
  const { ipv4, ipv6 } = known.vif.addresses;
  return [...ipv4, ...ipv6].map((prefix) => prefix.text);
}

function valuesOf(record: VifRecord | undefined, ...kinds: readonly (keyof LoadedTerms['values'])[]): string[] {
  const values = record?.loaded.at(-1)?.values;
  return kinds.flatMap((kind) => values?.[kind] ?? []);
}

function sharedOf(known: UnderPolicy): string[] {
  const shared = new Set(known.policy.shared.map(({ text }) => text));
  return addressesOf(known).filter((text) => shared.has(text));
}
