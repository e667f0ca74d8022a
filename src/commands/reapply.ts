import { withBackend } from '../effects/backend-choice.ts';
import { reloadAll } from '../effects/ruleset.ts';
import type { VifRecord } from '../effects/state.ts';
import { asFailure, Failure, failureLine } from '../errors.ts';
import type { Host } from '../host.ts';
import { parseInterfaceName } from '../net/interface-name.ts';
import { identify, prepareIdentified } from '../pipeline.ts';
import { type HotplugEvent, parseBackendPath } from '../xen/hotplug-event.ts';
import { nodeExists } from '../xen/xenstore.ts';
import { apply, overtaken, waitForDevice, withNameLock, withVifLock } from './online.ts';

const BASE_LOCK_MS = 15_000;

/**
 * The same interface again, without a gap: from xenstore, or from the saved state where xenstore has gone. Also takes
 * over a guest that stock started. Bad input changes nothing: what was loaded stays.
 */
export async function reapply(given: Host, device: string): Promise<void> {
  const name = parseInterfaceName(device, 'the command line');
  const chosen = await withBackend(given);
  const record = recordNamed(chosen, name);
  // It is no event in the life of a vif: it stands where the run stands that it repeats, and an offline that was
  // started meanwhile, or is waiting already, still decides.
  const host = record === undefined ? chosen : { ...chosen, ticket: record.ticket };
  const event = await eventFor(host, record?.device ?? name, record);
  await withVifLock(host, event, async () => {
    if (overtaken(host, event.device)) return;
    const identified = await identify(host, event);
    await withNameLock(host, identified.vif, async () => {
      if (host.readDevice(identified.vif.name) === undefined && host.readDevice(identified.vif.device) === undefined) {
        throw new Failure('missing', `there is no interface ${identified.vif.name}`, { hint: 'is the guest running?' });
      }
      const present = await waitForDevice(host, identified.vif);
      const prepared = await prepareIdentified(host, event, present, identified);
      // Renaming needs the link down; a vif that still has its first name was never in service.
      await apply(host, prepared, present, prepared.setup.rename ? 'cycle' : 'keep');
    });
  });
}

/**
 * Every vif of this host that is configured or that Xen knows. First all that is known in one transaction (repairs
 * whatever happened to the rules), then each vif from xenstore.
 *
 * @throws Failure `tool` naming the vifs that failed, after all were tried
 */
export async function reapplyAll(given: Host): Promise<void> {
  const host = await withBackend(given);
  const lock = await host.takeLock('base', BASE_LOCK_MS);
  try {
    await reloadAll(host);
  } finally {
    await lock.release();
  }
  const failed: string[] = [];
  for (const device of devicesToReapply(host)) {
    try {
      await reapply(host, device);
    } catch (error) {
      failed.push(device);
      host.log.say('err', `reapply ${device}: ${failureLine(asFailure(error))}`);
    }
  }
  if (failed.length > 0) {
    throw new Failure('tool', `${failed.length} vifs could not be re-applied: ${failed.join(' ')}`, {
      hint: 'the log says why; what was loaded for them is unchanged',
    });
  }
}

/** Managed vifs that are alive, and vifs that carry a guest without us (started by stock). */
export function devicesToReapply(host: Host): string[] {
  const records = host.state.allVifs().filter((record) => host.readDevice(record.name)?.ifindex === record.ifindex);
  const managed = new Set(records.map((record) => record.name));
  const others = host
    .deviceNames()
    .filter((name) => /^vif\d+\.\d+(-emu)?$/.test(name) && !managed.has(name))
    .filter((name) => host.readDevice(name)?.master !== undefined);
  return [...records.map((record) => record.device), ...others];
}

/** What is known of a vif, by its final or its kernel name. */
export function recordNamed(host: Host, name: string): VifRecord | undefined {
  return host.state.readVif(name) ?? host.state.allVifs().find((one) => one.name === name);
}

/** The event that an `online` of this vif would have been. */
export async function eventFor(host: Host, device: string, record: VifRecord | undefined): Promise<HotplugEvent> {
  const name = parseInterfaceName(device, 'the command line');
  const ids = /^vif(\d+)\.(\d+)(-emu)?$/.exec(name);
  const type = record?.type ?? (name.endsWith('-emu') ? 'tap' : 'vif');
  const command = type === 'tap' ? 'add' : 'online';
  const path = record === undefined ? (ids === null ? undefined : `backend/vif/${ids[1]}/${ids[2]}`) : record.xenbus;
  if (path !== undefined && (await reachable(host, path))) {
    return { command, type, device: name, backend: parseBackendPath(path), given: {} };
  }
  if (record === undefined) {
    throw new Failure('missing', `nothing is known of ${name}`, {
      hint: `neither Xen nor an earlier run has it; by hand: vif-bridge ${command} vif=${name} mac=... ip=... bridge=...`,
    });
  }
  return { command, type, device: name, backend: undefined, given: record.values, savedPath: record.xenbus };
}

async function reachable(host: Host, path: string): Promise<boolean> {
  try {
    return await nodeExists(host.run, `${path}/mac`);
  } catch (error) {
    host.log.say('warning', `xenstore does not answer, using the saved state (${failureLine(asFailure(error))})`);
    return false;
  }
}
