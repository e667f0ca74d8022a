import { didYouMean } from '../did-you-mean.ts';
import { shown } from '../errors.ts';
import { OPT_INS, type OptIn, optInForm } from '../filter/opt-ins.ts';
import { NONE, notPossible, type ValueKind, type WrongValue, wordsOf } from './value-kind.ts';

const WORDS = OPT_INS.map(({ word }) => word);

/** What people look for here and is elsewhere, or nowhere. */
const ELSEWHERE: Readonly<Record<string, string>> = {
  nlb: 'the MAC of a cluster that balances load is one of extra_macs',
  'ip6-ext':
    'what is behind other headers cannot be judged, so a guest that may send them could say all that is dropped',
};

/** The words of `allow`, some with a parameter behind a colon; each counts once. */
export const optInList: ValueKind<readonly OptIn[]> = {
  possible: `some of ${OPT_INS.map(optInForm).join(' ')}; or ${NONE}`,
  words: OPT_INS.map((entry) => ({ word: optInForm(entry), meaning: entry.meaning })),
  several: true,
  all: undefined,
  read(text) {
    const written = wordsOf(text);
    if (written.length === 0) return { wrong: [notPossible(text, undefined)] };
    if (written.length === 1 && written[0] === NONE) return { value: [] };
    const found = written.map(readOptIn);
    const wrong = found.flatMap((one) => ('what' in one ? [one] : []));
    return wrong.length > 0 ? { wrong } : { value: distinct(found.flatMap((one) => ('what' in one ? [] : [one]))) };
  },
  write: (value) => (value.length === 0 ? NONE : value.map(({ text }) => text).join(' ')),
  add: (value, more) => distinct([...value, ...more]),
};

function readOptIn(written: string): OptIn | WrongValue {
  const colon = written.indexOf(':');
  const [word, parameter] = colon < 0 ? [written, undefined] : [written.slice(0, colon), written.slice(colon + 1)];
  const entry = OPT_INS.find((one) => one.word === word);
  if (entry === undefined) {
    const why = ELSEWHERE[word];
    if (why !== undefined) return { what: `has no ${shown(written)}: ${why}`, meant: undefined };
    const meant = didYouMean(word, WORDS);
    return { what: `has no ${shown(written)}`, meant: meant && `${meant}${written.slice(word.length)}` };
  }
  if (parameter === undefined) {
    if (entry.flags !== undefined) return { text: word, flags: entry.flags };
    return { what: `needs more than ${shown(word)}`, meant: optInForm(entry) };
  }
  if (entry.parameter === undefined) return { what: `takes nothing behind ${word}: ${shown(written)}`, meant: word };
  const read = entry.parameter.read(parameter);
  if ('wrong' in read) return { what: `has ${shown(written)}: ${read.wrong}`, meant: read.meant };
  return { text: written.toLowerCase(), ...read };
}

function distinct(optIns: readonly OptIn[]): OptIn[] {
  return [...new Map(optIns.map((one) => [one.text, one])).values()];
}
