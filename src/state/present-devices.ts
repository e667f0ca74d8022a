import type { Device, NetTable } from '../effects/sysfs.ts';
import { once } from '../once.ts';
import type { VifRecord } from './records.ts';
import type { State } from './state.ts';

/** How the devices of this host are looked at, and which boot it is. */
export interface DeviceView {
  readonly readDevice: (name: string) => Device | undefined;
  readonly deviceNames: () => readonly string[];
  readonly bootId: () => string;
}

/**
 * Finds the device of a record by its interface index; undefined if it has gone, or the record is of an earlier boot.
 */
export type FindDevice = (record: VifRecord) => Device | undefined;

/**
 * Looks for devices of records. An interface index names one device from its beginning to its end, whatever it is
 * called meanwhile (`vifname=`, a rename by hand), and is not used again before the kernel has counted through all of
 * them. So this is the only way to tell whether a configured port is still there.
 *
 * The name in the record is tried first. Only for a device that is not called so any more all devices are read, once
 * for all records that are asked for.
 */
export function deviceFinder(view: DeviceView): FindDevice {
  const boot = view.bootId();
  let names: Map<number, string> | undefined;
  return (record) => {
    if (record.bootId !== boot) return undefined;
    const named = view.readDevice(record.name);
    if (named?.ifindex === record.ifindex) return named;
    names ??= new Map(view.deviceNames().flatMap((name) => indexed(view, name)));
    const name = names.get(record.ifindex);
    const device = name === undefined ? undefined : view.readDevice(name);
    return device?.ifindex === record.ifindex ? device : undefined;
  };
}

function indexed(view: DeviceView, name: string): [number, string][] {
  const device = view.readDevice(name);
  return device === undefined ? [] : [[device.ifindex, name]];
}

/** A record of a vif that is there, with its device. */
export interface LiveVif {
  readonly record: VifRecord;
  readonly device: Device;
}

/** Records of vifs, by whether they are there. */
export function recordedVifs(host: DeviceView & { readonly state: Pick<State, 'allVifs'> }): {
  readonly live: readonly LiveVif[];
  readonly vanished: readonly VifRecord[];
} {
  const find = deviceFinder(host);
  const live: LiveVif[] = [];
  const vanished: VifRecord[] = [];
  for (const record of host.state.allVifs()) {
    const device = find(record);
    if (device === undefined) vanished.push(record);
    else live.push({ record, device });
  }
  return { live, vanished };
}

/** Records of vifs that are there, each with its device. */
export function liveVifs(host: DeviceView & { readonly state: Pick<State, 'allVifs'> }): readonly LiveVif[] {
  return recordedVifs(host).live;
}

/** Records of vifs that are there, with the name each has now. */
export function liveRecords(host: DeviceView & { readonly state: Pick<State, 'allVifs'> }): VifRecord[] {
  return liveVifs(host).map(({ record, device }) => ({ ...record, name: device.name }));
}

/** What a host knows of the surroundings of its bridges. */
interface Bridges {
  readonly netTable: (name: NetTable) => string;
  readonly uplinkOf: (bridge: string) => string | undefined;
}

/**
 * The host, with each device, the list of devices, the uplinks and the networks read at most once: for a command that
 * looks at many vifs. What it changes itself it must not look up again.
 */
export function readOnce<T extends DeviceView & Bridges>(host: T): T {
  const devices = new Map<string, Device | undefined>();
  const tables = new Map<NetTable, string>();
  const uplinks = new Map<string, string | undefined>();
  return {
    ...host,
    readDevice(name: string) {
      if (!devices.has(name)) devices.set(name, host.readDevice(name));
      return devices.get(name);
    },
    uplinkOf(bridge: string) {
      if (!uplinks.has(bridge)) uplinks.set(bridge, host.uplinkOf(bridge));
      return uplinks.get(bridge);
    },
    deviceNames: once(host.deviceNames),
    netTable(name: NetTable) {
      const text = tables.get(name) ?? host.netTable(name);
      tables.set(name, text);
      return text;
    },
  };
}
