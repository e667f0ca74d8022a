import { GATES, namesGateways } from '../../filter/gateways.ts';
import type { Direction } from '../../filter/reasons.ts';
import type { Policy } from '../../policy/policy.ts';
import { renderMatch, renderStages, stageChain } from './stages.ts';

/** True if the policy says of any vif whom it may speak with: only then there are rules for that. */
export function someAreGated({ sections = [] }: Partial<Pick<Policy, 'sections'>>): boolean {
  return sections.some(({ settings: { gateways } }) => gateways !== undefined && namesGateways(gateways));
}

/** Who they are about is asked first; what they let go on comes back from them, to what all are asked. */
export function enterGates(direction: Direction): string {
  return `${renderMatch(direction, { vif: 'gated' }).join(' ')} jump ${stageChain(direction, 'gateways')}`;
}

/** The stages before the others. */
export function renderGates(direction: Direction): string[] {
  const on = `goto ${stageChain(direction, 'start')}`;
  return renderStages(direction, GATES[direction], { returns: true }).map((line) => line.replaceAll(on, 'return'));
}
