/** A JSON Schema, draft 2020-12, as it is written. */
export type JsonSchema = Readonly<Record<string, unknown>>;

/**
 * The schema of a value of this type, which it is held to: a field that is missing, or is of another type, does not
 * compile. `of` is never there; it keeps a schema of a text from passing for one of a text that may be absent.
 */
export interface Schema<T> {
  readonly json: JsonSchema;
  readonly of?: (value: T) => T;
}

/** A key that may be absent. */
export interface Optional<T> {
  readonly optional: Schema<T>;
}

/** The schemas of the keys of an object. */
export type Fields<T> = {
  readonly [K in keyof T]-?: undefined extends T[K] ? Optional<Exclude<T[K], undefined>> : Schema<T[K]>;
};

export const string: Schema<string> = { json: { type: 'string' } };
export const boolean: Schema<boolean> = { json: { type: 'boolean' } };
/** A whole number from 0 up. */
export const count: Schema<number> = { json: { type: 'integer', minimum: 0 } };
/** Any number from 0 up. */
export const amount: Schema<number> = { json: { type: 'number', minimum: 0 } };
/** An instant, ISO 8601 in UTC. */
export const moment: Schema<string> = { json: { type: 'string', pattern: '^\\d{4}-\\d\\d-\\d\\dT[\\d:.]+Z$' } };

/** A text that is one of these, and in a later version perhaps another one. */
export function words(known: readonly string[]): Schema<string> {
  return { json: { type: 'string', examples: known } };
}

/** One of these, and nothing else in any version of this form. */
export function oneOf<const W extends string | number>(...all: readonly W[]): Schema<W> {
  return { json: { enum: all } };
}

export function nullable<T>({ json }: Schema<T>): Schema<T | null> {
  return { json: { anyOf: [json, { type: 'null' }] } };
}

export function list<T>({ json }: Schema<T>): Schema<readonly T[]> {
  return { json: { type: 'array', items: json } };
}

/** An object whose keys are anybody's. */
export function record<T>({ json }: Schema<T>): Schema<Readonly<Record<string, T>>> {
  return { json: { type: 'object', additionalProperties: json } };
}

export function optional<T>(schema: Schema<T>): Optional<T> {
  return { optional: schema };
}

/** An object with these keys; a later version may have more. */
export function object<T>(fields: Fields<T>): Schema<T> {
  const all = Object.entries(fields as Readonly<Record<string, Schema<unknown> | Optional<unknown>>>);
  return {
    json: {
      type: 'object',
      properties: Object.fromEntries(
        all.map(([key, field]) => [key, 'optional' in field ? field.optional.json : field.json]),
      ),
      required: all.flatMap(([key, field]) => ('optional' in field ? [] : [key])),
    },
  };
}

/** One of several forms. */
export function eitherOf<A, B>(one: Schema<A>, other: Schema<B>): Schema<A | B> {
  return { json: { anyOf: [one.json, other.json] } };
}

/** The same with a line for people. */
export function said<T>(description: string, { json }: Schema<T>): Schema<T> {
  return { json: { description, ...json } };
}
