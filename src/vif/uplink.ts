import { LISTING_BYTES } from '../effects/exec.ts';
import { errorOf } from '../effects/netlink.ts';
import type { Device } from '../effects/sysfs.ts';
import { asFailure, Failure, failureLine, oneLine } from '../errors.ts';
import type { Host } from '../host.ts';
import { type InterfaceName, parseInterfaceName } from '../net/interface-name.ts';
import { firstAddress, type IpPrefix, isHost, LINK_LOCAL, overlaps, parsePrefix } from '../net/ip-prefix.ts';
import { nowhereRoutes } from '../port/nowhere-routes.ts';
import { defaultDevice } from '../port/routes.ts';
import { ASK, askedOf, readAsked } from '../port/seen-uplink.ts';
import {
  addressesRequest,
  type Kept,
  readAddressesAnswer,
  readRouteAnswer,
  routeRequest,
} from '../port/uplink-request.ts';

/** The device behind which the network of a routed vif is. */
export interface Uplink {
  readonly name: string;
  /** Undefined where it is not here, as in a dry run. */
  readonly ifindex: number | undefined;
  /** Undefined where it is not here, as in a dry run. */
  readonly mtu: number | undefined;
  /** This host's own there, in their order. */
  readonly addresses: readonly IpPrefix[];
  /** The subnets that they are in: whoever is there asks for addresses by ARP and ND. */
  readonly subnets: readonly IpPrefix[];
  /** The routes that lead to each of the addresses that were asked for. */
  readonly ways: readonly Way[];
}

/** A route, by whoever has made it. */
export interface Way {
  /** An address, a block, or everywhere. */
  readonly to: string;
  readonly kept: Kept | undefined;
  /** Undefined: to nowhere, or to several devices. */
  readonly ifindex: number | undefined;
  readonly metric: number;
  /** It ends here: blackhole, unreachable, prohibit. */
  readonly nowhere?: true;
}

const LOOK_MS = 6_000;
/** Of each that is asked for; a hundred times what it takes. */
const LOOK_ADDRESS_MS = 5;
/** As stock has it. */
const DEFAULT_UPLINK = 'eth0';

/** The one that was asked for, or that of the default route, or eth0. */
export function uplinkName(host: Pick<Host, 'netTable'>, asked: InterfaceName | undefined): string {
  return asked ?? defaultDevice(host.netTable('route'), host.netTable('ipv6_route')) ?? DEFAULT_UPLINK;
}

/**
 * Looks at it, and where addresses lead now: by the kernel itself, or by one program.
 *
 * @param own addresses and blocks of guests that are to be behind it
 * @throws Failure `missing` if it is not there, or nobody can say
 */
export async function readUplink(
  host: Pick<Host, 'run' | 'netlink' | 'readDevice' | 'netTable'>,
  asked: InterfaceName | undefined,
  own: readonly IpPrefix[] = [],
): Promise<Uplink> {
  const name = parseInterfaceName(uplinkName(host, asked), 'the default route');
  const device = host.readDevice(name);
  if (device === undefined) {
    throw new Failure('missing', `Could not find the device ${name}`, {
      at: asked === undefined ? 'the default route' : 'gatewaydev',
      hint: 'gatewaydev= names the device behind which the network is',
    });
  }
  const { texts, ways } = (await toldByKernel(host, device, own)) ?? (await toldByProgram(host, device, own));
  const all = [...ways, ...waysToNowhere(host, own, ways)];
  return { name, ifindex: device.ifindex, mtu: device.mtu, ...addressesIn(texts), ways: all };
}

/** The kernel says where an address leads to, and of one that leads to nowhere just that it does not. */
function waysToNowhere({ netTable }: Pick<Host, 'netTable'>, own: readonly IpPrefix[], ways: readonly Way[]): Way[] {
  if (ways.length >= own.length) return [];
  const texts = new Set(own.map(({ text }) => text));
  return nowhereRoutes(netTable('route'), netTable('ipv6_route'))
    .filter(({ to }) => texts.has(to.text))
    .map(({ to, metric }) => ({ to: to.text, kept: undefined, ifindex: undefined, metric, nowhere: true }));
}

/** For speed alone: starts what a look at it will use. */
export function uplinkAhead({ ahead, netlink }: Pick<Host, 'ahead' | 'netlink'>): void {
  const [tool, ...args] = ASK;
  if (netlink === undefined) ahead(tool, args);
}

interface Told {
  /** The addresses of the device, each with the length of its subnet. */
  readonly texts: readonly string[];
  readonly ways: readonly Way[];
}

/** Undefined where it cannot be asked. */
async function toldByKernel(
  { netlink }: Pick<Host, 'netlink'>,
  { ifindex }: Device,
  own: readonly IpPrefix[],
): Promise<Told | undefined> {
  const listed = await netlink?.('route', addressesRequest(ifindex));
  if (netlink === undefined || listed === undefined || errorOf(listed) !== 0) return undefined;
  const ways: Way[] = [];
  for (const one of own) {
    const answer = await netlink('route', routeRequest(one));
    if (answer === undefined) return undefined;
    const way = readRouteAnswer(answer);
    if (way !== undefined) ways.push(way);
  }
  return { texts: readAddressesAnswer(listed, ifindex), ways };
}

async function toldByProgram(
  host: Pick<Host, 'run' | 'readDevice'>,
  { name }: Device,
  own: readonly IpPrefix[],
): Promise<Told> {
  const [tool, ...args] = ASK;
  const addresses = own.map(firstAddress);
  const timeoutMs = LOOK_MS + LOOK_ADDRESS_MS * own.length;
  const { stdout, stderr } = await host.run(tool, args, {
    input: askedOf(name, addresses),
    timeoutMs,
    mostBytes: LISTING_BYTES,
  });
  const told = readAsked(stdout);
  // It ends well only if there is a route to each of them.
  if (!told.listed) {
    throw new Failure('missing', `the addresses of ${name} are not known: ${oneLine(stderr, 120)}`);
  }
  return {
    texts: told.addresses.map(({ text }) => text),
    ways: told.ways.map(({ device, ...way }) => ({
      ...way,
      ifindex: device === undefined ? undefined : host.readDevice(device)?.ifindex,
    })),
  };
}

function addressesIn(texts: readonly string[]): Pick<Uplink, 'addresses' | 'subnets'> {
  const all = texts.flatMap((text) => parsePrefix(text.replace(/\/.*/, '')) ?? []).filter(isGlobal);
  const subnets = texts.flatMap((text) => parsePrefix(text) ?? []).filter((one) => !isHost(one) && isGlobal(one));
  return { addresses: all, subnets };
}

function isGlobal(prefix: IpPrefix): boolean {
  return !overlaps(prefix, LINK_LOCAL);
}

/** For a dry run: what is not known is empty. */
export async function readUplinkDry(
  host: Pick<Host, 'run' | 'netlink' | 'readDevice' | 'netTable' | 'log'>,
  asked: InterfaceName | undefined,
  own: readonly IpPrefix[],
): Promise<Uplink> {
  const name = uplinkName(host, asked);
  if (host.readDevice(name) === undefined) return { name, ...UNKNOWN };
  try {
    return await readUplink(host, asked, own);
  } catch (error) {
    host.log.say('debug', `nothing is known of ${name}: ${failureLine(asFailure(error))}`);
    return { name, ...UNKNOWN };
  }
}

const UNKNOWN = { ifindex: undefined, mtu: undefined, addresses: [], subnets: [], ways: [] } as const;
