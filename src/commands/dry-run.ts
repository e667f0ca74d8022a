import type { RuleText } from '../backends/backend.ts';
import { isLastGone, leavingPort } from '../backends/base.ts';
import { type Managed, withKnownRules } from '../backends/choice.ts';
import type { BatchLine } from '../effects/batch.ts';
import { hooksFolder, postHooks } from '../effects/post-hooks.ts';
import { asFailure, failureLine } from '../errors.ts';
import type { Host } from '../host.ts';
import { type Announcement, announcingLines, announcingTables, announcingTablesRemoval } from '../port/announcement.ts';
import { firstName } from '../port/device-owner.ts';
import { type AcceptedPort, acceptsText, HOST_FILTERS, type HostFilter, RESTORE } from '../port/host-accept.ts';
import {
  fdbLines,
  groupLimitLines,
  joinLines,
  leaveLines,
  prepareLines,
  upLines,
  vlanLines,
} from '../port/port-setup.ts';
import {
  leaveRouteLines,
  prepareRouteLines,
  type RouteSetup,
  restoreRouteLines,
  routeSettings,
  serveRouteLines,
} from '../port/route-setup.ts';
import { trunkOf } from '../state/records.ts';
import { announcementOf } from '../vif/announce.ts';
import { joiningLines, type Wanted } from '../vif/apply.ts';
import { doubleFinder } from '../vif/doubles.ts';
import { isForgotten } from '../vif/forgotten.ts';
import { unproxying } from '../vif/kind.ts';
import { noteTaker } from '../vif/notes.ts';
import { identify, type Prepared, prepareDry } from '../vif/prepare.ts';
import { plannedPort } from '../vif/record.ts';
import { planOne } from '../vif/renewal.ts';
import { connectedKeys } from '../vif/report.ts';
import { planRoute, routedAddresses } from '../vif/routed-plan.ts';
import { sealingText, unsealing } from '../vif/sealed-tap.ts';
import { entryLines } from '../vif/shared-mac.ts';
import { readUplinkDry } from '../vif/uplink.ts';
import type { HotplugEvent } from '../xen/hotplug-event.ts';
import { theirDevice } from './offline.ts';
import { sourceNote } from './reapplied.ts';
import { identityNamed } from './reapply.ts';

/**
 * What a run would do, as text a person could have typed: the complete nft or ebtables text, the batches for ip and
 * bridge, the writes to xenstore. Changes nothing; needs no root, no device, no nft.
 */
export async function dryRun(given: Host, event: HotplugEvent): Promise<string> {
  const host = withKnownRules(given);
  return event.command === 'online' || event.command === 'add' ? dryOnline(host, event) : dryOffline(host, event);
}

async function dryOnline(host: Managed, event: HotplugEvent): Promise<string> {
  if (event.routed === true) return dryRoute(host, event, 'nothing');
  const prepared = await prepareDry(host, event);
  const { setup } = prepared;
  const report = connectedKeys(event, setup.mtu, prepared.keys?.get('hotplug-error'));
  return (
    (await applyText(host, prepared, {
      rules: host.rules.loadText(plannedPort(host, prepared, undefined), 'nothing'),
      joining: [...(setup.rename ? [] : prepareLines(setup)), ...joinLines(setup)],
      entries: fdbLines(setup),
      comesUp: true,
      vlans: vlanLines(prepared.setup),
    })) +
    hostSection(host, { name: setup.name }) +
    section(
      'hooks',
      postHooks()
        .map((name) => `${hooksFolder()}/${name}\n`)
        .join(''),
    ) +
    section('xenstore-write', report.map(([path, value]) => `${path} ${JSON.stringify(value)}\n`).join(''))
  );
}

/** Whether the host hands bridged packets to them is only known where it is: `auto` says it in the log. */
function hostSection(host: Managed, port: AcceptedPort, filters: readonly HostFilter[] = HOST_FILTERS): string {
  if (host.policy.host_accept !== 'yes') return '';
  const programs = filters.map((filter) => `${filter}-restore`).join(' and ');
  return section(`${programs} ${RESTORE.join(' ')}`, acceptsText([port]));
}

