import { Failure } from '../errors.ts';
import type { MacAddress } from '../net/mac-address.ts';
import { MOST_MACS } from '../net/mac-list.ts';
import type { VifIdentity } from '../xen/vif-identity.ts';
import type { OptIn } from './opt-ins.ts';

/** What the policy says of the MAC addresses of a vif. */
export interface MacPolicy {
  /** Besides its own; none, if it does not say. */
  readonly extra_macs?: readonly MacAddress[];
  /** What it may do besides: some of it with a MAC of its own. */
  readonly allow?: readonly OptIn[];
}

/**
 * All MAC addresses a vif may use, its own first. Filter, port, notes and state ask here and nowhere else.
 *
 * @throws Failure `input` if they are too many
 */
export function ownMacs(vif: Pick<VifIdentity, 'mac'>, policy: MacPolicy): readonly MacAddress[] {
  const virtual = (policy.allow ?? []).flatMap((one) => one.macs ?? []);
  const macs = [...new Set([vif.mac, ...(policy.extra_macs ?? []), ...virtual])];
  if (macs.length <= MOST_MACS + 1) return macs;
  throw new Failure('input', `${macs.length - 1} MAC addresses besides ${vif.mac} are too many`, {
    at: 'extra_macs of the policy',
    hint: `at most ${MOST_MACS}`,
  });
}
