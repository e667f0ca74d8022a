import type { Device } from '../effects/sysfs.ts';
import { guestGroup } from '../port/guest-group.ts';
import { isUnbound, type VifRecord } from '../state/records.ts';

/**
 * What somebody else has done to a port of ours since it was configured, for people; undefined if nothing. From what
 * /sys tells anyway: it costs no process at any number of vifs.
 */
export function portDamage(record: VifRecord, device: Device): string | undefined {
  if (device.name !== record.name) return `it was renamed: it was ${record.name}`;
  if (device.group !== guestGroup(device.ifindex)) {
    return `somebody has put it into the interface group ${device.group}`;
  }
  if (record.routed !== undefined) {
    if (device.master !== undefined) return `it is routed, and somebody has put it on ${device.master}`;
    return device.up ? undefined : 'its link is down, and its routes went with it';
  }
  if (device.master !== record.bridge) return `it is on ${device.master ?? 'no bridge'}, and was on ${record.bridge}`;
  // `ingress`: also of a port that learns because its bridge filters VLANs.
  const learns = record.shared || record.ingress || isUnbound(record);
  // A port that leaves its bridge and joins it again has the kernel's defaults: no lock, no entry of its own either.
  if (device.learning === true && !learns) return 'its bridge port has lost its settings: somebody has joined it anew';
  return undefined;
}
