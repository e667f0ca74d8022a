import { drop, go, isSwitch, type Stage } from './stage.ts';
import { ETHERTYPE } from './wire.ts';

/**
 * Frames with a tag (`allow = vlan:10-20`). The kernel takes the outer tag off before any hook sees the frame
 * (net/core/dev.c: skb_vlan_untag), and only what looks at the Ethernet header sees it: so all that the stages read
 * behind that header is where it is without a tag, and they are the same ones.
 *
 * IEEE 802.1Q §9.6: 12 bits of the tag are the VLAN, priority and DEI are anybody's. 0 is none, and no vif has it. A
 * second tag is no type that goes on. No stages of their own: the kernel follows no way of more than 16 chains.
 */
export function ownVlan<const Type extends number, const Name extends string>(type: Type, stage: Name) {
  return {
    when: [
      { field: 'vlan id', own: 'vlan' },
      { field: 'vlan type', is: type },
    ],
    so: go(stage),
  } as const;
}

/** All others. */
export const OTHER_VLAN = {
  when: [{ field: 'ether type', is: ETHERTYPE.vlan }],
  so: drop('vlan'),
  why: 'a tag would hide the rest from these rules and be stripped by the guest; so would a second one',
} as const;

/** The same stages where nobody has a VLAN: these steps only let go on. */
export function withoutVlans<Name extends string>(stages: readonly Stage<Name>[]): Stage<Name>[] {
  return stages.map((stage) => ({
    ...stage,
    steps: stage.steps.filter(
      (step) => isSwitch(step) || !step.when.some((match) => 'own' in match && match.own === 'vlan'),
    ),
  }));
}
