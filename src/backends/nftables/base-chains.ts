import { isNotInstalled, toolFailure } from '../../effects/exec.ts';
import type { Host } from '../../host.ts';
import { array, object, optional, type Reader, readJson, string } from '../../json/reader.ts';

/** A chain at a hook, as `nft -j list chains` tells it. */
export interface BaseChain {
  readonly family: string;
  readonly table: string;
  readonly name: string;
  readonly hook: string;
  readonly type: string;
  readonly policy: string | undefined;
}

/** One entry of the listing: those that are no chain at a hook have none of these. */
const ENTRY = object((get) =>
  get(
    'chain',
    optional(
      object((chain) => ({
        family: chain('family', string),
        table: chain('table', string),
        name: chain('name', string),
        hook: chain('hook', optional(string)),
        type: chain('type', optional(string)),
        policy: chain('policy', optional(string)),
      })),
    ),
  ),
);
const CHAINS: Reader<readonly BaseChain[]> = object((get) =>
  get('nftables', array(ENTRY)).flatMap((chain) => {
    if (chain?.hook === undefined) return [];
    return [{ ...chain, hook: chain.hook, type: chain.type ?? '' }];
  }),
);

const LIST_CHAINS = ['-j', 'list', 'chains'];

/** The chains at hooks of everybody's tables. None where there is no nft: then nobody else can have any. */
export async function baseChains({ run }: Pick<Host, 'run'>): Promise<readonly BaseChain[]> {
  const result = await run('nft', LIST_CHAINS, { lockless: true }).catch((error: unknown) => {
    if (isNotInstalled(error)) return undefined;
    throw error;
  });
  if (result === undefined) return [];
  if (result.status !== 0) throw toolFailure('nft', LIST_CHAINS, result);
  return readJson(result.stdout, CHAINS, { at: `nft ${LIST_CHAINS.join(' ')}` });
}
