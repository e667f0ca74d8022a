import type { Values } from '../../src/policy/keys.ts';
import { combine, combineLists, parsePolicyText, refuse } from '../../src/policy/parse-policy.ts';
import type { Policy } from '../../src/policy/policy.ts';
import { resolvePolicy } from '../../src/policy/resolve-policy.ts';
import { vifWith } from '../filter/vif.ts';

/** Everything that a policy says of the host and of a vif. */
export function effective(policy: Policy): Values {
  const { sections: _sections, ruleLists: _lists, places: _places, ...host } = policy;
  const { filterFor: _filter, ...vif } = resolvePolicy(policy, vifWith({}), '2026-01-01T00:00:00.000Z');
  return { ...host, ...vif };
}

/** The policy of one file. @throws Failure for what is wrong with it */
export function parsePolicy(text: string, file: string): Policy {
  const read = parsePolicyText(text, file);
  refuse([...read.problems, ...combineLists([read]).problems]);
  return combine([read]);
}
