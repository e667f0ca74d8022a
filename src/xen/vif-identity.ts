import { Failure, shown } from '../errors.ts';
import type { AddressList } from '../net/address-list.ts';
import { parseAddressList } from '../net/address-list.ts';
import { INTERFACE_NAME_MAX, type InterfaceName, parseInterfaceName } from '../net/interface-name.ts';
import { isHost, parsePrefix } from '../net/ip-prefix.ts';
import { type MacAddress, parseMac } from '../net/mac-address.ts';
import { EMULATED } from '../net/vif-name.ts';
import { VLAN_MAX } from '../net/vlan-range.ts';

/** Which of the two interfaces of one virtual NIC: netback's `vif`, or the `tap` of an emulated (HVM) NIC. */
export type PortType = 'vif' | 'tap';

/** Everything that is known of one guest interface, parsed. Nothing in it is text from outside any more. */
export interface VifIdentity {
  /** The name the kernel or QEMU gave the device: `vif1.0`, `vif1.0-emu`. Names our chains and our state. */
  readonly device: InterfaceName;
  /** The name it has in the end: the same, or `vifname=` of the guest's configuration (with `-emu` for a tap). */
  readonly name: InterfaceName;
  readonly type: PortType;
  readonly mac: MacAddress;
  /** The bridge as asked for; undefined means: find one. */
  readonly bridge: InterfaceName | undefined;
  readonly addresses: AddressList;
  /** Wanted MTU in bytes; undefined means: as the bridge. */
  readonly mtu: number | undefined;
  /** The VLAN of its bridge that it is in, by frames without a tag; undefined means: as the bridge has it. */
  readonly vlan: number | undefined;
  /** The name of its guest; undefined where nobody needs it, or it has none. Only ever compared with the policy's. */
  readonly guest: string | undefined;
  /** The device behind which the network of a routed vif is; undefined means: that of the default route. */
  readonly uplink?: InterfaceName | undefined;
  /** This host's address on the link of a routed vif; undefined means: the first one of `uplink`. */
  readonly mainIp?: string | undefined;
  /** The NIC has an emulated twin with the same MAC (backend key `type` = `vif_ioemu`). */
  readonly hvm: boolean;
}

/** The raw values that make an identity, from xenstore's backend directory or from an admin's arguments. */
export interface IdentityValues {
  readonly mac?: string | undefined;
  readonly ip?: string | undefined;
  readonly bridge?: string | undefined;
  readonly vifname?: string | undefined;
  readonly mtu?: string | undefined;
  readonly vlan?: string | undefined;
  readonly nicType?: string | undefined;
  readonly guest?: string | undefined;
  readonly gatewaydev?: string | undefined;
  readonly main_ip?: string | undefined;
}

/** Ethernet's smallest and Linux' largest MTU (include/uapi/linux/if_ether.h: ETH_MIN_MTU, ETH_MAX_MTU). */
const MTU_MIN = 68;
const MTU_MAX = 65535;

/**
 * Makes an identity of raw values. This is the only place where values from xenstore and from the command line become
 * typed; everything behind it may rely on the types.
 *
 * @param at names the source for errors: a xenstore directory, or "the command line"
 */
export function parseIdentity(
  port: { device: InterfaceName; type: PortType },
  given: IdentityValues,
  at: string,
): VifIdentity {
  const values = unquoted(given);
  const where = (key: string): string => `${key} of ${at}`;
  if (values.mac === undefined || values.mac === '') {
    throw new Failure('input', `no MAC address for ${port.device}`, {
      at: where('mac'),
      hint: 'Xen writes it for every vif; by hand add mac=00:16:3e:...',
    });
  }
  const mac = parseMac(values.mac, where('mac'));
  const bridge = values.bridge === undefined || values.bridge === '' ? undefined : values.bridge;
  return {
    ...port,
    name: parseFinalName(port, values.vifname, where('vifname')),
    mac,
    bridge: bridge === undefined ? undefined : parseInterfaceName(bridge, where('bridge')),
    addresses: parseAddressList(values.ip ?? '', where('ip'), mac),
    mtu: parseMtu(values.mtu, where('mtu')),
    vlan: parseVlan(values.vlan, where('vlan')),
    guest: values.guest === '' ? undefined : values.guest,
    ...uplinkOf(values, where),
    hvm: port.type === 'tap' || values.nicType === 'vif_ioemu' || values.nicType === 'ioemu',
  };
}

function uplinkOf(
  { gatewaydev = '', main_ip = '' }: IdentityValues,
  where: (key: string) => string,
): Pick<VifIdentity, 'uplink' | 'mainIp'> {
  const address = main_ip === '' ? undefined : parsePrefix(main_ip);
  if (main_ip !== '' && (address?.family !== 4 || !isHost(address))) {
    throw new Failure('input', `${shown(main_ip)} is no IPv4 address`, { at: where('main_ip') });
  }
  return {
    ...(gatewaydev === '' ? {} : { uplink: parseInterfaceName(gatewaydev, where('gatewaydev')) }),
    ...(address === undefined ? {} : { mainIp: address.text }),
  };
}

/** xl keeps quotes that stand inside its own (`vifname="n1"`); one pair around a value is not part of it. */
export function unquoted(values: IdentityValues): IdentityValues {
  return Object.fromEntries(Object.entries(values).map(([key, text]) => [key, text && withoutQuotes(text)]));
}

function withoutQuotes(text: string): string {
  return /^(["'])([^"']*)\1$/.exec(text)?.[2] ?? text;
}

function parseFinalName(
  port: { device: InterfaceName; type: PortType },
  vifname: string | undefined,
  at: string,
): InterfaceName {
  if (vifname === undefined || vifname === '') return port.device;
  const suffix = port.type === 'tap' ? EMULATED : '';
  if (vifname.length + suffix.length > INTERFACE_NAME_MAX) {
    throw new Failure('input', `vifname ${shown(vifname)} is too long`, {
      at,
      hint: `at most ${INTERFACE_NAME_MAX} characters, ${INTERFACE_NAME_MAX - EMULATED.length} for an HVM guest (its tap gets ${EMULATED})`,
    });
  }
  return parseInterfaceName(`${vifname}${suffix}`, at);
}

/**
 * xl-network-configuration(5): of a single VLAN `p` (the one of untagged frames) may be left out, and `p` implies `u`.
 * More than one would be tagged frames, which no guest may send here.
 */
function parseVlan(text: string | undefined, at: string): number | undefined {
  if (text === undefined || text === '') return undefined;
  const vlan = Number(/^([1-9][0-9]{0,3})p?u?$/.exec(text)?.[1] ?? Number.NaN);
  if (vlan <= VLAN_MAX) return vlan;
  throw new Failure('input', `vlan=${shown(text)} is not one VLAN`, {
    at,
    hint: `a number from 1 to ${VLAN_MAX}; those with tags are vlan:10-20 in allow of the policy`,
  });
}

function parseMtu(text: string | undefined, at: string): number | undefined {
  if (text === undefined || text === '') return undefined;
  const mtu = /^[1-9][0-9]{0,4}$/.test(text) ? Number(text) : Number.NaN;
  if (!(mtu >= MTU_MIN && mtu <= MTU_MAX)) {
    throw new Failure('input', `${shown(text)} is not an MTU`, { at, hint: `a number from ${MTU_MIN} to ${MTU_MAX}` });
  }
  return mtu;
}
