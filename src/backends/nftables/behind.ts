import { isObserved, type OwnTerms } from '../../filter/own-terms.ts';
import type { Direction } from '../../filter/reasons.ts';
import type { RuleDirection } from '../../rules/rule.ts';
import { IS_MARKED, UNMARK } from './counted-frames.ts';
import { PORT, type ProgramMap, programMapName } from './own.ts';

/**
 * What a guest has besides who it is: asked behind all else, in chains at hooks of their own, so what was dropped never
 * comes there. Kernel 6.1 walks every way through the chains at each load, and counts anew for each hook; behind each
 * of the some thousand ways on which a frame may pass, a program of 188 rules made them 6.8 million, which did not load
 * in 8 s.
 */
export interface Behind {
  /** What the names of its chains have. */
  readonly name: 'rules' | 'filters' | 'observed';
  readonly about: string;
  /** Our own stand at -200. */
  readonly priority: number;
  /** @param observed somebody is (counted-frames.ts): what was counted before is asked nothing more */
  rules(direction: Direction, observed: boolean): readonly string[];
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
  rules: (direction, observed) => [...skipCounted(observed), enter('ruled', direction)],
};

export const FILTERS_BEHIND: Behind = {
  name: 'filters',
  about: "Filters of libvirt's, behind all else.",
  priority: -198,
  rules: (direction, observed) => [...skipCounted(observed), enter('filtered', direction)],
};

export const OBSERVED_BEHIND: Behind = {
  name: 'observed',
  about: 'Behind all of ours no frame is marked.',
  priority: -197,
  rules: () => [UNMARK],
};

/** In the order in which they are asked. */
export const BEHIND: readonly Behind[] = [RULES_BEHIND, FILTERS_BEHIND, OBSERVED_BEHIND];

function skipCounted(observed: boolean): string[] {
  return observed ? [`${IS_MARKED} accept`] : [];
}

/** Those that a vif has. */
export function behindOf({
  program,
  filter,
  flags = [],
}: {
  readonly program?: unknown;
  readonly filter?: unknown;
  readonly flags?: OwnTerms['flags'];
}): Behind[] {
  const asked = [...(program === undefined ? [] : [RULES_BEHIND]), ...(filter === undefined ? [] : [FILTERS_BEHIND])];
  return asked.length > 0 && isObserved({ flags }) ? [...asked, OBSERVED_BEHIND] : asked;
}
