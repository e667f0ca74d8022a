import { indexOfGroup } from '../../port/guest-group.ts';
import type { Conversations, SetFill } from '../backend.ts';
import { type ListedSets, partsOf } from './counters.ts';
import { FLOW_SETS } from './flow-sets.ts';
import { NEW_LIMIT } from './rations.ts';

const FLOWS: ReadonlySet<string> = new Set(FLOW_SETS.filter(({ more }) => more === undefined).map(({ name }) => name));

/**
 * What guests with rules have open now; undefined where nobody has rules.
 *
 * @param fills how full the sets are that frames fill
 */
export function conversations(sets: ListedSets, fills: readonly SetFill[]): Conversations | undefined {
  const there = fills.filter(({ set }) => FLOWS.has(set));
  if (there.length === 0) return undefined;
  const ofPort = new Map<number, number>();
  for (const element of there.flatMap(({ set }) => sets.get(set) ?? [])) {
    const ifindex = indexOfGroup(Number(partsOf(element).parts[0]));
    if (ifindex !== undefined) ofPort.set(ifindex, (ofPort.get(ifindex) ?? 0) + 1);
  }
  return { sets: there, ofPort, limit: NEW_LIMIT };
}
