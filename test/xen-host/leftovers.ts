import { strayGroups } from './port-groups.ts';
import type { XenHost } from './xen-host.ts';

/**
 * What still tells of vifs in dom0 after their guests have gone: devices, bridge ports, rules, state. Empty text =
 * nothing.
 */
export async function leftovers(host: XenHost): Promise<string> {
  // offline/ holds tickets that expire by themselves (src/state/state.ts).
  // Domains are reaped after xl has returned; that is not the product's to hurry.
  const rest = await host.sh(
    `n=0; while ls -d /sys/class/net/vif* /sys/class/net/raw* /sys/class/net/sum* 2>/dev/null | grep -q . && [ $n -lt 50 ]; do sleep 0.2; n=$((n + 1)); done
     ls -d /sys/class/net/vif* /sys/class/net/raw* /sys/class/net/sum* 2>/dev/null
     bridge link | grep -o 'vif[0-9.]*'
     nft list ruleset | grep -E 'vif[0-9]+\\.[0-9]+'
     find /run/xen-vif-bridge -name 'vif[0-9]*' ! -name '*lock*' ! -path '*/offline/*' 2>/dev/null
     xenstore-ls -f /local/domain/0/backend/vif 2>/dev/null | grep vif/[0-9]*/
     true`,
    60,
  );
  return rest + (await strayGroups(host));
}
