import type { UnderPolicy } from '../backends/base.ts';
import { isUnbound, type VifRecord } from '../state/records.ts';

/** Why nothing is kept from a port of ours. */
export const OPENINGS = ['observe', 'unlocked', 'no_ip'] as const;
export type Opening = (typeof OPENINGS)[number];

/**
 * Why nothing is kept from a vif, by what is loaded: the policy may have closed it again, and no run has done so.
 * `no_ip` is what the policy wants of it now as well; what nobody can explain any more (the policy has changed, or
 * cannot be read) is told as the louder `unlocked`.
 */
export function openingOf(record: VifRecord, known: UnderPolicy | undefined): Opening | undefined {
  if (record.observed === true) return 'observe';
  if (record.mode !== 'unrestricted') return undefined;
  return known?.plan.mode === 'unrestricted' && known.policy.mode !== 'unlocked' ? 'no_ip' : 'unlocked';
}

/** Since when it should be filtered again and is not, ISO 8601: nobody has re-applied it since `until`. */
export function overdueSince(record: VifRecord, known: UnderPolicy | undefined): string | undefined {
  if (known?.policy.ended === undefined || !isUnbound(record) || known.policy.until === 'never') return undefined;
  return known.policy.until;
}
