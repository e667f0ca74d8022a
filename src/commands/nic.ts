import { isSameGuest } from '../effects/same-guest.ts';
import { Failure } from '../errors.ts';
import type { Host } from '../host.ts';
import { type MacAddress, parseMac } from '../net/mac-address.ts';
import { EMULATED, parseVifName } from '../net/vif-name.ts';
import { liveVifs } from '../state/present-devices.ts';
import type { VifRecord } from '../state/records.ts';
import { xenbusOfDevice } from '../xen/hotplug-event.ts';

/** One virtual NIC that runs: netback's port, and the tap of an emulated one. */
export interface Nic {
  readonly mac: MacAddress;
  /** The names that its ports have now. */
  readonly ports: readonly string[];
  readonly record: VifRecord;
  /** Its backend directory; undefined where Xen has none for such a name. */
  readonly path: string | undefined;
}

/**
 * The NICs that these ports are of.
 *
 * @throws Failure `missing` for a port that no run of ours has configured
 */
export function nicsOf(host: Host, ports: readonly string[]): Nic[] {
  const live = liveVifs(host);
  const nics = new Map<string, Nic>();
  for (const port of ports) {
    const found = live.find(({ record, device }) => [device.name, record.device].includes(port));
    const mac = found?.record.values.mac;
    if (found === undefined || mac === undefined) {
      if (found === undefined && host.readDevice(port) === undefined) {
        throw new Failure('missing', `there is no port and no guest ${port}`, { hint: 'vif-bridge status shows all' });
      }
      throw new Failure('missing', `no run of this program has configured ${port}`, {
        hint: `vif-bridge status shows all; take it over with: vif-bridge reapply ${port}`,
      });
    }
    const first = (device: string): string => device.replace(new RegExp(`${EMULATED}$`), '');
    const own = live.filter(({ record }) => first(record.device) === first(found.record.device));
    nics.set(first(found.record.device), {
      mac: parseMac(mac, found.record.device),
      ports: own.map(({ device }) => device.name),
      record: found.record,
      path: found.record.xenbus ?? xenbusOfDevice(found.record.device),
    });
  }
  return [...nics.values()];
}

/**
 * Refuses what would be written into the policy for the MACs of these NICs where a NIC of another guest has one of them
 * too: the line would be about both. A guest and its stub domain are one.
 *
 * @throws Failure `input` with the name of the other one
 */
export async function refuseSharedMac(host: Host, nics: readonly Nic[]): Promise<void> {
  const own = new Set(nics.flatMap(({ ports }) => ports));
  for (const { record, device } of liveVifs(host)) {
    const nic = nics.find(({ mac }) => mac === macOf(record));
    if (nic === undefined || own.has(device.name) || (await isOneGuest(host, nic.record, record))) continue;
    throw new Failure(
      'input',
      `${device.name} has the MAC ${nic.mac} too, and a line of the policy would be about both`,
      {
        hint: `write it by hand into a section [vif ${nic.record.name}] of the policy, then vif-bridge reapply ${nic.record.name}`,
      },
    );
  }
}

/** Undefined of a record that makes no sense. */
export function macOf({ values, device }: VifRecord): MacAddress | undefined {
  try {
    return values.mac === undefined ? undefined : parseMac(values.mac, device);
  } catch {
    return undefined;
  }
}

async function isOneGuest(host: Host, one: VifRecord, other: VifRecord): Promise<boolean> {
  const [domid, otherDomid] = [parseVifName(one.device)?.domid, parseVifName(other.device)?.domid];
  if (domid === undefined || otherDomid === undefined) return false;
  return domid === otherDomid || (await isSameGuest(host.run, domid, otherDomid)) === true;
}
