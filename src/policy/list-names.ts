import { wrongListName } from '../rules/list-name.ts';
import { NONE, notPossible, type ValueKind, wordsOf } from './value-kind.ts';

/** Names of `[rules NAME]` sections, in the order in which they are asked. */
export const listNames: ValueKind<readonly string[]> = {
  possible: `names of [rules NAME] sections, in their order; or ${NONE}`,
  words: [],
  several: true,
  all: undefined,
  read(text) {
    const names = wordsOf(text);
    if (names.length === 0) return { wrong: [notPossible(text, NONE)] };
    if (names.length === 1 && names[0] === NONE) return { value: [] };
    const wrong = names.flatMap((name) => {
      const what = wrongListName(name);
      return what === undefined ? [] : [{ what: `is not possible: ${what}`, meant: undefined }];
    });
    return wrong.length > 0 ? { wrong } : { value: [...new Set(names)] };
  },
  write: (value) => (value.length === 0 ? NONE : value.join(' ')),
};
