import type { Device } from '../effects/sysfs.ts';
import { asFailure, failureLine } from '../errors.ts';
import type { Host } from '../host.ts';
import type { MacAddress } from '../net/mac-address.ts';
import { type Difference, flagDifferences, vlanDifferences } from '../port/differences.ts';
import { guestGroup } from '../port/guest-group.ts';
import { BRIDGE_LINKS, readBridgeLinks, readVlans, VLANS } from '../port/seen-port.ts';
import { bindingAlone, type WishedPort, wishPort } from '../port/wished-port.ts';
import { isInVlans, isUnbound, macsOf, type VifRecord } from '../state/records.ts';
import type { VifIdentity } from '../xen/vif-identity.ts';
import type { Note } from './notes.ts';

type DriftHost = Pick<Host, 'run' | 'readDevice' | 'uplinkOf' | 'log'>;

const TOOL_MS = 5_000;

/**
 * The flags of ports that somebody else has changed since they were configured: one program for all ports of the host.
 * What cannot be read is not told.
 *
 * @returns what there is to say of a port of ours
 */
export async function driftOf(
  host: DriftHost,
): Promise<(record: VifRecord, vif: Pick<VifIdentity, 'mac'>, device: Device) => readonly Note[]> {
  const seen = new Map((await listed(host, BRIDGE_LINKS, readBridgeLinks)).map((link) => [link.name, link]));
  return (record, { mac }, device) => {
    const link = seen.get(device.name);
    if (link?.port === undefined || record.routed !== undefined) return [];
    const wished = wishedOf(host, record, mac, device);
    return flagDifferences(wished, { ...link.port, maxGroups: link.maxGroups })
      .filter(({ found }) => found !== 'not told')
      .map((one) => noteOf(one, device.name));
  };
}

/** The same of their VLANs: a program only where some are in any. */
export async function vlanDriftOf(
  host: DriftHost,
  records: readonly VifRecord[],
): Promise<(record: VifRecord, vif: Pick<VifIdentity, 'vlan'>, device: Device) => readonly Note[]> {
  if (!records.some(isInVlans)) return () => [];
  const all = await listed(host, VLANS, readVlans);
  return (record, { vlan }, { name }) =>
    all.length === 0
      ? []
      : vlanDifferences({ vlan, trunk: record.loaded.at(-1)?.values.vlan ?? [] }, name, all).map((one) =>
          noteOf(one, name),
        );
}

function noteOf({ what, wished, found, security }: Difference, name: string): Note {
  return {
    loud: security,
    text: `somebody has changed the port: ${what} is ${found} in place of ${wished}; vif-bridge reapply ${name}`,
  };
}

async function listed<T>(
  { run, log }: DriftHost,
  [tool, ...args]: readonly [string, ...string[]],
  read: (text: string) => readonly T[],
): Promise<readonly T[]> {
  try {
    const { status, stdout } = await run(tool, args, { timeoutMs: TOOL_MS });
    return status === 0 && stdout.trim() !== '' ? read(stdout) : [];
  } catch (error) {
    log.say('debug', `what ${[tool, ...args].join(' ')} tells is not known: ${failureLine(asFailure(error))}`);
    return [];
  }
}

/** As its last run wished it. */
function wishedOf(host: DriftHost, record: VifRecord, mac: MacAddress, device: Device): WishedPort {
  const alone = bindingAlone(macsOf(record), host.readDevice(record.bridge)?.vlanFiltering);
  return wishPort({
    device: record.device,
    name: device.name,
    group: guestGroup(device.ifindex),
    bridge: record.bridge,
    // Flags are the same for any.
    macs: [mac],
    mtu: 0,
    rename: false,
    binding: isUnbound(record) ? 'unpinned' : record.shared ? 'shared' : alone,
    backup: host.uplinkOf(record.bridge),
    flags: record.flags ?? {},
  });
}
