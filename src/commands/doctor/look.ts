import { isNotInstalled, toolFailure } from '../../effects/exec.ts';
import type { Files } from '../../effects/look-file.ts';
import type { Host } from '../../host.ts';
import { array, object, optional, type Reader, readJson, string } from '../../json/reader.ts';
import { once } from '../../once.ts';
import { HOST_FILTERS } from '../../port/host-accept.ts';
import { hostStatus } from '../status.ts';
import type { BaseChain, Look } from './finding.ts';

/** Everything that may be looked at on this host. */
export function lookAt(host: Host, files: Files): Look {
  return {
    ...files,
    host,
    status: once(() => hostStatus(host, undefined)),
    chains: once(() => baseChains(host)),
    bridgedToIptables: once(() => HOST_FILTERS.some(host.callsHostFilter) || someBridgeCalls(host, files)),
  };
}

/** A bridge may say so for itself (net/bridge/br_sysfs_br.c). */
function someBridgeCalls(host: Host, { read }: Files): boolean {
  return host
    .deviceNames()
    .some((name) =>
      HOST_FILTERS.some((filter) => read(`/sys/class/net/${name}/bridge/nf_call_${filter}`)?.trim() === '1'),
    );
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

/** None where there is no nft: then nobody else can have any. */
async function baseChains(host: Host): Promise<readonly BaseChain[]> {
  const result = await host.run('nft', LIST_CHAINS, { lockless: true }).catch((error: unknown) => {
    if (isNotInstalled(error)) return undefined;
    throw error;
  });
  if (result === undefined) return [];
  if (result.status !== 0) throw toolFailure('nft', LIST_CHAINS, result);
  return readJson(result.stdout, CHAINS, { at: `nft ${LIST_CHAINS.join(' ')}` });
}
