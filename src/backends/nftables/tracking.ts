import type { Direction } from '../../filter/reasons.ts';
import type { Policy } from '../../policy/policy.ts';
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
  RAW,
  TIMED,
  WITH_PORTS,
  type WithPorts,
} from './flow-keys.ts';
import { BEGINNING } from './flow-times.ts';
import { FRAGMENTS, LASTING, NEW_RATE } from './flows.ts';
import { PORT } from './own.ts';
import { counterKey } from './stages.ts';

/**
 * What the filters of libvirt need to know of conversations. conntrack tells who has begun one and whether there was an
 * answer; here these are sets: begun by the guest, begun by others, answered. Keyed by port, so guests know nothing of
 * each other, and on every kernel with the bridge family.
 */

type Kind = WithPorts | 'echo' | 'other';
const SIZES: Readonly<Record<Kind, number>> = {
  tcp: 65_536,
  udp: 65_536,
  sctp: 4_096,
  dccp: 4_096,
  udplite: 4_096,
  echo: 4_096,
  other: 4_096,
};
const KINDS: readonly Kind[] = [...WITH_PORTS, 'echo', 'other'];
const STATES = ['out', 'in', 'answered'] as const;
type State = (typeof STATES)[number];

const setOf = (state: State, kind: Kind, family: Ip): string => `tracked-${state}-${kind}-${family}`;
const pairs = (family: Ip): string => `tracked-pair-${family}`;
const fragments = (family: Ip): string => `tracked-fragment-${family}`;
const NEW_SET = 'tracked-new';
/** Pairs of equal octets: what is not equal is not in it. */
const EQUAL = 'equal-octets';

/** True where the policy gives somebody a filter of libvirt's. */
export function someHaveFilters({ sections = [] }: Partial<Pick<Policy, 'sections'>>): boolean {
  return sections.some(({ settings }) => settings.nwfilter !== undefined && settings.nwfilter !== 'none');
}

/** The sets that frames fill, with their sizes. */
export const TRACKED_SETS: readonly { readonly name: string; readonly size: number }[] = FAMILIES.flatMap((family) => [
  ...KINDS.flatMap((kind) => STATES.map((state) => ({ name: setOf(state, kind, family), size: SIZES[kind] }))),
  { name: pairs(family), size: 65_536 },
  { name: fragments(family), size: 16_384 },
]);

export function declareTracking(): string[] {
  return [
    "# Conversations, for libvirt's filters: who has begun them, and whether there was an answer.",
    ...FAMILIES.flatMap((family) => {
      const address = family === 'ip' ? 'ipv4_addr' : 'ipv6_addr';
      const [source, destination, protocol] = RAW[family];
      const id = family === 'ip' ? 'ip id' : 'frag id';
      const type = (kind: Kind): string => {
        if (kind === 'echo') return `typeof iifgroup . ${family} saddr . ${family} daddr . ${ICMP[family].text} id`;
        if (kind === 'other') return `typeof iifgroup . ${source} . ${destination} . ${protocol}`;
        return `type devgroup . ${address} . ${address} . inet_service . inet_service`;
      };
      return [
        ...KINDS.flatMap((kind) =>
          STATES.map(
            (state) => `set ${setOf(state, kind, family)} { ${type(kind)}; ${TIMED(SIZES[kind], BEGINNING)}; }`,
          ),
        ),
        `set ${pairs(family)} { ${type('other')}; ${TIMED(65_536, LASTING.other)}; }`,
        `set ${fragments(family)} { typeof iifgroup . ${family} saddr . ${family} daddr . ${id}; ${TIMED(16_384, FRAGMENTS)}; }`,
      ];
    }),
    `set ${NEW_SET} { type devgroup; size 65536; flags dynamic,timeout; timeout 1m; }`,
    `set ${EQUAL} { typeof @nh,112,8 . @nh,192,8; elements = { ${Array.from({ length: 256 }, (_, at) => `${at} . ${at}`).join(', ')} }; }`,
  ];
}

/** Sender and target of an ARP packet are one address: octet by octet, because nft compares no field with another. */
export function equalAddresses(): string {
  return [0, 8, 16, 24].map((at) => `@nh,${112 + at},8 . @nh,${192 + at},8 @${EQUAL}`).join(' ');
}
/** They differ in one of the four. */
export function differentAddresses(): string[] {
  return [0, 8, 16, 24].map((at) => `@nh,${112 + at},8 . @nh,${192 + at},8 != @${EQUAL}`);
}

export function noteChain(direction: Direction, family: Ip): string {
  return `${direction}/note-${family}`;
}

function keyOfKind(kind: Kind, direction: Direction, family: Ip): string {
  if (kind === 'echo') return echoKey(direction, family);
  return kind === 'other' ? pairKey(direction, family) : flowKey(direction, family);
}

/**
 * Echoes (RFC 792, RFC 4443 §4). nft knows the identifier of these alone; answers to other questions of ICMP
 * (timestamps, masks) belong to none.
 */
const ECHOES: Readonly<Record<Ip, readonly [question: number, answer: number]>> = { ip: [8, 0], ip6: [128, 129] };
/** Questions without an identifier that nft knows. */
const OTHER_QUESTIONS: Readonly<Record<Ip, string | undefined>> = { ip: '{ 13, 15, 17 }', ip6: undefined };
/** RFC 792: what tells of another packet; conntrack counts redirects and source quench among them. */
const ERRORS: Readonly<Record<Ip, string>> = { ip: '{ 3, 4, 5, 11, 12 }', ip6: '{ 1, 2, 3, 4 }' };

