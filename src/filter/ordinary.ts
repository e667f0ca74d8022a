/**
 * Ordinary traffic: TCP and UDP between stations, with the own addresses. A backend may decide it by a short way, which
 * then must never let anything through that a stage was still to judge. So what there is to judge is read from the
 * stages.
 */
import { Failure } from '../errors.ts';
import type { Direction } from './reasons.ts';
import {
  type FieldMatch,
  isSwitch,
  type Match,
  type NumberField,
  type Outcome,
  PERMITTED,
  type Stage,
  sameOutcome,
  sameTest,
} from './stage.ts';
import { STAGES } from './stages.ts';
import {
  ANY_PORT,
  BROADCAST_BITS,
  ETHERTYPE,
  GROUP_BIT,
  IPV4_LOOPBACK,
  IPV4_MANY,
  IPV4_PLAIN,
  IPV4_STATIONS,
  IPV4_THIS_NETWORK,
  IPV6_GROUP,
  IPV6_GROUPS,
  IPV6_VERSION,
  PROTOCOL,
  UDP_LENGTHS,
  WHOLE_PACKET,
} from './wire.ts';

export type Family = 'ip' | 'ip6';
export type Transport = 'tcp' | 'udp';

/** What is certain of a frame. Of everything else each answer is possible. */
export interface Facts {
  readonly values: Readonly<Partial<Record<NumberField, number>>>;
  readonly sure: readonly Match[];
  readonly never: readonly Match[];
}

/**
 * What the short way has made sure of, in the stages' own words (src/backends/nftables/quick.ts asks it of every frame,
 * all but the port): a new step that asks something else may go either way, and test/filter/ordinary.test.ts then says
 * so.
 */
export function ordinaryFacts(direction: Direction, family: Family, transport: Transport): Facts {
  const fromGuest = direction === 'from-guest';
  const protocol = PROTOCOL[transport];
  const mac: Pick<Facts, 'sure' | 'never'> = fromGuest
    ? { sure: [], never: [{ field: 'ether saddr', notOwn: 'mac' }] }
    : { sure: [{ field: 'ether daddr', own: 'mac' }], never: [{ field: 'ether saddr', own: 'mac' }] };
  // Of TCP no stage looks at anything, and towards a guest no stage looks at a length.
  const length: Match[] =
    transport === 'tcp'
      ? []
      : [fromGuest ? { field: 'udp length', within: UDP_LENGTHS } : { field: 'udp dport', within: ANY_PORT }];
  if (family === 'ip') {
    return {
      values: { 'ether type': ETHERTYPE.ip, 'ip version-ihl': IPV4_PLAIN, 'ip protocol': protocol },
      sure: [
        ...mac.sure,
        { field: 'ip daddr', within: IPV4_STATIONS },
        { vif: 'ipv4' },
        fromGuest ? { field: 'ip saddr', own: 'ip' } : { field: 'ip daddr', own: 'ip' },
        ...length,
      ],
      never: [
        ...mac.never,
        { field: 'ether daddr', masked: GROUP_BIT },
        { field: 'ip daddr', within: IPV4_MANY },
        ...(fromGuest
          ? ([
              { field: 'ip daddr', block: IPV4_THIS_NETWORK },
              { field: 'ip daddr', block: IPV4_LOOPBACK },
              { field: 'ip saddr', block: IPV4_THIS_NETWORK },
              { field: 'ip saddr', block: IPV4_LOOPBACK },
              { field: 'ip saddr', within: IPV4_MANY },
              { field: 'ip daddr', masked: BROADCAST_BITS },
              { field: 'ip frag-off', notMasked: WHOLE_PACKET },
            ] as const)
          : ([{ field: 'ip saddr', own: 'sole' }] as const)),
      ],
    };
  }
  return {
    values: {
      'ether type': ETHERTYPE.ip6,
      'ip6 version': IPV6_VERSION,
      'ip6 nexthdr': protocol,
      'ip6 upper-layer': protocol,
    },
    sure: [
      ...mac.sure,
      { field: 'ip6 daddr', notMasked: IPV6_GROUP },
      { vif: 'ipv6' },
      fromGuest ? { field: 'ip6 saddr', own: 'ip6' } : { field: 'ip6 daddr', own: 'ip6' },
      ...length,
    ],
    never: [
      ...mac.never,
      { field: 'ether daddr', masked: GROUP_BIT },
      { field: 'ip6 daddr', block: IPV6_GROUPS },
      ...(fromGuest
        ? ([
            { field: 'ip6 saddr', is: '::' },
            { field: 'ip6 saddr', block: '::/96' },
            { field: 'ip6 saddr', block: '::ffff:0:0/96' },
            { field: 'ip6 saddr', block: IPV6_GROUPS },
            { field: 'ip6 daddr', is: '::1' },
          ] as const)
        : ([{ field: 'ip6 saddr', own: 'sole6' }] as const)),
    ],
  };
}

/**
 * The UDP ports that some stage of this family judges, in the order in which the stages name them: for frames to one
 * station, and, to be sure, those that are only judged in frames to many.
 *
 * @throws Failure `internal` for a question about ports that is not a list of them
 */
