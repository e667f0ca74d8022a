import { didYouMean } from '../did-you-mean.ts';
import { Failure, shown } from '../errors.ts';
import { type InterfaceName, parseDeviceName } from '../net/interface-name.ts';
import { parseVifName, type VifName } from '../net/vif-name.ts';
import type { HotplugCommand } from './hotplug-call.ts';
import type { IdentityValues, PortType } from './vif-identity.ts';

/** What one run of the script is asked to do. */
export interface HotplugEvent {
  readonly command: HotplugCommand;
  readonly type: PortType;
  readonly device: InterfaceName;
  /** Xen called: the backend directory in xenstore. Undefined when an admin runs the program by hand. */
  readonly xenbus: XenbusPath | undefined;
  /** From arguments and environment; only used where `xenbus` is undefined (but see `bridge`). */
  readonly given: IdentityValues;
  /** The vif is no port of a bridge: this host routes for it (`vif-route`). */
  readonly routed?: true | undefined;
  /** `given` is what an earlier run saved; this is where xenstore had it, and may have it again. */
  readonly savedPath?: string | undefined;
}

/** A vif's backend directory, e.g. `backend/vif/1/0`, relative to the own domain or absolute (both occur). */
export interface XenbusPath {
  readonly path: string;
  readonly domid: number;
  readonly devid: number;
}

/** Domain ids are 15 bits (xen/include/public/xen.h: DOMID_FIRST_RESERVED 0x7ff0). */
const DOMID_MAX = 0x7fef;

/**
 * Reads the command line and the environment of one run.
 *
 * libxl: `online type_if=vif`, with XENBUS_PATH and vif (and INTERFACE for emulated NICs) in the environment. xend and
 * udev left type_if out. Arguments win over the environment, in any order, unknown ones are tolerated.
 *
 * @returns undefined for the pairings that must do nothing: `online|offline` of a tap, `add|remove` of a vif
 */
export function parseHotplugEvent(
  command: HotplugCommand,
  args: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): HotplugEvent | undefined {
  const named = namedArguments(args);
  const get = (key: string): string | undefined => {
    const value = named.get(key) ?? env[key];
    return value === '' ? undefined : value;
  };
  const type = parseType(get('type_if'));
  // libxl calls all four for every NIC; only one pair is meant for each interface.
  if ((type === 'vif') !== (command === 'online' || command === 'offline')) return undefined;

  const variable = type === 'vif' ? 'vif' : 'INTERFACE';
  const deviceText = get(variable);
  if (deviceText === undefined) {
    throw new Failure('input', `${variable} is not set`, {
      at: 'the environment',
      hint: `Xen sets it; by hand write: vif-bridge ${command}${type === 'tap' ? ' type_if=tap' : ''} ${variable}=vif1.0${type === 'tap' ? '-emu' : ''} ...`,
    });
  }
  const device = parseDeviceName(deviceText, variable);
  const given: IdentityValues = {
    mac: get('mac'),
    ip: get('ip'),
    bridge: get('bridge'),
    vifname: get('vifname'),
    mtu: get('mtu'),
    gatewaydev: get('gatewaydev') ?? get('netdev'),
    // No variables of Xen's: one of this name in somebody's environment says nothing.
    main_ip: named.get('main_ip'),
    guest: named.get('guest'),
  };
  const routed = parseMode(named.get('mode'));
  const xenbus = xenbusOf(get('XENBUS_PATH'), device, type, given);
  // libxl and wrappers have passed more than the script knows (contract §1.2); a person has mistyped.
  if (xenbus === undefined) {
    refuseUnknown([...named.keys()]);
    refuseBridge(routed, named);
  }
  return { command, type, device, xenbus, given, ...(routed ? { routed } : {}) };
}

function namedArguments(args: readonly string[]): Map<string, string> {
  const named = new Map<string, string>();
  for (const arg of args) {
    const match = /^([^=]*)=(.*)$/s.exec(arg);
    if (match?.[1] !== undefined && match[2] !== undefined) named.set(match[1], match[2]);
  }
  return named;
}

