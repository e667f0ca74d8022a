import { withRules } from '../backends/choice.ts';
import { type BatchLine, runBatch } from '../effects/batch.ts';
import type { Host } from '../host.ts';
import type { Reapplied } from './reapplied.ts';
import { reapply, reapplyAll } from './reapply.ts';
import type { Drift } from './verify/drift.ts';
import { verify } from './verify.ts';

/**
 * Puts right what `verify` finds: what others have put into our sets and into the bridge's table is taken out, then
 * vifs are re-applied, which loses no frame of what is right.
 *
 * @param names of ports; undefined: all that are configured, and no others
 * @throws Failure `missing` for one that no run of ours has configured
 */
export async function repair(given: Host, names: readonly string[] | undefined): Promise<Reapplied> {
  await takeOutStrays(given, names);
  return names === undefined ? reapplyAll(given, 'ours') : reapply(given, names);
}

/** First, because an element of others may be in the place of one of ours. What cannot be found out stays. */
async function takeOutStrays(given: Host, names: readonly string[] | undefined): Promise<void> {
  const host = await withRules(given);
  const found = await verify(given, names);
  await host.rules.takeOut(found.strays);
  await host.routedRules.takeOut(found.routedStrays);
  for (const { place, what, device } of [...found.strays, ...found.routedStrays]) {
    host.log.say('warning', `${device ?? 'no vif'}: took what somebody else had put into the set ${place}: ${what}`);
  }
  const lines = found.strayEntries.map(({ mac, port, vlan }) => ({
    text: `fdb del ${mac} dev ${port} master${vlan === undefined ? '' : ` vlan ${vlan}`}`,
    optional: `the bridge may believe ${mac} to be behind ${port}`,
  }));
  const flags = found.vifs.flatMap(({ name: port, drift }) => drift.flatMap((one) => flagLine(port, one)));
  for (const [tool, batch] of [
    ['bridge', lines],
    ['ip', flags],
  ] as const) {
    for (const lost of await runBatch(host.run, tool, batch)) host.log.say('warning', lost);
  }
}

/** Flags that a port has from the kernel: a re-apply does not print them, as nobody but a person changes them. */
function flagLine(port: string, { part, what, wished }: Drift): BatchLine[] {
  if (part !== 'port' || !KERNEL_FLAGS.includes(what) || wished === null) return [];
  return [
    {
      text: `link set dev ${port} type bridge_slave ${what} ${wished}`,
      optional: `${port}: ${what} is not ${wished}`,
    },
  ];
}

const KERNEL_FLAGS: readonly string[] = ['hairpin', 'isolated', 'flood', 'mcast_flood', 'bcast_flood'];
