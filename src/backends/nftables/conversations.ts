import { indexOfGroup } from '../../port/guest-group.ts';
import { PROTOCOLS } from '../../rules/protocols.ts';
import type { Conversations, SetFill } from '../backend.ts';
import { type ListedSets, partsOf } from './counters.ts';
import { FAMILIES, WITH_PORTS } from './flow-keys.ts';
import { FLOW_SETS, fragmentSet, pairSet } from './flow-sets.ts';
import { NEW_LIMIT } from './rations.ts';

const FLOWS: ReadonlySet<string> = new Set(FLOW_SETS.filter(({ more }) => more === undefined).map(({ name }) => name));

/** What is known of pairs, for errors, is of conversations that stand elsewhere too, unless they have no ports. */
const ELSEWHERE: ReadonlySet<number> = new Set([
  ...[...WITH_PORTS, 'icmp' as const, 'icmp6' as const].map((name) => PROTOCOLS[name].number),
  // The header of a fragment, in place of the protocol.
  44,
]);
const PAIRS: ReadonlySet<string> = new Set(FAMILIES.map(pairSet));
const FRAGMENTS: ReadonlySet<string> = new Set(FAMILIES.map(fragmentSet));

function isConversation(set: string, parts: readonly unknown[]): boolean {
  return !FRAGMENTS.has(set) && !(PAIRS.has(set) && ELSEWHERE.has(Number(parts.at(-1))));
}

/**
 * What guests with rules have open now; undefined where nobody has rules.
 *
 * @param fills how full the sets are that frames fill
 */
export function conversations(sets: ListedSets, fills: readonly SetFill[]): Conversations | undefined {
  const there = fills.filter(({ set }) => FLOWS.has(set));
  if (there.length === 0) return undefined;
  const ofPort = new Map<number, number>();
  for (const { set } of there) {
    for (const element of sets.get(set) ?? []) {
      const { parts } = partsOf(element);
      const ifindex = indexOfGroup(Number(parts[0]));
      if (ifindex !== undefined && isConversation(set, parts)) ofPort.set(ifindex, (ofPort.get(ifindex) ?? 0) + 1);
    }
  }
  return { sets: there, ofPort, limit: NEW_LIMIT };
}
