import { protocolText } from './protocols.ts';
import type { NumberRange, Rule } from './rule.ts';

/** A rule as a policy file would say it, in its one canonical form. */
export function ruleText(rule: Rule): string {
  const { direction, verdict, protocols, ports, types, from, to, sports, limit } = rule;
  const list = (words: readonly string[]): string => words.join(',');
  const part = (name: string, words: readonly string[]): string[] => (words.length === 0 ? [] : [name, list(words)]);
  return [
    direction,
    verdict,
    ...(protocols.length === 0 ? [] : [list(protocols.map(protocolText))]),
    ...(ports.length + types.length === 0 ? [] : [list([...ports.map(rangeText), ...types.map(String)])]),
    ...part(
      'from',
      from.map(({ text }) => text),
    ),
    ...part(
      'to',
      to.map(({ text }) => text),
    ),
    ...part('sport', sports.map(rangeText)),
    ...(rule.stateless ? ['stateless'] : []),
    ...(limit === undefined ? [] : ['limit', `${limit.count}/${limit.per}`]),
    ...(rule.log ? ['log'] : []),
  ].join(' ');
}

export function rangeText([first, last]: NumberRange): string {
  return first === last ? String(first) : `${first}-${last}`;
}