/** What a re-apply of one vif would do: no link goes down, nothing is told to Xen. */
export async function dryReapply(given: Host, name: string): Promise<string> {
  const host = withKnownRules(given);
  const renewable = await identityNamed(host, name);
  const source = renewable.event.xenbus === undefined ? `# note: ${sourceNote([name])}\n` : '';
  try {
    if (renewable.event.routed === true) return source + (await dryRoute(host, renewable.event, 'base'));
    return source + (await renewalText(host, planOne(host, renewable)));
  } catch (error) {
    const failure = asFailure(error);
    if (failure.code !== 'missing') throw failure;
    const online = await dryOnline(host, renewable.event);
    return `${source}# note: it would fail: ${failureLine(failure)}; this is what online would do:\n${online}`;
  }
}

async function renewalText(host: Managed, { prepared, present, before }: Wanted): Promise<string> {
  const forgotten = before === undefined && isForgotten(host, prepared.vif.device, present);
  const note = forgotten ? `# note: ${UNKNOWN}\n` : '';
  const text = await applyText(host, prepared, {
    rules: host.rules.loadText(plannedPort(host, prepared, before), 'base'),
    joining: joiningLines(host, { prepared, present, before }, { takesDown: false }),
    entries: entryLines(host, prepared, before, present.ifindex),
    comesUp: prepared.setup.rename || !present.up,
    vlans: vlanLines(prepared.setup, before?.ifindex === present.ifindex ? trunkOf(before) : []),
  });
  return note + text;
}

/** The steps of vif/routed-apply.ts; what is not here is left out, nothing is needed. */
async function dryRoute(host: Managed, event: HotplugEvent, upon: 'nothing' | 'base'): Promise<string> {
  const who = await identify(host, event);
  const uplink = await readUplinkDry(host, who.vif.uplink, routedAddresses(host, who));
  const present = host.readDevice(who.vif.name) ?? host.readDevice(who.vif.device);
  const prepared = planRoute(host, who, event, uplink, present);
  const { route, vif } = prepared;
  const before = upon === 'base' ? host.state.readVif(vif.device) : undefined;
  const rules = host.routedRules.loadText(plannedPort(host, prepared, before), upon);
  const takesDown = upon === 'nothing' || route.rename || present?.up !== true;
  const subject = { ...prepared, routed: true as const };
  const notes = [
    ...vif.addresses.notes,
    ...(uplink.mtu === undefined
      ? [`${uplink.name} is not here: its MTU, its subnets and the address of this host there are unknown`]
      : []),
    ...prepared.routeNotes,
    ...rules.notes,
  ];
  const report = upon === 'nothing' ? connectedKeys(event, route.mtu, prepared.keys?.get('hotplug-error')) : [];
  const settings = [...forwardingSettings(route), ...routeSettings(route).map(({ path, value }) => `${path}=${value}`)];
  return [
    ...[...(await doubleFinder(host)(subject)), ...noteTaker(host)(subject)].map(
      ({ loud, text }) => `# ${loud ? 'warning' : 'note'}: ${text}\n`,
    ),
    ...notes.map((note) => `# note: ${note}\n`),
    ...sealingText(host, vif).map(([title, text]) => section(title, text)),
    section('ip -batch -', batch(takesDown ? prepareRouteLines(route) : restoreRouteLines(route))),
    section('sysctl -w', settings.map((line) => `net/${line}\n`).join('')),
    section(rules.title, rules.text),
    section('ip -batch -', batch(serveRouteLines(route))),
    hostSection(host, { name: route.name, routed: { uplink: undefined } }, [
      ...(route.ipv4.length === 0 ? [] : (['iptables'] as const)),
      ...(route.ipv6.length === 0 ? [] : (['ip6tables'] as const)),
    ]),
    ...announcingText(announcementOf(prepared, before?.routed)),
    section('xenstore-write', report.map(([path, value]) => `${path} ${JSON.stringify(value)}\n`).join('')),
  ].join('');
}

/** The steps of vif/announce.ts. */
function announcingText(announcement: Announcement | undefined): string[] {
  if (announcement === undefined) return [];
  return [
    section('nft -f -', announcingTables(announcement)),
    section('ip -batch -', batch(announcingLines(announcement))),
    section('nft -f -', announcingTablesRemoval(announcement)),
  ];
}

