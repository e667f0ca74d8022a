import type { Direction } from '../../filter/reasons.ts';
import type { RuleDirection } from '../../rules/rule.ts';
import { PORT, type ProgramMap, programMapName } from './own.ts';

/**
 * What a guest has besides who it is: asked behind all else, in chains at hooks of their own, so what was dropped never
 * comes there. Kernel 6.1 walks every way through the chains at each load, and counts anew for each hook; behind each
 * of the some thousand ways on which a frame may pass, a program of 188 rules made them 6.8 million, which did not load
 * in 8 s.
 */
export interface Behind {
  /** What the names of its chains have. */
  readonly name: 'rules' | 'filters';
  readonly about: string;
  /** Our own stand at -200. */
  readonly priority: number;
  rules(direction: Direction): readonly string[];
}

const GUEST_SIDE: Readonly<Record<Direction, RuleDirection>> = { 'from-guest': 'out', 'to-guest': 'in' };

/** Its program of this direction. */
function enter(map: ProgramMap, direction: Direction): string {
  return `${PORT[direction]} vmap @${programMapName(map, GUEST_SIDE[direction])}`;
}

export const RULES_BEHIND: Behind = {
  name: 'rules',
  about: 'Rules of guests, behind all else.',
  priority: -199,
  rules: (direction) => [enter('ruled', direction)],
};

export const FILTERS_BEHIND: Behind = {
  name: 'filters',
  about: "Filters of libvirt's, behind all else.",
  priority: -198,
  rules: (direction) => [enter('filtered', direction)],
};

/** In the order in which they are asked. */
export const BEHIND: readonly Behind[] = [RULES_BEHIND, FILTERS_BEHIND];

/** Those that a vif has. */
export function behindOf({ program, filter }: { readonly program?: unknown; readonly filter?: unknown }): Behind[] {
  return [...(program === undefined ? [] : [RULES_BEHIND]), ...(filter === undefined ? [] : [FILTERS_BEHIND])];
}
