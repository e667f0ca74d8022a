import { join } from 'node:path';
import { Failure } from '../errors.ts';
import { array, count, object, oneOf, type Reader, readJson, string, text } from '../json/reader.ts';
import { list, placeOf, readText, remove, writeText } from './files.ts';

/** What a port had counted when somebody said `status --reset`. */
export interface Reset {
  /** ISO 8601. */
  readonly at: string;
  readonly drops: readonly CountedDrop[];
}

export interface CountedDrop {
  readonly direction: 'from-guest' | 'to-guest';
  readonly reason: string;
  readonly packets: number;
  readonly bytes: number;
}

interface ResetRecord extends Reset {
  readonly schema: 1;
  readonly bootId: string;
}

const RECORD: Reader<ResetRecord> = object((get) => ({
  schema: 1 as const,
  bootId: get('bootId', string),
  at: get('at', text(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/, 'a time')),
  drops: get(
    'drops',
    array(
      object((own) => ({
        direction: own('direction', oneOf('from-guest', 'to-guest')),
        reason: own('reason', string),
        packets: own('packets', count),
        bytes: own('bytes', count),
      })),
    ),
  ),
}));

/** Where counting began anew, by interface index: a port that comes later has another one. */
export interface Resets {
  /** Whether there is any: on most hosts nobody has ever said it. */
  some(): boolean;
  /** Undefined also for one of another boot, and one that cannot be read: then all is shown. */
  read(ifindex: number): Reset | undefined;
  /** Writes those of some ports, and forgets those of ports that are not `present` any more. */
  write(resets: ReadonlyMap<number, Reset>, present: readonly number[]): void;
}

/** Of a state directory. Nothing in the kernel changes, so other counters (`metrics`) go on. */
export function openResets(directory: string, bootId: () => string): Resets {
  const place = placeOf(directory);
  const folder = join(directory, 'reset');
  const file = (ifindex: number | string): string => join(folder, String(ifindex));
  return {
    some: () => list(folder).length > 0,
    read(ifindex) {
      try {
        const found = readText(file(ifindex));
        const record = found === undefined ? undefined : readJson(found, RECORD, { at: file(ifindex) });
        return record?.bootId === bootId() ? record : undefined;
      } catch (error) {
        if (error instanceof Failure) return undefined;
        throw error;
      }
    },
    write(resets, present) {
      const kept = new Set(present.map(String));
      for (const name of list(folder)) if (!kept.has(name)) remove(place, file(name));
      for (const [ifindex, reset] of resets) {
        const record: ResetRecord = { schema: 1, bootId: bootId(), ...reset };
        writeText(place, file(ifindex), `${JSON.stringify(record)}\n`);
      }
    },
  };
}
