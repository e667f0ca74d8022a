import { Failure } from '../errors.ts';
import { type AddressList, distinctPrefixes, writtenAddresses } from '../net/address-list.ts';
import {
  type AssignedAddress,
  addressIn,
  contains,
  type Family,
  type IpPrefix,
  isHost,
  LINK_LOCAL,
  makePrefix,
  sizeOf,
} from '../net/ip-prefix.ts';
import type { MacAddress } from '../net/mac-address.ts';
import { parseVifName } from '../net/vif-name.ts';

/** A vif as what goes into its guest is made of it. */
export interface GuestVif {
  readonly device: string;
  readonly mac: MacAddress;
  readonly addresses: AddressList;
  /** This host routes for it: nobody is on its link but this host. */
  readonly routed: boolean;
  /** The router of each family; undefined where none is known. */
  readonly gateways: Gateways;
}

export type Gateways = Readonly<Partial<Record<Family, IpPrefix>>>;

/** All NICs of a guest. */
export interface GuestNetwork {
  readonly nics: readonly GuestNic[];
  /** For the admin. */
  readonly notes: readonly string[];
}

/** One NIC as the guest is to configure it. */
export interface GuestNic {
  readonly device: string;
  /** What it is called in the guest, as far as anybody can know: eth0 is the NIC of vif1.0. */
  readonly name: string;
  readonly mac: MacAddress;
  /** Of each family that it has addresses of. */
  readonly families: readonly NicFamily[];
}

/** What a NIC has of one family. */
export interface NicFamily {
  readonly family: Family;
  /** `192.0.2.5/32`, the main one first. */
  readonly addresses: readonly string[];
  /** Undefined: there is no default route. */
  readonly gateway: string | undefined;
  /** The router is in no subnet of the NIC, which must be told that it is on its link all the same. */
  readonly onlink: boolean;
  /** It has the default route of the main table. */
  readonly main: boolean;
  /** A routing table of its own, for what is sent from `sources`. */
  readonly table: number | undefined;
  /** All that the guest may send from, on this NIC. */
  readonly sources: readonly string[];
  /** Subnets whose other stations are on its link. */
  readonly subnets: readonly string[];
}

/** The router at the dom0 side of every routed vif; where a bridge has no other one its admin can give it this. */
const GATEWAY6 = makePrefix(Uint8Array.from([0xfe, 0x80, ...Array<number>(13).fill(0), 1]), 128);
/** Tables that no distribution uses (/etc/iproute2/rt_tables has 253 to 255); 101 is that of eth1. */
const FIRST_TABLE = 100;
/** So many addresses of an IPv4 block are written one by one: a /28, the most that providers sell by the piece. */
const MOST_LISTED = 16;

/**
 * What goes into a guest. Its first NIC of each family has the default route. Every other one has a table of its own,
 * and rules that send there what is sent from its addresses: else the answers of all NICs leave by the first one, where
 * they are foreign and dropped. So has the first one, if there are subnets, which the main table would reach by any.
 *
 * @throws Failure `input` for NICs that cannot be those of one guest, or that have no address
 */
export function guestNetwork(vifs: readonly GuestVif[], at: string): GuestNetwork {
  refuseDoubles(vifs, at);
  const numbers = numbersOf(vifs);
  const all = vifs.flatMap((vif, index) =>
    ([4, 6] as const).flatMap((family) => nicFamily(vif, family, FIRST_TABLE + (numbers[index] ?? index), at) ?? []),
  );
  const nics = vifs.map(
    ({ device, mac }, index): GuestNic => ({
      device,
      name: `eth${numbers[index] ?? index}`,
      mac,
      families: all.filter((one) => one.device === device).map(({ device: _, ...one }) => placed(one, all)),
    }),
  );
  if (all.length === 0) {
    throw new Failure('input', `${vifs.map(({ device }) => device).join(' ')} has no address`, {
      at,
      hint: 'write ip=192.0.2.5; a guest that learns its addresses (learn = dhcp) asks for them by DHCP',
    });
  }
  const blocks = vifs.flatMap((vif) => blockNotes(written(vif, at)));
  return { nics, notes: [...notesOn(nics), ...supposed(vifs), ...blocks] };
}

/** Of a bridge nobody can know its router. */
function supposed(vifs: readonly GuestVif[]): string[] {
  const some = vifs.some(({ routed, gateways, addresses }) => !routed && !gateways[6] && addresses.ipv6.length > 0);
  return some ? [`the router of IPv6 is taken to be ${GATEWAY6.text}: name another one with --gateway`] : [];
}

function written({ addresses, mac }: GuestVif, at: string): AssignedAddress[] {
  return writtenAddresses(addresses, at, mac);
}

/** What a NIC has of a family, before it is known what others have. */
type Alone = Omit<NicFamily, 'main' | 'table'> & { readonly ownTable: number };

/** Which tables its routes are in. */
function placed({ ownTable, ...one }: Alone, all: readonly Alone[]): NicFamily {
  const same = all.filter(({ family }) => family === one.family);
  const main = same[0]?.ownTable === ownTable;
  const apart = same.length > 1 && (!main || same.some(({ subnets }) => subnets.length > 0));
  return { ...one, main, table: apart ? ownTable : undefined };
}