export function judgedPorts(
  direction: Direction,
  family: Family,
  stages: readonly Stage[] = STAGES[direction],
): readonly number[] {
  const facts = ordinaryFacts(direction, family, 'udp');
  const judged = new Set<number>();
  const look = (ports: readonly number[], so: Outcome): void => {
    if (endsOf(stages, so, facts).some((end) => !sameOutcome(end, PERMITTED)))
      for (const port of ports) judged.add(port);
  };
  for (const stage of stagesOf(stages, family)) {
    for (const step of stage.steps) {
      if (isSwitch(step)) {
        if (step.switch === 'udp dport') for (const { values, so } of step.cases) look(values, so);
        continue;
      }
      const answers = step.when.map((match) => answer(match, facts));
      if (answers.includes(false)) continue;
      step.when.forEach((match, at) => {
        if (answers[at] === undefined && 'field' in match && match.field === 'udp dport')
          look([portOf(match, stage)], step.so);
      });
      // No ordinary frame gets past a step that surely takes it.
      if (answers.every((one) => one === true)) break;
    }
  }
  return [...judged];
}

function portOf(match: FieldMatch, stage: Stage): number {
  if ('is' in match && typeof match.is === 'number') return match.is;
  throw new Failure('internal', `the short way does not understand what ${stage.name} asks about ports`);
}

/** Everything that may become of a frame of which these facts are certain: its last outcomes. */
export function endsOf(stages: readonly Stage[], outcome: Outcome, facts: Facts): Outcome[] {
  if (!('goto' in outcome)) return [outcome];
  const stage = stages.find(({ name }) => name === outcome.goto);
  if (stage === undefined) throw new Failure('internal', `no stage ${outcome.goto}`);
  const ends: Outcome[] = [];
  const follow = (so: Outcome): number => ends.push(...endsOf(stages, so, facts));
  for (const step of stage.steps) {
    if (isSwitch(step)) {
      const cases = step.cases.flatMap(({ values, so }) =>
        values.map((is) => ({ so, taken: answer({ field: step.switch, is }, facts) })),
      );
      for (const one of cases) if (one.taken !== false) follow(one.so);
      if (cases.some((one) => one.taken === true)) return ends;
      continue;
    }
    const answers = step.when.map((match) => answer(match, facts));
    if (answers.includes(false)) continue;
    follow(step.so);
    if (answers.every((one) => one === true)) return ends;
  }
  follow(stage.otherwise);
  return ends;
}

/** Fields that only a packet of this protocol has: of another one no question about them is answered with yes. */
const HEADERS: Readonly<Record<string, number>> = {
  udp: PROTOCOL.udp,
  icmp: PROTOCOL.icmp,
  igmp: PROTOCOL.igmp,
  icmpv6: PROTOCOL.icmpv6,
};

/** True, false, or undefined where it may be either. */
function answer(match: Match, facts: Facts): boolean | undefined {
  if (facts.sure.some((fact) => sameMatch(fact, match))) return true;
  if (facts.never.some((fact) => sameMatch(fact, match))) return false;
  if ('vif' in match || 'over' in match) return undefined;
  const protocol = facts.values['ip protocol'] ?? facts.values['ip6 nexthdr'];
  const header = HEADERS[match.field.split(' ')[0] ?? ''];
  if (protocol !== undefined && header !== undefined && header !== protocol) return false;
  const value = Object.entries(facts.values).find(([field]) => field === match.field)?.[1];
  return value === undefined ? undefined : compare(value, match);
}

function compare(value: number, match: FieldMatch): boolean | undefined {
  if ('is' in match) return value === match.is;
  if ('isNot' in match) return value !== match.isNot;
  if ('within' in match) return inRange(value, match.within);
  if ('notWithin' in match) return !inRange(value, match.notWithin);
  return undefined;
}

function inRange(value: number, [first, last]: readonly [unknown, unknown]): boolean {
  return value >= Number(first) && value <= Number(last);
}

function sameMatch(a: Match, b: Match): boolean {
  if ('over' in a || 'over' in b) return 'over' in a && 'over' in b && a.over === b.over;
  if ('vif' in a || 'vif' in b) return 'vif' in a && 'vif' in b && a.vif === b.vif;
  return a.field === b.field && sameTest(a, b);
}

/** The stages that frames of one family come to, in their order. */
function stagesOf(stages: readonly Stage[], family: Family): Stage[] {
  const reached = new Set<string>();
  const visit = (name: string): void => {
    if (reached.has(name)) return;
    reached.add(name);
    for (const step of stages.find((stage) => stage.name === name)?.steps ?? []) {
      // What has a tag takes no short way.
      if (!isSwitch(step)) {
        if (!step.when.some((match) => 'field' in match && match.field === 'vlan id')) next(step.so);
      } else
        for (const { values, so } of step.cases)
          if (step.switch !== 'ether type' || values.includes(ETHERTYPE[family])) next(so);
    }
    const otherwise = stages.find((stage) => stage.name === name)?.otherwise;
    if (otherwise !== undefined) next(otherwise);
  };
  const next = (so: Outcome): void => {
    if ('goto' in so) visit(so.goto);
  };
  visit('start');
  return stages.filter(({ name }) => reached.has(name));
}
