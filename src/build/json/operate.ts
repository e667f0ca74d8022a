import { type Finding, SEVERITIES } from '../../commands/doctor/finding.ts';
import type { Diagnosis } from '../../commands/doctor.ts';
import type { DroppedFrame, MoreFrames } from '../../commands/log/dropped-frames.ts';
import { STATION_NAMES } from '../../commands/self-test/corpus.ts';
import type { SelfTestReport } from '../../commands/self-test/report.ts';
import type { ClassScore, Wrong } from '../../commands/self-test/score.ts';
import type { Claim } from '../../commands/watch/claims.ts';
import type { PrintedRate } from '../../commands/watch/watch-text.ts';
import { BACKEND_NAMES } from '../../policy/keys.ts';
import { DIRECTION, REASON } from './parts.ts';
import {
  amount,
  boolean,
  count,
  eitherOf,
  list,
  moment,
  nullable,
  object,
  oneOf,
  type Schema,
  said,
  string,
  words,
} from './schema.ts';

/** `vif-bridge watch --json` */
export const WATCH: Schema<readonly PrintedRate[]> = list(
  object<PrintedRate>({
    vif: string,
    guest: nullable(string),
    direction: DIRECTION,
    reason: REASON,
    spoofing: said('the reason says that it pretends to be somebody else', boolean),
    observed: said('nothing is dropped, all of it is counted', boolean),
    per_second: amount,
    total: count,
    claim: said(
      'what it says it is; null: nobody has heard it',
      nullable(object<Claim>({ kind: oneOf('mac', 'address', 'router', 'dhcp-server'), value: string })),
    ),
    victim: said('whose that is', nullable(string)),
  }),
);

/** `vif-bridge log --json`: each line */
export const LOG: Schema<DroppedFrame | MoreFrames> = eitherOf(
  object<DroppedFrame>({
    at: moment,
    vif: string,
    guest: nullable(string),
    reason: REASON,
    observed: boolean,
    frame: said('in one line', string),
    bytes: count,
  }),
  object<MoreFrames>({
    at: moment,
    vif: string,
    reason: REASON,
    more: said('so many that have no line of their own', count),
  }),
);

/** `vif-bridge doctor --json` */
export const DOCTOR: Schema<Diagnosis> = object<Diagnosis>({
  findings: said(
    'the worst first',
    list(
      object<Finding>({
        id: said('never changes its meaning', string),
        severity: oneOf(...SEVERITIES),
        what: string,
        why: said('why it matters', string),
        fix: said('the command, or the line, that puts it right', string),
      }),
    ),
  ),
  unknown: said(
    'what could not be looked at',
    list(object<Diagnosis['unknown'][number]>({ group: string, why: string })),
  ),
});

/** `vif-bridge self-test --json` */
export const SELF_TEST: Schema<SelfTestReport> = object<SelfTestReport>({
  kernel: string,
  tools: said('what nft says of itself', string),
  backend: words(BACKEND_NAMES),
  bridge: said('the private one is like this one', string),
  classes: list(
    object<ClassScore>({
      kind: string,
      frames: count,
      right: count,
      wrong: list(
        object<Wrong>({
          id: string,
          name: string,
          direction: DIRECTION,
          expect: oneOf('pass', 'drop'),
          who: said('who heard it and must not, or did not and must', list(oneOf(...STATION_NAMES))),
        }),
      ),
    }),
  ),
});
