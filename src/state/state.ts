import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { Failure } from '../errors.ts';
import type { BaseRecord, VifRecord } from './records.ts';

/** The state directory, on tmpfs: nothing in it outlives the kernel whose tables it describes. */
export interface State {
  readonly directory: string;
  /** @throws Failure `input` for a file that cannot be read as a record */
  readVif(device: string): VifRecord | undefined;
  /** All that can be read: one broken file must not take every other vif with it. A vif without a record is closed. */
  allVifs(): VifRecord[];
  /** The devices that have a record, whether it can be read or not. */
  devices(): string[];
  writeVif(record: VifRecord): void;
  removeVif(record: { device: string; mac: string | undefined }): void;
  /** Devices that were configured with this MAC, from an index: reading it costs the same at any number of vifs. */
  devicesWithMac(mac: string): string[];
  readBase(): BaseRecord | undefined;
  writeBase(base: BaseRecord): void;
  /** The ticket of the last offline of a device; 0 if there was none lately. See VifRecord.ticket. */
  readOffline(device: string): number;
  writeOffline(device: string, ticket: number): void;
}

/** A run lives at most 40 s (libxl); after that nobody can be overtaken by an offline any more. */
const OFFLINE_KEPT_MS = 120_000;

/** Holds nothing, and nothing can be put there: for a dry run of somebody who may not read the state. */
export const NO_STATE_DIRECTORY = '/dev/null';

export const DEFAULT_STATE_DIRECTORY = '/run/xen-vif-bridge';

export function openState(directory: string): State {
  const vifFile = (device: string): string => join(directory, 'vif', `${device}.json`);
  const macFile = (mac: string, device: string): string => join(directory, 'mac', mac.replaceAll(':', ''), device);
  const baseFile = join(directory, 'base.json');
  const offlineFile = (device: string): string => join(directory, 'offline', device);
  const readVif = (device: string): VifRecord | undefined => readJson<VifRecord>(vifFile(device));
  const drafts = join(directory, 'draft');
  const write = (file: string, text: string): void => writeText(file, text, drafts);
  const state: State = {
    directory,
    readVif,
    devices: () => list(join(directory, 'vif')).flatMap((file) => /^(.*)\.json$/.exec(file)?.[1] ?? []),
    allVifs: () => state.devices().flatMap((device) => readable(() => readVif(device)) ?? []),
    writeVif(record) {
      const index = record.values.mac === undefined ? undefined : macFile(record.values.mac, record.device);
      if (index !== undefined && !existsSync(index)) write(index, '');
      write(vifFile(record.device), `${JSON.stringify(record, undefined, 1)}\n`);
    },
    removeVif({ device, mac }) {
      if (mac !== undefined) {
        rmSync(macFile(mac, device), { force: true });
        removeEmpty(dirname(macFile(mac, device)));
      }
      rmSync(vifFile(device), { force: true });
    },
    devicesWithMac: (mac) => list(join(directory, 'mac', mac.replaceAll(':', ''))),
    readBase: () => readJson<BaseRecord>(baseFile),
    writeBase: (base) => write(baseFile, `${JSON.stringify(base, undefined, 1)}\n`),
    // Unreadable text counts as none: it must not keep a vif from ever going online.
    readOffline: (device) => Number(readOptional(offlineFile(device)) ?? 0) || 0,
    writeOffline(device, ticket) {
      for (const folder of [join(directory, 'offline'), drafts]) removeOld(folder);
      write(offlineFile(device), String(Math.max(ticket, state.readOffline(device))));
    },
  };
  return state;
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

/** The text of a file; undefined if there is none. */
export function readOptional(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    if (isAbsent(error)) return undefined;
    throw error;
  }
}

function isAbsent(error: unknown): boolean {
  return ['ENOENT', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? '');
}

/** The names in a folder; none if there is no such folder. */
export function list(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch (error) {
    if (isAbsent(error)) return [];
    throw error;
  }
}

/** Writes elsewhere and renames: a reader sees the old or the new text, never half of one. */
export function writeText(file: string, text: string, drafts: string): void {
  const draft = join(drafts, `${basename(file)}.${process.pid}`);
  for (let attempt = 1; ; attempt += 1) {
    try {
      writeFileSync(draft, text, { mode: 0o600 });
      renameSync(draft, file);
      return;
    } catch (error) {
      // The first one here, or a parallel run has just removed the folder, which was empty.
      if (attempt === 5 || (error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
      for (const folder of [drafts, dirname(file)]) mkdirSync(folder, { recursive: true, mode: 0o700 });
    }
  }
}

function readable<T>(read: () => T | undefined): T | undefined {
  try {
    return read();
  } catch (error) {
    if (error instanceof Failure) return undefined;
    throw error;
  }
}

function removeEmpty(folder: string): void {
  try {
    rmdirSync(folder);
  } catch (error) {
    if (!['ENOENT', 'ENOTEMPTY', 'EEXIST'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
  }
}

/** Removes files of which no living run can know any more: notes of offlines, drafts of runs that were killed. */
function removeOld(folder: string): void {
  for (const name of list(folder)) {
    const file = join(folder, name);
    const written = statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? Date.now();
    if (Date.now() - written > OFFLINE_KEPT_MS) rmSync(file, { force: true });
  }
}
