import type { VifRecord } from '../../state/records.ts';
import type { DropCount, KernelDrops } from '../backend.ts';
import { currentBase, recordedPort } from '../base.ts';
import { chainsOf } from './chains.ts';
import { chainDrops, countJumps, linkLocalDrops } from './listing.ts';
import { ebtPorts } from './ports.ts';
import { type Ebt, listing } from './tables.ts';
import { EBT_HOOKS } from './text.ts';

/** What the rules have counted, by two listings; which rule counts for what follows from the plan. */
export async function readDrops({ host, tools, holder }: Ebt, records: readonly VifRecord[]): Promise<KernelDrops> {
  if (currentBase(host, holder) === undefined) return { present: false, drops: [] };
  const nat = await listing(host, tools, 'nat');
  if (countJumps(nat, EBT_HOOKS.in) === 0 || countJumps(nat, EBT_HOOKS.out) === 0) return { present: false, drops: [] };
  const filter = await listing(host, tools, 'filter');
  const ports = new Map(
    ebtPorts(host.state)
      .all()
      .map((port) => [port.device, port]),
  );
  const drops = records.flatMap((record): DropCount[] => {
    const planned = recordedPort(host, record);
    const port = ports.get(record.device);
    if (planned === undefined || port === undefined) return [];
    const chains = chainsOf(planned.plan, host.policy);
    return [
      ...chainDrops(nat, chains['from-guest'].chains, 'from-guest'),
      ...chainDrops(nat, chains['to-guest'].chains, 'to-guest'),
      ...linkLocalDrops(filter, port),
    ].map((drop) => ({ ...drop, ifindex: record.ifindex }));
  });
  return { present: true, drops };
}
