import { type FrameLimit, type FrameLimits, LIMIT_KINDS } from '../filter/frame-limits.ts';
import type { Learning } from '../filter/learning.ts';
import type { LoadedTerms } from '../filter/own-terms.ts';
import { NO_IP_CHOICES } from '../filter/plan.ts';
import { OWN_FLAGS, type OwnValue } from '../filter/stage.ts';
import {
  amount,
  array,
  boolean,
  count,
  type Get,
  object,
  oneOf,
  optional,
  parsedBy,
  type Reader,
  string,
  text,
} from '../json/reader.ts';
import { parseDeviceName } from '../net/interface-name.ts';
import { BACKEND_NAMES } from '../policy/keys.ts';
import { HOST_FILTERS } from '../port/host-accept.ts';
import type { PortFlags } from '../port/wished-port.ts';
import { parseXenbusPath } from '../xen/hotplug-event.ts';
import type { IdentityValues } from '../xen/vif-identity.ts';
import type { BaseRecord, EbtTools, RoutedState, VifRecord } from './records.ts';

/**
 * Records as they come back from their files. Every field is looked at, because every one of them reaches a program,
 * and nobody can know what a full disk or an editor made of it.
 */

/** What the kernel takes for a name: somebody may have given a port one that we would not (dev_valid_name). */
const name = text(/^[^\s/]{1,15}$/, 'an interface name');
const word = text(/^[a-z0-9:-]+$/, 'a word of the policy');
/** Or a number with `0x` in front of it. */
const address = text(/^(0x)?[0-9a-f:./]+$/, 'an address');

/** A list; an earlier version may not have had it. */
function listOf<T>(item: Reader<T>): Reader<readonly T[]> {
  const all = array(item);
  return (found) => (found.value === undefined ? [] : all(found));
}

const addresses = listOf(address);
/** `10`, `10-20`. */
const vlans = listOf(text(/^[1-9]\d{0,3}(-[1-9]\d{0,3})?$/, 'VLANs'));

const OWN_VALUES: Readonly<Record<OwnValue, true>> = {
  mac: true,
  extra: true,
  ip: true,
  ip6: true,
  solicited: true,
  broadcast: true,
  sole: true,
  sole6: true,
  route: true,
  route6: true,
  gateway: true,
  gateway4: true,
  gatewayGroups: true,
  ethertype: true,
  protocol: true,
  vlan: true,
};

const LIMIT: Reader<FrameLimit> = object((get) => ({ rate: get('rate', count), burst: get('burst', count) }));
const LIMITS: Reader<FrameLimits> = object((get) =>
  Object.fromEntries(
    LIMIT_KINDS.map((kind) => [kind, get(kind, optional(LIMIT))] as const).filter(([, limit]) => limit !== undefined),
  ),
);

const LEARNING: Reader<Learning> = object((get) => ({
  servers: get('servers', array(address)),
  most: get('most', count),
}));

/** It becomes the name of a chain. */
const DIGEST = text(/^[0-9a-f]{12}(\.1)?$/, 'a digest');

/** The same, and how many chains it has. */
const FILTER_DIGEST = text(/^[0-9a-f]{12}\.(0|[1-9][0-9]{0,5})$/, 'a digest of a filter');

const OWN: Reader<LoadedTerms['values']> = byKey(keysOf(OWN_VALUES), (key) => (key === 'vlan' ? vlans : addresses));
const FLAG_NAMES = array(oneOf(...OWN_FLAGS));
/** What not every vif has. Who reads a record of thousands makes no reader anew for each. */
const MORE_TERMS = {
  limits: optional(LIMITS),
  learning: optional(LEARNING),
  program: optional(DIGEST),
  filter: optional(FILTER_DIGEST),
};

const LOADED: Reader<LoadedTerms> = object((get) => ({
  ifindex: get('ifindex', count),
  values: get('values', OWN),
  flags: get('flags', FLAG_NAMES),
  ...presentOf(get, MORE_TERMS),
}));

/** An object that has all of these keys. */
function byKey<K extends string, T>(keys: readonly K[], readerOf: (key: K) => Reader<T>): Reader<Record<K, T>> {
  const readers = keys.map((key) => [key, readerOf(key)] as const);
  return object((get) => {
    const all: Partial<Record<K, T>> = {};
    for (const [key, reader] of readers) all[key] = get(key, reader);
    return all as Record<K, T>;
  });
}

function keysOf<K extends string>(keys: Readonly<Record<K, unknown>>): K[] {
  return Object.keys(keys) as K[];
}

