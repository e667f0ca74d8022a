import type { RuleDrift } from '../backends/backend.ts';
import { type Managed, withHeldRules } from '../backends/choice.ts';
import { type Files, hostFiles } from '../effects/look-file.ts';
import type { Device } from '../effects/sysfs.ts';
import { Failure, failureLine } from '../errors.ts';
import { grouped } from '../grouped.ts';
import type { Host } from '../host.ts';
import { isGuestPort } from '../net/vif-name.ts';
import { once } from '../once.ts';
import { differences } from '../port/differences.ts';
import type { HostFilter } from '../port/host-accept.ts';
import type { SeenEntry } from '../port/seen-port.ts';
import type { WishedPort } from '../port/wished-port.ts';
import { lookOnce } from '../state/look-once.ts';
import { deviceFinder, type LiveVif, liveVifs } from '../state/present-devices.ts';
import { isInVlans, UNFINISHED, type VifRecord } from '../state/records.ts';
import type { Wanted } from '../vif/apply.ts';
import { silencedAtHost } from '../vif/host-accept.ts';
import { sharedNotTakenIn } from '../vif/not-taken-in.ts';
import { planOne } from '../vif/renewal.ts';
import { type Source, sourceOfAll, sourceOfOne } from '../vif/source.ts';
import { pathOf } from './reapply.ts';
import { type Compared, comparedVifs, wishedRules } from './verify/compared.ts';
import {
  type Drift,
  damageDrift,
  inService,
  ruleDriftOf,
  rulesDrift,
  silence,
  straysIn,
  told,
  type VerifiedVif,
} from './verify/drift.ts';
import { type Foreign, foreignThings } from './verify/foreign.ts';
import { lookAtPorts, type PortLook } from './verify/ports.ts';
import { verifyRoutes } from './verify/routed.ts';

/** What `verify` has found. */
export interface Verified {
  readonly vifs: readonly VerifiedVif[];
  /** What all vifs share, and what is nobody's in our sets. */
  readonly shared: readonly Drift[];
  /** Of others, and makes ours moot. */
  readonly foreign: readonly Foreign[];
  /** What `takeOut` would take out: of ports of bridges, and of those that are on none. */
  readonly strays: readonly RuleDrift[];
  readonly routedStrays: readonly RuleDrift[];
  /** Stations that the bridge is told to be behind a port, and that are not its guest's. */
  readonly strayEntries: readonly SeenEntry[];
}

/**
 * Compares what is there with what policy and xenstore say now: rules, sets, ports, forwarding entries, what Xen was
 * told. Changes nothing.
 *
 * @param names of ports; undefined: all that are configured
 * @throws Failure `missing` for a port that no run of ours has configured
 */
export async function verify(
  given: Host,
  names: readonly string[] | undefined,
  files: Files = hostFiles,
): Promise<Verified> {
  if (!given.showsThisNetwork()) {
    throw new Failure('missing', '/sys shows the devices of another network than the one of this run', {
      hint: 'in a network namespace run it by ip netns exec; in a container mount /sys anew',
    });
  }
  const host = withHeldRules(lookOnce(given));
  const all = once(() => liveVifs(host));
  const some = names === undefined ? all() : names.map((name) => vifNamed(host, all, name));
  const bridged = some.filter(({ record }) => record.routed === undefined);
  const routed = some.filter(({ record }) => record.routed !== undefined);
  const bridgedNames = names === undefined ? undefined : bridged.map(({ device }) => device.name);
  const looking = lookAtPorts(
    host,
    bridgedNames,
    bridged.some(({ record }) => isInVlans(record)),
    files.read,
  );
  const others = foreignThings(
    host,
    some.map(({ device }) => device.name),
    names === undefined,
    files,
  );
  const silencing = silencedAtHost(
    host,
    some.map(({ record }) => record),
  );
  const source = sourceOf(host, some, names === undefined);
  const ofRouted = verifyRoutes(host, { vifs: routed, source, silencing, all: names === undefined });
  const find = deviceFinder(host);
  const comparing = comparedVifs(bridged, source, (one) => planOne(host, one, find));
  const wished = comparing.then((compared) => wishedRules(host, compared, names === undefined));
  const kernel = host.rules.compare(() => bridged.map(inService), wished);
  for (const promise of [looking, others, kernel, silencing, ofRouted]) promise.catch(() => undefined);
  const compared = await comparing;
  const [ports, { rules, drift: drifts }, foreign, silenced] = await Promise.all([looking, kernel, others, silencing]);
  const { damages, sharedDamage } = rules;
  const otherPolicy = sharedNotTakenIn(host);
  const routes = await ofRouted;
  const ofRules = grouped(drifts.map((one) => [one.device, one]));
  const vifs = [
    ...compared.map((one) =>
      verified(one, ports, ofRules, sharedDamage === undefined ? damages : new Map(), silenced(inService(one.live))),
    ),
    ...routes.vifs,
  ];
  return {
    vifs: (await source).isSilent() ? vifs.map((one) => unasked(one, some)) : vifs,
    shared: [
      ...(sharedDamage === undefined || bridged.length === 0 ? [] : [damageDrift(sharedDamage)]),
      ...(otherPolicy === undefined || bridged.length === 0 ? [] : [policyDrift(otherPolicy)]),
      ...(ofRules.get(undefined) ?? []).map(ruleDriftOf),
      ...routes.shared,
    ],
    foreign: [...foreign, ...(names === undefined ? stockPorts(host, all()) : [])],
    strays: straysIn(drifts),
    routedStrays: routes.strays,
    strayEntries: compared.flatMap(({ live, wanted }) =>
      wanted instanceof Failure ? [] : strayEntries(live.device.name, wanted.prepared.setup, ports),
    ),
  };
}

