import type { Managed } from '../backends/choice.ts';
import { batchAhead } from '../effects/batch.ts';
import { logAhead } from '../effects/log.ts';
import { Failure } from '../errors.ts';
import { announce } from '../vif/announce.ts';
import { waitForPort } from '../vif/device.ts';
import { refuseDouble } from '../vif/doubles.ts';
import { runVifHooks } from '../vif/hooks.ts';
import { acceptAtHost } from '../vif/host-accept.ts';
import { beforeOfKind } from '../vif/kind.ts';
import { lookOnceMore } from '../vif/last-look.ts';
import { lockName } from '../vif/lock.ts';
import type { Identified } from '../vif/prepare.ts';
import { reportAhead, reportConnected } from '../vif/report.ts';
import { applyRoutes, type RouteManner, wantedRoute } from '../vif/routed-apply.ts';
import { planRoute, routedAddresses } from '../vif/routed-plan.ts';
import { readUplink } from '../vif/uplink.ts';
import { withForeignEntries } from '../vif/uplink-entries.ts';
import type { HotplugEvent } from '../xen/hotplug-event.ts';

/**
 * `online` and `add` of a vif that this host routes for: rules first, then the link, its routes, and last Xen is told.
 * The caller has locked it.
 */
export async function onlineRouted(
  host: Managed,
  event: HotplugEvent,
  who: Identified,
  begin: () => void,
): Promise<void> {
  await using _name = await lockName(host, who.vif);
  const uplink = await readUplink(host, who.vif.uplink, routedAddresses(host, who));
  // What can be refused is refused before a device is waited for, and before a tap is sealed.
  const early = host.readDevice(who.vif.device);
  const first = planRoute(host, who, event, uplink, early);
  if (who.vif.type === 'tap') begin();
  const present = await waitForPort(host, who.vif);
  if (present.master !== undefined) throw onBridge(present.name, present.master);
  const before = await beforeOfKind(host, event.device, present, 'route');
  const planned = early?.ifindex === present.ifindex ? first : planRoute(host, who, event, uplink, present);
  const prepared = await withForeignEntries(host, planned, before, undefined);
  await refuseDouble(host, { ...prepared, routed: true });
  begin();
  const failures = await applyRoutes(host, [wantedRoute(host, prepared, present, before)], inSteps(host, event));
  for (const failure of failures.values()) throw failure;
  lookOnceMore(host, { ...prepared.setup, bridge: undefined }, present.ifindex);
  const { name } = prepared.setup;
  // Beside what is to be waited for anyway.
  const announcing = announce(host, prepared, undefined);
  try {
    await acceptAtHost(host, [event.device]);
    await runVifHooks(host, event, { name, bridge: '', ip: prepared.vif.addresses.text });
    await reportConnected(host, prepared);
  } finally {
    await announcing;
  }
}

/** The link goes down first. */
function inSteps(host: Managed, event: HotplugEvent): RouteManner {
  return {
    takesDown: true,
    whileLoading(lines) {
      batchAhead(host, 'ip', lines);
      logAhead(host);
    },
    whileComingUp: () => reportAhead(host, event),
  };
}

function onBridge(name: string, bridge: string): Failure {
  return new Failure('input', `${name} is a port of ${bridge}`, {
    at: 'vif-route',
    hint: `a routed vif is on no bridge: ip link set dev ${name} nomaster`,
  });
}
