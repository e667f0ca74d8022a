import type { Direction } from '../../filter/reasons.ts';
import type { Policy } from '../../policy/policy.ts';
import { DHCP_PORTS, IGMP, VITAL_ICMP6 } from '../../rules/judge.ts';
import { PROTOCOLS } from '../../rules/protocols.ts';
import {
  chain,
  echoKey,
  FAMILIES,
  FIRST,
  flowKey,
  fragmentKey,
  ICMP,
  type Ip,
  pairKey,
  quotedKey,
  TIMED,
  typeOf,
  WHOLE,
  WITH_PORTS,
  type WithPorts,
} from './flow-keys.ts';
import { BEGINNING, briefSet, declareTimes, givenSet, giveTime, renderTimes, timeSets } from './flow-times.ts';
import { PORT } from './own.ts';
import { ration } from './rations.ts';
import { answers } from './rejections.ts';
import { dropChain } from './stages.ts';

/**
 * What the rules of all guests share: the conversations that were allowed, as elements that end by themselves, and the
 * chains that look for them. No conntrack: kernels before 5.3 have none for bridges, and where it is, it tracks and
 * puts together the traffic of all bridges of the host, and one guest can fill its table.
 *
 * A conversation is keyed by the guest's port and addresses as the guest sees them, so both directions find one
 * element. It begins for 30 seconds; a packet that comes to the guest proves that there is somebody, and gives it more
 * time (flow-times.ts). So a flood of first packets fills nothing for long.
 */

/** Of two ends, for errors, and of what has no ports. */
const PAIR_TIME = '3m';
/** What is left of a TCP conversation behind FIN or RST; one that is half closed lives on as long as it is used. */
const CLOSING = '2m';
/** The others come with the first one, and a guest can make many. */
const FRAGMENT_TIME = '5s';
/** New conversations of one guest: a browser makes some dozens at once, a busy web server some hundreds in a second. */
export const NEW_LIMIT = { rate: 500, burst: 2000 } as const;

/**
 * How many conversations there can be. One takes about 200 bytes of kernel memory, and a set of this size 16 bytes for
 * each of them from the start (lib/rhashtable.c: nelem_hint): 44 MB in all, so the sets exist only while the policy has
 * rules. Each is at least half as large again as what one guest can have in it (test/backends/flow-shares.test.ts).
 */
const FLOWS = { tcp: 262_144, udp: 262_144, sctp: 49_152, dccp: 49_152, udplite: 49_152 } as const;
/**
 * Those of TCP that have ended. Without a table of their own each would stand for an hour among the others, and a web
 * server of 73 conversations a second would fill that.
 */
const CLOSED = 131_072;
const PAIRS = 131_072;
const ECHOES = 65_536;
const FRAGMENTED = 65_536;
const LIMITED = 16_384;

/**
 * Where rules go on to. The kernel follows chains 16 deep (NFT_JUMP_STACK_SIZE), and the stages take up to 13 of them:
 * a program is one, and what it goes to leads to no other (test/backends/nft-text.test.ts).
 */
export type FlowChain = 'open' | 'pass';

export function flowChain(direction: Direction, chain: FlowChain, family: Ip): string {
  return `${direction}/rules-${chain}-${family}`;
}

const flowSet = (family: Ip, protocol: WithPorts): string => `flows-${protocol}-${family}`;
const echoSet = (family: Ip): string => `flows-echo-${family}`;
const closingSet = (family: Ip): string => `flows-closing-${family}`;
const pairSet = (family: Ip): string => `flows-pair-${family}`;
const fragmentSet = (family: Ip): string => `flows-fragment-${family}`;
const NEW_SET = 'flows-new';
/** What guests have used up of the limits of their rules. */
export const RULE_LIMITS = 'rule-limits';

/** The sets of conversations, with how many each can hold: for `status`. */
export const FLOW_SETS: readonly {
  readonly name: string;
  readonly size: number;
  /** Knows more of conversations that are in another one. */
  readonly more?: true;
}[] = FAMILIES.flatMap((family) => [
  ...WITH_PORTS.map((protocol) => ({ name: flowSet(family, protocol), size: FLOWS[protocol] })),
  { name: closingSet(family), size: CLOSED },
  { name: pairSet(family), size: PAIRS },
  { name: echoSet(family), size: ECHOES },
  { name: fragmentSet(family), size: FRAGMENTED },
  ...timeSets(family),
]);

/** True where the policy gives rules to somebody: only then the rules of all vifs have what these need. */
export function someHaveRules({ sections = [] }: Partial<Pick<Policy, 'sections'>>): boolean {
  return sections.some(({ settings }) => (settings.rules ?? []).length > 0);
}

/**
 * nft 1.0.6 aborts when it lists two elements of six parts, or of five with `ip protocol` (mergesort.c): a set for each
 * protocol keeps them short.
 */
