import { Failure } from '../../errors.ts';
import type { Direction } from '../../filter/reasons.ts';
import { runsOf } from '../../filter/runs.ts';
import { type AddressRange, blocksOf, type Family } from '../../net/address-range.ts';
import { DHCP_PORTS, IGMP, VITAL_ICMP6 } from '../../rules/judge.ts';
import type { RuleProgram } from '../../rules/program.ts';
import { PROTOCOLS, protocolOf, protocolText } from '../../rules/protocols.ts';
import { type NumberRange, RULE_DIRECTIONS, type Rule, type RuleDirection } from '../../rules/rule.ts';
import type { Options } from './fields.ts';
import type { EbtRule } from './stages.ts';

/**
 * The rules of a guest, as far as ebtables has words for them: protocols, addresses, ports and types of ICMP, one
 * packet at a time. It knows no conversations, so what is allowed has to be `stateless`.
 */

/** The rules of one direction; undefined where nothing is asked. */
export function programRules(program: RuleProgram, direction: Direction): EbtRule[] | undefined {
  const side: RuleDirection = direction === 'to-guest' ? 'in' : 'out';
  const rules = program[side];
  if (rules.length === 0) return undefined;
  return [
    ...NEVER_JUDGED[side],
    ...rules.flatMap((rule, at) =>
      alternatives(rule).map(
        (options): EbtRule => ({
          options,
          ...(rule.verdict === 'allow' ? { target: 'ACCEPT' } : { target: 'DROP', reason: 'rule' }),
          line: `${side} ${at + 1}`,
        }),
      ),
    ),
  ];
}

/** @throws Failure `input` that names every line which ebtables cannot follow, and why */
export function mustBePossible(program: RuleProgram): void {
  const unknown = Object.keys(program).filter((part) => !Object.hasOwn(RENDERED, part));
  if (unknown.length > 0)
    throw new Failure('input', `ebtables cannot follow these rules: it knows no ${unknown.join(', ')}`);
  const wrong = RULE_DIRECTIONS.flatMap((direction) =>
    program[direction].flatMap((rule) => {
      const why = whyNot(rule, program);
      return why === undefined ? [] : [{ at: `${rule.at.file}:${rule.at.line}`, why }];
    }),
  );
  const [first, ...more] = wrong;
  if (first === undefined) return;
  const others = more.map(({ at, why }) => `; ${at}: ${why}`).join('');
  throw new Failure('input', `ebtables cannot follow these rules: ${first.why}${others}`, {
    at: first.at,
    hint: 'use nftables (backend = nftables), or write rules = none for this guest',
  });
}

/** What of a program is rendered; whatever else it may come to hold is an error, never left out. */
const RENDERED: { readonly [Part in keyof Required<RuleProgram>]: true } = { lists: true, in: true, out: true };

/**
 * Whatever a rule can say, and why ebtables cannot: whoever adds something to rules has to say it here, because what is
 * not rendered would make a rule broader.
 */
const OBSTACLES: {
  readonly [Part in keyof Required<Rule>]: (rule: Rule, program: RuleProgram) => string | undefined;
} = {
  direction: possible,
  verdict: ({ verdict }) => (verdict === 'reject' ? 'reject (it only drops)' : undefined),
  family: possible,
  protocols: possible,
  ports: withPorts,
  sports: withPorts,
  types: possible,
  from: possible,
  to: possible,
  stateless: ({ verdict, stateless, direction }, program) =>
    verdict !== 'allow' || stateless || program[direction === 'in' ? 'out' : 'in'].length === 0
      ? undefined
      : 'it knows no conversations: write stateless, and a line for the answers',
  limit: ({ limit }) => (limit === undefined ? undefined : 'limit'),
  log: ({ log }) => (log ? 'log' : undefined),
  at: possible,
};

function possible(): undefined {
  return undefined;
}

function withPorts({ protocols, ports, sports }: Rule): string | undefined {
  if (ports.length + sports.length === 0) return undefined;
  const without = protocols.find((number) => !WITH_PORTS.includes(number));
  return without === undefined ? undefined : `it sees no ports of ${protocolText(without)}`;
}

