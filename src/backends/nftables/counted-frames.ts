import type { Policy } from '../../policy/policy.ts';

/**
 * Who is observed loses nothing, so what is counted goes on to the hooks behind, where its own rules would count it
 * once more, and open a conversation for it; a locked guest would have lost it before. Nothing but its mark goes with a
 * frame from hook to hook, so it is marked for that way and no further: the last hook of ours takes the mark off before
 * anybody else's hook sees it. A mark of somebody else's is left as it is; what bears one may be counted twice.
 */
const MARK = '0x7876636f';

/** For a frame that is counted. */
export const SET_MARK = `meta mark 0x00000000 meta mark set ${MARK}`;
export const IS_MARKED = `meta mark ${MARK}`;
export const UNMARK = `${IS_MARKED} meta mark set 0x00000000`;

/** Whether the policy has somebody observed: only then the rules that all share have anything of it. */
export function someObserved({ sections = [] }: Partial<Pick<Policy, 'sections'>>): boolean {
  return sections.some(({ settings: { mode } }) => mode === 'observe');
}