const VALUES: Readonly<Record<keyof IdentityValues, true>> = {
  mac: true,
  ip: true,
  bridge: true,
  vifname: true,
  mtu: true,
  vlan: true,
  nicType: true,
  guest: true,
  gatewaydev: true,
  main_ip: true,
};

/** Raw, as they were found: who uses them parses them again. */
const IDENTITY_KEYS = keysOf(VALUES);
const OPTIONAL_TEXT = optional(string);
const IDENTITY: Reader<IdentityValues> = object((get) => {
  const all: Partial<Record<keyof IdentityValues, string>> = {};
  for (const key of IDENTITY_KEYS) {
    const value = get(key, OPTIONAL_TEXT);
    if (value !== undefined) all[key] = value;
  }
  return all;
});

const FLAGS: Reader<Partial<PortFlags>> = object((get) =>
  present({
    isolated: get('isolated', optional(boolean)),
    flood: get('flood', optional(boolean)),
    hairpin: get('hairpin', optional(boolean)),
  }),
);

const ROUTED: Reader<RoutedState> = object((get) => ({
  metric: get('metric', count),
  routes: get('routes', array(address)),
  proxies: get('proxies', array(address)),
  ...present({
    main: get('main', optional(address)),
    uplinkIndex: get('uplinkIndex', optional(count)),
    announcing: get('announcing', optional(boolean)) ? true : undefined,
  }),
}));

const TYPE = oneOf('vif', 'tap');
const XENBUS = optional(parsedBy((path) => parseXenbusPath(path).path));
const MODE = oneOf('addresses', ...NO_IP_CHOICES);
const SCHEMA = oneOf(1);
const ADDRESSES = array(address);
const ALL_LOADED = array(LOADED);
const MORE = {
  observed: optional(boolean),
  flags: optional(FLAGS),
  unfinished: optional(oneOf('bound', 'unbound')),
  allow: optional(array(word)),
  accepts: optional(array(oneOf(...HOST_FILTERS))),
  routed: optional(ROUTED),
};

/** @param device which file it is in */
export function vifRecord(device: string): Reader<VifRecord> {
  const own: Reader<string> = (found) => parseDeviceName(oneOf(device)(found), found.path);
  return object((get) => ({
    schema: get('schema', SCHEMA),
    bootId: get('bootId', string),
    device: get('device', own),
    name: get('name', name),
    type: get('type', TYPE),
    bridge: get('bridge', name),
    values: get('values', IDENTITY),
    xenbus: get('xenbus', XENBUS),
    mode: get('mode', MODE),
    ...presentOf(get, MORE),
    subnetBroadcasts: get('subnetBroadcasts', ADDRESSES),
    shared: get('shared', boolean),
    ingress: get('ingress', boolean),
    ifindex: get('ifindex', count),
    loaded: get('loaded', ALL_LOADED),
    ticket: get('ticket', amount),
    since: get('since', string),
  }));
}

/** They are run: no path, no option. */
const program = text(/^[a-z][a-z0-9-]*$/, 'the name of a program');

const TOOLS: Reader<EbtTools> = object((get) => ({
  list: get('list', program),
  restore: get('restore', program),
  variant: get('variant', oneOf('legacy', 'nft')),
}));

const EXEMPT = object((get) => ({ name: get('name', name), ifindex: get('ifindex', count) }));

export const BASE_RECORD: Reader<BaseRecord> = object((get) => ({
  schema: get('schema', oneOf(1)),
  bootId: get('bootId', string),
  sentinel: get('sentinel', text(/^[a-z0-9/-]+$/, 'the name of a sentinel')),
  ...present({
    backend: get('backend', optional(oneOf(...BACKEND_NAMES))),
    auto: get('auto', optional(boolean)),
    tools: get('tools', optional(TOOLS)),
    listing: get('listing', optional(string)),
    policy: get('policy', optional(string)),
  }),
  exempt: get('exempt', array(EXEMPT)),
}));

/** Those of these keys that have a value. */
function presentOf<T extends object>(
  get: Get,
  readers: { readonly [K in keyof T]: Reader<T[K]> },
): { [K in keyof T]?: Exclude<T[K], undefined> } {
  const all: { [K in keyof T]?: Exclude<T[K], undefined> } = {};
  for (const key in readers) {
    const value = get(key, readers[key]);
    if (value !== undefined) all[key] = value as Exclude<T[typeof key], undefined>;
  }
  return all;
}

/** Without the keys that have no value. */
function present<T extends object>(values: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]?: Exclude<T[K], undefined>;
  };
}
