import { baseChains } from '../../backends/nftables/base-chains.ts';
import type { Files } from '../../effects/look-file.ts';
import type { Host } from '../../host.ts';
import { isGuestPort } from '../../net/vif-name.ts';
import { once } from '../../once.ts';
import { HOST_FILTERS } from '../../port/host-accept.ts';
import { hostStatus } from '../status.ts';
import type { Look } from './finding.ts';

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

/** A bridge may say so for itself (net/bridge/br_sysfs_br.c). Thousands of ports of guests are none. */
function someBridgeCalls(host: Host, { read }: Files): boolean {
  return host
    .deviceNames()
    .filter((name) => !isGuestPort(name))
    .some((name) =>
      HOST_FILTERS.some((filter) => read(`/sys/class/net/${name}/bridge/nf_call_${filter}`)?.trim() === '1'),
    );
}
