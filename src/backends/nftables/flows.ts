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
  WHOLE,
  WITH_PORTS,
  type WithPorts,
} from './flow-keys.ts';
import { noteFragment, renderOpenings } from './flow-openings.ts';
import { CLOSING, closingSet, echoSet, flowSet, fragmentSet, pairSet } from './flow-sets.ts';
import { briefSet, givenSet, giveOtherTime, giveTime, longPairSet, renderTimes } from './flow-times.ts';
import { answers } from './rejections.ts';

/**
 * What the rules of all guests share: the conversations that were allowed, as elements that end by themselves, and the
 * chains that look for them. No conntrack: kernels before 5.3 have none for bridges, and where it is, it tracks and
 * puts together the traffic of all bridges of the host, and one guest can fill its table.
 *
 * A conversation is keyed by the guest's port and addresses as the guest sees them, so both directions find one
 * element. It begins for 30 seconds; a packet that comes to the guest proves that there is somebody, and gives it more
 * time (flow-times.ts). So a flood of first packets fills nothing for long.
 */

/** True where the policy gives rules to somebody: only then the rules of all vifs have what these need. */
export function someHaveRules({ sections = [] }: Partial<Pick<Policy, 'sections'>>): boolean {
  return sections.some(({ settings }) => (settings.rules ?? []).length > 0);
}

/** The chains of one direction. */
export function renderFlows(direction: Direction): string[] {
  return [
    ...FAMILIES.flatMap((family) => [
      ...(direction === 'to-guest'
        ? renderTimes(family, (protocol) => flowSet(family, protocol), pairSet(family))
        : []),
      ...renderKnown(direction, family),
      ...renderOpenings(direction, family),
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
      ...[pairSet(family), longPairSet(family)].map(
        (set) => `${text} type ${errors} ${quotedKey(direction, family)} @${set} accept`,
      ),
      ...(direction === 'to-guest' ? [answers(family).other] : []),
    ]),
    ...chain(
      knownChain(direction, 'fragment', family),
      'Later fragments have no ports: they pass with their first one.',
      [`${fragmentKey(direction, family)} @${fragmentSet(family)} accept`],
    ),
    // In one rule with the family nft would list the bits of the key by their names, and not take them back.
    ...chain(knownChain(direction, 'other', family), 'Of protocols without ports all between the two.', [
      ...(direction === 'to-guest' ? giveOtherTime(family, pairSet(family)) : []),
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

function dhcpRule(direction: Direction, family: Ip): string {
  const ports = DHCP_PORTS.find((one) => one.family === (family === 'ip' ? 4 : 6));
  const [from, to] = direction === 'from-guest' ? [ports?.client, ports?.server] : [ports?.server, ports?.client];
  return `udp sport ${from} udp dport ${to} accept`;
}
