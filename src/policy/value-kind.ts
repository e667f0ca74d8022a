import { didYouMean } from '../did-you-mean.ts';
import { asFailure, shown } from '../errors.ts';

/** One word that may be written as a value, or as a part of one. */
export interface ValueWord {
  readonly word: string;
  /** For people, in lower case. */
  readonly meaning: string;
}

/** What is wrong with a value; `what` goes on behind the name of the key. */
export interface WrongValue {
  readonly what: string;
  /** What was probably meant. */
  readonly meant: string | undefined;
}

export type ReadValue<T> = { readonly value: T } | { readonly wrong: readonly WrongValue[] };

/** How a value is written in the policy file, and what it is in the program. */
export interface ValueKind<T> {
  /** What may be written: a hint in errors. */
  readonly possible: string;
  /** What the texts for people list, in their order. */
  readonly words: readonly ValueWord[];
  /** A value is several words. */
  readonly several: boolean;
  /** Every value there can be; undefined if there are too many of them. */
  readonly all: readonly T[] | undefined;
  read(text: string): ReadValue<T>;
  /** The inverse of `read`. */
  write(value: T): string;
  /** Where `key += value` is possible: what it makes of the value that holds without it. */
  add?(value: T, more: T): T;
}

/** One of a few words. */
export function choice<W extends string>(meanings: Readonly<Record<W, string>>): ValueKind<W> {
  const isChoice = (word: string): word is W => Object.hasOwn(meanings, word);
  const all = Object.keys(meanings).filter(isChoice);
  return {
    possible: `one of ${all.join(', ')}`,
    words: all.map((word) => ({ word, meaning: meanings[word] })),
    several: false,
    all,
    read: (text) => (isChoice(text) ? { value: text } : { wrong: [notPossible(text, didYouMean(text, all))] }),
    write: (value) => value,
  };
}

/** The empty list, which cannot be written as nothing: a value may have been forgotten. */
export const NONE = 'none';

/** The words of a list. */
export function wordsOf(text: string): string[] {
  return text.split(/[\s,]+/).filter((word) => word !== '');
}

/**
 * A value by a parser that refuses with a Failure.
 *
 * @param parse undefined where the text names nothing
 * @param nothing what is wrong then
 */
export function readBy<T>(parse: () => T | undefined, nothing: string): ReadValue<T> {
  try {
    const value = parse();
    return value === undefined ? { wrong: [{ what: nothing, meant: NONE }] } : { value };
  } catch (thrown) {
    const { message, hint } = asFailure(thrown);
    const what = `is not possible: ${message}${hint === undefined ? '' : ` (${hint})`}`;
    return { wrong: [{ what, meant: undefined }] };
  }
}

/**
 * A list of words, separated by blanks or commas; each counts once.
 *
 * @param former words of earlier versions, which may still stand there and say nothing
 */
export function wordList<W extends string>(
  known: readonly W[],
  meaning: (word: W) => string,
  former: readonly string[] = [],
): ValueKind<readonly W[]> {
  const words = new Map<string, W>(known.map((word) => [word, word]));
  return {
    possible: `some of ${known.join(' ')}; or ${NONE}`,
    words: known.map((word) => ({ word, meaning: meaning(word) })),
    several: true,
    all: undefined,
    read(text) {
      const written = wordsOf(text);
      if (written.length === 0) return { wrong: [notPossible(text, undefined)] };
      if (written.length === 1 && written[0] === NONE) return { value: [] };
      const wrong = written
        .filter((word) => !words.has(word) && !former.includes(word))
        .map((word) => ({ what: `has no ${shown(word)}`, meant: didYouMean(word, known) }));
      return wrong.length > 0 ? { wrong } : { value: [...new Set(written.flatMap((word) => words.get(word) ?? []))] };
    },
    write: (value) => (value.length === 0 ? NONE : value.join(' ')),
  };
}

/** A value that is wrong as a whole. */
export function notPossible(text: string, meant: string | undefined): WrongValue {
  return { what: `= ${shown(text)} is not possible`, meant };
}
