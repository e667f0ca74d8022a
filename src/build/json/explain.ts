import type { FrameAnswer } from '../../commands/explain.ts';
import type { VifAnswer } from '../../commands/explain-vif.ts';
import { NO_IP_CHOICES } from '../../filter/plan.ts';
import { ALL_REASONS, type Reason } from '../../filter/reasons.ts';
import { DIRECTION } from './parts.ts';
import { boolean, count, eitherOf, list, nullable, object, oneOf, type Schema, said, string } from './schema.ts';

/** Known in every version: the same word as in `status`. */
const REASON: Schema<Reason> = { json: { type: 'string', examples: ALL_REASONS } };

const FRAME = object<FrameAnswer>({
  verdict: oneOf('accept', 'drop'),
  direction: DIRECTION,
  stage: said('where it was decided', string),
  reason: said('the counter of `status`; null: it is not counted', nullable(REASON)),
  observed: said('it is counted, and passes', boolean),
  why: said('what the filter says of it: a source, a fact', nullable(string)),
  policy: said('the line of the policy, or the key of xenstore', nullable(string)),
  rule: said(
    'the rule of the guest that decided',
    nullable(
      object<NonNullable<FrameAnswer['rule']>>({
        text: string,
        at: said('FILE:LINE', string),
        nwfilter: said("the filter of libvirt's that it belongs to", nullable(string)),
      }),
    ),
  ),
  assumed: said('what only the kernel could know', list(string)),
  frame: said('in one line', string),
  bytes: count,
});

const VIF = object<VifAnswer>({
  device: string,
  name: string,
  guest: nullable(string),
  bridge: nullable(string),
  mode: oneOf('addresses', ...NO_IP_CHOICES),
  observed: boolean,
  macs: list(string),
  addresses: list(string),
  learned: list(string),
  allowed: list(object<VifAnswer['allowed'][number]>({ text: string, policy: nullable(string) })),
  dropped: list(
    object<VifAnswer['dropped'][number]>({
      direction: DIRECTION,
      reason: REASON,
      text: string,
      sources: said('RFC, CVE', list(string)),
      policy: nullable(string),
      opened_by: said('words of `allow`', list(string)),
    }),
  ),
  notes: list(string),
});

/** `vif-bridge explain --json`: with frames the first form, without the other one */
export const EXPLAIN: Schema<readonly FrameAnswer[] | VifAnswer> = eitherOf(list(FRAME), VIF);
