import type { Managed } from '../backends/choice.ts';
import type { BatchLine } from '../effects/batch.ts';
import type { Device } from '../effects/sysfs.ts';
import { type Failures, runTogether } from '../effects/together.ts';
import { asFailure, Failure } from '../errors.ts';
import {
  formerRouteLines,
  prepareRouteLines,
  restoreRouteLines,
  routeSettings,
  serveRouteLines,
} from '../port/route-setup.ts';
import type { VifRecord } from '../state/records.ts';
import { forgetAnnouncing } from './announce.ts';
import { rememberRoutes } from './forgotten-routes.ts';
import { checkForwarding } from './forwarding.ts';
import { unproxying } from './kind.ts';
import { noteApplied, plannedPort, recordOf, routedState, writeRecord } from './record.ts';
import type { PreparedRoute } from './routed-plan.ts';

/** A routed vif that is to be made what is planned for it. */
export interface WantedRoute {
  readonly prepared: PreparedRoute;
  readonly present: Device;
  /** What an earlier run left. */
  readonly before: VifRecord | undefined;
  readonly record: VifRecord;
}

export function wantedRoute(
  host: Managed,
  prepared: PreparedRoute,
  present: Device,
  before: VifRecord | undefined,
): WantedRoute {
  return { prepared, present, before, record: recordOf(host, prepared, present, before) };
}

/** How it is done. */
export interface RouteManner {
  /** Every link goes down first; else only one that has to, to be renamed. */
  readonly takesDown: boolean;
  /** For speed alone: begun while the rules are loaded, with what need not wait for them, and while links come up. */
  readonly whileLoading?: (lines: readonly BatchLine[]) => void;
  readonly whileComingUp?: () => void;
}

/**
 * Makes kernel, devices and state what is planned. The rules are there before a link comes up, and the routes after it:
 * what nobody can ask about yet is sent nowhere. Each step is one program for all of them, and one that fails at a step
 * takes no part in the next.
 *
 * The caller has locked all of them.
 *
 * @returns what failed, by device
 */
export async function applyRoutes(host: Managed, vifs: readonly WantedRoute[], manner: RouteManner): Promise<Failures> {
  const failures: Failures = new Map();
  const working = (): WantedRoute[] => vifs.filter(({ record }) => !failures.has(record.device));
  const note = (failed: Failures): void => {
    for (const [device, failure] of failed) failures.set(device, failure);
  };
  const each = async (work: (vif: WantedRoute) => void | Promise<void>): Promise<void> => {
    for (const vif of working()) {
      try {
        await work(vif);
      } catch (error) {
        failures.set(vif.record.device, asFailure(error));
      }
    }
  };
  const batch = async (linesOf: (vif: WantedRoute) => readonly BatchLine[]): Promise<void> => {
    const lines = working().map((vif) => ({ device: vif.record.device, lines: linesOf(vif) }));
    if (lines.every((one) => one.lines.length === 0)) return;
    note(await runTogether(host.run, 'ip', lines, (device, what) => host.log.say('warning', `${device}: ${what}`)));
  };

  await each(({ prepared }) => checkForwarding(host, prepared.route));
  if (host.routedRules.base() === undefined) {
    await rememberRoutes(host, new Set(working().map(({ record }) => record.device)));
  }
  await each(async ({ before }) => before && forgetAnnouncing(host, before));
  // Before the kernel is told: a killed run leaves nothing that the next one does not know of.
  await each(({ record, before }) => writeRecord(host, record, before));
  await batch((vif) => (isClosed(vif) ? [] : preparing(vif, manner)));
  await each(({ prepared }) => makeSettings(host, prepared));
  const rules = host.routedRules.load(working().map(({ prepared, before }) => plannedPort(host, prepared, before)));
  manner.whileLoading?.(working().flatMap((vif) => (isClosed(vif) ? preparing(vif, manner) : [])));
  note(await rules);
  if (working().length > 0) manner.whileComingUp?.();
  await batch((vif) => [...(isClosed(vif) ? preparing(vif, manner) : []), ...servingLines(host, vif, manner)]);
  await each((vif) => finish(host, vif));
  return failures;
}

/** Its link is down, and nobody can be asked about it: what comes before its rules and behind them is one program. */
function isClosed({ prepared, present }: WantedRoute): boolean {
  return !present.up && !prepared.route.rename;
}

function goesDown({ prepared, present }: WantedRoute, { takesDown }: RouteManner): boolean {
  return takesDown || prepared.route.rename || !present.up;
}

function preparing(vif: WantedRoute, manner: RouteManner): BatchLine[] {
  const { route } = vif.prepared;
  return goesDown(vif, manner) ? prepareRouteLines(route) : restoreRouteLines(route);
}

function servingLines(host: Managed, vif: WantedRoute, manner: RouteManner): BatchLine[] {
  const { prepared, present, before } = vif;
  const { route } = prepared;
  const earlier = before?.ifindex === present.ifindex && before.bootId === host.bootId() ? before : undefined;
  return [
    ...(earlier?.routed === undefined || goesDown(vif, manner)
      ? []
      : formerRouteLines(route.name, earlier.routed, route)),
    ...serveRouteLines(route),
    ...(earlier === undefined ? [] : unproxying(host, earlier, route.proxies)),
  ];
}

function finish(host: Managed, { prepared, present: { ifindex }, record }: WantedRoute): void {
  const { route, vif } = prepared;
  const known = host.state.readVif(record.device);
  const now = { loaded: [{ ifindex, ...prepared.plan.terms }], routed: routedState(route) };
  writeRecord(host, { ...(known ?? record), ...now }, known);
  for (const text of prepared.routeNotes) host.log.say('warning', `${vif.name}: ${text}`);
  noteApplied(host, prepared, []);
}

/** @throws Failure `tool` for one that must be */
function makeSettings(host: Managed, { route }: PreparedRoute): void {
  for (const { path, value, optional } of routeSettings(route)) {
    if (host.writeSetting(path, value) || optional !== undefined) continue;
    throw new Failure('tool', `net/${path} cannot be set to ${value}`, {
      hint: path.startsWith('ipv6') ? 'does this kernel have IPv6? is /proc/sys read-only?' : 'is /proc/sys read-only?',
    });
  }
}
