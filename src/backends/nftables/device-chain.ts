import { kernelHas } from '../../effects/kernel-release.ts';
import type { Device } from '../../effects/sysfs.ts';
import type { Host } from '../../host.ts';
import type { PlannedPort } from '../backend.ts';

/**
 * Whether ports of this bridge have a chain at the device itself against frames to link-local groups.
 *
 * Such a chain names its device. Before kernel 6.16 it cannot be loaded while that is not there, so a host that saves
 * its rules with `nft list ruleset` and boots would lose all of them, its own firewall too. There the bridge is told to
 * learn nothing from these frames instead, and they are dropped behind it. Only where STP is on the chain is needed
 * whatever the kernel is: the bridge takes frames of STP before any hook of the bridge family.
 *
 * @see kernel commit "netfilter: nf_tables: Have a list of nf_hook_ops in nft_hook" and its series (6.16)
 */
export function dropsAtDevice(bridge: Pick<Device, 'stp'> | undefined): boolean {
  return bridge?.stp === true || kernelHas(6, 16);
}

/** The port without the chain that its bridge is to do without. */
export function withItsChain(host: Pick<Host, 'readDevice'>, planned: PlannedPort): PlannedPort {
  const { port } = planned;
  return { ...planned, port: { ...port, ingress: port.ingress && dropsAtDevice(host.readDevice(port.bridge)) } };
}
