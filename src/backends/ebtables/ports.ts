import { join } from 'node:path';
import { asFailure } from '../../errors.ts';
import { array, boolean, object, optional, type Reader, readJson, string } from '../../json/reader.ts';
import { isAnything, list, placeOf, readText, remove, writeText } from '../../state/files.ts';
import type { State } from '../../state/state.ts';
import type { EbtPort } from './text.ts';

/**
 * What ebtables holds of ours, a file for each vif, so that a change needs no listing of the tables. Only read and
 * written under the lock `base`, whose record says of which boot they are: the first base of a boot clears them.
 */
export interface EbtPorts {
  /** All that can be read. */
  all(): EbtPort[];
  write(port: EbtPort): void;
  remove(device: string): void;
  clear(): void;
  /** Notes that a change has begun; until `settled`, what the files say is not sure. */
  begin(): void;
  settled(): void;
  /** True if a change did not end, because its run was killed, or if a file cannot be read. */
  unsure(): boolean;
}

const PORT: Reader<EbtPort> = object((get) => ({
  device: get('device', string),
  name: get('name', string),
  open: get('open', boolean),
  observed: get('observed', optional(boolean)),
  lldp: get('lldp', optional(boolean)),
  chains: get('chains', array(string)),
  counts: get('counts', optional(array(string))),
  digest: get('digest', optional(string)),
  closed: get('closed', optional(boolean)),
  macs: get('macs', optional(array(string))),
}));

export function ebtPorts(state: Pick<State, 'directory'>): EbtPorts {
  const place = placeOf(state.directory);
  const folder = join(state.directory, 'ebtables');
  const marker = join(state.directory, 'ebtables-changing');
  const fileOf = (device: string): string => join(folder, `${device}.json`);
  /** Reading them all is most of what a change does: once is enough. */
  let known: readonly (EbtPort | undefined)[] | undefined;
  const read = (): readonly (EbtPort | undefined)[] => {
    known ??= list(folder)
      .filter((file) => file.endsWith('.json'))
      .map((file) => readPort(join(folder, file)));
    return known;
  };
  return {
    all: () => read().filter((port) => port !== undefined),
    write(port) {
      known = undefined;
      writeText(place, fileOf(port.device), `${JSON.stringify(port, undefined, 1)}\n`);
    },
    remove(device) {
      known = undefined;
      remove(place, fileOf(device));
    },
    clear() {
      known = undefined;
      for (const file of list(folder)) remove(place, join(folder, file));
    },
    begin: () => writeText(place, marker, ''),
    settled: () => remove(place, marker),
    unsure: () => isAnything(marker) || read().includes(undefined),
  };
}

/** @returns undefined for what cannot be read as one */
function readPort(file: string): EbtPort | undefined {
  try {
    return readJson(readText(file) ?? '', PORT, { at: file });
  } catch (error) {
    if (asFailure(error).code !== 'input') throw error;
    return undefined;
  }
}