/** Notes the conversation of a packet that passes. */
export function renderNotes(direction: Direction): string[] {
  const port = PORT[direction];
  const [own, other]: [State, State] = direction === 'from-guest' ? ['out', 'in'] : ['in', 'out'];
  const flood = `add @drops { ${port} . ${counterKey(direction, 'rule-flood')} }`;
  return FAMILIES.flatMap((family) => {
    const chainOf = (kind: Kind): string => `${direction}/note-${kind}-${family}`;
    const noting = KINDS.flatMap((kind) => {
      const key = keyOfKind(kind, direction, family);
      const [begun, theirs, answered] = [
        setOf(own, kind, family),
        setOf(other, kind, family),
        setOf('answered', kind, family),
      ];
      const time = kind === 'tcp' ? LASTING.tcp : LASTING.other;
      const update = (set: string): string => `update @${set} { ${key} timeout ${time} }`;
      return chain(chainOf(kind), `Notes a conversation: ${kind}.`, [
        ...(kind === 'echo' ? [`${ICMP[family].text} type != { ${ECHOES[family].join(', ')} } accept`] : []),
        `${key} @${theirs} ${update(theirs)} ${update(answered)} accept`,
        `${key} @${answered} ${update(begun)} ${update(answered)} accept`,
        `${key} @${begun} accept`,
        ...(kind === 'tcp' ? ['tcp flags & (fin | syn | rst | ack) != { syn, ack } accept'] : []),
        ...(kind === 'echo' ? [`${ICMP[family].text} type ${ECHOES[family][1]} accept`] : []),
        `${port} != @observe update @${NEW_SET} { ${port} ${NEW_RATE} } ${flood} drop comment "rule-flood"`,
        `add @${begun} { ${key} timeout ${BEGINNING} }`,
        'accept',
      ]);
    });
    const icmp = PROTOCOLS[family === 'ip' ? 'icmp' : 'icmp6'].number;
    const cases = [
      ...WITH_PORTS.map((one) => `${PROTOCOLS[one].number} : goto ${chainOf(one)}`),
      `${icmp} : goto ${chainOf('echo')}`,
    ];
    return [
      ...noting,
      ...chain(noteChain(direction, family), 'Notes the conversation of what passes.', [
        `${FIRST[family]} add @${fragments(family)} { ${fragmentKey(direction, family)} }`,
        `update @${pairs(family)} { ${pairKey(direction, family)} }`,
        `meta l4proto vmap { ${cases.join(', ')} }`,
        `goto ${chainOf('other')}`,
      ]),
    ];
  });
}

/** Where a packet goes, by what it is of its conversation. */
export interface ClassTargets {
  readonly new: string;
  readonly established: string;
  readonly reply: string;
  readonly related: string;
  readonly other: string;
}

/**
 * The rules that tell classes of packets from each other, as conntrack does. Later fragments go with their first one;
 * those that are not known are dropped, because they have no ports.
 */
export function classRules(direction: Direction, family: Ip, to: ClassTargets, drop: string): string[] {
  const [own, other]: [State, State] = direction === 'from-guest' ? ['out', 'in'] : ['in', 'out'];
  const { text } = ICMP[family];
  const later = family === 'ip' ? '@nh,48,16 & 0x1fff != 0' : 'frag frag-off != 0';
  const icmp = PROTOCOLS[family === 'ip' ? 'icmp' : 'icmp6'].number;
  const [questions, answers] = ECHOES[family];
  const goto = (name: keyof ClassTargets): string => `goto ${to[name]}`;
  const known = (kind: Kind, when: string): string[] => {
    const key = keyOfKind(kind, direction, family);
    return [
      `${when}${key} @${setOf(other, kind, family)} ${goto('reply')}`,
      ...(to.established === to.new
        ? []
        : [`${when}${key} @${setOf('answered', kind, family)} ${goto('established')}`]),
    ];
  };
  return [
    `${fragmentKey(direction, family)} @${fragments(family)} accept`,
    `${later} ${drop}`,
    ...WITH_PORTS.flatMap((one) => {
      const when = `meta l4proto ${PROTOCOLS[one].number} `;
      return [
        ...known(one, when),
        ...(one === 'tcp'
          ? [
              `${when}${keyOfKind(one, direction, family)} @${setOf(own, one, family)} ${goto('new')}`,
              `${when}tcp flags & (fin | syn | rst | ack) { syn, ack } ${goto('new')}`,
              `${when}${goto('other')}`,
            ]
          : [`${when}${goto('new')}`]),
      ];
    }),
    `${text} type ${answers} ${echoKey(direction, family)} @${setOf(other, 'echo', family)} ${goto('reply')}`,
    ...(to.established === to.new
      ? []
      : [
          `${text} type ${questions} ${echoKey(direction, family)} @${setOf('answered', 'echo', family)} ${goto('established')}`,
        ]),
    `${text} type ${questions} ${goto('new')}`,
    ...(OTHER_QUESTIONS[family] === undefined ? [] : [`${text} type ${OTHER_QUESTIONS[family]} ${goto('new')}`]),
    `${text} type ${ERRORS[family]} ${quotedKey(direction, family)} @${pairs(family)} ${goto('related')}`,
    `meta l4proto ${icmp} ${goto('other')}`,
    ...known('other', ''),
    goto('new'),
  ];
}
