import { notPossible, type ValueKind } from './value-kind.ts';

/** When something ends: a moment in ISO 8601, of Greenwich; or it does not end by itself. */
export type Moment = typeof NEVER | `${string}Z`;

const NEVER = 'never';

/**
 * A date alone is the beginning of that day: what opens something ends early rather than late. Without `Z` or an offset
 * it is the time of this host, which its programs have from /etc/localtime.
 */
const FORM = /^(\d{4}-\d{2}-\d{2})(?:T(\d{2}:\d{2}(?::\d{2})?)(Z|[+-]\d{2}:\d{2})?)?$/;

export const moment: ValueKind<Moment> = {
  possible:
    'a time as 2026-12-31T18:00 (of this host), 2026-12-31T18:00Z, 2026-12-31T18:00+01:00, or a day, of which it is the beginning; or never',
  words: [],
  several: false,
  all: undefined,
  read(text) {
    if (text === NEVER) return { value: NEVER };
    const [, day, time = '00:00', zone = ''] = FORM.exec(text) ?? [];
    const parsed = new Date(`${day}T${time}${zone}`);
    // Date takes 30 February for 2 March.
    const isDay = day !== undefined && isoOf(new Date(`${day}T00:00Z`))?.startsWith(day) === true;
    const value = isDay ? isoOf(parsed) : undefined;
    return value === undefined ? { wrong: [notPossible(text, undefined)] } : { value };
  },
  write: (value) => value.replace(/(:00)?\.000Z$/, 'Z'),
};

function isoOf(date: Date): `${string}Z` | undefined {
  return Number.isNaN(date.getTime()) ? undefined : `${date.toISOString().slice(0, -1)}Z`;
}

/** @param now ISO 8601 */
export function isPast(value: Moment, now: string): boolean {
  return value !== NEVER && Date.parse(value) <= Date.parse(now);
}
