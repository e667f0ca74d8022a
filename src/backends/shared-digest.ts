import type { BackendName } from '../policy/keys.ts';
import { type SharedPolicy, sharedName } from '../policy/shared-rules.ts';
import { textDigest } from '../text-digest.ts';

/**
 * A short name for one version of the rules that all vifs share: a program, or a policy, that prints others must not
 * build upon these.
 *
 * @param print the rules with this policy, or what changes with them
 * @param more what they have besides because some vif asks for it
 */
export function sharedDigest<B extends BackendName>(
  backend: B,
  policy: SharedPolicy<B>,
  print: (policy: SharedPolicy<B>) => string,
  more: readonly string[] = [],
): string {
  const built = typeof VIF_BRIDGE_BASE_DIGESTS === 'undefined' ? undefined : VIF_BRIDGE_BASE_DIGESTS;
  return built?.[sharedName(backend, policy, more)] ?? textDigest(print(policy));
}

/**
 * Put in by the build, which has just printed the rules for every policy that can be listed (src/build/source.ts): a
 * run need not print them to know their name. By `sharedName`.
 */
declare const VIF_BRIDGE_BASE_DIGESTS: Readonly<Record<string, string>> | undefined;
