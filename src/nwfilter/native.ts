import type { ChainProgram, FrameTest, ListedRule } from '../rules/chain-program.ts';
import { protocolText } from '../rules/protocols.ts';
import { RULE_DIRECTIONS, type RuleDirection } from '../rules/rule.ts';
import { dottedText } from './value.ts';

/**
 * The same as lines of `[rules NAME]`, as far as these can say it; what they cannot say stands there as a comment, and
 * makes the list wider or narrower than the filter: whoever takes it over has to look at it.
 */
export function nativeLines(program: ChainProgram): string[] {
  const lines = RULE_DIRECTIONS.flatMap((direction) => {
    const rules = program.listing.filter((one) => one.direction === direction);
    const mirrored = program.listing.filter((one) => one.direction !== direction && one.layer === 4 && !one.bothWays);
    const made = [
      ...rules.map((one) => lineOf(one, direction)),
      ...mirrored.flatMap((one) => mirrorOf(one, direction)),
    ];
    const ends = made.some((line) => !line.startsWith('#'));
    return made.length === 0
      ? []
      : [`# ${direction}`, ...made, ...(ends && !made.includes(`${direction} drop`) ? [`${direction} allow`] : [])];
  });
  return [`[rules ${program.name.replace(/[^A-Za-z0-9_.-]/g, '-').slice(0, 40)}]`, ...lines];
}

function lineOf(rule: ListedRule, direction: RuleDirection): string {
  if (rule.inert !== undefined) return `# no effect here: ${rule.text} (${rule.inert})`;
  if (rule.native === undefined) return `# not possible in rules: ${rule.text}`;
  const words = rule.native.map((test) => wordsOf(test, direction, false));
  const line = joined(rule, direction, words);
  return line ?? `# not possible in rules: ${rule.text}`;
}

/** A drop holds for both directions in libvirt, with source and destination exchanged; so does what has no state. */
function mirrorOf(rule: ListedRule, direction: RuleDirection): string[] {
  if (rule.inert !== undefined || rule.native === undefined) return [];
  if (rule.action === 'accept' && rule.tracked) return [];
  const words = rule.native.map((test) => wordsOf(test, direction, true));
  const line = joined(rule, direction, words);
  return line === undefined ? [`# not possible in rules, for the other direction: ${rule.text}`] : [line];
}

interface Words {
  readonly protocol?: string;
  readonly ports?: string;
  readonly types?: string;
  readonly from?: string;
  readonly to?: string;
  readonly sport?: string;
}

/** Undefined: rules have no words for it. `own`: it is always so. */
function wordsOf(test: FrameTest, direction: RuleDirection, mirror: boolean): Words | undefined {
  if (!('field' in test) || test.not) return undefined;
  const field = mirror ? exchanged(test.field) : test.field;
  if ('own' in test) {
    const own =
      direction === 'in' ? ['ip daddr', 'ip6 daddr', 'ether daddr'] : ['ip saddr', 'ip6 saddr', 'ether saddr'];
    return own.includes(field) ? {} : undefined;
  }
  if (!('within' in test)) return undefined;
  const [first, last] = test.within;
  const range = first === last ? String(first) : `${first}-${last}`;
  switch (field) {
    case 'l4proto':
      return { protocol: protocolText(Number(first)) };
    case 'dport':
      return { ports: range };
    case 'sport':
      return { sport: range };
    case 'icmp type':
      return first === last ? { types: String(first) } : undefined;
    case 'ip saddr':
    case 'ip6 saddr':
      return { from: who(field === 'ip saddr' ? 4 : 6, first, last) };
    case 'ip daddr':
    case 'ip6 daddr':
      return { to: who(field === 'ip daddr' ? 4 : 6, first, last) };
    default:
      return undefined;
  }
}

const EXCHANGED: Readonly<Record<string, string>> = {
  'ip saddr': 'ip daddr',
  'ip daddr': 'ip saddr',
  'ip6 saddr': 'ip6 daddr',
  'ip6 daddr': 'ip6 saddr',
  sport: 'dport',
  dport: 'sport',
};
function exchanged(field: string): string {
  return EXCHANGED[field] ?? field;
}

function who(family: 4 | 6, first: bigint, last: bigint): string {
  const from = dottedText(family, first);
  return first === last ? from : `${from}-${dottedText(family, last)}`;
}

const ALL: Readonly<Record<4 | 6, string>> = { 4: '0.0.0.0/0', 6: '::/0' };

function joined(rule: ListedRule, direction: RuleDirection, words: readonly (Words | undefined)[]): string | undefined {
  if (words.includes(undefined) || rule.family === undefined) return undefined;
  const all: Words = Object.assign({}, ...words.filter((one) => one !== undefined));
  const { action } = rule;
  const verdict =
    action === 'accept' || action === 'return'
      ? 'allow'
      : action === 'reject' && direction === 'out'
        ? 'reject'
        : 'drop';
  const stateless = verdict === 'allow' && (rule.bothWays || !rule.tracked || action === 'return');
  // Rules of nwfilter are of one family; a rule here is of both unless it says otherwise.
  const named = all.from === undefined && all.to === undefined && !['icmp', 'icmp6'].includes(all.protocol ?? '');
  const from = all.from ?? (named ? ALL[rule.family] : undefined);
  return [
    direction,
    verdict,
    ...[all.protocol ?? []].flat(),
    ...[all.ports ?? all.types ?? []].flat(),
    ...(from === undefined ? [] : ['from', from]),
    ...(all.to === undefined ? [] : ['to', all.to]),
    ...(all.sport === undefined ? [] : ['sport', all.sport]),
    ...(stateless ? ['stateless'] : []),
  ].join(' ');
}
