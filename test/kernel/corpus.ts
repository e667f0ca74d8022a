import { readFileSync } from 'node:fs';
import { V } from './frames.ts';
import type { TestFrame, Who } from './verdict.ts';

interface CorpusFrame {
  readonly id: string;
  readonly name: string;
  readonly direction: 'from-guest' | 'to-guest';
  readonly sender: Who;
  readonly expect: 'drop' | 'pass';
  readonly reason: string | null;
  readonly hex: string;
}

const text = readFileSync(new URL('../corpus/frames.json', import.meta.url), 'utf8');
const corpus = (JSON.parse(text) as { readonly frames: readonly CorpusFrame[] }).frames;

/** Dropped all the same, but an earlier check gives it another name than the corpus proposes. */
const NAMED_OTHERWISE: Readonly<Record<string, string>> = {
  // Port 67 is judged as DHCP, and a client sends from 68.
  I03: 'dhcp-form',
  // What the fragments hide cannot be seen in either of them.
  X07a: 'ip6-ext',
  X07b: 'ip6-ext',
};

/** The whole corpus: what a hostile guest sends, and what must not break; with the reasons it proposes. */
export const CORPUS_AS_PROPOSED: readonly TestFrame[] = framesOf({});

/** The same with the reasons of our stages. */
export const CORPUS: readonly TestFrame[] = framesOf(NAMED_OTHERWISE);

function framesOf(names: Readonly<Record<string, string>>): TestFrame[] {
  return corpus.map(({ id, name, reason, ...rest }) => ({
    ...rest,
    name: `${id} ${name}`,
    reason: names[id] ?? reason ?? undefined,
    // "while its FDB entry is gone"
    ...(id === 'T02' ? { forget: V.mac } : {}),
  }));
}
