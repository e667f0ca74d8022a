import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { Failure } from '../errors.ts';
import type { OwnTerms } from '../filter/own-list.ts';
import type { FilterMode } from '../filter/plan.ts';
import type { IdentityValues, PortType } from '../xen/vif-identity.ts';

/** What a vif may have in the kernel's shared sets under one interface index. */
export interface LoadedTerms {
  readonly ifindex: number;
  readonly values: OwnTerms['values'];
  readonly flags: OwnTerms['flags'];
}

/** What is remembered of a vif between runs. Values are raw and parsed again on use, like all input. */
export interface VifRecord {
  readonly schema: 1;
  readonly bootId: string;
  /** Kernel name of the device: vif1.0, vif1.0-emu. */
  readonly device: string;
  /** Final name, bridge in use. */
  readonly name: string;
  readonly type: PortType;
  readonly bridge: string;
  readonly values: IdentityValues;
  /** XENBUS_PATH; undefined for a vif configured by hand. */
  readonly xenbus: string | undefined;
  readonly mode: FilterMode;
  readonly backend: string;
  readonly subnetBroadcasts: readonly string[];
  /** MAC shared with another port: learning instead of a pinned FDB entry. */
  readonly shared: boolean;
  /** A netdev ingress chain may be loaded. */
  readonly ingress: boolean;
  readonly ifindex: number;
  /** Everything that may be loaded, written before the kernel is told: a killed run leaves no unknown element. */
  readonly loaded: readonly LoadedTerms[];
  /** When the run that wrote this started, in microseconds of CLOCK_MONOTONIC: an older run must not undo a newer one. */
  readonly ticket: number;
  /** ISO 8601. */
  readonly since: string;
}

/** Ties the kernel's table to this directory: see nft-base.ts, sentinel. */
export interface BaseRecord {
  readonly schema: 1;
  readonly bootId: string;
  readonly sentinel: string;
  /** Ports that were running unfiltered when the base was first made: they stay so until taken over. */
  readonly exempt: readonly { readonly name: string; readonly ifindex: number }[];
}

/** The state directory, on tmpfs: nothing in it outlives the kernel whose tables it describes. */
export interface State {
  readonly directory: string;
  readVif(device: string): VifRecord | undefined;
  allVifs(): VifRecord[];
  writeVif(record: VifRecord): void;
  removeVif(record: { device: string; mac: string | undefined }): void;
  /** Devices that were configured with this MAC, from an index: reading it costs the same at any number of vifs. */
  devicesWithMac(mac: string): string[];
  readBase(): BaseRecord | undefined;
  writeBase(base: BaseRecord): void;
  /** When the last offline of a device started; see VifRecord.ticket. */
  readOffline(device: string): number;
  writeOffline(device: string, ticket: number): void;
}

/** A run lives at most 40 s (libxl); after that nobody can be overtaken by this offline any more. */
const OFFLINE_KEPT_MS = 120_000;

export const DEFAULT_STATE_DIRECTORY = '/run/xen-vif-bridge';

export function openState(directory: string): State {
  const vifFile = (device: string): string => join(directory, 'vif', `${device}.json`);
  const macFile = (mac: string, device: string): string => join(directory, 'mac', mac.replaceAll(':', ''), device);
  const baseFile = join(directory, 'base.json');
  const offlineFile = (device: string): string => join(directory, 'offline', device);
  const readVif = (device: string): VifRecord | undefined => readJson<VifRecord>(vifFile(device));
  return {
    directory,
    readVif,
    allVifs() {
      const devices = list(join(directory, 'vif')).filter((file) => file.endsWith('.json'));
      return devices.flatMap((file) => readVif(file.slice(0, -'.json'.length)) ?? []);
    },
    writeVif(record) {
      if (record.values.mac !== undefined) writeText(macFile(record.values.mac, record.device), '');
      writeText(vifFile(record.device), `${JSON.stringify(record, undefined, 1)}\n`);
    },
    removeVif({ device, mac }) {
      if (mac !== undefined) rmSync(macFile(mac, device), { force: true });
      rmSync(vifFile(device), { force: true });
    },
    devicesWithMac: (mac) => list(join(directory, 'mac', mac.replaceAll(':', ''))),
    readBase: () => readJson<BaseRecord>(baseFile),
    writeBase: (base) => writeText(baseFile, `${JSON.stringify(base, undefined, 1)}\n`),
    readOffline: (device) => Number(readOptional(offlineFile(device)) ?? 0),
    writeOffline(device, ticket) {
      for (const old of list(join(directory, 'offline'))) {
        const file = join(directory, 'offline', old);
        const written = statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? Date.now();
        if (Date.now() - written > OFFLINE_KEPT_MS) rmSync(file, { force: true });
      }
      writeText(offlineFile(device), String(ticket));
    },
  };
}

function readJson<T extends { schema: 1 }>(file: string): T | undefined {
  const text = readOptional(file);
  if (text === undefined) return undefined;
  try {
    const value = JSON.parse(text) as T;
    if (value.schema === 1) return value;
  } catch {
    // Reported below, like a schema from another version.
  }
  throw new Failure('input', 'unreadable state file', { at: file, hint: 'remove it and run vif-bridge reapply --all' });
}

function readOptional(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

function list(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}

/** Writes beside and renames: a reader sees the old or the new text, never half of one. */
function writeText(file: string, text: string): void {
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  const draft = `${file}.${process.pid}~`;
  writeFileSync(draft, text, { mode: 0o600 });
  renameSync(draft, file);
}
