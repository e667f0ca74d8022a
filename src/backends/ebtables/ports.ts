import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { list, readOptional, type State, writeText } from '../../state/state.ts';
import type { EbtPort } from './text.ts';

/**
 * What ebtables holds of ours, a file for each vif, so that a change needs no listing of the tables. Only read and
 * written under the lock `base`.
 */
export interface EbtPorts {
  all(): EbtPort[];
  write(port: EbtPort): void;
  remove(device: string): void;
  /** Notes that a change has begun; until `settled`, what the files say is not sure. */
  begin(): void;
  settled(): void;
  /** True if a change did not end: its run was killed. */
  unsure(): boolean;
}

export function ebtPorts(state: Pick<State, 'directory'>): EbtPorts {
  const folder = join(state.directory, 'ebtables');
  const drafts = join(state.directory, 'draft');
  const marker = join(state.directory, 'ebtables-changing');
  return {
    all() {
      const files = list(folder).filter((file) => file.endsWith('.json'));
      return files.flatMap((file) => {
        const text = readOptional(join(folder, file));
        return text === undefined ? [] : [JSON.parse(text) as EbtPort];
      });
    },
    write: (port) => writeText(join(folder, `${port.device}.json`), `${JSON.stringify(port, undefined, 1)}\n`, drafts),
    remove: (device) => rmSync(join(folder, `${device}.json`), { force: true }),
    begin: () => writeText(marker, '', drafts),
    settled: () => rmSync(marker, { force: true }),
    unsure: () => readOptional(marker) !== undefined,
  };
}
