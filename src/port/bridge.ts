import { endianness } from 'node:os';
import type { Device, PortKind } from '../effects/sysfs.ts';
import { Failure } from '../errors.ts';
import { parseInterfaceName } from '../net/interface-name.ts';
import { isGuestPort } from '../net/vif-name.ts';
import { indexOfGroup } from './guest-group.ts';

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

/** RTF_UP without RTF_GATEWAY: a directly connected network (include/uapi/linux/route.h). */
const RTF_UP = 0x1;
const RTF_GATEWAY = 0x2;

/**
 * The directed broadcast addresses of the subnets the bridge itself is in, so that a guest whose `ip=` has no netmask
 * may use and hear its subnet's broadcast. From the connected routes of the main table: reading them costs no process.
 *
 * @param routes the text of /proc/net/route: one line a route, addresses as hexadecimal numbers in host byte order
 */
export function bridgeBroadcasts(routes: string, bridge: string): string[] {
  const all = routes.split('\n').flatMap((line) => {
    const [device, destination, , flags, , , , mask] = line.split('\t').map((field) => field.trim());
    if (device !== bridge || destination === undefined || mask === undefined) return [];
    const bits = Number.parseInt(flags ?? '0', 16);
    if ((bits & RTF_UP) === 0 || (bits & RTF_GATEWAY) !== 0) return [];
    return directedBroadcast(hostOrderBytes(destination), hostOrderBytes(mask)) ?? [];
  });
  return [...new Set(all)];
}

/** RFC 919; a /31 (RFC 3021) and a /32 have none, and the default route is no subnet. */
function directedBroadcast(network: readonly number[], mask: readonly number[]): string | undefined {
  const length = mask.reduce((sum, byte) => sum + byte.toString(2).replaceAll('0', '').length, 0);
  if (length < 1 || length > 30) return undefined;
  return network.map((byte, index) => byte | (0xff & ~(mask[index] ?? 0))).join('.');
}

/** The kernel prints the 32 bits as they lie in memory: little endian hosts show the last byte first. */
function hostOrderBytes(hex: string): number[] {
  const bytes = [...Buffer.from(hex, 'hex')];
  return endianness() === 'LE' ? bytes.reverse() : bytes;
}