export function declareFlows(): string[] {
  return [
    '# What the rules of guests have allowed: conversations, as the guest sees them.',
    ...FAMILIES.flatMap((family) => {
      const ports = typeOf('ports', family);
      return [
        ...WITH_PORTS.map((one) => `set ${flowSet(family, one)} { ${ports}; ${TIMED(FLOWS[one], BEGINNING)}; }`),
        `set ${closingSet(family)} { ${ports}; ${TIMED(CLOSED, CLOSING)}; }`,
        `set ${echoSet(family)} { ${typeOf('echo', family)}; ${TIMED(ECHOES, BEGINNING)}; }`,
        `set ${pairSet(family)} { ${typeOf('other', family)}; ${TIMED(PAIRS, PAIR_TIME)}; }`,
        `set ${fragmentSet(family)} { ${typeOf('fragment', family)}; ${TIMED(FRAGMENTED, FRAGMENT_TIME)}; }`,
        ...declareTimes(family),
      ];
    }),
    `set ${RULE_LIMITS} { type devgroup . mark; ${TIMED(LIMITED, '5m')}; }`,
    `set ${NEW_SET} { type devgroup; size 65536; flags dynamic,timeout; timeout 1m; }`,
  ];
}

/** The chains of one direction. */
export function renderFlows(direction: Direction): string[] {
  return [
    ...FAMILIES.flatMap((family) => [
      ...(direction === 'to-guest' ? renderTimes(family, (protocol) => flowSet(family, protocol)) : []),
      ...renderKnown(direction, family),
      ...renderOpen(direction, family),
    ]),
    ...renderAllKnown(direction),
  ];
}

/** "Is it known?" A frame that is not comes back to the rules. */
function renderKnown(direction: Direction, family: Ip): string[] {
  const { text, echo, errors } = ICMP[family];
  const key = flowKey(direction, family);
  return [
    ...WITH_PORTS.flatMap((protocol) => {
      const set = flowSet(family, protocol);
      const sets = protocol === 'tcp' ? [set, briefSet(family)] : [set];
      return chain(knownChain(direction, protocol, family), 'A conversation that was allowed.', [
        ...sets.map((one) => `${FIRST[family]} ${key} @${one} ${noteFragment(direction, family)}`),
        ...(protocol === 'tcp' ? endRules(direction, family) : []),
        ...(direction === 'to-guest' ? giveTime(family, protocol, sets) : sets.map((one) => `${key} @${one} accept`)),
        ...(protocol === 'tcp' ? closingRules(direction, family) : []),
        ...(protocol === 'tcp' && direction === 'to-guest' ? [answers(family).tcp] : []),
        ...(protocol === 'udp' ? [dhcpRule(direction, family)] : []),
      ]);
    }),
    ...chain(knownChain(direction, 'icmp', family), 'Answers to echoes, and errors about what was allowed.', [
      ...(family === 'ip6' ? [`icmpv6 type { ${VITAL_ICMP6.join(', ')} } accept`] : []),
      `${FIRST[family]} ${text} type { ${echo.join(', ')} } ${echoKey(direction, family)} @${echoSet(family)} ${noteFragment(direction, family)}`,
      `${text} type { ${echo.join(', ')} } ${echoKey(direction, family)} @${echoSet(family)} accept`,
      `${text} type ${errors} ${quotedKey(direction, family)} @${pairSet(family)} accept`,
      ...(direction === 'to-guest' ? [answers(family).other] : []),
    ]),
    ...chain(
      knownChain(direction, 'fragment', family),
      'Later fragments have no ports: they pass with their first one.',
      [`${fragmentKey(direction, family)} @${fragmentSet(family)} accept`],
    ),
    // In one rule with the family nft would list the bits of the key by their names, and not take them back.
    ...chain(knownChain(direction, 'other', family), 'Of protocols without ports all between the two.', [
      `${pairKey(direction, family)} @${pairSet(family)} accept`,
    ]),
  ];
}

/** The short way of nearly all packets: a conversation goes on as it was, and needs no more time. */
function ordinaryRules(direction: Direction, family: Ip): string[] {
  const known = (protocol: 'tcp' | 'udp'): string => {
    const set = direction === 'from-guest' ? flowSet(family, protocol) : givenSet(family, protocol);
    return `${flowKey(direction, family)} @${set} accept`;
  };
  return [
    `${WHOLE.tcp[family]} tcp flags & (fin | rst) == 0 ${known('tcp')}`,
    `${family === 'ip' ? 'meta l4proto 17 ' : ''}${WHOLE.udp[family]} ${known('udp')}`,
  ];
}

/**
 * FIN or RST: it is moved to those that end. First added, then deleted: where there is no room it stays where it is.
 * Whether the sequence number fits is not looked at; so one that is still used goes on all the same.
 */
