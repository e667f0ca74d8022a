import { leavingPort } from '../backends/base.ts';
import type { Managed } from '../backends/choice.ts';
import { type BatchLine, runBatch } from '../effects/batch.ts';
import type { Device } from '../effects/sysfs.ts';
import { Failure } from '../errors.ts';
import { unproxyLines } from '../port/route-setup.ts';
import { deviceFinder } from '../state/present-devices.ts';
import type { VifRecord } from '../state/records.ts';
import { forgetAnnouncing } from './announce.ts';
import { forgetAtHost } from './host-accept.ts';

/** Takes away what a vif had that is gone, whether it was a port of a bridge or routed. */
export async function removeVifRules(host: Managed, record: VifRecord): Promise<void> {
  if (record.routed === undefined) return host.rules.remove(leavingPort(host, record));
  await host.routedRules.remove(leavingPort(host, record));
  await forgetAnnouncing(host, record);
  await runBatch(host.run, 'ip', unproxying(host, record));
}

/**
 * What an earlier run left of this vif, if that was of the same kind. Of another kind it is taken away, unless it is in
 * service: it would be filtered in two places, and half of it forgotten.
 *
 * @throws Failure `input`
 */
export async function beforeOfKind(
  host: Managed,
  device: string,
  present: Device,
  kind: 'bridge' | 'route',
): Promise<VifRecord | undefined> {
  const before = host.state.readVif(device);
  if (before === undefined || (before.routed === undefined) === (kind === 'bridge')) return before;
  if (before.ifindex === present.ifindex && before.bootId === host.bootId()) {
    const is = kind === 'bridge' ? 'is routed' : `is a port of ${before.bridge}`;
    throw new Failure('input', `${device} ${is} already`, {
      at: kind === 'bridge' ? 'vif-bridge' : 'vif-route',
      hint: `take it out of service first: vif-bridge offline vif=${device}`,
    });
  }
  await forgetAtHost(host, before);
  await removeVifRules(host, before);
  host.state.removeVif({ device, mac: before.values.mac });
  return undefined;
}

/**
 * What is to be taken away at the uplink: nobody else of ours needs it.
 *
 * @param kept it is needed still
 */
export function unproxying(host: Managed, record: VifRecord, kept: readonly string[] = []): BatchLine[] {
  const own = record.routed?.proxies.filter((address) => !kept.includes(address)) ?? [];
  const uplink = own.length === 0 ? undefined : uplinkNow(host, record);
  if (uplink === undefined) return [];
  const find = deviceFinder(host);
  const owners = new Set(host.state.addresses(own).map(({ owner }) => owner));
  owners.delete(record.device);
  const others = [...owners]
    .flatMap((owner) => host.state.readVif(owner) ?? [])
    .filter((other) => isSameUplink(other, record) && find(other) !== undefined)
    .flatMap(({ routed }) => routed?.proxies ?? []);
  return unproxyLines(
    uplink,
    own.filter((address) => !others.includes(address)),
  );
}

function isSameUplink(one: VifRecord, other: VifRecord): boolean {
  const [index, otherIndex] = [one.routed?.uplinkIndex, other.routed?.uplinkIndex];
  return index === undefined || otherIndex === undefined ? one.bridge === other.bridge : index === otherIndex;
}

/** What the uplink is called now; undefined if it is gone, and all that was set there with it. */
function uplinkNow(
  { readDevice, deviceNames }: Pick<Managed, 'readDevice' | 'deviceNames'>,
  { bridge, routed }: VifRecord,
): string | undefined {
  const isIt = (name: string): boolean => readDevice(name)?.ifindex === routed?.uplinkIndex;
  return routed?.uplinkIndex === undefined || isIt(bridge) ? bridge : deviceNames().find(isIt);
}
