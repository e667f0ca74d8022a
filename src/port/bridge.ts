import type { Device, PortKind } from '../effects/sysfs.ts';
import { Failure } from '../errors.ts';
import { parseInterfaceName } from '../net/interface-name.ts';
import { blockBroadcast } from '../net/ip-prefix.ts';
import { isGuestPort } from '../net/vif-name.ts';
import { indexOfGroup } from './guest-group.ts';
import { directSubnets } from './routes.ts';

/**
 * The bridge a vif joins, as stock vif-bridge chooses it: the one asked for; `eth<n>` for a missing `xenbr<n>`; without
 * a wish the first one there is. The texts of the errors are stock's, people search for them.
 *
 * @throws Failure `missing` or `input`
 */
export function chooseBridge(
  asked: string | undefined,
  readDevice: (name: string) => Device | undefined,
  deviceNames: () => readonly string[],
): Device {
  if (asked === undefined) {
    const bridges = deviceNames()
      .flatMap((name) => readDevice(name) ?? [])
      .filter((device) => device.isBridge)
      .sort((a, b) => a.ifindex - b.ifindex);
    if (bridges[0] === undefined) {
      throw new Failure('missing', 'Could not find bridge, and none was specified', {
        hint: 'make one, or name it with bridge=',
      });
    }
    return bridges[0];
  }
  const device = readDevice(asked) ?? legacyTwin(asked, readDevice);
  if (device === undefined) {
    throw new Failure('missing', `Could not find bridge device ${asked}`, {
      hint: 'make the bridge, or correct bridge=',
    });
  }
  if (!device.isBridge) {
    throw new Failure('input', `bridge=${asked} is not a bridge`, { hint: 'name a bridge, not one of its ports' });
  }
  return device;
}

/** The same; undefined where there is none. */
export function bridgeIfAny(
  asked: string | undefined,
  readDevice: (name: string) => Device | undefined,
  deviceNames: () => readonly string[],
): Device | undefined {
  try {
    return chooseBridge(asked, readDevice, deviceNames);
  } catch {
    return undefined;
  }
}

/** Old xend setups renamed eth0 to the bridge: vif-bridge, "xenbr0 -> eth0". */
function legacyTwin(asked: string, readDevice: (name: string) => Device | undefined): Device | undefined {
  if (!asked.startsWith('xenbr')) return undefined;
  const twin = readDevice(`eth${asked.slice('xenbr'.length)}`);
  return twin?.isBridge === true ? twin : undefined;
}

/** More than that, and looking at them would take longer than the run; a host of so many renamed ports goes without. */
const MOST_CANDIDATES = 64;

/**
 * The port of a bridge behind which the rest of the network most likely is: no port of a guest; one with hardware
 * before one without; the oldest. Whatever it is, frames that are sent there would have gone there, too, had the bridge
 * not known the guest.
 *
 * @param kindOf undefined for a port that has gone
 */
export function uplink(ports: readonly string[], kindOf: (name: string) => PortKind | undefined): string | undefined {
  const candidates = ports.filter((name) => !isGuestPort(name));
  if (candidates.length > MOST_CANDIDATES) return undefined;
  const [best] = candidates
    .flatMap((name) => kindOf(name) ?? [])
    .filter(({ group, netback }) => !netback && indexOfGroup(group) === undefined)
    .sort((a, b) => Number(b.hardware) - Number(a.hardware) || a.ifindex - b.ifindex);
  try {
    return best && parseInterfaceName(best.name, 'the ports of the bridge');
  } catch {
    // A name that cannot be written into a batch.
    return undefined;
  }
}

/**
 * The directed broadcast addresses of the subnets the bridge itself is in, so that a guest whose `ip=` has no netmask
 * may use and hear its subnet's broadcast. From the connected routes of the main table: reading them costs no process.
 *
 * @param routes the text of /proc/net/route
 */
export function bridgeBroadcasts(routes: string, bridge: string): string[] {
  return [...new Set(directSubnets(routes, bridge).flatMap((subnet) => blockBroadcast(subnet) ?? []))];
}
