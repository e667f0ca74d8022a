import type { BatchLine } from '../effects/batch.ts';
import { array, count, object, optional, type Reader, readJson, string } from '../json/reader.ts';
import { readAddresses, type SeenAddress } from './seen-port.ts';
import type { Kept } from './uplink-request.ts';

/** One process for all that is asked of an uplink: each line of its input is answered by a line, or by none. */
export const ASK = ['ip', '-j', '-force', '-batch', '-'] as const;

/** What it is asked: the addresses of a device, and which route leads to each of some addresses. */
export function askedOf(device: string, addresses: readonly string[]): string {
  return [`address show dev ${device}`, ...addresses.map((address) => `route get fibmatch ${address}`)]
    .map((line) => `${line}\n`)
    .join('');
}

/** What somebody has set of an address at a device: who has it, or that this host answers for it. */
export interface SetEntry {
  readonly address: string;
  readonly kind: 'entry' | 'proxy';
}

/** Asks for what is set there of each of these; `ip neigh get` writes no JSON (iproute2 6.1). */
export function setEntriesOf(device: string, addresses: readonly string[]): BatchLine[] {
  return addresses.flatMap((one) =>
    ['proxy ', ''].map((kind) => ({ text: `neigh get ${kind}${one} dev ${device}`, optional: 'nothing is set' })),
  );
}

/** `10.0.0.3 dev eth0 proxy`, `10.0.0.4 dev eth0 lladdr 02:00:00:00:00:01 PERMANENT`. */
export function readSetEntries(text: string): SetEntry[] {
  return text.split('\n').flatMap((line): SetEntry[] => {
    const [address = '', ...words] = line.trim().split(/\s+/);
    if (words.includes('proxy')) return [{ address, kind: 'proxy' }];
    return words.includes('PERMANENT') ? [{ address, kind: 'entry' }] : [];
  });
}

/** A route that leads to an address: to this very address, to a block, or everywhere. */
export interface SeenWay {
  /** `192.0.2.5`, `198.51.100.8/30`, `default`. */
  readonly to: string;
  readonly kept: Kept | undefined;
  /** Undefined: to nowhere, or to several devices. */
  readonly device: string | undefined;
  readonly metric: number;
}

/** What it said. */
export interface Asked {
  /** It has told the addresses of the device, if there are any. */
  readonly listed: boolean;
  readonly addresses: readonly SeenAddress[];
  readonly ways: readonly SeenWay[];
}

/** @throws Failure `input` for what is not as iproute2 writes it */
export function readAsked(text: string): Asked {
  const lines = text.split('\n').filter((line) => line.trim() !== '');
  const [addresses = [], ways = []] = [true, false].map((wanted) =>
    lines.filter((line) => line.includes('"addr_info"') === wanted),
  );
  return {
    listed: addresses.length > 0,
    addresses: addresses.flatMap(readAddresses),
    ways: ways.flatMap((line) => readJson(line, array(WAY), { at: `the output of ${ASK.join(' ')}` })),
  };
}

const KEPT: ReadonlyMap<string | undefined, Kept> = new Map([
  ['local', 'address'],
  ['broadcast', 'broadcast'],
]);

const WAY: Reader<SeenWay> = object((get) => ({
  to: get('dst', string),
  kept: KEPT.get(get('type', optional(string))),
  device: get('dev', optional(string)),
  metric: get('metric', optional(count)) ?? 0,
}));
