import type { CheckedPolicy, KeyText, ShownPolicy } from '../../commands/policy.ts';
import { SECTION_KINDS } from '../../policy/keys.ts';
import { count, list, nullable, object, oneOf, record, type Schema, said, string } from './schema.ts';

/** `vif-bridge policy check --json` and `vif-bridge rules check --json` */
export const POLICY_CHECK: Schema<CheckedPolicy> = object<CheckedPolicy>({
  files: said('in the order in which they were read', list(string)),
  problems: list(
    object<CheckedPolicy['problems'][number]>({
      file: string,
      line: count,
      message: string,
      meant: said('the word that was probably meant', nullable(string)),
      hint: string,
    }),
  ),
});

/** `vif-bridge policy show --json` */
export const POLICY_SHOW: Schema<ShownPolicy> = object<ShownPolicy>({
  device: string,
  guest: nullable(string),
  bridge: nullable(string),
  mac: string,
  values: said(
    'by key of the policy',
    record(
      object<ShownPolicy['values'][string]>({
        value: said('as the policy writes it', string),
        from: said('`default`, FILE:LINE, or where Xen has it; several with blanks between', string),
      }),
    ),
  ),
});

/** `vif-bridge policy keys --json` */
export const POLICY_KEYS: Schema<readonly KeyText[]> = list(
  object<KeyText>({
    key: string,
    of: oneOf('host', 'vif'),
    help: string,
    initial: said('what it is without a file', string),
    sections: said('where it may stand', list(oneOf(...SECTION_KINDS))),
    words: said(
      'what it may be; empty: see `help`',
      list(object<KeyText['words'][number]>({ word: string, meaning: string })),
    ),
  }),
);