/** Of these ebtables sees ports: extensions/libebt_ip.c, net/bridge/netfilter/ebt_ip.c. */
const WITH_PORTS: readonly number[] = [
  PROTOCOLS.tcp.number,
  PROTOCOLS.udp.number,
  PROTOCOLS.sctp.number,
  PROTOCOLS.dccp.number,
];

/** One line of the policy is a rule for every combination; more than this many are no filter any more. */
const MOST = 256;

function whyNot(rule: Rule, program: RuleProgram): string | undefined {
  const found = Object.values(OBSTACLES).flatMap((obstacle) => obstacle(rule, program) ?? [])[0];
  if (found !== undefined) return found;
  const { length } = alternatives(rule);
  return length > MOST ? `it would be ${length} rules, of at most ${MOST}` : undefined;
}

/** The conditions of a rule, one of which must hold. */
function alternatives(rule: Rule): Options[] {
  const { from, to, protocols } = rule;
  if (rule.family === undefined && from.length + to.length + protocols.length === 0) return [{}];
  return ([4, 6] as const)
    .filter((family) => rule.family === undefined || rule.family === family)
    .flatMap((family) => ofFamily(rule, family));
}

function ofFamily({ protocols, ports, sports, types, from, to }: Rule, family: Family): Options[] {
  const ip = family === 4 ? '--ip' : '--ip6';
  const numbers = protocols.filter((number) => (protocolOf(number).family ?? family) === family);
  if (protocols.length > 0 && numbers.length === 0) return [];
  const choices: Options[][] = [
    [{ '-p': family === 4 ? 'IPv4' : 'IPv6' }],
    numbers.map((number) => ({ [`${ip}-protocol`]: String(number) })),
    addresses(`${ip}-source`, family, from),
    addresses(`${ip}-destination`, family, to),
    numberRanges(`${ip}-source-port`, sports),
    numberRanges(`${ip}-destination-port`, ports),
    numberRanges(`${ip}-icmp-type`, runsOf(types)),
  ];
  return choices
    .filter((alternative) => alternative.length > 0)
    .reduce<Options[]>((all, one) => all.flatMap((begun) => one.map((more) => ({ ...begun, ...more }))), [{}]);
}

/** ebtables has blocks, no ranges. All addresses of a family are no condition (and /0 is none that legacy takes). */
function addresses(option: string, family: Family, ranges: readonly AddressRange[]): Options[] {
  const blocks = ranges.filter((range) => range.family === family).flatMap(blocksOf);
  return blocks.some((block) => block.endsWith('/0')) ? [] : blocks.map((block) => ({ [option]: block }));
}

function numberRanges(option: string, ranges: readonly NumberRange[]): Options[] {
  return ranges.map(([first, last]) => ({ [option]: first === last ? String(first) : `${first}:${last}` }));
}

/** What no rule stops (isNeverJudged). */
const NEVER_JUDGED: Readonly<Record<RuleDirection, readonly EbtRule[]>> = {
  in: neverJudged('in'),
  out: neverJudged('out'),
};

function neverJudged(direction: RuleDirection): EbtRule[] {
  return [
    { '-p': 'IPv4', '--ip-protocol': String(IGMP) },
    ...numberRanges('--ip6-icmp-type', runsOf(VITAL_ICMP6)).map((type) => ({
      '-p': 'IPv6',
      '--ip6-protocol': String(PROTOCOLS.icmp6.number),
      ...type,
    })),
    ...DHCP_PORTS.map(({ family, client, server }) => {
      const ip = family === 4 ? '--ip' : '--ip6';
      const [source, destination] = direction === 'out' ? [client, server] : [server, client];
      return {
        '-p': family === 4 ? 'IPv4' : 'IPv6',
        [`${ip}-protocol`]: String(PROTOCOLS.udp.number),
        [`${ip}-source-port`]: String(source),
        [`${ip}-destination-port`]: String(destination),
      };
    }),
  ].map((options) => ({ options, target: 'ACCEPT' }));
}
