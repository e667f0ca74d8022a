import type { Failures } from '../effects/together.ts';
import type { Host } from '../host.ts';
import type { VifRecord } from '../state/records.ts';
import type { DropCount, LeavingPort, PlannedPort } from './backend.ts';
import {
  type EbtHost,
  loadIngressEbt,
  loadPortEbt,
  loadPortsEbt,
  readDropsEbt,
  reloadAllEbt,
  removePortEbt,
} from './ebtables/ebtables.ts';
import {
  loadIngressNft,
  loadPortNft,
  loadPortsNft,
  type NftHost,
  readDropsNft,
  reloadAllNft,
  removePortNft,
  repairBaseNft,
} from './nftables/nftables.ts';

export { currentBase, recordedPort } from './base.ts';

/** What a listing of the kernel's rules says. */
export interface KernelDrops {
  /** False if our part of the rules is not there. */
  readonly present: boolean;
  readonly drops: readonly DropCount[];
}

/** Makes the kernel's rules of one vif what the plan says, whatever they were; makes the base first if it is not there. */
export function loadPort(host: Host, planned: PlannedPort): Promise<void> {
  return isEbtables(host) ? loadPortEbt(host, planned) : loadPortNft(host as NftHost, planned);
}

/** The same for many vifs at once; a vif whose rules cannot be loaded does not keep the others from theirs. */
export function loadPorts(host: Host, planned: readonly PlannedPort[]): Promise<Failures> {
  if (planned.length === 0) return Promise.resolve(new Map());
  return isEbtables(host) ? loadPortsEbt(host, planned) : loadPortsNft(host as NftHost, planned);
}

/**
 * Puts back what all vifs share, if it is not there as it was loaded. All vifs must be loaded after it. The caller holds
 * the lock `base`. ebtables needs no such step: a load of many vifs makes everything anew.
 */
export async function repairBase(host: Host): Promise<void> {
  if (!isEbtables(host)) await repairBaseNft(host as NftHost);
}

/** Takes the rules of one vif out, whatever is left of them. */
export function removePort(host: Host, leaving: LeavingPort): Promise<void> {
  return isEbtables(host) ? removePortEbt(host, leaving) : removePortNft(host as NftHost, leaving);
}

/** For a port whose learning is switched on: frames to link-local groups must not teach the bridge anything. */
export function loadIngress(host: Host, port: { device: string; name: string; bridge: string }): Promise<void> {
  return isEbtables(host) ? loadIngressEbt(host, port.bridge) : loadIngressNft(host as NftHost, port.device, port.name);
}

/** Fills our rules anew from the records, without a gap if they are there. The caller holds the lock `base`. */
export function reloadAll(host: Host): Promise<void> {
  return isEbtables(host) ? reloadAllEbt(host) : reloadAllNft(host as NftHost);
}

/** What the kernel has dropped, by port, direction and reason. */
export function readDrops(host: Host, records: readonly VifRecord[]): Promise<KernelDrops> {
  return isEbtables(host) ? readDropsEbt(host, records) : readDropsNft(host as NftHost, records);
}

function isEbtables(host: Host): host is EbtHost {
  return host.backend.name === 'ebtables';
}