/** What must be so before. */
function forwardingSettings({ ipv4, ipv6 }: RouteSetup): string[] {
  return [
    ...(ipv4.length === 0 ? [] : ['ipv4/ip_forward=1']),
    ...(ipv6.length === 0 ? [] : ['ipv6/conf/all/forwarding=1']),
  ];
}

/** The steps of vif/apply.ts. */
async function applyText(
  host: Managed,
  prepared: Prepared,
  steps: {
    readonly rules: RuleText;
    readonly joining: readonly BatchLine[];
    readonly entries: readonly BatchLine[];
    readonly comesUp: boolean;
    readonly vlans: readonly BatchLine[];
  },
): Promise<string> {
  const { setup } = prepared;
  const limits = batch(groupLimitLines(setup));
  const sealing = sealingText(host, prepared.vif);
  const notes = [
    ...prepared.vif.addresses.notes,
    ...(host.readDevice(prepared.bridge) === undefined
      ? [`${prepared.bridge} is not here, its subnets and its MTU are unknown`]
      : []),
    ...steps.rules.notes,
    ...(sealing.length > 0 ? [`the port will be a new device, with a group of its own: the tap goes behind it`] : []),
  ];
  return [
    ...[...(await doubleFinder(host)(prepared)), ...noteTaker(host)(prepared)].map(
      ({ loud, text }) => `# ${loud ? 'warning' : 'note'}: ${text}\n`,
    ),
    ...notes.map((note) => `# note: ${note}\n`),
    ...sealing.map(([title, text]) => section(title, text)),
    section(
      'sysctl -w',
      `net.ipv6.conf.${(setup.rename ? setup.device : setup.name).replaceAll('.', '/')}.disable_ipv6=1`,
    ),
    section('ip -batch -', batch(setup.rename ? prepareLines(setup) : [])),
    section(steps.rules.title, steps.rules.text),
    section('ip -batch -', batch(steps.joining)),
    section('bridge -batch -', limits === '' ? '' : `# not before kernel 6.3, which has no such limit\n${limits}`),
    section('bridge -batch -', batch(steps.vlans)),
    section('bridge -batch -', batch(steps.entries)),
    section('ip -batch -', batch(steps.comesUp ? upLines(setup.name) : [])),
  ].join('');
}

async function dryOffline(host: Managed, event: HotplugEvent): Promise<string> {
  const record = host.state.readVif(event.device);
  const theirs = await theirDevice(host, event, record);
  const stranger = theirs === undefined && record === undefined ? host.readDevice(event.device) : undefined;
  const name = theirs?.name ?? record?.name ?? event.device;
  const leaving =
    record === undefined ? { device: event.device, loaded: [], hadIngress: false } : leavingPort(host, record);
  const routed = record === undefined ? event.routed === true : record.routed !== undefined;
  const { title, text } = (routed ? host.routedRules : host.rules).removalText(leaving);
  const unknown = isForgotten(host, event.device, theirs) ? `# ${UNKNOWN}\n` : '# nothing of this vif is loaded\n';
  const rules = record === undefined ? unknown : text;
  const lines = [
    ...(stranger === undefined ? (routed ? leaveRouteLines(name) : leaveLines(name)) : []),
    ...(record?.routed === undefined ? [] : unproxying(host, record)),
    ...(event.type === 'tap' ? unsealing(host, event.device) : []),
  ];
  const last = record !== undefined && !routed && isLastGone(host, event.device);
  const note = last ? '# note: it is the last one of ours, so all that is left of our rules goes with it\n' : '';
  const left =
    stranger && `# note: ${event.device} is the port of another vif, ${firstName(stranger)}: it is left alone\n`;
  return note + (left ?? '') + section('ip -batch -', batch(lines)) + section(title, rules);
}

const UNKNOWN = 'what is loaded for it is not known: all rules are made anew';

function section(title: string, body: string): string {
  return body === '' ? '' : `### ${title}\n${body.endsWith('\n') ? body : `${body}\n`}\n`;
}

function batch(lines: readonly BatchLine[]): string {
  return lines.map((line) => `${line.text}\n`).join('');
}
