import type { Drift, VerifiedVif } from '../../commands/verify/drift.ts';
import type { Foreign } from '../../commands/verify/foreign.ts';
import type { PrintedVerified } from '../../commands/verify/text.ts';
import { boolean, list, nullable, object, oneOf, type Schema, said, string } from './schema.ts';

const DRIFT = object<Drift>({
  part: said(
    'rules: the packet filter; port: the device and its bridge; host: its own packet filter; xen: what Xen was told',
    oneOf('rules', 'port', 'host', 'xen'),
  ),
  what: said('a set or a chain, a setting as ip-link(8) and bridge(8) call it, a key', string),
  wished: said('null: nothing should be there', nullable(string)),
  found: said('null: nothing is there', nullable(string)),
  security: said('somebody is less protected', boolean),
});

/** `vif-bridge verify --json` */
export const VERIFY: Schema<PrintedVerified> = object<PrintedVerified>({
  vifs: list(
    object<VerifiedVif>({
      device: said('as it was called first', string),
      name: said('as it is called now', string),
      bridge: nullable(string),
      drift: list(DRIFT),
      trouble: said('why it could not be compared; null if it could', nullable(string)),
    }),
  ),
  shared: said("what all vifs share, and what is nobody's in our sets", list(DRIFT)),
  foreign: said(
    'things of others that make ours moot',
    list(
      object<Foreign>({ what: string, why: string, fix: said('a command that puts it right, or shows it', string) }),
    ),
  ),
});
