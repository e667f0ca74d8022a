import type { Gateways } from '../filter/gateways.ts';
import type { Host } from '../host.ts';
import { type MacAddress, parseMac } from '../net/mac-address.ts';
import { arpEntries } from '../port/neighbourhood.ts';
import { gatewayMacsOf } from '../state/records.ts';

/**
 * MACs of the gateways of a vif that the policy names by their addresses only: as this host knows them by ARP. It may
 * have forgotten one that a running guest still speaks with: what was loaded for it then counts on.
 *
 * @param bridge undefined in a dry run on a machine without that bridge
 */
export function knownGateways(
  host: Pick<Host, 'netTable' | 'state'>,
  { macs, addresses }: Gateways,
  bridge: string | undefined,
  device: string,
): readonly MacAddress[] {
  if (addresses.length === 0) return [];
  const named = new Set(addresses.map(({ text }) => text));
  const known =
    bridge === undefined ? [] : arpEntries(host.netTable('arp'), bridge).filter(({ address }) => named.has(address));
  if (known.length + macs.length > 0) return known.map(({ mac }) => parseMac(mac, `ARP of ${bridge}`));
  const before = host.state.readVif(device);
  return before === undefined ? [] : gatewayMacsOf(before);
}
