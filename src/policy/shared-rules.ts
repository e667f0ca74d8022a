import {
  type BackendName,
  isSharedKey,
  KEY_NAMES,
  KEYS,
  type KeyName,
  type SharedKeyName,
  type Values,
} from './keys.ts';
import { DEFAULT_POLICY } from './policy.ts';

/**
 * What of the policy may be in the rules that all vifs share: only the keys whose row says so. A backend is given
 * nothing else, so a key that it needs must be in its name too.
 */
export type SharedPolicy<B extends BackendName = BackendName> = Pick<Values, SharedKeyName<B>>;

/**
 * Names the policy that a backend's shared rules are made with: `nftables unmanaged=closed`.
 *
 * @param more what is in them because some vif asks for it: `rules`
 */
export function sharedName<B extends BackendName>(
  backend: B,
  policy: SharedPolicy<B>,
  more: readonly string[] = [],
): string {
  return [backend, ...sharedKeys(backend).map((key) => `${key}=${written(key, policy)}`), ...more].join(' ');
}

/**
 * Every policy that a backend's shared rules differ by, as far as they can be listed: of a key with too many possible
 * values only the default.
 */
export function sharedPolicies<B extends BackendName>(backend: B): SharedPolicy[] {
  return sharedKeys(backend).reduce(
    (policies: SharedPolicy[], key) => policies.flatMap((one) => variants(one, key)),
    [DEFAULT_POLICY],
  );
}

function sharedKeys<B extends BackendName>(backend: B): SharedKeyName<B>[] {
  return KEY_NAMES.filter((key) => isSharedKey(key, backend));
}

function variants<K extends KeyName>(policy: SharedPolicy, key: K): SharedPolicy[] {
  const { kind, initial } = KEYS[key];
  return (kind.all ?? [initial]).map((value) => ({ ...policy, [key]: value }));
}

function written<K extends KeyName>(key: K, policy: Pick<Values, K>): string {
  return KEYS[key].kind.write(policy[key]);
}
