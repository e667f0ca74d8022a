import { FILTER_NAME, VARIABLE_VALUE } from '../nwfilter/names.ts';
import { NONE, notPossible, type ValueKind, wordsOf } from './value-kind.ts';

/** What stands there where a vif has no filter. */
export const NO_FILTER = NONE;

/** The name of a filter of libvirt's: that of its file, without `.xml`. */
export const filterName: ValueKind<string> = {
  possible: `the name of a filter, as clean-traffic; or ${NONE}`,
  words: [],
  several: false,
  all: undefined,
  read: (text) => (FILTER_NAME.test(text) ? { value: text } : { wrong: [notPossible(text, undefined)] }),
  write: (value) => value,
};

/** Values of variables, by their names. An empty list takes one away that a weaker section gives. */
export type FilterVariables = ReadonlyMap<string, readonly string[]>;

/** How the key of one is written: `nwfilter.DSTPORTS`. */
const VARIABLE_KEY = /^nwfilter\.([A-Za-z0-9_]{1,64})$/;
/** More are made by nobody by hand, and each is a rule. */
const MOST_VALUES = 1000;

/** The name of the variable that a key is about; undefined for any other key. */
export function variableOf(key: string): string | undefined {
  return VARIABLE_KEY.exec(key)?.[1];
}

/** One or more values; the name is in the key. */
export const variables: ValueKind<FilterVariables> = {
  possible: `values with letters, digits, _ . and :, separated by blanks; or ${NONE}`,
  words: [],
  several: true,
  all: undefined,
  read(text) {
    const values = wordsOf(text);
    if (values.length === 1 && values[0] === NONE) return { value: new Map() };
    const wrong = values.filter((value) => !VARIABLE_VALUE.test(value));
    if (values.length === 0 || wrong.length > 0 || values.length > MOST_VALUES) {
      return { wrong: [notPossible(wrong[0] ?? text.slice(0, 60), undefined)] };
    }
    return { value: new Map([['', values]]) };
  },
  write: (value) =>
    value.size === 0 ? NONE : [...value].map(([name, values]) => `${name}=${values.join(',')}`).join(' '),
  add: (value, more) => new Map([...value, ...more]),
};

/** An absolute path of a folder. */
export const folder: ValueKind<string> = {
  possible: 'an absolute path, as /etc/libvirt/nwfilter',
  words: [],
  several: false,
  all: undefined,
  read: (text) => (/^\/[^\0\n]{0,4000}$/.test(text) ? { value: text } : { wrong: [notPossible(text, undefined)] }),
  write: (value) => value,
};
