import { type Managed, withRules } from '../backends/choice.ts';
import { batchAhead } from '../effects/batch.ts';
import { logAhead } from '../effects/log.ts';
import { directoryAhead } from '../effects/xenstore.ts';
import type { Host } from '../host.ts';
import { chooseBridge } from '../port/bridge.ts';
import { prepareLines } from '../port/port-setup.ts';
import { apply, type Manner } from '../vif/apply.ts';
import { waitForPort } from '../vif/device.ts';
import { refuseDouble } from '../vif/doubles.ts';
import { runVifHooks } from '../vif/hooks.ts';
import { acceptAtHost } from '../vif/host-accept.ts';
import { beforeOfKind } from '../vif/kind.ts';
import { lookOnceMore } from '../vif/last-look.ts';
import { lockName, lockVif, overtaken } from '../vif/lock.ts';
import { identify, type Prepared, prepareIdentified } from '../vif/prepare.ts';
import { recordOf } from '../vif/record.ts';
import { reportAhead, reportConnected } from '../vif/report.ts';
import { uplinkAhead } from '../vif/uplink.ts';
import type { HotplugEvent } from '../xen/hotplug-event.ts';

/**
 * `online` of a vif, `add` of a tap: rules first, then the port, up last, then tell Xen.
 *
 * Everything that can be refused is refused before anything is changed. The caller closes the link if this throws.
 *
 * @param begin is called before the first change
 */
export async function online(given: Host, event: HotplugEvent, begin: () => void): Promise<void> {
  const host = await withRules(given, event.routed === true ? 'routed' : 'any');
  await using _vif = await lockVif(host, event.device);
  readAhead(host, event);
  const who = await identify(host, event);
  if (overtaken(host, event.device)) return;
  if (event.routed === true) {
    const { onlineRouted } = await import('./online-routed.ts');
    // Not returned as it is: the lock would be given back before it is done.
    await onlineRouted(host, event, who, begin);
    return;
  }
  await using _name = await lockName(host, who.vif);
  if (who.vif.type === 'tap') {
    // It may be sealed, which takes it off its bridge.
    chooseBridge(who.vif.bridge, host.readDevice, host.deviceNames);
    begin();
  }
  const present = await waitForPort(host, who.vif);
  const prepared = prepareIdentified(host, event, present, who);
  const before = await beforeOfKind(host, event.device, present, 'bridge');
  // Who runs already is never cut off: that is said loudly (vif/notes.ts).
  if (before?.ifindex !== present.ifindex) await refuseDouble(host, prepared);
  const record = recordOf(host, prepared, present, before);
  begin();
  const failures = await apply(host, [{ prepared, present, before, record }], inSteps(host, prepared));
  for (const failure of failures.values()) throw failure;
  lookOnceMore(host, prepared.setup, present.ifindex);
  // In the order of stock: what the host filters, its hooks, and then the guest may connect.
  await acceptAtHost(host, [event.device]);
  await runVifHooks(host, event, {
    name: prepared.setup.name,
    bridge: prepared.bridge,
    ip: prepared.vif.addresses.text,
  });
  await reportConnected(host, prepared);
}

/**
 * For speed alone, first what takes longest where there are many devices. xenstore is read under the lock: a re-apply
 * that had it meanwhile may have read something newer.
 */
function readAhead(host: Managed, event: HotplugEvent): void {
  const bridged = event.type === 'vif' && event.routed !== true;
  if (bridged && host.rtnetlink === undefined) batchAhead(host, 'bridge');
  if (event.xenbus !== undefined) directoryAhead(host, event.xenbus.path);
  const rules = event.routed === true ? host.routedRules : host.rules;
  if (event.routed === true) uplinkAhead(host);
  if (rules.base() !== undefined) rules.ahead();
}

/**
 * The link goes down first. Beside that, for speed alone: what need not wait for the rules only closes and tidies the
 * port.
 */
function inSteps(host: Managed, { event, setup }: Prepared): Manner {
  return {
    takesDown: true,
    whileLoading() {
      batchAhead(host, 'ip', setup.rename ? [] : prepareLines(setup));
      batchAhead(host, 'ip');
      logAhead(host);
    },
    whileComingUp: () => reportAhead(host, event),
  };
}
