import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { PROJECT } from './cache.ts';
import { HarnessError } from './command.ts';

/** One station of the corpus: its port on the bridge and its own addresses. */
export interface Station {
  readonly port: string;
  readonly mac: string;
  readonly ipv4: string;
  readonly ipv6: string;
}

/** A: the guest under test; V: another guest; G: a gateway behind an uplink; H: dom0 on the bridge itself. */
export type StationName = 'A' | 'V' | 'G' | 'H';

/** One Ethernet frame (hex, from the destination MAC on, no FCS) and what the filter of guest A has to do with it. */
export interface Frame {
  readonly id: string;
  readonly name: string;
  readonly direction: 'from-guest' | 'to-guest';
  readonly sender: StationName;
  readonly expect: 'pass' | 'drop';
  readonly reason: string | null;
  /** The MAC that a bridge would learn on the wrong port from this frame. */
  readonly forgedSource: string | null;
  readonly hex: string;
}

export interface Corpus {
  readonly hosts: Readonly<Record<StationName, Station>>;
  readonly frames: readonly Frame[];
}

/** The frames that all tests of the project share. */
export function readCorpus(): Corpus {
  const file = process.env.XEN_HOST_CORPUS ?? join(PROJECT, 'test/corpus/frames.json');
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as Corpus;
  } catch (error) {
    throw new HarnessError(`cannot read the frames: ${(error as Error).message}`);
  }
}

/** The corpus as inside/frames.c reads it: lines "ID HEX". */
export function frameLines({ frames }: Corpus): string {
  return frames.map(({ id, hex }) => `${id} ${hex}\n`).join('');
}
