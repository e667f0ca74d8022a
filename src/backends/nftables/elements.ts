import { ALL_REASONS, DIRECTIONS } from '../../filter/reasons.ts';
import { LINK_LOCAL_MAC, STP_MAC } from '../../filter/wire.ts';
import { EXEMPT_SET, INGRESS_TABLE, TABLE } from './base-text.ts';
import { indexHash } from './index-hash.ts';
import { type Elements, FLAG_SETS, isOfIntervals, type PortKey } from './own.ts';
import { counterKey } from './stages.ts';

/** Takes ports out of the sets of flags and counters: whatever they were, whatever was counted. */
export function renderForget(keys: readonly PortKey[]): string[] {
  return removeElements(
    new Map([...FLAG_SETS.map((flag): [string, readonly PortKey[]] => [flag, keys]), ...counters(keys)]),
  );
}

/** Takes what was counted of ports, alone. */
export function renderForgetCounters(keys: readonly PortKey[]): string[] {
  return removeElements(counters(keys));
}

function counters(keys: readonly PortKey[]): Elements {
  const all = keys.flatMap((key) =>
    DIRECTIONS.flatMap((direction) => ALL_REASONS.map((reason) => `${key} . ${counterKey(direction, reason)}`)),
  );
  return new Map([['drops', all]]);
}

/** Marks ports that nobody has configured as exempt from filtering, by interface index. */
export function renderExempt(indices: readonly number[]): string[] {
  return addElements(new Map([[EXEMPT_SET, indices.map(indexHash)]]));
}

/**
 * The chain at the device itself that drops frames to link-local groups: needed where the bridge takes them before any
 * bridge hook sees them (STP on), or learns from them (a port with learning on).
 *
 * @param observed nothing is dropped: frames of STP are counted, which no other hook sees where STP is on (all others
 *   come to the hook `input`)
 */
export function renderIngress(device: string, name: string, observed = false): string[] {
  const rule = observed
    ? `ether daddr ${STP_MAC} counter accept comment "link-local"`
    : `ether daddr & ${LINK_LOCAL_MAC[0]} == ${LINK_LOCAL_MAC[1]} counter drop comment "link-local"`;
  return [
    `add table ${INGRESS_TABLE}`,
    `add chain ${INGRESS_TABLE} ${device} { type filter hook ingress device "${name}" priority 0; policy accept; }`,
    `flush chain ${INGRESS_TABLE} ${device}`,
    `add rule ${INGRESS_TABLE} ${device} ${rule}`,
  ];
}

/** Works without the device: no hook is named. */
export function renderIngressRemoval(device: string): string[] {
  return [
    `add table ${INGRESS_TABLE}`,
    `add chain ${INGRESS_TABLE} ${device}`,
    `flush chain ${INGRESS_TABLE} ${device}`,
    `delete chain ${INGRESS_TABLE} ${device}`,
  ];
}

/** Puts elements into their sets; what is there already stays. */
export function addElements(elements: Elements): string[] {
  return [...elements].flatMap(([set, keys]) =>
    keys.length === 0 ? [] : [`add element ${TABLE} ${set} { ${keys.join(', ')} }`],
  );
}

/**
 * `add` first makes each `delete` succeed, so nothing need be known or listed (nft 1.0.6 has no `destroy`).
 *
 * nft 1.0.6 takes a single value out of a set of intervals only as the range that it is: as a value it turns the group
 * around for an `add` alone, and the kernel finds no such element (measured).
 */
export function removeElements(elements: Elements): string[] {
  const named = new Map(
    [...elements].map(([set, keys]) => [set, isOfIntervals(set) ? keys.map(asRange) : keys] as const),
  );
  return [...addElements(named), ...addElements(named).map((line) => line.replace(/^add /, 'delete '))];
}

function asRange(key: string): string {
  return key.replace(/ ([^ -]+)$/, ' $1-$1');
}
