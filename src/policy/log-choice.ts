import { didYouMean } from '../did-you-mean.ts';
import { shown } from '../errors.ts';
import { ALL_REASONS, REASONS, type Reason } from '../filter/reasons.ts';
import { notPossible, type ValueKind, wordsOf } from './value-kind.ts';

/** What `log` tells of a vif: nothing, all that it sends and that is dropped, or what is dropped for these reasons. */
export type LogChoice = 'off' | 'limited' | readonly Reason[];

const WORDS = ['limited', 'off'] as const;

function isWord(text: string): text is (typeof WORDS)[number] {
  return WORDS.some((word) => word === text);
}

/** Only what a guest sends is told: of what is kept from it there are counters. */
export const LOGGED_REASONS: readonly Reason[] = ALL_REASONS.filter((reason) => Object.hasOwn(REASONS[reason], 'from'));

function isTold(word: string): word is Reason {
  return LOGGED_REASONS.some((reason) => reason === word);
}

/** `log` of the policy: one word, or reasons for which a guest's frames are dropped. */
export const logChoice: ValueKind<LogChoice> = {
  possible: 'limited, off, or reasons as arp-spa ip-src',
  words: [],
  several: false,
  all: undefined,
  read(text) {
    const words = wordsOf(text);
    const [only] = words;
    if (only === undefined) return { wrong: [notPossible(text, 'limited')] };
    if (words.length === 1 && isWord(only)) return { value: only };
    const wrong = words.filter((word) => !isTold(word));
    if (wrong.length === 0) return { value: [...new Set(words.filter(isTold))] };
    return {
      wrong: wrong.map((word) =>
        isWord(word)
          ? { what: `has ${word} beside other words`, meant: word }
          : { what: `has no ${shown(word)}`, meant: didYouMean(word, [...WORDS, ...LOGGED_REASONS]) },
      ),
    };
  },
  write: (value) => (typeof value === 'string' ? value : value.join(' ')),
};

/** Whether a frame of a vif that is dropped for this reason is told. */
export function isLogged(choice: LogChoice, reason: string): boolean {
  return choice === 'limited' || (choice !== 'off' && choice.some((one) => one === reason));
}
