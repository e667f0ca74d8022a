import type { Host } from '../../host.ts';
import { array, type Found, object, optional, type Reader, readJson, string } from '../../json/reader.ts';

/** A flowtable of anybody's: what it takes passes none of the hooks behind it. */
export interface Flowtable {
  /** `inet filter fast`: family, table and name. */
  readonly place: string;
  readonly devices: readonly string[];
}

const ENTRY = object((get) =>
  get(
    'flowtable',
    optional(
      object((flow) => ({
        place: [flow('family', string), flow('table', string), flow('name', string)].join(' '),
        devices: flow('dev', optional(names)) ?? [],
      })),
    ),
  ),
);
const FLOWTABLES: Reader<readonly Flowtable[]> = object((get) =>
  get('nftables', array(ENTRY)).flatMap((one) => one ?? []),
);

/** nft writes one device without a list. */
function names(found: Found): readonly string[] {
  return typeof found.value === 'string' ? [found.value] : array(string)(found);
}

/** All that there are; none where nft is not there, or cannot tell. */
export async function flowtables({ run }: Pick<Host, 'run'>): Promise<readonly Flowtable[]> {
  const args = ['-j', 'list', 'flowtables'];
  const result = await run('nft', args).catch(() => undefined);
  if (result === undefined || result.status !== 0) return [];
  return readJson(result.stdout, FLOWTABLES, { at: `nft ${args.join(' ')}` });
}
