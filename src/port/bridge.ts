import { type RunTool, toolFailure } from '../effects/exec.ts';
import type { Device } from '../effects/sysfs.ts';
import { Failure } from '../errors.ts';

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

/** Old xend setups renamed eth0 to the bridge: vif-bridge, "xenbr0 -> eth0". */
function legacyTwin(asked: string, readDevice: (name: string) => Device | undefined): Device | undefined {
  if (!asked.startsWith('xenbr')) return undefined;
  const twin = readDevice(`eth${asked.slice('xenbr'.length)}`);
  return twin?.isBridge === true ? twin : undefined;
}

interface AddressEntry {
  readonly addr_info?: readonly { readonly family?: string; readonly local?: string; readonly prefixlen?: number }[];
}

/**
 * The directed broadcast addresses of the subnets the bridge itself is in (`ip -j -4 address`), so that a guest whose
 * `ip=` has no netmask may use and hear its subnet's broadcast.
 */
export async function bridgeBroadcasts(run: RunTool, bridge: string): Promise<string[]> {
  const args = ['-j', '-4', 'address', 'show', 'dev', bridge];
  const result = await run('ip', args, { timeoutMs: 4_000 });
  if (result.status !== 0) throw toolFailure('ip', args, result);
  const entries = JSON.parse(result.stdout === '' ? '[]' : result.stdout) as AddressEntry[];
  const all = entries
    .flatMap((entry) => entry.addr_info ?? [])
    .flatMap((one) => directedBroadcast(one.local, one.prefixlen) ?? []);
  return [...new Set(all)];
}

/** RFC 919; a /31 (RFC 3021) and a /32 have none. */
function directedBroadcast(local: string | undefined, length: number | undefined): string | undefined {
  if (local === undefined || length === undefined || length < 1 || length > 30) return undefined;
  const address = local.split('.').reduce((sum, part) => sum * 256 + Number(part), 0);
  const hostBits = 2 ** (32 - length) - 1;
  const broadcast = Math.floor(address / (hostBits + 1)) * (hostBits + 1) + hostBits;
  return [24, 16, 8, 0].map((shift) => Math.floor(broadcast / 2 ** shift) % 256).join('.');
}
