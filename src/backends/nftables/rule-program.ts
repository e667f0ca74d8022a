import type { Direction } from '../../filter/reasons.ts';
import type { Family } from '../../net/address-range.ts';
import { answersToUnknown, answersWhileFlooded } from '../../rules/judge.ts';
import { programDigest, type RuleProgram } from '../../rules/program.ts';
import { protocolOf } from '../../rules/protocols.ts';
import { RULE_DIRECTIONS, type Rule, type RuleDirection } from '../../rules/rule.ts';
import { rangeText } from '../../rules/rule-text.ts';
import { textDigest } from '../../text-digest.ts';
import { TABLE } from './base-text.ts';
import { FAMILIES, type Ip } from './flow-keys.ts';
import { flowChain } from './flow-openings.ts';
import { FLOODED, RULE_LIMITS } from './flow-sets.ts';
import { knownRules } from './flows.ts';
import { PORT } from './own.ts';
import { otherChain, programChain, programChains } from './program-names.ts';
import { rejectRules } from './rejections.ts';
import { dropChain } from './stages.ts';

/** The rules of guests as chains that are named by what they do: guests with the same rules share them. */

const SIDE: Readonly<Record<RuleDirection, Direction>> = { in: 'to-guest', out: 'from-guest' };

/**
 * Makes the chains of a program: one for each direction. What is there already is made anew, in the same transaction,
 * so no frame finds half of it; but what its rules have counted begins at zero.
 */
export function programText(program: RuleProgram): string[] {
  const digest = programDigest(program);
  const [, , rejecting] = programChains(digest);
  const ofDirection = (direction: RuleDirection): string[] => {
    if (program[direction].length === 0) return direction === 'in' ? ['accept'] : unasked();
    // What is known first: so however many rules there are, a conversation passes none of them.
    return [...knownRules(SIDE[direction]), ...directionRules(program, direction, digest), 'drop'];
  };
  const rules = (name: string, list: readonly string[]): string[] =>
    list.map((rule) => `add rule ${TABLE} ${name} ${rule}`);
  return [
    `# ${program.lists.join(' ')}`,
    ...programChains(digest).flatMap((name) => [`add chain ${TABLE} ${name}`, `flush chain ${TABLE} ${name}`]),
    ...(rejecting === undefined ? [] : rules(rejecting, rejectRules())),
    ...RULE_DIRECTIONS.flatMap((direction) => rules(programChain(digest, direction), ofDirection(direction))),
  ];
}

/** What a guest sends of which nobody is asked: it passes and is answered, whatever the lines of `in` say. */
function unasked(): string[] {
  const opened = FAMILIES.map((family) => `meta protocol ${family} goto ${flowChain('from-guest', 'free', family)}`);
  return [...knownRules('from-guest'), ...opened, 'accept'];
}

/** A program that nobody is known to use: whoever finds his way there ends there. */
export function closedProgram(digest: string): string {
  const all = programChains(digest).flatMap((name) => [`add chain ${TABLE} ${name}`, `flush chain ${TABLE} ${name}`]);
  const ends = RULE_DIRECTIONS.map((direction) => `add rule ${TABLE} ${programChain(digest, direction)} drop`);
  return [...all, ...ends].join('\n');
}

/** Takes a program away that no guest has any more; fails as a whole while one has. */
export function programRemoval(digest: string): string {
  const chains = programChains(digest).map((name) => `chain ${TABLE} ${name}`);
  const emptied = chains.flatMap((chain) => [`add ${chain}`, `flush ${chain}`]);
  return `${[...emptied, ...chains.map((chain) => `delete ${chain}`)].join('\n')}\n`;
}

/** Counts what a guest sends or hears by a rule that has a limit: each guest for itself. */
function limitText({ limit }: Rule, side: Direction, name: string): string {
  if (limit === undefined) return '';
  const key = `${PORT[side]} . 0x${textDigest(name).slice(0, 8)}`;
  return `update @${RULE_LIMITS} { ${key} limit rate ${limit.count}/${limit.per} burst ${limit.count} packets } `;
}

