import { join } from 'node:path';
import type { Log } from '../effects/log.ts';
import { Failure, failureLine } from '../errors.ts';
import { type Reader, readJson } from '../json/reader.ts';
import { makePrefix } from '../net/ip-prefix.ts';
import { eui64LinkLocal, parseMac } from '../net/mac-address.ts';
import { addressIndex, type OwnedAddress } from './address-index.ts';
import {
  isAnything,
  isFile,
  isFolder,
  list,
  placeOf,
  readText,
  remove,
  removeEmpty,
  removeOld,
  writeText,
} from './files.ts';
import { LEARNED_RECORD, type LearnedAddress, type LearnedRecord } from './learned.ts';
import { BASE_RECORD, vifRecord } from './record-readers.ts';
import { type BaseRecord, macsOf, type VifRecord } from './records.ts';

/**
 * The state directory. It describes the kernel's tables, so nothing in it counts in another boot than its own: on a
 * directory that outlives one nothing is found. What cannot be read counts as not there, and is said once in the log:
 * a vif without a record is closed, a base without one is made anew.
 */
export interface State {
  readonly directory: string;
  /** @returns undefined also for one that counts as none: see `useless` */
  readVif(device: string): VifRecord | undefined;
  allVifs(): VifRecord[];
  /** The devices that have a record, whether it can be read or not. */
  devices(): string[];
  writeVif(record: VifRecord): void;
  removeVif(record: { device: string; mac: string | undefined }): void;
  /**
   * Devices that were configured with this MAC, as their own or as one more, from an index: reading it costs the same
   * at any number of vifs.
   */
  devicesWithMac(mac: string): string[];
  /**
   * The addresses that vifs were given, and to which, from an index as well.
   *
   * @param near only who has one of these single addresses, and all blocks; unless told, all
   */
  addresses(near?: readonly string[]): OwnedAddress[];
  /** What DHCP servers gave vifs, as it was saved last; nothing of another boot. */
  readLearned(): readonly LearnedAddress[];
  writeLearned(learned: readonly LearnedAddress[]): void;
  readBase(): BaseRecord | undefined;
  writeBase(base: BaseRecord): void;
  /** The same of the rules of routed vifs, which are in tables of their own. */
  readRoutedBase(): BaseRecord | undefined;
  writeRoutedBase(base: BaseRecord): void;
  /** The ticket of the last offline of a device; 0 if there was none lately. See VifRecord.ticket. */
  readOffline(device: string): number;
  writeOffline(device: string, ticket: number): void;
  /** Remembers something until the next boot. */
  note(what: string): void;
  isNoted(what: string): boolean;
  /** All that is noted, also of earlier boots. */
  notes(): string[];
  forgetNote(what: string): void;
  /** The devices of records that count as none: cannot be read, or are of another boot. As far as they were read. */
  useless(): { readonly unreadable: readonly string[]; readonly outlived: readonly string[] };
}

/** A run lives at most 40 s (libxl); after that nobody can be overtaken by an offline any more. */
const OFFLINE_KEPT_MS = 120_000;

/** Holds nothing, and nothing can be put there: for a dry run of somebody who may not read the state. */
export const NO_STATE_DIRECTORY = '/dev/null';

export const DEFAULT_STATE_DIRECTORY = '/run/xen-vif-bridge';

const RECORD = '.json';

