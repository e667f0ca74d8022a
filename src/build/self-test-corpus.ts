/**
 * Makes src/commands/self-test/corpus-data.ts of test/corpus/frames.json: what `self-test` sends, small enough to be in
 * the program (6 kB).
 *
 *   npx tsx src/build/self-test-corpus.ts
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { deflateSync } from 'node:zlib';
import { CLASS_OF } from './reason-classes.ts';
import { ROOT } from './source.ts';

interface CorpusFrame {
  readonly id: string;
  readonly name: string;
  readonly direction: string;
  readonly sender: string;
  readonly expect: string;
  readonly reason: keyof typeof CLASS_OF | null;
  readonly hex: string;
}

const FILE = 'src/commands/self-test/corpus-data.ts';

/** Each frame as a row: id, name, class, direction, sender, what must become of it, the frame. */
export function corpusRows(): readonly (readonly string[])[] {
  const text = readFileSync(`${ROOT}test/corpus/frames.json`, 'utf8');
  const { frames } = JSON.parse(text) as { readonly frames: readonly CorpusFrame[] };
  return frames.map(({ id, name, direction, sender, expect, reason, hex }) => {
    const kind = expect === 'pass' || reason === null ? 'What must pass' : CLASS_OF[reason];
    return [id, name, kind, direction, sender, expect, hex];
  });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const packed = deflateSync(JSON.stringify(corpusRows()), { level: 9 }).toString('base64');
  const lines = packed.match(/.{1,110}/g) ?? [];
  const text = [
    '/** Made by src/build/self-test-corpus.ts of test/corpus/frames.json: JSON, deflated, in base64. */',
    'export const PACKED_CORPUS = [',
    ...lines.map((line) => `  '${line}',`),
    "].join('');",
    '',
  ];
  writeFileSync(`${ROOT}${FILE}`, text.join('\n'));
}