function nicFamily(
  vif: GuestVif,
  family: Family,
  ownTable: number,
  at: string,
): (Alone & { readonly device: string }) | undefined {
  const { device, routed, gateways } = vif;
  const own = written(vif, at).filter(({ prefix }) => prefix.family === family);
  if (own.length === 0) return undefined;
  const full = family === 4 ? 32 : 128;
  const subnets = routed
    ? []
    : own.flatMap(({ prefix, netmask }) => (netmask === undefined ? [] : [makePrefix(prefix.bytes, netmask)]));
  const gateway = gateways[family] ?? (family === 6 ? GATEWAY6 : undefined);
  const isNear = gateway !== undefined && [...subnets, LINK_LOCAL].some((one) => contains(one, gateway));
  return {
    device,
    ownTable,
    family,
    addresses: single(own, gateway).map(({ prefix, netmask }) => `${prefix.text}/${routed ? full : (netmask ?? full)}`),
    gateway: gateway?.text,
    onlink: gateway !== undefined && !isNear,
    sources: distinctPrefixes(own.map(({ prefix }) => prefix)).map(({ text }) => text),
    subnets: distinctPrefixes(subnets).map(({ text }) => text),
  };
}

/**
 * Single addresses as they are; of a small block of IPv4 all, of any other one the second unless one is named; never
 * that of the router, which a block may hold.
 */
function single(own: readonly AssignedAddress[], gateway: IpPrefix | undefined): AssignedAddress[] {
  const isFree = ({ text }: IpPrefix): boolean => text !== gateway?.text;
  const named = own.filter(({ prefix }) => isHost(prefix));
  const others = own
    .filter(({ prefix }) => !isHost(prefix))
    .flatMap(({ prefix: block }) => {
      if (isListed(block)) return Array.from({ length: sizeOf(block) }, (_, index) => addressIn(block, index));
      if (named.some(({ prefix }) => contains(block, prefix))) return [];
      return [addressIn(block, 1), addressIn(block, 2)].filter(isFree).slice(0, 1);
    })
    .filter(isFree)
    .map((prefix) => ({ prefix, broadcast: undefined, netmask: undefined, note: undefined }));
  const all = [...named, ...others];
  return all.filter(({ prefix }, index) => all.findIndex((one) => one.prefix.text === prefix.text) === index);
}

function isListed(block: IpPrefix): boolean {
  return block.family === 4 && sizeOf(block) <= MOST_LISTED;
}

/** By the number that Xen gave the NIC, where those differ; else one after the other. */
function numbersOf(vifs: readonly GuestVif[]): number[] {
  const numbers = vifs.flatMap(({ device }) => parseVifName(device)?.devid ?? []);
  return numbers.length === vifs.length && new Set(numbers).size === vifs.length
    ? numbers
    : vifs.map((_, index) => index);
}

function refuseDoubles(vifs: readonly GuestVif[], at: string): void {
  const refuse = (what: string): Failure => new Failure('input', `${what} is on two NICs`, { at });
  const taken = new Set<string>();
  const take = (what: string): void => {
    if (taken.has(what)) throw refuse(what);
    taken.add(what);
  };
  for (const { device, mac, addresses } of vifs) {
    for (const what of [device, mac, ...[...addresses.ipv4, ...addresses.ipv6].map(({ text }) => text)]) take(what);
  }
  for (const { gateways, addresses } of vifs) {
    for (const gateway of [gateways[4], gateways[6]]) {
      const own = [...addresses.ipv4, ...addresses.ipv6].find((one) => isHost(one) && one.text === gateway?.text);
      if (own !== undefined) {
        throw new Failure('input', `${own.text} is the guest's own address, and cannot be its gateway`, { at });
      }
    }
  }
}

function notesOn(nics: readonly GuestNic[]): string[] {
  const families = nics.flatMap((nic) => nic.families);
  const several = [4, 6].some((family) => families.filter((one) => one.family === family).length > 1);
  return [
    ...nics.filter((nic) => nic.families.length === 0).map(({ device }) => `${device} has no address, and is left out`),
    ...(families.some(({ gateway }) => gateway === undefined)
      ? ['no gateway of IPv4 is known, so there is no default route: name it with --gateway']
      : []),
    ...(several
      ? ['all addresses on one vif (ip= takes several) need neither tables nor rules, and cost one NIC less']
      : []),
  ];
}

/** What a guest may have of a block besides what is written. */
function blockNotes(own: readonly AssignedAddress[]): string[] {
  return own
    .map(({ prefix }) => prefix)
    .filter((prefix) => !isHost(prefix) && !isListed(prefix))
    .map(({ text, family }) => {
      const all = `ip ${family === 6 ? '-6 ' : ''}route add local ${text} dev lo`;
      return `all of ${text} is its own; for more of it add addresses, or have all of it at once: ${all}`;
    });
}
