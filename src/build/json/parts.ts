import { ALL_REASONS, DIRECTIONS } from '../../filter/reasons.ts';
import { RULE_DIRECTIONS } from '../../rules/rule.ts';
import { oneOf, said, words } from './schema.ts';

/** What several commands print. */

export const DIRECTION = said('whether the guest has sent it, or it is for the guest', oneOf(...DIRECTIONS));
export const RULE_DIRECTION = said('of rules: to the guest, or from it', oneOf(...RULE_DIRECTIONS));
export const REASON = said('why it is dropped: a counter of `status`', words(ALL_REASONS));
