import type { FilterRule } from './document.ts';
import type { FilterProblem } from './problem.ts';
import { filterProtocol } from './protocols.ts';
import type { StateName, Value } from './value.ts';

/** Attributes as a file has them, or with the values of their variables. */
type Asks = ReadonlyMap<string, { readonly value: Value | { readonly kind: 'variable' | 'own' | 'block' } }>;

/** What stands in the way of a rule here, though libvirt has no error for it: never is a broader one made of it. */
export function impossibleIn(
  rule: FilterRule,
  asks: Asks = rule.asks,
): Pick<FilterProblem, 'message' | 'hint'> | undefined {
  if (asks.has('ipset')) {
    return {
      message: 'an ipset of the host cannot be asked',
      hint: 'write the addresses as [addresses NAME] and rules of the policy',
    };
  }
  if (asks.has('connlimit-above')) {
    return {
      message: 'connlimit-above needs conntrack for bridges',
      hint: 'take it out; a rule of the policy can have a limit',
    };
  }
  if (rule.tracked && statesOf(asks)?.includes('INVALID')) {
    return {
      message: 'state INVALID needs conntrack for bridges',
      hint: 'take INVALID out, or end with a drop of all else',
    };
  }
  if (rule.action === 'reject' && !isOfLayer2(rule) && rule.way !== 'out') {
    return {
      message: `reject of what comes to the guest (direction='${rule.way}') is not possible`,
      hint: "write action='drop'",
    };
  }
  if (rule.protocol === 'stp' && rule.way === 'inout' && asks.has('srcmacaddr')) {
    return {
      message: 'stp in both directions has no source address',
      hint: "write two rules, direction='in' and 'out'",
    };
  }
  return undefined;
}

/** What it asks for of its conversation; undefined: nothing. */
export function statesOf(asks: Asks): readonly StateName[] | undefined {
  const value = asks.get('state')?.value;
  return value?.kind === 'states' ? value.value : undefined;
}

export function isOfLayer2({ protocol }: Pick<FilterRule, 'protocol'>): boolean {
  return protocol === undefined || filterProtocol(protocol).layer === 2;
}
