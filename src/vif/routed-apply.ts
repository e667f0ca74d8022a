import type { Managed } from '../backends/choice.ts';
import { type BatchLine, runBatch } from '../effects/batch.ts';
import type { Device } from '../effects/sysfs.ts';
import { Failure } from '../errors.ts';
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

/**
 * Makes kernel, device and state what is planned. The rules are there before the link comes up, and the routes after
 * it: what nobody can ask about yet is sent nowhere.
 *
 * The caller has locked it.
 *
 * @param takesDown its link goes down first; else only if it has to, to be renamed
 */
export async function applyRoute(host: Managed, wanted: WantedRoute, takesDown: boolean): Promise<void> {
  const { prepared, present, before, record } = wanted;
  const { route, vif } = prepared;
  checkForwarding(host, route);
  if (host.routedRules.base() === undefined) await rememberRoutes(host, record.device);
  if (before !== undefined) await forgetAnnouncing(host, before);
  // Before the kernel is told: a killed run leaves nothing that the next one does not know of.
  writeRecord(host, record, before);
  const goesDown = takesDown || route.rename || !present.up;
  await run(host, vif.name, goesDown ? prepareRouteLines(route) : restoreRouteLines(route));
  makeSettings(host, prepared);
  for (const failure of (await host.routedRules.load([plannedPort(host, prepared, before)])).values()) throw failure;
  const earlier = before?.ifindex === present.ifindex && before.bootId === host.bootId() ? before : undefined;
  await run(host, vif.name, [
    ...(earlier?.routed === undefined || goesDown ? [] : formerRouteLines(route.name, earlier.routed, route)),
    ...serveRouteLines(route),
    ...(earlier === undefined ? [] : unproxying(host, earlier, route.proxies)),
  ]);
  const known = host.state.readVif(record.device);
  const { ifindex } = present;
  writeRecord(
    host,
    { ...(known ?? record), loaded: [{ ifindex, ...prepared.plan.terms }], routed: routedState(route) },
    known,
  );
  for (const text of prepared.routeNotes) host.log.say('warning', `${vif.name}: ${text}`);
  noteApplied(host, prepared, []);
}

async function run(host: Managed, name: string, lines: readonly BatchLine[]): Promise<void> {
  for (const lost of await runBatch(host.run, 'ip', lines)) host.log.say('warning', `${name}: ${lost}`);
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
