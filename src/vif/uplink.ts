import { asFailure, Failure, failureLine } from '../errors.ts';
import type { Host } from '../host.ts';
import { type InterfaceName, parseInterfaceName } from '../net/interface-name.ts';
import { type IpPrefix, isHost, LINK_LOCAL, overlaps, parsePrefix } from '../net/ip-prefix.ts';
import { defaultDevice } from '../port/routes.ts';
import { ADDRESSES, readAddresses } from '../port/seen-port.ts';

/** The device behind which the network of a routed vif is. */
export interface Uplink {
  readonly name: string;
  /** Undefined where it is not here, as in a dry run. */
  readonly mtu: number | undefined;
  /** This host's own there, in their order. */
  readonly addresses: readonly IpPrefix[];
  /** The subnets that they are in: whoever is there asks for addresses by ARP and ND. */
  readonly subnets: readonly IpPrefix[];
}

const LOOK_MS = 6_000;
/** As stock has it. */
const DEFAULT_UPLINK = 'eth0';

/** The one that was asked for, or that of the default route, or eth0. */
export function uplinkName(host: Pick<Host, 'netTable'>, asked: InterfaceName | undefined): string {
  return asked ?? defaultDevice(host.netTable('route'), host.netTable('ipv6_route')) ?? DEFAULT_UPLINK;
}

/**
 * Looks at it.
 *
 * @throws Failure `missing` if it is not there, or nobody can say
 */
export async function readUplink(
  host: Pick<Host, 'run' | 'readDevice' | 'netTable'>,
  asked: InterfaceName | undefined,
): Promise<Uplink> {
  const name = parseInterfaceName(uplinkName(host, asked), 'the default route');
  const device = host.readDevice(name);
  if (device === undefined) {
    throw new Failure('missing', `Could not find the device ${name}`, {
      at: asked === undefined ? 'the default route' : 'gatewaydev',
      hint: 'gatewaydev= names the device behind which the network is',
    });
  }
  const [tool, ...args] = [...ADDRESSES, 'dev', name];
  const { status, stdout, stderr } = await host.run(tool, args, { timeoutMs: LOOK_MS });
  if (status !== 0) throw new Failure('missing', `the addresses of ${name} are not known: ${stderr.trim()}`);
  return { name, mtu: device.mtu, ...addressesIn(stdout) };
}

function addressesIn(listed: string): Pick<Uplink, 'addresses' | 'subnets'> {
  const texts = readAddresses(listed).map(({ text }) => text);
  const all = texts.flatMap((text) => parsePrefix(text.replace(/\/.*/, '')) ?? []).filter(isGlobal);
  const subnets = texts.flatMap((text) => parsePrefix(text) ?? []).filter((one) => !isHost(one) && isGlobal(one));
  return { addresses: all, subnets };
}

function isGlobal(prefix: IpPrefix): boolean {
  return !overlaps(prefix, LINK_LOCAL);
}

/** For a dry run: what is not known is empty. */
export async function readUplinkDry(
  host: Pick<Host, 'run' | 'readDevice' | 'netTable' | 'log'>,
  asked: InterfaceName | undefined,
): Promise<Uplink> {
  const name = uplinkName(host, asked);
  if (host.readDevice(name) === undefined) return { name, mtu: undefined, addresses: [], subnets: [] };
  try {
    return await readUplink(host, asked);
  } catch (error) {
    host.log.say('debug', `nothing is known of ${name}: ${failureLine(asFailure(error))}`);
    return { name, mtu: undefined, addresses: [], subnets: [] };
  }
}
