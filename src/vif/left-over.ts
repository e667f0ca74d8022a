import type { Managed } from '../backends/choice.ts';
import { asFailure, failureLine } from '../errors.ts';
import { deviceFinder } from '../state/present-devices.ts';
import { makeAllAnew } from './forgotten.ts';
import { forgetAtHost } from './host-accept.ts';
import { removeVifRules } from './kind.ts';
import { lockVif } from './lock.ts';

/**
 * Takes away what is left of vifs that are gone: a domain that died while Xen's runs could not work, a device that
 * somebody deleted, a record that nobody can read.
 *
 * @param vanished vifs that have a record and no device
 * @param inService vifs that are there
 */
export async function collectLeftOvers(
  host: Managed,
  vanished: readonly string[],
  inService: ReadonlySet<string>,
): Promise<void> {
  const { unreadable, outlived } = host.state.useless();
  for (const device of new Set([...vanished, ...unreadable, ...outlived])) {
    if (inService.has(device)) continue;
    try {
      await collect(host, device, unreadable.includes(device));
    } catch (error) {
      host.log.say('err', `${device} is gone, and what is left of it stays: ${failureLine(asFailure(error))}`);
    }
  }
}

async function collect(host: Managed, device: string, unreadable: boolean): Promise<void> {
  await using _vif = await lockVif(host, device);
  const record = host.state.readVif(device);
  // A run has been there meanwhile.
  if (record !== undefined && deviceFinder(host)(record) !== undefined) return;
  if (record !== undefined) {
    await forgetAtHost(host, record);
    await removeVifRules(host, record);
  } else if (unreadable) {
    await makeAllAnew(host, new Set([device]));
    await host.rules.remove({ device, loaded: [], hadIngress: true });
  }
  host.state.removeVif({ device, mac: record?.values.mac });
  host.log.say('info', `${device} is gone: what was left of it is removed`);
}
