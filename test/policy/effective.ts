import type { Values } from '../../src/policy/keys.ts';
import type { Policy } from '../../src/policy/policy.ts';
import { resolvePolicy } from '../../src/policy/resolve-policy.ts';
import { vifWith } from '../filter/vif.ts';

/** Everything that a policy says of the host and of a vif. */
export function effective(policy: Policy): Values {
  const { sections: _, ...host } = policy;
  return { ...host, ...resolvePolicy(policy, vifWith({})) };
}