function directionRules(program: RuleProgram, direction: RuleDirection, digest: string): string[] {
  const side = SIDE[direction];
  const rules = program[direction];
  if (rules.length === 0) return [];
  const last = rules.at(-1);
  return [
    ...(direction === 'out' ? answersTo(program.in) : []),
    ...rules.flatMap((rule, at) => {
      const limited = limitText(rule, side, `${digest}/${direction}/${at + 1}`);
      const log = `limit rate 10/second burst 20 packets log prefix "vif-bridge ${direction} rule ${at + 1} "`;
      return conditions(rule).flatMap(({ text, family }) => [
        ...(rule.log ? [`${text}${log}`] : []),
        `${text}${limited}counter ${verdict(rule, side, family, digest)} comment "${direction} ${at + 1}"`,
      ]);
    }),
    last === undefined ? 'accept' : verdict(last, side, undefined, digest),
  ];
}

/**
 * @param family of an allowed one: what it opens is kept by families; what is of neither is let through
 * @param digest of the program, which answers by a chain of its own
 */
function verdict(rule: Rule, side: Direction, family: Ip | undefined, digest: string): string {
  if (rule.verdict === 'allow') {
    return family === undefined ? 'accept' : `goto ${flowChain(side, rule.stateless ? 'pass' : 'open', family)}`;
  }
  return `goto ${rule.verdict === 'reject' ? otherChain(digest, 0) : dropChain(side, 'rule')}`;
}

/** What no rule is asked about, because it goes on in a conversation of which nobody knows. */
function answersTo(rules: readonly Rule[]): string[] {
  const lines = (answers: readonly Rule[], when: string): string[] =>
    answers.flatMap((rule) =>
      conditions(rule).flatMap(({ text, family }) =>
        family === undefined ? [] : [`${text}${when}jump ${flowChain('from-guest', 'answer', family)}`],
      ),
    );
  return [
    ...lines(answersToUnknown(rules), ''),
    ...lines(answersWhileFlooded(rules), `${PORT['from-guest']} @${FLOODED} `),
  ];
}

/** The beginning of an nft rule, which ends in a blank, and of which family a frame is that it lets go on. */
interface Condition {
  readonly text: string;
  readonly family: Ip | undefined;
}

/** The conditions of a rule, one of which must hold. What is allowed, and addresses, are a family's. */
function conditions(rule: Rule): Condition[] {
  const addressed = rule.from.length + rule.to.length > 0;
  const ofAny = rule.protocols.every((number) => protocolOf(number).family === undefined);
  if (rule.verdict !== 'allow' && !addressed && ofAny && rule.family === undefined) {
    return [{ family: undefined, text: words(transport(rule)) }];
  }
  const families = (['ip', 'ip6'] as const).filter(
    (family) => rule.family === undefined || rule.family === version(family),
  );
  return families.flatMap((family): Condition[] => {
    // `icmp,icmp6` is each in its own family.
    const protocols = rule.protocols.filter(
      (number) => (protocolOf(number).family ?? version(family)) === version(family),
    );
    return rule.protocols.length > 0 && protocols.length === 0 ? [] : [ofFamily({ ...rule, protocols }, family)];
  });
}

function ofFamily(rule: Rule, family: Ip): Condition {
  return {
    family,
    text: words([
      `meta protocol ${family}`,
      ...(['from', 'to'] as const).map((side) => {
        const ranges = rule[side].filter((range) => range.family === version(family)).map(({ text }) => text);
        return ranges.length === 0 ? '' : `${family} ${side === 'from' ? 'saddr' : 'daddr'} ${oneOf(ranges)}`;
      }),
      ...transport(rule),
    ]),
  };
}

function version(family: Ip): Family {
  return family === 'ip' ? 4 : 6;
}

function transport({ protocols, ports, sports, types }: Rule): string[] {
  const icmp = protocols[0] === 1 ? 'icmp' : 'icmpv6';
  return [
    protocols.length === 0 ? '' : `meta l4proto ${oneOf(protocols.map(String))}`,
    ports.length === 0 ? '' : `th dport ${oneOf(ports.map(rangeText))}`,
    sports.length === 0 ? '' : `th sport ${oneOf(sports.map(rangeText))}`,
    types.length === 0 ? '' : `${icmp} type ${oneOf(types.map(String))}`,
  ];
}

/** One value is compared, several are looked up. */
function oneOf(values: readonly string[]): string {
  return values.length === 1 ? (values[0] ?? '') : `{ ${values.join(', ')} }`;
}

function words(parts: readonly string[]): string {
  const text = parts.filter((part) => part !== '').join(' ');
  return text === '' ? '' : `${text} `;
}
