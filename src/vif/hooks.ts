import { type HookFacts, runHooks } from '../effects/run-hooks.ts';
import type { Host } from '../host.ts';
import { EMULATED } from '../net/vif-name.ts';
import type { HotplugEvent } from '../xen/hotplug-event.ts';

/** Runs the hooks of the host that stock would run for this event, behind all that the event does itself. */
export async function runVifHooks(
  host: Pick<Host, 'run' | 'state'>,
  { command, device, type, xenbus }: HotplugEvent,
  { name, bridge, ip }: { readonly name: string; readonly bridge: string; readonly ip: string },
): Promise<void> {
  const tap = type === 'tap';
  const facts: HookFacts = {
    command,
    dev: name,
    vif: tap && device.endsWith(EMULATED) ? device.slice(0, -EMULATED.length) : device,
    INTERFACE: tap ? device : '',
    bridge,
    ip,
    type_if: type,
    XENBUS_PATH: xenbus?.path ?? '',
  };
  await runHooks(host.run, facts, host.state.directory);
}
