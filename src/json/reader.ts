import { Failure, oneLine, shown } from '../errors.ts';

/** What stands at one place of a JSON text, and how a person finds that place: `[0].linkinfo.info_kind`. */
export interface Found {
  readonly value: unknown;
  readonly path: string;
}

/**
 * Gives what was found its type, or says what is wrong with it: nothing is taken for what it is not.
 *
 * @throws Failure `input` with the path of the value
 */
export type Reader<T> = (found: Found) => T;

/** Reads one key of an object; one that is absent is found as undefined. */
export type Get = <T>(key: string, reader: Reader<T>) => T;

/**
 * What stands below another place. Nobody asks for its path but who refuses it: to put it together for each of the 60
 * values of a record took half of the time of reading 1000 of them.
 */
class Below implements Found {
  readonly value: unknown;
  readonly #in: Found;
  readonly #at: string | number;
  constructor(value: unknown, inside: Found, at: string | number) {
    this.value = value;
    this.#in = inside;
    this.#at = at;
  }
  get path(): string {
    const { path } = this.#in;
    if (typeof this.#at === 'number') return `${path}[${this.#at}]`;
    return path === '' ? this.#at : `${path}.${this.#at}`;
  }
}

/**
 * Reads a whole JSON text.
 *
 * @param source where it comes from, for the error: a file, a command; and what to do about a bad one
 * @throws Failure `input` if it is no JSON or holds something else than the reader expects
 */
export function readJson<T>(text: string, reader: Reader<T>, source: { at: string; hint?: string }): T {
  try {
    return reader({ value: parsed(text), path: '' });
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    throw new Failure('input', error.message, { ...source });
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new Failure('input', 'it is no JSON text');
  }
}

export const string: Reader<string> = (found) =>
  typeof found.value === 'string' ? found.value : refuse(found, 'a text');

export const boolean: Reader<boolean> = (found) =>
  typeof found.value === 'boolean' ? found.value : refuse(found, 'true or false');

/** A number from 0 up without a fraction, of which every digit is known (below 2 to the 53). */
export const count: Reader<number> = (found) =>
  typeof found.value === 'number' && Number.isSafeInteger(found.value) && found.value >= 0
    ? found.value
    : refuse(found, 'a whole number');

/** Any number from 0 up. */
export const amount: Reader<number> = (found) =>
  typeof found.value === 'number' && Number.isFinite(found.value) && found.value >= 0
    ? found.value
    : refuse(found, 'a number from 0 up');

/** A text of this form. */
export function text(form: RegExp, what: string): Reader<string> {
  return (found) => {
    const { value } = found;
    return typeof value === 'string' && form.test(value)
      ? value
      : refuse(found, typeof value === 'string' ? what : 'a text');
  };
}

/** A text that a parser takes, which throws a Failure for any other. */
export function parsedBy<T>(parse: (text: string, at: string) => T): Reader<T> {
  return (found) => parse(string(found), found.path);
}

/** One of a few texts or numbers; the type is their union. */
export function oneOf<const T extends string | number>(...allowed: readonly T[]): Reader<T> {
  return (found) =>
    allowed.find((one) => one === found.value) ?? refuse(found, allowed.map((one) => JSON.stringify(one)).join(' or '));
}

/** The same, or undefined where there is nothing. `null` is something. */
export function optional<T>(reader: Reader<T>): Reader<T | undefined> {
  return (found) => (found.value === undefined ? undefined : reader(found));
}

export function array<T>(item: Reader<T>): Reader<T[]> {
  return (found) =>
    Array.isArray(found.value)
      ? found.value.map((value: unknown, index) => item(new Below(value, found, index)))
      : refuse(found, 'a list');
}

/**
 * An object, of which `read` takes the keys it knows, under names of its own, and one depending on another where need
 * be: `object((get) => ({ name: get('ifname', string), mtu: get('mtu', optional(count)) }))`. Other keys are left
 * alone.
 */
export function object<T>(read: (get: Get) => T): Reader<T> {
  return (found) => {
    const { value } = found;
    if (!isObject(value)) return refuse(found, 'an object');
    return read((key, reader) => reader(new Below(Object.hasOwn(value, key) ? value[key] : undefined, found, key)));
  };
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function refuse({ value, path }: Found, expected: string): never {
  const is = typeof value === 'string' ? shown(value) : oneLine(JSON.stringify(value) ?? 'absent', 60);
  throw new Failure('input', `${path === '' ? 'the whole' : path} is ${is}, and must be ${expected}`);
}
