import { LISTING_BYTES } from '../effects/exec.ts';
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

/** What one listing of the ports of all bridges says. */
export interface PortLooks {
  /** The flags of a port of ours that somebody else has changed since it was configured. */
  readonly drift: (record: VifRecord, vif: Pick<VifIdentity, 'mac'>, device: Device) => readonly Note[];
  /** Whether somebody is at its other end; undefined of what is no port of a bridge. */
  readonly carrier: (name: string) => boolean | undefined;
}

/** Looks at the ports of all bridges, by one program. What cannot be read is not told. */
export async function lookAtBridgePorts(host: DriftHost): Promise<PortLooks> {
  const seen = new Map((await listed(host, BRIDGE_LINKS, readBridgeLinks)).map((link) => [link.name, link]));
  const alike = new Map<string, WishedPort>();
  return {
    drift(record, { mac }, device) {
      const link = seen.get(device.name);
      if (link?.port === undefined || record.routed !== undefined) return [];
      return flagDifferences(wishedOf(host, record, mac, device, alike), { ...link.port, maxGroups: link.maxGroups })
        .filter(({ found }) => found !== 'not told')
        .map((one) => noteOf(one, device.name));
    },
    carrier: (name) => seen.get(name)?.carrier,
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
    const { status, stdout } = await run(tool, args, { timeoutMs: TOOL_MS, mostBytes: LISTING_BYTES });
    return status === 0 && stdout.trim() !== '' ? read(stdout) : [];
  } catch (error) {
    log.say('debug', `what ${[tool, ...args].join(' ')} tells is not known: ${failureLine(asFailure(error))}`);
    return [];
  }
}

/**
 * As its last run wished it.
 *
 * @param alike flags are the same for all that are bound alike: what was made of one is used for the next
 */
function wishedOf(
  host: DriftHost,
  record: VifRecord,
  mac: MacAddress,
  device: Device,
  alike: Map<string, WishedPort>,
): WishedPort {
  const alone = bindingAlone(macsOf(record), host.readDevice(record.bridge)?.vlanFiltering);
  const binding = isUnbound(record) ? 'unpinned' : record.shared ? 'shared' : alone;
  const { flags = {}, bridge } = record;
  const key = `${binding} ${bridge} ${JSON.stringify(flags)}`;
  const known = alike.get(key);
  if (known !== undefined) return known;
  const wished = wishPort({
    device: record.device,
    name: device.name,
    group: guestGroup(device.ifindex),
    bridge,
    macs: [mac],
    mtu: 0,
    rename: false,
    binding,
    backup: host.uplinkOf(bridge),
    flags,
  });
  alike.set(key, wished);
  return wished;
}