function endRules(direction: Direction, family: Ip): string[] {
  const key = flowKey(direction, family);
  const all = [flowSet(family, 'tcp'), briefSet(family)];
  const gone = [...all, givenSet(family, 'tcp')].map((set) => `delete @${set} { ${key} }`).join(' ');
  return all.map(
    (set) => `tcp flags & (fin | rst) != 0 ${key} @${set} add @${closingSet(family)} { ${key} } ${gone} accept`,
  );
}

function closingRules(direction: Direction, family: Ip): string[] {
  const key = flowKey(direction, family);
  const set = closingSet(family);
  const goesOn = direction === 'to-guest' ? [`${key} @${set} update @${set} { ${key} timeout ${CLOSING} } accept`] : [];
  return [...goesOn, `${key} @${set} accept`];
}

function knownChain(direction: Direction, what: WithPorts | 'icmp' | 'fragment' | 'other', family: Ip): string {
  return `${direction}/rules-known-${what}-${family}`;
}

/**
 * With what a program begins: what belongs to an allowed conversation passes, and what no rule may stop; a packet that
 * begins something comes back. One chain for all programs: in each of them its map would be a set of its own, which
 * every listing fetches.
 */
export function knownRules(direction: Direction): string[] {
  return [`jump ${direction}/rules-known`];
}

function renderAllKnown(direction: Direction): string[] {
  const to = (what: Parameters<typeof knownChain>[1], family: Ip): string =>
    `jump ${knownChain(direction, what, family)}`;
  const cases = FAMILIES.flatMap((family) => [
    ...WITH_PORTS.map((one) => `${family} . ${PROTOCOLS[one].number} : ${to(one, family)}`),
    `${family} . ${PROTOCOLS[family === 'ip' ? 'icmp' : 'icmp6'].number} : ${to('icmp', family)}`,
    ...(['gre', 'esp', 'ah'] as const).map((one) => `${family} . ${PROTOCOLS[one].number} : ${to('other', family)}`),
  ]);
  return chain(`${direction}/rules-known`, 'What belongs to an allowed conversation, and what no rule may stop.', [
    ...FAMILIES.flatMap((family) => ordinaryRules(direction, family)),
    `meta protocol . meta l4proto vmap { ${[...cases, `ip . ${IGMP} : accept`].join(', ')} }`,
    `meta protocol ip @nh,48,16 & 0x1fff != 0 ${to('fragment', 'ip')}`,
    `frag frag-off != 0 ${to('fragment', 'ip6')}`,
    // Not in front of them: of what goes on nothing need be asked.
    'meta protocol != { ip, ip6 } accept comment "rules are about packets of IP"',
  ]);
}

/** The first fragment lets the others pass. */
function noteFragment(direction: Direction, family: Ip): string {
  const some = ration(PORT[direction], direction === 'from-guest' ? 'fragments-out' : 'fragments-in', false);
  return `${some} add @${fragmentSet(family)} { ${fragmentKey(direction, family)} }`;
}

/**
 * What a guest begins beyond its share is dropped. Who is only observed loses nothing, but fills no table for others
 * either: there it passes, and nobody knows of it.
 *
 * @param set of how many it has begun
 */
export function tooMany(direction: Direction, set: string): string[] {
  const port = PORT[direction];
  const { rate, burst } = NEW_LIMIT;
  const over = `update @${set} { ${port} limit rate over ${rate}/second burst ${burst} packets }`;
  return [`${over} goto ${dropChain(direction, 'rule-flood')}`];
}

/** Allowed: what belongs to it passes too, in both directions. And allowed for itself alone. */
function renderOpen(direction: Direction, family: Ip): string[] {
  const { text, echo } = ICMP[family];
  const fragments = `${FIRST[family]} ${noteFragment(direction, family)}`;
  return [
    ...chain(flowChain(direction, 'open', family), 'Allowed: what belongs to it passes too, in both directions.', [
      ...tooMany(direction, NEW_SET),
      ...WITH_PORTS.map(
        (protocol) =>
          `meta l4proto ${PROTOCOLS[protocol].number} add @${flowSet(family, protocol)} { ${flowKey(direction, family)} timeout ${BEGINNING} }`,
      ),
      `${text} type ${echo[0]} update @${echoSet(family)} { ${echoKey(direction, family)} }`,
      `update @${pairSet(family)} { ${pairKey(direction, family)} }`,
      fragments,
      'accept',
    ]),
    ...chain(flowChain(direction, 'pass', family), 'Allowed for itself alone.', [fragments, 'accept']),
  ];
}

function dhcpRule(direction: Direction, family: Ip): string {
  const ports = DHCP_PORTS.find((one) => one.family === (family === 'ip' ? 4 : 6));
  const [from, to] = direction === 'from-guest' ? [ports?.client, ports?.server] : [ports?.server, ports?.client];
  return `udp sport ${from} udp dport ${to} accept`;
}
