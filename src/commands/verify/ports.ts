import type { Managed } from '../../backends/choice.ts';
import { LISTING_BYTES, toolFailure } from '../../effects/exec.ts';
import { grouped } from '../../grouped.ts';
import type { SeenPort } from '../../port/differences.ts';
import {
  ADDRESSES,
  BRIDGE_LINKS,
  ENTRIES,
  LINKS,
  readAddresses,
  readBridgeLinks,
  readEntries,
  readLinks,
  readVlans,
  VLANS,
} from '../../port/seen-port.ts';
import type { WishedPort } from '../../port/wished-port.ts';

/** What the kernel says of ports, read once. */
export interface PortLook {
  /** Undefined for one of which nothing is told. */
  portOf(name: string, wished: Pick<WishedPort, 'bridge' | 'macs'>): SeenPort | undefined;
}

/** Thousands of ports take a while to list. */
const LIST_MS = 30_000;

/**
 * Reads links, forwarding entries and addresses: by a program each for all ports, or for these alone.
 *
 * @param only the ports that are asked about; undefined: all
 * @param inVlans some of them are in VLANs
 */
export async function lookAtPorts(
  host: Managed,
  only: readonly string[] | undefined,
  inVlans: boolean,
  read: (file: string) => string | undefined,
): Promise<PortLook> {
  const list = async (command: readonly string[]): Promise<string> => {
    const [tool = '', ...args] = command;
    const result = await host.run(tool, args, { timeoutMs: LIST_MS, mostBytes: LISTING_BYTES });
    if (result.status !== 0) throw toolFailure(tool, args, result);
    return result.stdout;
  };
  const each = async <T>(command: readonly string[], parse: (text: string) => readonly T[]): Promise<T[]> => {
    const commands = only === undefined ? [command] : only.map((name) => [...command, 'dev', name]);
    const texts = await Promise.all(commands.map(list));
    return texts.flatMap((text) => (text.trim() === '' ? [] : parse(text)));
  };
  const bridges = only === undefined ? [] : [...new Set(only.flatMap((name) => host.readDevice(name)?.master ?? []))];
  const [links, bridgeLinks, entries, addresses, masters, vlans] = await Promise.all([
    each(LINKS, readLinks),
    each(BRIDGE_LINKS, readBridgeLinks),
    // Of one port alone bridge does not say which it is; and its MACs may be elsewhere.
    list(ENTRIES).then(readEntries),
    each(ADDRESSES, readAddresses),
    Promise.all(bridges.map((name) => list([...LINKS, 'dev', name]))),
    inVlans ? list(VLANS).then(readVlans) : undefined,
  ]);
  const byName = new Map([...links, ...masters.flatMap(readLinks)].map((link) => [link.name, link]));
  const groups = new Map(bridgeLinks.map(({ name, maxGroups }) => [name, maxGroups]));
  const ofMac = grouped(entries.map((one) => [one.mac, one]));
  const atPort = grouped(entries.map((one) => [one.port, one]));
  const addressesOf = grouped(addresses.map((one) => [one.device, one]));
  return {
    portOf(name, { bridge, macs }) {
      const link = byName.get(name);
      if (link === undefined) return undefined;
      // Those of its MACs, wherever they are, and all at its port.
      const known = new Set([...(atPort.get(name) ?? []), ...macs.flatMap((mac) => ofMac.get(mac) ?? [])]);
      return {
        link,
        bridge: byName.get(bridge),
        entries: [...known],
        vlans,
        maxGroups: groups.get(name),
        addresses: addressesOf.get(name) ?? [],
        ipv6: read(`/proc/sys/net/ipv6/conf/${name}/disable_ipv6`)?.trim() === '0',
      };
    },
  };
}
