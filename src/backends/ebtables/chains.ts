import { macOnlyTerms } from '../../filter/own-terms.ts';
import { parseInterfaceName } from '../../net/interface-name.ts';
import type { EbtTools } from '../../state/records.ts';
import { parseIdentity } from '../../xen/vif-identity.ts';
import type { BasePolicy, EbtBackend } from '../backend.ts';
import { textDigest } from '../text-digest.ts';
import { acceptsGaps, limitsOf, limitText } from './gaps.ts';
import { compileStages } from './stages.ts';
import { type EbtLoad, renderChains, renderLoad } from './text.ts';

/** What the system's alternatives name. As long as its variant is not known, text that is right for both. */
export const DEFAULT_EBT_TOOLS: EbtTools = { list: 'ebtables', restore: 'ebtables-restore', variant: 'legacy' };

/** ebtables, legacy or nft variant: both read the same text. */
export function ebtables(tools: EbtTools): EbtBackend {
  const backend: EbtBackend = {
    name: 'ebtables',
    tools,
    renderLoad: (load) => renderLoad(load, tools.variant),
    renderChains: (chains) => renderChains(chains, tools.variant),
    chainsOf(plan, policy) {
      const accepts = acceptsGaps(policy.ebtables_gaps);
      return {
        'from-guest': compileStages(plan.device, 'from-guest', plan.terms, accepts),
        'to-guest': compileStages(plan.device, 'to-guest', plan.terms, accepts),
      };
    },
    limits(plan, policy) {
      const compiled = Object.values(backend.chainsOf(plan, policy));
      return limitsOf(compiled.flatMap((one) => one.shortfalls)).map((limit) => ({
        open: limit.handling === 'open',
        text: limitText(limit),
      }));
    },
    baseDigest: (policy) => textDigest(sample(backend, policy)),
  };
  return backend;
}

/** The text for some vif: another program, or another policy, prints another one. */
function sample(backend: EbtBackend, policy: BasePolicy): string {
  const device = parseInterfaceName('vif', 'sample');
  const port = { device, type: 'vif', domid: undefined, devid: undefined } as const;
  const vif = parseIdentity(port, { mac: '00:16:3e:00:00:01' }, 'sample');
  const plan = { device, mode: 'mac-only', terms: macOnlyTerms(vif, ['192.0.2.255']) } as const;
  const load: EbtLoad = {
    ports: [{ device, name: device, open: false, chains: [] }],
    exempt: [],
    unmanaged: policy.unmanaged,
    chains: Object.values(backend.chainsOf(plan, policy)).flatMap((one) => one.chains),
    stale: [],
    jumps: () => 1,
  };
  return renderLoad(load, 'legacy');
}
