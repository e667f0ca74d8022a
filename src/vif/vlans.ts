import type { Backend } from '../backends/backend.ts';
import type { Device } from '../effects/sysfs.ts';
import { Failure } from '../errors.ts';
import { namesGateways } from '../filter/gateways.ts';
import type { FilterPlan } from '../filter/plan.ts';
import { vlanRange } from '../net/vlan-range.ts';
import type { HeldPolicy } from '../policy/policy.ts';
import type { VifIdentity } from '../xen/vif-identity.ts';

const TRUNK = 'allow of the policy';

/**
 * Refuses VLANs of a vif that could not be what they say: without a bridge that keeps them apart, frames with a tag
 * reach everybody who may use any.
 *
 * @param bridge undefined in a dry run on a machine without that bridge
 * @throws Failure `input`
 */
export function checkVlans(
  { vlan }: Pick<VifIdentity, 'vlan'>,
  { terms, program, filter }: Pick<FilterPlan, 'terms' | 'program' | 'filter'>,
  bridge: Device | undefined,
  { gateways }: Pick<HeldPolicy, 'gateways'>,
  rules: Pick<Backend, 'name' | 'seesBehindTags'>,
): void {
  const trunk = terms.values.vlan;
  if (bridge?.vlanFiltering === false && (vlan !== undefined || trunk.length > 0)) {
    const what = vlan === undefined ? `allow = ${trunk.map((range) => `vlan:${range}`).join(' ')}` : `vlan=${vlan}`;
    throw new Failure('input', `${what} is set, and ${bridge.name} does not filter VLANs`, {
      at: vlan === undefined ? TRUNK : 'vlan',
      hint: `ip link set ${bridge.name} type bridge vlan_filtering 1 (kernel: CONFIG_BRIDGE_VLAN_FILTERING), or a bridge for each VLAN, and no vlan`,
    });
  }
  if (trunk.length === 0) return;
  if (!rules.seesBehindTags) {
    throw new Failure('input', `${rules.name} cannot look behind VLAN tags`, {
      at: TRUNK,
      hint: 'give the guest a vif for each VLAN (vlan=), or use backend = nftables',
    });
  }
  const untagged = vlan ?? bridge?.defaultPvid;
  const has = trunk
    .map(vlanRange)
    .some(([first, last]) => untagged !== undefined && first <= untagged && untagged <= last);
  if (has) {
    throw new Failure(
      'input',
      `VLAN ${untagged} is the one of its frames without a tag, and in vlan:${trunk.join(' vlan:')}`,
      {
        at: TRUNK,
        hint: 'leave it out there: each VLAN is with a tag or without',
      },
    );
  }
  const asked = [
    ...(program === undefined ? [] : ['rules']),
    ...(filter === undefined ? [] : ['nwfilter']),
    ...(namesGateways(gateways) ? ['gateways'] : []),
  ];
  if (asked.length > 0) {
    throw new Failure(
      'input',
      `${asked.join(' and ')} know nothing of VLANs, and it may use vlan:${trunk.join(' vlan:')}`,
      {
        at: TRUNK,
        hint: 'give the guest a vif for each VLAN (vlan=)',
      },
    );
  }
}
