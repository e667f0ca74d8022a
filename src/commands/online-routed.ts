import type { Managed } from '../backends/choice.ts';
import { Failure } from '../errors.ts';
import type { Host } from '../host.ts';
import { waitForPort } from '../vif/device.ts';
import { refuseDouble } from '../vif/doubles.ts';
import { runVifHooks } from '../vif/hooks.ts';
import { beforeOfKind } from '../vif/kind.ts';
import { lockName } from '../vif/lock.ts';
import type { Identified } from '../vif/prepare.ts';
import { reportConnected } from '../vif/report.ts';
import { applyRoute, wantedRoute } from '../vif/routed-apply.ts';
import { type PreparedRoute, planRoute } from '../vif/routed-plan.ts';
import { readUplink } from '../vif/uplink.ts';
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
  const uplink = await readUplink(host, who.vif.uplink);
  // What can be refused is refused before a device is waited for, and before a tap is sealed.
  planRoute(host, who, event, uplink, undefined);
  if (who.vif.type === 'tap') begin();
  const present = await waitForPort(host, who.vif);
  if (present.master !== undefined) throw onBridge(present.name, present.master);
  const before = await beforeOfKind(host, event.device, present, 'route');
  const prepared = planRoute(host, who, event, uplink, present);
  await refuseDouble(host, { ...prepared, routed: true });
  begin();
  await applyRoute(host, wantedRoute(host, prepared, present, before), true);
  lookOnceMore(host, prepared, present.ifindex);
  const { name } = prepared.setup;
  await runVifHooks(host, event, { name, bridge: '', ip: prepared.vif.addresses.text });
  await reportConnected(host, prepared);
}

function onBridge(name: string, bridge: string): Failure {
  return new Failure('input', `${name} is a port of ${bridge}`, {
    at: 'vif-route',
    hint: `a routed vif is on no bridge: ip link set dev ${name} nomaster`,
  });
}

/** The last look before Xen is told. */
function lookOnceMore(
  host: Pick<Host, 'readDevice'>,
  { setup: { name, group } }: PreparedRoute,
  ifindex: number,
): void {
  const now = host.readDevice(name);
  const wrong = ((): string | undefined => {
    if (now === undefined || now.ifindex !== ifindex) return 'is gone, or has another name';
    if (now.master !== undefined) return `is on ${now.master}`;
    if (!now.up) return 'is down';
    return now.group === group ? undefined : `is in the interface group ${now.group}`;
  })();
  if (wrong === undefined) return;
  throw new Failure('missing', `somebody has changed ${name} while it was configured: it ${wrong}`, {
    hint: 'keep networkd, ifupdown and scripts away from the ports of guests',
  });
}
