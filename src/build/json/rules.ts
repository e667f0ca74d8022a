import type { CheckedFilter } from '../../commands/nwfilter-check.ts';
import type { NativeFilter, ShownFilter } from '../../commands/nwfilter-show.ts';
import type { ShownRules, TestedPacket } from '../../commands/rules.ts';
import type { FilterProblem } from '../../nwfilter/problem.ts';
import { RULE_DIRECTION } from './parts.ts';
import {
  boolean,
  count,
  eitherOf,
  list,
  nullable,
  object,
  oneOf,
  optional,
  type Schema,
  said,
  string,
} from './schema.ts';

const PACKETS = said('null: not loaded, or not counted', nullable(count));
const INERT = said('why it can have no effect here', nullable(string));

/** `vif-bridge rules show --json` */
export const RULES_SHOW: Schema<ShownRules> = object<ShownRules>({
  device: string,
  mac: string,
  lists: said('`rules` of the policy', list(string)),
  rules: list(
    object<ShownRules['rules'][number]>({
      direction: RULE_DIRECTION,
      number: said('as `log` names it', count),
      rule: string,
      at: said('FILE:LINE', string),
      packets: PACKETS,
      bytes: PACKETS,
    }),
  ),
  loaded: said('the kernel has these rules', boolean),
  counted_for: said('vifs whose packets are counted together', list(string)),
  nwfilter: nullable(
    object<NonNullable<ShownRules['nwfilter']>>({
      name: string,
      rules: list(
        object<NonNullable<ShownRules['nwfilter']>['rules'][number]>({
          direction: RULE_DIRECTION,
          layer: oneOf(2, 4),
          chain: string,
          rule: string,
          at: said('FILE:LINE', string),
          inert: INERT,
          packets: PACKETS,
          bytes: PACKETS,
        }),
      ),
      notes: list(string),
    }),
  ),
});

const PLACE = { file: string, line: count } as const;

/** `vif-bridge rules test --json` */
export const RULES_TEST: Schema<TestedPacket> = object<TestedPacket>({
  verdict: oneOf('allow', 'drop', 'reject'),
  why: string,
  rule: said('the line that decided', nullable(object<NonNullable<TestedPacket['rule']>>({ text: string, ...PLACE }))),
});

const PROBLEM = object<FilterProblem>({
  ...PLACE,
  element: string,
  attribute: optional(string),
  message: string,
  hint: string,
});

/** `vif-bridge nwfilter check --json` */
export const NWFILTER_CHECK: Schema<readonly CheckedFilter[]> = list(
  object<CheckedFilter>({
    file: string,
    accepted: boolean,
    name: nullable(string),
    problems: said('why it is refused', list(PROBLEM)),
    notes: list(PROBLEM),
    impossible: said('why no guest can have it here', list(PROBLEM)),
  }),
);

/** `vif-bridge nwfilter show --json`; with `--native` the second form */
export const NWFILTER_SHOW: Schema<ShownFilter | NativeFilter> = eitherOf(
  object<ShownFilter>({
    name: string,
    rules: list(
      object<ShownFilter['rules'][number]>({
        direction: RULE_DIRECTION,
        layer: oneOf(2, 4),
        chain: string,
        text: string,
        at: object<ShownFilter['rules'][number]['at']>(PLACE),
        family: optional(oneOf(4, 6)),
        inert: INERT,
      }),
    ),
    notes: list(string),
  }),
  object<NativeFilter>({ name: string, lines: said('of [rules NAME]', list(string)) }),
);
