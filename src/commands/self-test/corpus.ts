import { inflateSync } from 'node:zlib';
import { array, oneOf, type Reader, readJson, string } from '../../json/reader.ts';
import { PACKED_CORPUS } from './corpus-data.ts';

/** Who sends and hears: the guest that is judged, another one, the gateway, dom0 on its bridge. */
export const STATIONS = {
  A: { mac: '00:16:3e:00:00:01', ip: '10.0.0.11 fd00::11' },
  V: { mac: '00:16:3e:00:00:02', ip: '10.0.0.2 fd00::2' },
  G: { mac: '02:00:00:00:00:fe', ip: '10.0.0.254 fd00::fe' },
  H: { mac: '02:00:00:00:00:b0', ip: '10.0.0.1 fd00::1' },
} as const;
export type Station = keyof typeof STATIONS;
export const STATION_NAMES = ['A', 'V', 'G', 'H'] as const satisfies readonly Station[];

/** A frame, and what must become of it. */
export interface CorpusFrame {
  readonly id: string;
  readonly name: string;
  /** What it is about: `ARP`, `What must pass`. */
  readonly kind: string;
  /** `from-guest`: A sends it; `to-guest`: only whether A hears it counts. */
  readonly direction: 'from-guest' | 'to-guest';
  readonly sender: Station;
  readonly expect: 'pass' | 'drop';
  /** From the Ethernet header on, in hexadecimal. */
  readonly hex: string;
}

const STATION = oneOf(...STATION_NAMES);
const DIRECTION = oneOf('from-guest', 'to-guest');
const EXPECT = oneOf('pass', 'drop');

const FRAME: Reader<CorpusFrame> = (found) => {
  const [id = '', name = '', kind = '', direction, sender, expect, hex = ''] = array(string)(found);
  const at = (value: string | undefined): { value: unknown; path: string } => ({ value, path: `${found.path} ${id}` });
  return {
    id,
    name,
    kind,
    direction: DIRECTION(at(direction)),
    sender: STATION(at(sender)),
    expect: EXPECT(at(expect)),
    hex,
  };
};

/**
 * All frames that are shipped. Tagged ones end in bytes of their own, behind the packet in them: readers meet them
 * without their tag, and must not take them for frames that had none.
 */
export function shippedCorpus(): readonly CorpusFrame[] {
  const text = inflateSync(Buffer.from(PACKED_CORPUS, 'base64')).toString('utf8');
  return readJson(text, array(FRAME), { at: 'the shipped corpus' }).map((frame, index) =>
    isTagged(frame.hex) ? { ...frame, hex: `${frame.hex}${(0xfade_0000 + index).toString(16)}` } : frame,
  );
}

/** 802.1Q or 802.1ad. */
export function isTagged(hex: string): boolean {
  return ['8100', '88a8'].includes(hex.slice(24, 28));
}
