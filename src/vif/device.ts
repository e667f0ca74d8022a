import type { Device } from '../effects/sysfs.ts';
import { Failure } from '../errors.ts';
import type { Host } from '../host.ts';
import type { InterfaceName } from '../net/interface-name.ts';
import { firstName, isPortOf } from '../port/device-owner.ts';
import { tapSeal } from '../port/tap-seal.ts';
import type { FindDevice } from '../state/present-devices.ts';
import type { VifRecord } from '../state/records.ts';
import type { VifIdentity } from '../xen/vif-identity.ts';
import { sealTap } from './sealed-tap.ts';

/** The kernel announces a vif before it creates it (Linux 5.6 and later: xen-netback/xenbus.c, netback_probe). */
const DEVICE_MS = 8_000;
const POLL_MS = 20;

/**
 * The device, as it appears, or under its final name if an earlier run renamed it.
 *
 * @throws Failure `missing` if it does not come, or if another device has the final name (stock's text)
 */
async function waitForDevice(host: Host, vif: VifIdentity): Promise<Device> {
  for (let waited = 0; ; waited += POLL_MS) {
    const first = host.readDevice(vif.device);
    const named = vif.name === vif.device ? undefined : host.readDevice(vif.name);
    if (first !== undefined && isPortOf(first, vif.device)) {
      if (named !== undefined) throw collision(vif);
      return first;
    }
    // The device of another domain, which may be on its way out.
    if (first !== undefined && waited >= DEVICE_MS / 4) throw taken(vif, first);
    if (named !== undefined) {
      if (isOurs(host, vif, named)) return named;
      if (waited >= DEVICE_MS / 4) throw collision(vif);
    }
    if (waited >= DEVICE_MS) {
      throw new Failure('missing', `${vif.device} did not appear within ${DEVICE_MS / 1000} s`, {
        hint: 'is xen-netback loaded in this domain?',
      });
    }
    await host.sleep(POLL_MS);
  }
}

/** The device that is to be the port: for the tap of a guest that could write behind the filter, another one. */
export async function waitForPort(host: Host, vif: VifIdentity): Promise<Device> {
  // Before it is waited for: what a killed run began has no device of that name.
  const known = await sealTap(host, vif);
  const device = await waitForDevice(host, vif);
  if (known || !(await sealTap(host, vif))) return device;
  return waitForDevice(host, vif);
}

function isOurs(host: Host, vif: VifIdentity, named: Device): boolean {
  const record = host.state.readVif(vif.device);
  if (record !== undefined && record.bootId === host.bootId()) return record.ifindex === named.ifindex;
  return isPortOf(named, vif.device);
}

function taken(vif: VifIdentity, device: Device): Failure {
  return new Failure('missing', `${vif.device} is the name of another domain's port (${firstName(device)})`, {
    hint: 'it has it by vifname=; give it another one',
  });
}

function collision(vif: VifIdentity): Failure {
  return new Failure(
    'missing',
    `Cannot rename interface ${vif.device}. An interface with name ${vif.name} already exists.`,
    { hint: 'another guest has the same vifname=' },
  );
}

/** The device of a vif in service: the one that was configured, whatever it is called now; else by its names. */
export function presentDevice(host: Host, find: FindDevice, vif: VifIdentity, before: VifRecord | undefined): Device {
  const known = before && find(before);
  // The tap that was the port is behind it now.
  if (known !== undefined && known.name !== tapSeal(vif.device)?.raw) return known;
  const first = portNamed(host, vif.device, vif.device);
  const named = vif.name === vif.device ? undefined : host.readDevice(vif.name);
  if (first !== undefined && named === undefined) return first;
  if (first === undefined && named !== undefined && isPortOf(named, vif.device)) return named;
  if (named !== undefined) throw collision(vif);
  throw new Failure('missing', `there is no interface ${vif.name}`, { hint: 'is the guest running?' });
}

/** The device of this name, if it is the port that was called `first` in the beginning. */
export function portNamed(host: Pick<Host, 'readDevice'>, name: string, first: string): Device | undefined {
  const device = host.readDevice(name);
  return device !== undefined && isPortOf(device, first) ? device : undefined;
}

/** Its final name if it has that, or is to get it; a name that somebody else gave it is left to it. */
export function nameInService(vif: VifIdentity, present: Device): InterfaceName {
  // The kernel has it, so it is one.
  return present.name === vif.name || present.name === vif.device ? vif.name : (present.name as InterfaceName);
}