/** What a person may say. */
const KEYS = [
  ...['vif', 'INTERFACE', 'type_if', 'mac', 'ip', 'bridge', 'vifname', 'mtu', 'guest'],
  ...['mode', 'gatewaydev', 'main_ip'],
];
/** What Xen says besides, in its environment: whoever repeats one of its runs may. */
const SILENT_KEYS = ['XENBUS_PATH', 'XENBUS_TYPE', 'XENBUS_BASE_PATH', 'script', 'netdev'];

/** @throws Failure `input`: without an `ip=` that was mistyped a guest may use any address */
function refuseUnknown(named: readonly string[]): void {
  const unknown = named.find((key) => ![...KEYS, ...SILENT_KEYS].includes(key));
  if (unknown === undefined) return;
  const meant = didYouMean(unknown, KEYS);
  throw new Failure('input', `there is no key ${shown(unknown)}`, {
    at: 'the command line',
    hint: meant === undefined ? `the keys are ${KEYS.join(', ')}` : `did you mean ${meant}=?`,
  });
}

/** How the launcher says that it was called as `vif-route`. */
function parseMode(text: string | undefined): true | undefined {
  if (text === undefined || text === 'bridge') return undefined;
  if (text === 'route') return true;
  throw new Failure('input', `mode is ${shown(text)}`, { at: 'the command line', hint: 'route or bridge' });
}

/** Xen writes a bridge for every vif, which a person does not. */
function refuseBridge(routed: true | undefined, named: ReadonlyMap<string, string>): void {
  if (routed !== true || (named.get('bridge') ?? '') === '') return;
  throw new Failure('input', 'mode=route, and bridge= is set', {
    at: 'the command line',
    hint: 'a routed vif is on no bridge; gatewaydev= names the device behind which the network is',
  });
}

function parseType(text: string | undefined): PortType {
  if (text === undefined || text === 'vif') return 'vif';
  if (text === 'tap') return 'tap';
  throw new Failure('input', `type_if is ${shown(text)}`, { at: 'the command line', hint: 'vif or tap' });
}

function xenbusOf(
  path: string | undefined,
  device: InterfaceName,
  type: PortType,
  given: IdentityValues,
): XenbusPath | undefined {
  const named = parseVifName(device);
  if (path === undefined) {
    // udev never gave a tap's run an XENBUS_PATH; the path follows from the name, as in vif-common.sh.
    const legacyTap = type === 'tap' && given.mac === undefined && named !== undefined;
    return legacyTap ? parseXenbusPath(xenbusOfVif(named)) : undefined;
  }
  const xenbus = parseXenbusPath(path);
  if (named !== undefined && (named.domid !== xenbus.domid || named.devid !== xenbus.devid)) {
    throw new Failure('input', `${device} is not the interface of ${path}`, {
      at: 'XENBUS_PATH',
      hint: `${path} belongs to vif${xenbus.domid}.${xenbus.devid}`,
    });
  }
  return xenbus;
}

/** The same for a device, by the name it had first; undefined if none of Xen's is called so. */
export function xenbusOfDevice(first: string): string | undefined {
  const vif = parseVifName(first);
  return vif && xenbusOfVif(vif);
}

/** Where Xen has the keys of a vif, relative to the own domain. */
export function xenbusOfVif({ domid, devid }: Pick<VifName, 'domid' | 'devid'>): string {
  return `backend/vif/${domid}/${devid}`;
}

/** Reads a backend path; anything else would let a caller point the program at keys that a guest may write. */
export function parseXenbusPath(path: string): XenbusPath {
  const match = /^(?:\/local\/domain\/[0-9]{1,5}\/)?backend\/vif\/(0|[1-9][0-9]{0,4})\/(0|[1-9][0-9]{0,4})$/.exec(path);
  const domid = Number(match?.[1]);
  if (match === null || domid > DOMID_MAX) {
    throw new Failure('input', `${shown(path)} is not the backend directory of a vif`, {
      at: 'XENBUS_PATH',
      hint: 'it looks like backend/vif/<domid>/<devid>',
    });
  }
  return { path, domid, devid: Number(match[2]) };
}

/**
 * The frontend directory of a vif. From the ids, not from the interface name (stock's bug: with vifname= it makes
 * /local/domain/web0/...), and not from the key `frontend`.
 */
export function frontendPath(xenbus: XenbusPath): string {
  return `/local/domain/${xenbus.domid}/device/vif/${xenbus.devid}`;
}
