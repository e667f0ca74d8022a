import type { Resolved, RuleInstance } from './instance.ts';
import { type AttributeKind, filterProtocol } from './protocols.ts';
import { valueText } from './value.ts';

/** A rule with its values, in one line: `accept in tcp dstportstart=80`. */
export function instanceText({ rule, asks, priority }: RuleInstance): string {
  const { protocol } = rule;
  const kinds: Readonly<Record<string, AttributeKind>> =
    protocol === undefined ? {} : filterProtocol(protocol).attributes;
  const words = [...asks]
    .filter(([name]) => name !== 'comment')
    .map(([name, { value, negated }]) => `${name}${negated ? '!=' : '='}${resolvedText(value, kinds[name])}`);
  const state = rule.tracked ? [] : ['statematch=false'];
  return [
    rule.action,
    rule.way,
    ...(protocol === undefined ? ['everything'] : [protocol]),
    ...words,
    ...state,
    `priority=${priority}`,
  ].join(' ');
}

export function resolvedText(value: Resolved['value'], kind: AttributeKind | undefined): string {
  if (value.kind === 'own') return { mac: '$MAC', ip: '$IP', ip6: '$IPV6' }[value.own];
  if (value.kind === 'block') return value.text;
  return valueText(value, kind?.names);
}