export function openState(directory: string, host: { bootId: () => string; log: Pick<Log, 'say'> }): State {
  const place = placeOf(directory);
  const vifs = join(directory, 'vif');
  const macs = join(directory, 'mac');
  const vifFile = (device: string): string => join(vifs, `${device}${RECORD}`);
  const macFolder = (mac: string): string => join(macs, mac.replaceAll(':', ''));
  const addresses = addressIndex(place);
  const baseFile = join(directory, 'base.json');
  const routedBaseFile = join(directory, 'base-routed.json');
  const learnedFile = join(directory, 'learned.json');
  const offlineFile = (device: string): string => join(directory, 'offline', device);
  const write = (file: string, text: string): void => writeText(place, file, text);
  const told = new Set<string>();
  const unreadable = new Set<string>();
  const outlived = new Set<string>();

  /** What a file holds, if that can be read at all. */
  const trusted = <T>(file: string, read: (text: string) => T): T | undefined | 'unreadable' => {
    try {
      const text = readText(file);
      return text === undefined ? undefined : read(text);
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      if (!told.has(file)) host.log.say('warning', `state that counts as none: ${failureLine(error)}`);
      told.add(file);
      return 'unreadable';
    }
  };
  const json = <T>(file: string, reader: Reader<T>): T | undefined | 'unreadable' =>
    trusted(file, (text) => readJson(text, reader, { at: file }));
  const ofThisBoot = <T extends { readonly bootId: string }>(found: T | undefined | 'unreadable'): T | undefined =>
    found !== undefined && found !== 'unreadable' && found.bootId === host.bootId() ? found : undefined;
  /** False if something else is in the place of the index, or of this part of it. */
  const isIndexed = (mac: string): boolean =>
    isFolder(macs) && (isFolder(macFolder(mac)) || !isAnything(macFolder(mac)));
  const index = (record: VifRecord): void => {
    for (const mac of macsOf(record)) {
      const file = join(macFolder(mac), record.device);
      if (!isFile(file)) write(file, '');
    }
  };

  const forget = (mac: string, device: string): void => {
    remove(place, join(macFolder(mac), device));
    removeEmpty(macFolder(mac));
  };

  const indexAddresses = (record: VifRecord, before: VifRecord | undefined): void => {
    const isThere = addresses.isThere();
    const others = isThere ? [] : state.allVifs().filter(({ device }) => device !== record.device);
    if (!isThere) addresses.make();
    for (const one of others.flatMap(addressesOf)) addresses.add(one);
    const now = addressesOf(record);
    for (const one of now) addresses.add(one);
    const kept = new Set(now.map(({ address }) => address));
    for (const one of before === undefined ? [] : addressesOf(before))
      if (!kept.has(one.address)) addresses.remove(one);
  };

  const state: State = {
    directory,
    readVif(device) {
      const found = json(vifFile(device), vifRecord(device));
      if (found === 'unreadable') {
        unreadable.add(device);
        return undefined;
      }
      if (found !== undefined && found.bootId !== host.bootId()) outlived.add(device);
      return ofThisBoot(found);
    },
    devices: () => list(vifs).flatMap((file) => (file.endsWith(RECORD) ? [file.slice(0, -RECORD.length)] : [])),
    allVifs: () => state.devices().flatMap((device) => state.readVif(device) ?? []),
    writeVif(record) {
      const macs = macsOf(record);
      // Who is not in the index is nobody's twin, so it is whole or not there.
      const others = macs.every(isIndexed) ? [] : state.allVifs();
      const before = state.readVif(record.device);
      for (const one of [...others, record]) index(one);
      for (const mac of before === undefined ? [] : macsOf(before)) if (!macs.includes(mac)) forget(mac, record.device);
      indexAddresses(record, before);
      write(vifFile(record.device), `${JSON.stringify(record, undefined, 1)}\n`);
    },
    removeVif({ device, mac }) {
      const record = state.readVif(device);
      const all = [...(mac === undefined ? [] : [mac]), ...(record === undefined ? [] : macsOf(record))];
      for (const one of new Set(all)) forget(one, device);
      const own = record === undefined ? addresses.all().filter(({ owner }) => owner === device) : addressesOf(record);
      for (const one of own) addresses.remove(one);
      remove(place, vifFile(device));
    },
    devicesWithMac(mac) {
      const known = list(macFolder(mac));
      if (known.length > 0 || isIndexed(mac)) return known;
      return state.allVifs().flatMap((record) => (macsOf(record).includes(mac) ? [record.device] : []));
    },
    addresses: (near) =>
      addresses.isThere()
        ? near === undefined
          ? addresses.all()
          : addresses.around(near)
        : state.allVifs().flatMap(addressesOf),
    readLearned: () => ofThisBoot(json(learnedFile, LEARNED_RECORD))?.learned ?? [],
    writeLearned(learned) {
      // Most hosts never learn anything, and have no such file.
      if (learned.length === 0 && !isAnything(learnedFile)) return;
      const record: LearnedRecord = { schema: 1, bootId: host.bootId(), learned };
      write(learnedFile, `${JSON.stringify(record, undefined, 1)}\n`);
    },
    readBase: () => ofThisBoot(json(baseFile, BASE_RECORD)),
    writeBase: (base) => write(baseFile, `${JSON.stringify(base, undefined, 1)}\n`),
    readRoutedBase: () => ofThisBoot(json(routedBaseFile, BASE_RECORD)),
    writeRoutedBase: (base) => write(routedBaseFile, `${JSON.stringify(base, undefined, 1)}\n`),
    readOffline(device) {
      const [ticket, boot] = (trusted(offlineFile(device), (text) => text) ?? '').split(' ');
      return boot === host.bootId() ? Number(ticket) || 0 : 0;
    },
    writeOffline(device, ticket) {
      for (const folder of [join(directory, 'offline'), place.drafts]) removeOld(place, folder, OFFLINE_KEPT_MS);
      write(offlineFile(device), `${Math.max(ticket, state.readOffline(device))} ${host.bootId()}`);
    },
    note: (what) => write(join(directory, 'noted', what), host.bootId()),
    isNoted: (what) => trusted(join(directory, 'noted', what), (text) => text) === host.bootId(),
    notes: () => list(join(directory, 'noted')),
    forgetNote: (what) => remove(place, join(directory, 'noted', what)),
    useless: () => ({ unreadable: [...unreadable], outlived: [...outlived] }),
  };
  return state;
}

/** What a vif has in the index. */
export function addressesOf(record: VifRecord): OwnedAddress[] {
  const { device, loaded, routed } = record;
  const made = new Set(macsOf(record).map(linkLocalOf));
  const all = loaded.flatMap(({ values: { ip = [], ip6 = [], route = [], route6 = [] } }) => [
    ...[...ip, ...ip6],
    ...[...route, ...route6],
  ]);
  // Of who may use any address, too.
  return [...new Set([...all, ...(routed?.routes ?? [])])]
    .filter((address) => !made.has(address))
    .map((address) => ({ owner: device, address }));
}

/** The address that is made of the MAC is nobody else's as long as the MAC is. */
function linkLocalOf(mac: string): string | undefined {
  try {
    return makePrefix(eui64LinkLocal(parseMac(mac, 'state')), 128).text;
  } catch {
    return undefined;
  }
}
