import { readFileSync } from 'node:fs';

/** One frame of the corpus: test/corpus/frames.json. */
export interface CorpusFrame {
  readonly id: string;
  readonly name: string;
  readonly direction: 'from-guest' | 'to-guest';
  /** A: the hostile guest; V: another guest; G: the gateway behind the uplink; H: dom0 itself. */
  readonly sender: 'A' | 'V' | 'G' | 'H';
  readonly expect: 'drop' | 'pass';
  readonly reason: string | null;
  readonly forgedSource: string | null;
  readonly hex: string;
}

/** The corpus, as bytes. */
export function corpus(): CorpusFrame[] {
  const file = new URL('../corpus/frames.json', import.meta.url);
  return (JSON.parse(readFileSync(file, 'utf8')) as { frames: CorpusFrame[] }).frames;
}

/** The two guests of the corpus: what Xen would be told of them. */
export const GUESTS = [
  { domid: 1, devid: 0, mac: '00:16:3e:00:00:01', ip: '10.0.0.11 fd00::11', name: 'mallory' },
  { domid: 2, devid: 0, mac: '00:16:3e:00:00:02', ip: '10.0.0.2 fd00::2', name: 'victor' },
] as const;
