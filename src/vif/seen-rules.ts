import type { KernelRules } from '../backends/backend.ts';
import type { Managed } from '../backends/choice.ts';
import { once } from '../once.ts';
import type { VifRecord } from '../state/records.ts';

/**
 * What the kernel has counted, and whose rules are not as they were loaded: of vifs of bridges and of those that are on
 * none, which have tables of their own. Nobody asks for a table that nobody is in.
 */
export async function seenRules(host: Managed, records: () => readonly VifRecord[]): Promise<KernelRules> {
  const routed = once(() => records().filter((record) => record.routed !== undefined));
  const bridged = await host.rules.look(() => records().filter((record) => record.routed === undefined));
  if (routed().length === 0) return bridged;
  const { damages, drops } = await host.routedRules.look(routed);
  return { ...bridged, damages: new Map([...bridged.damages, ...damages]), drops: [...bridged.drops, ...drops] };
}
