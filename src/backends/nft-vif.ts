import type { OwnTerms, Permit } from '../filter/own-list.ts';
import type { FilterPlan } from '../filter/plan.ts';
import { ALL_REASONS, counterCode, type Direction } from '../filter/reasons.ts';
import { LINK_LOCAL_MAC, type Match, type OwnList } from '../filter/stage.ts';
import { FLAG_SETS, INGRESS_TABLE, TABLE } from './nft-base.ts';
import { addressHex } from './nft-fields.ts';
import { dropChain, LIST_MAP, OWN_SET, renderMatch } from './nft-stages.ts';

/**
 * How a port is named in the kernel's sets: by its index, as a number. The dry run of a device that does not exist yet
 * prints its name in quotes instead, which nft resolves to the same index.
 */
export type PortKey = string;

export function portKey(ifindex: number | undefined, name: string): PortKey {
  return ifindex === undefined ? `"${name}"` : String(ifindex);
}

const LISTS: readonly OwnList[] = ['in', 'nd', 'out'];
const LIST_DIRECTION: Readonly<Record<OwnList, Direction>> = { in: 'from-guest', nd: 'from-guest', out: 'to-guest' };

/** The chain of one of a vif's own lists: `vif1.0-in`. */
export function listChain(device: string, list: OwnList): string {
  return `${device}-${list}`;
}

/** The set elements of a vif, as the kernel holds them: set name -> element texts. */
export type Elements = ReadonlyMap<string, readonly string[]>;

/** All elements that these terms put into the shared sets. */
export function elementsOf(key: PortKey, terms: OwnTerms): Elements {
  const mac = terms.values.mac;
  const elements = new Map<string, string[]>([
    ...FLAG_SETS.map((flag): [string, string[]] => [flag, terms.flags.includes(flag) ? [key] : []]),
    [OWN_SET.typed, mac.map((one) => `${key} . ${one}`)],
    [OWN_SET.raw, mac.map((one) => `${key} . 0x${one.replaceAll(':', '')}`)],
    [OWN_SET['dhcp-address'], terms.values['dhcp-address'].map((one) => `${key} . 0x${addressHex(one)}`)],
    [OWN_SET.broadcast, terms.values.broadcast.map((one) => `${key} . ${one}`)],
  ]);
  return elements;
}

/**
 * The text that makes a vif's filter what the plan says, whatever it was before: own chains are flushed and filled, not
 * deleted and made anew (a new chain is empty in the old generation: measured, 4 frames in a million lost).
 *
 * @param stale elements that an earlier run may have loaded for this device and that the plan no longer has
 */
export function renderVif(plan: FilterPlan, key: PortKey, stale: Elements): string[] {
  const chains = LISTS.map((list) => listChain(plan.device, list));
  return [
    ...chains.map((chain) => `add chain ${TABLE} ${chain}`),
    ...chains.map((chain) => `flush chain ${TABLE} ${chain}`),
    // Rule by rule: a `table` block a vif takes nft 2.6 GB for 4000 vifs, this 0.4.
    ...LISTS.flatMap((list) =>
      renderList(list, plan.terms.lists[list]).map(
        (rule) => `add rule ${TABLE} ${listChain(plan.device, list)} ${rule}`,
      ),
    ),
    ...removeElements(stale),
    ...addElements(elementsOf(key, plan.terms)),
    ...LISTS.map((list) => addJump(plan.device, list, key)),
  ];
}

/**
 * The text that removes all that may be in the kernel for a device: `add` first makes each `delete` succeed, so nothing
 * need be known or listed (nft 1.0.6 has no `destroy`).
 *
 * @param keys the interface indices it was ever loaded for
 */
export function renderVifRemoval(device: string, keys: readonly PortKey[], elements: Elements): string[] {
  const chains = LISTS.map((list) => listChain(device, list));
  return [
    ...chains.map((chain) => `add chain ${TABLE} ${chain}`),
    ...keys.flatMap((key) => renderUnmap(device, key)),
    ...removeElements(elements),
    ...chains.map((chain) => `flush chain ${TABLE} ${chain}`),
    ...chains.map((chain) => `delete chain ${TABLE} ${chain}`),
  ];
}

/** Takes one interface index out of the maps, flags and counters. */
export function renderUnmap(device: string, key: PortKey): string[] {
  const counters = (['from-guest', 'to-guest'] as const).flatMap((direction) =>
    ALL_REASONS.map((reason) => `${key} . 0x${counterCode(direction, reason).toString(16).padStart(8, '0')}`),
  );
  return [
    ...LISTS.map((list) => addJump(device, list, key)),
    ...LISTS.map((list) => `delete element ${TABLE} ${LIST_MAP[list]} { ${key} }`),
    ...removeElements(new Map([...FLAG_SETS.map((flag): [string, string[]] => [flag, [key]]), ['drops', counters]])),
  ];
}

/** Marks ports as exempt from filtering. */
export function renderExempt(keys: readonly PortKey[]): string[] {
  return addElements(new Map([['open', keys]]));
}

/**
 * The chain at the device itself that drops frames to link-local groups: needed where the bridge takes them before any
 * bridge hook sees them (STP on), or learns from them (a port with learning on).
 */
export function renderIngress(device: string, name: string): string[] {
  return [
    `add table ${INGRESS_TABLE}`,
    `add chain ${INGRESS_TABLE} ${device} { type filter hook ingress device "${name}" priority 0; policy accept; }`,
    `flush chain ${INGRESS_TABLE} ${device}`,
    `add rule ${INGRESS_TABLE} ${device} ether daddr & ${LINK_LOCAL_MAC[0]} == ${LINK_LOCAL_MAC[1]} counter drop comment "link-local"`,
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

/**
 * The rules of one list. `in` and `out` are jumped to and come back if nothing took the frame. `nd` decides: for an own
 * target the frame goes on to be asked for its source (a return to the stage that jumped), for any other it is dropped.
 */
function renderList(list: OwnList, permits: readonly Permit[]): string[] {
  const rules = permits.map((permit) =>
    [
      ...etherType(permit.when),
      ...permit.when.map((match) => renderMatch(LIST_DIRECTION[list], match, 'named')),
      'ask' in permit.so ? 'return' : 'accept',
    ].join(' '),
  );
  return list === 'nd' ? [...rules, `goto ${dropChain('from-guest', 'nd-target')}`] : rules;
}

/** The outer type once more, as the first word: a rule must not depend on who calls its chain. */
function etherType(when: readonly Match[]): string[] {
  const first = when[0];
  if (first === undefined || !('field' in first)) return [];
  if (first.field.startsWith('arp ')) return ['ether type arp'];
  if (first.field.startsWith('ip6 ')) return ['ether type ip6'];
  return first.field.startsWith('ip ') ? ['ether type ip'] : [];
}

function addJump(device: string, list: OwnList, key: PortKey): string {
  const verdict = list === 'nd' ? 'goto' : 'jump';
  return `add element ${TABLE} ${LIST_MAP[list]} { ${key} : ${verdict} ${listChain(device, list)} }`;
}

function addElements(elements: Elements): string[] {
  return [...elements].flatMap(([set, keys]) =>
    keys.length === 0 ? [] : [`add element ${TABLE} ${set} { ${keys.join(', ')} }`],
  );
}

function removeElements(elements: Elements): string[] {
  return [...addElements(elements), ...addElements(elements).map((line) => line.replace(/^add /, 'delete '))];
}
