import { type CorpusFrame, isTagged, STATION_NAMES, STATIONS, type Station } from './corpus.ts';

/** A frame that somebody has heard, in hexadecimal. */
export interface Heard {
  readonly who: Station;
  readonly hex: string;
}

/** A frame of which became what must not. */
export interface Wrong {
  readonly id: string;
  readonly name: string;
  readonly direction: CorpusFrame['direction'];
  readonly expect: CorpusFrame['expect'];
  /** Who heard it though he must not, or did not though he must. */
  readonly who: readonly Station[];
}

/** One class of frames. */
export interface ClassScore {
  readonly kind: string;
  readonly frames: number;
  readonly right: number;
  readonly wrong: readonly Wrong[];
}

/** What became of the frames, class by class. */
export function score(frames: readonly CorpusFrame[], heard: readonly Heard[]): ClassScore[] {
  const heardBy = new Set(heard.map(({ who, hex }) => `${who} ${hex}`));
  const didHear = (who: Station, { hex }: CorpusFrame): boolean =>
    heardBy.has(`${who} ${hex}`) || heardBy.has(`${who} ${withoutTag(hex)}`);
  const classes = new Map<string, { frames: number; wrong: Wrong[] }>();
  for (const frame of frames) {
    const one = classes.get(frame.kind) ?? { frames: 0, wrong: [] };
    classes.set(frame.kind, one);
    one.frames += 1;
    const who =
      frame.expect === 'pass'
        ? mustHear(frame).filter((station) => !didHear(station, frame))
        : mustNotHear(frame).filter((station) => didHear(station, frame));
    const { id, name, direction, expect } = frame;
    if (who.length > 0) one.wrong.push({ id, name, direction, expect, who });
  }
  return [...classes].map(([kind, { frames: all, wrong }]) => ({
    kind,
    frames: all,
    right: all - wrong.length,
    wrong,
  }));
}

/** The kernel takes the outer tag of a frame off before anybody reads it (net/core/dev.c: skb_vlan_untag). */
function withoutTag(hex: string): string {
  return isTagged(hex) ? hex.slice(0, 24) + hex.slice(32) : hex;
}

/** Its one station, or for a group those that filter nothing. */
function mustHear({ direction, hex }: CorpusFrame): Station[] {
  if (direction === 'to-guest') return ['A'];
  if ((Number.parseInt(hex.slice(0, 2), 16) & 1) === 1) return ['G', 'H'];
  return STATION_NAMES.filter((who) => STATIONS[who].mac.replaceAll(':', '') === hex.slice(0, 12));
}

function mustNotHear({ direction, sender }: CorpusFrame): Station[] {
  return direction === 'to-guest' ? ['A'] : STATION_NAMES.filter((who) => who !== sender);
}