/** True if nothing differs. */
export function isWell({ vifs, shared, foreign }: Verified): boolean {
  return shared.length + foreign.length === 0 && vifs.every(({ drift }) => drift.length === 0);
}

/** True if something could not be compared. */
export function hasTrouble({ vifs }: Verified): boolean {
  return vifs.some(({ trouble }) => trouble !== null);
}

/** By the name of its device; only where none is called so all are looked at. */
function vifNamed(host: Managed, all: () => readonly LiveVif[], name: string): LiveVif {
  const record = host.state.readVif(name);
  const device = record && deviceFinder(host)(record);
  if (record !== undefined && device !== undefined) return { record, device };
  const found = all().find((one) => one.device.name === name);
  if (found !== undefined) return found;
  if (host.readDevice(name) === undefined)
    throw new Failure('missing', `there is no port ${name}`, { hint: 'vif-bridge status shows all' });
  throw new Failure('missing', `no run of this program has configured ${name}`, {
    hint: `vif-bridge reapply ${name} takes it over`,
  });
}

async function sourceOf(host: Managed, vifs: readonly LiveVif[], all: boolean): Promise<Source> {
  if (!all) return sourceOfOne(host);
  return sourceOfAll(
    host,
    vifs.flatMap(({ record }) => pathOf({ device: record.device, record }) ?? []),
  );
}

function verified(
  { live: { record, device }, wanted }: Compared<Wanted>,
  look: PortLook,
  rules: ReadonlyMap<string | undefined, readonly RuleDrift[]>,
  damages: ReadonlyMap<string, string>,
  silenced: readonly HostFilter[],
): VerifiedVif {
  const own = { device: record.device, name: device.name, bridge: device.master ?? null };
  if (wanted instanceof Failure) return { ...own, drift: [], trouble: failureLine(wanted) };
  const { setup } = wanted.prepared;
  const seen = look.portOf(device.name, setup);
  const ofPort =
    seen === undefined
      ? []
      : differences({ ...setup, name: record.name }, seen)
          .filter(({ found }) => found !== 'not told')
          .map(({ what, wished, found, security }): Drift => ({ part: 'port', what, wished, found, security }));
  return {
    ...own,
    drift: [
      ...rulesDrift(rules.get(record.device) ?? [], damages.get(record.device)),
      ...ofPort,
      ...silenced.map(silence),
      ...unfinished(record),
      ...told(wanted),
    ],
    trouble: seen === undefined ? `ip tells nothing of ${device.name}` : null,
  };
}

/** What Xen says of it is not known: what was saved of it is no answer. Who was configured by hand is not Xen's. */
function unasked(one: VerifiedVif, vifs: readonly LiveVif[]): VerifiedVif {
  const isOfXen = vifs.some(({ record }) => record.device === one.device && record.xenbus !== undefined);
  return isOfXen && one.trouble === null ? { ...one, trouble: UNASKED } : one;
}

const UNASKED = 'xenstore does not answer; rules and port were compared with what was saved';

/** What the bridge learned from a port that must not learn, and what somebody has entered. */
function strayEntries(name: string, setup: WishedPort, look: PortLook): SeenEntry[] {
  const seen = look.portOf(name, setup);
  const { stations, bridge } = setup;
  if (seen === undefined || stations === 'anybody') return [];
  return seen.entries.filter(
    ({ mac, port, bridge: of, state }) =>
      port === name &&
      of === bridge &&
      !stations.some((one) => one === mac) &&
      // The port's own address, which the bridge enters by itself.
      !(state === 'permanent' && mac === seen.link.address),
  );
}

function policyDrift(found: string): Drift {
  return { part: 'rules', what: 'shared rules', wished: 'of this policy', found, security: true };
}

/** A run that was ended in the middle may have left flags that nobody compares: those that a port may have or not. */
function unfinished(record: VifRecord): Drift[] {
  if (record.unfinished === undefined) return [];
  return [{ part: 'port', what: 'settings', wished: 'whole', found: UNFINISHED, security: true }];
}

/** Ports that carry a guest without us. */
function stockPorts(host: Managed, all: readonly LiveVif[]): Foreign[] {
  const ours = new Set(all.map(({ device }) => device.ifindex));
  const others = host
    .deviceNames()
    .filter(isGuestPort)
    .flatMap((one) => host.readDevice(one) ?? [])
    .filter((device: Device) => device.master !== undefined && !ours.has(device.ifindex));
  return others.map(({ name, master }) => ({
    what: `${name} on ${master} was not configured by this program`,
    why:
      host.policy.unmanaged === 'open'
        ? 'it is not filtered (unmanaged = open)'
        : 'unmanaged = closed: it is closed, or exempt',
    fix: `vif-bridge reapply ${name}`,
  }));
}
