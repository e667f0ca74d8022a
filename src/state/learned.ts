import type { Reader } from '../json/reader.ts';
import { array, count, object, string, text } from '../json/reader.ts';

/** An address that a DHCP server gave a port. */
export interface LearnedAddress {
  readonly ifindex: number;
  readonly address: string;
  /** When it ends, in milliseconds since 1970. */
  readonly until: number;
}

/** What was known when a run looked last: the kernel forgets it with its rules. */
export interface LearnedRecord {
  readonly schema: 1;
  readonly bootId: string;
  readonly learned: readonly LearnedAddress[];
}

export const LEARNED_RECORD: Reader<LearnedRecord> = object((get) => ({
  schema: 1 as const,
  bootId: get('bootId', string),
  learned: get(
    'learned',
    array(
      object((own) => ({
        ifindex: own('ifindex', count),
        address: own('address', text(/^\d{1,3}(\.\d{1,3}){3}$/, 'an IPv4 address')),
        until: own('until', count),
      })),
    ),
  ),
}));
