import type { Device } from '../effects/sysfs.ts';
import { parseVifName } from '../net/vif-name.ts';

/**
 * Whose port a device is. Its name proves nothing: by `vifname=` the device of one domain may bear the name that the
 * kernel would have given to that of another.
 */

/** The name that the kernel or the device model gave it first, as far as that is known. */
export function firstName(device: Device): string | undefined {
  const netback = netbackName(device);
  if (netback !== undefined) return netback;
  if (device.alias !== undefined && parseVifName(device.alias) !== undefined) return device.alias;
  return parseVifName(device.name) === undefined ? undefined : device.name;
}

/** True if it is the port that was called so first, whatever it is called now. */
export function isPortOf(device: Device, first: string): boolean {
  return device.alias === first && netbackName(device) === undefined
    ? true
    : (firstName(device) ?? device.name) === first;
}

/** What its driver says: xenbus calls the backend device of vif1.0 `vif-1-0`. Nobody can change that. */
function netbackName({ xenbus }: Device): string | undefined {
  const ids = /^vif-(\d+)-(\d+)$/.exec(xenbus ?? '');
  return ids === null ? undefined : `vif${ids[1]}.${ids[2]}`;
}
