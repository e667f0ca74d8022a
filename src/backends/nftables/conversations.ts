import { indexOfGroup } from '../../port/guest-group.ts';
import type { Conversations } from '../backend.ts';
import { type ListedSets, partsOf } from './counters.ts';
import { FLOW_SETS, NEW_LIMIT } from './flows.ts';

/** What guests with rules have open now; undefined where nobody has rules. */
export function conversations(sets: ListedSets): Conversations | undefined {
  const there = FLOW_SETS.filter(({ name }) => sets.has(name));
  if (there.length === 0) return undefined;
  const ofPort = new Map<number, number>();
  const filled = there.map(({ name, size }) => {
    const elements = sets.get(name) ?? [];
    for (const element of elements) {
      const ifindex = indexOfGroup(Number(partsOf(element).parts[0]));
      if (ifindex !== undefined) ofPort.set(ifindex, (ofPort.get(ifindex) ?? 0) + 1);
    }
    return { set: name, elements: elements.length, size };
  });
  return { sets: filled, ofPort, limit: NEW_LIMIT };
}
