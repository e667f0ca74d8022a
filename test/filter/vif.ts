import { LIMIT_KINDS } from '../../src/filter/frame-limits.ts';
import { buildPlan, type FilterPlan, type NoIp } from '../../src/filter/plan.ts';
import { parseInterfaceName } from '../../src/net/interface-name.ts';
import { type IdentityValues, parseIdentity, type VifIdentity } from '../../src/xen/vif-identity.ts';

/** A policy that limits all that can be limited. */
export const ALL_LIMITED = Object.fromEntries(LIMIT_KINDS.map((kind) => [`limit_${kind}`, { rate: 7, burst: 70 }]));

/** vif1.0 with MAC 00:16:3e:00:00:01 and what else is given. */
export function vifWith(values: IdentityValues, device = 'vif1.0'): VifIdentity {
  const type = device.endsWith('-emu') ? 'tap' : 'vif';
  const port = { device: parseInterfaceName(device, 'test'), type } as const;
  return parseIdentity(port, { mac: '00:16:3e:00:00:01', ...values }, 'test');
}

export function planFor(
  values: IdentityValues,
  noIp: NoIp = 'mac-only',
  subnetBroadcasts: readonly string[] = [],
): FilterPlan {
  return buildPlan(vifWith(values), { mode: 'locked', no_ip: noIp }, subnetBroadcasts);
}
