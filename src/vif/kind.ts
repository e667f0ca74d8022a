import { leavingPort } from '../backends/base.ts';
import type { Managed } from '../backends/choice.ts';
import { runBatch } from '../effects/batch.ts';
import type { Device } from '../effects/sysfs.ts';
import { Failure } from '../errors.ts';
import type { VifRecord } from '../state/records.ts';
import { unproxying } from './routed-apply.ts';

/** Takes away what a vif had that is gone, whether it was a port of a bridge or routed. */
export async function removeVifRules(host: Managed, record: VifRecord): Promise<void> {
  if (record.routed === undefined) return host.rules.remove(leavingPort(host, record));
  const lines = unproxying(host, record);
  if (lines.length > 0) await runBatch(host.run, 'ip', lines);
  await host.routedRules.remove(leavingPort(host, record));
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
  await removeVifRules(host, before);
  host.state.removeVif({ device, mac: before.values.mac });
  return undefined;
}
