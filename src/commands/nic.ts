import { Failure } from '../errors.ts';
import type { Host } from '../host.ts';
import { type MacAddress, parseMac } from '../net/mac-address.ts';
import { EMULATED } from '../net/vif-name.ts';
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
