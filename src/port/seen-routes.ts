import { array, count, object, optional, type Reader, readJson, string } from '../json/reader.ts';

/** The commands whose output is read here: of the main table, and all entries. */
export const ROUTES4 = ['ip', '-j', '-4', 'route', 'show'] as const;
export const ROUTES6 = ['ip', '-j', '-6', 'route', 'show'] as const;
export const NEIGHBOURS = ['ip', '-j', 'neigh', 'show', 'nud', 'permanent'] as const;
export const PROXIES = ['ip', '-j', 'neigh', 'show', 'proxy'] as const;

/** A route to one device. */
export interface SeenRoute {
  /** `192.0.2.5`, `198.51.100.8/30`. */
  readonly to: string;
  readonly device: string;
  readonly via: string | undefined;
  readonly metric: number;
}

/** Of an address that nobody is asked for. */
export interface SeenNeighbour {
  readonly address: string;
  readonly device: string;
  readonly mac: string | undefined;
}

const ROUTE: Reader<readonly SeenRoute[]> = object((get) => {
  // A route to nowhere, or to several devices, has none.
  const device = get('dev', optional(string));
  if (device === undefined) return [];
  return [
    {
      to: get('dst', string).replace(/\/(32|128)$/, ''),
      device,
      via: get('gateway', optional(string)) ?? get('via', optional(object((via) => via('host', string)))),
      metric: get('metric', optional(count)) ?? 0,
    },
  ];
});

const NEIGHBOUR: Reader<readonly SeenNeighbour[]> = object((get) => [
  { address: get('dst', string), device: get('dev', string), mac: get('lladdr', optional(string)) },
]);

/** @throws Failure `input` for what is not as iproute2 writes it */
export function readRoutes(text: string): SeenRoute[] {
  return read(text, ROUTE, ROUTES4);
}

/** @throws Failure `input` */
export function readNeighbours(text: string): SeenNeighbour[] {
  return read(text, NEIGHBOUR, NEIGHBOURS);
}

/** iproute2 prints nothing at all where there is nothing. */
function read<T>(text: string, reader: Reader<readonly T[]>, command: readonly string[]): T[] {
  if (text.trim() === '') return [];
  return readJson(text, array(reader), { at: `the output of ${command.join(' ')}` }).flat();
}
