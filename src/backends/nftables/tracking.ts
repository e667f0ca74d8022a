import type { Direction } from '../../filter/reasons.ts';
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
  note,
  pairKey,
  quotedKey,
  WITH_PORTS,
} from './flow-keys.ts';
import { tooMany } from './flow-openings.ts';
import { BEGINNING } from './flow-times.ts';
import { PORT } from './own.ts';
import { type RationName, ration } from './rations.ts';
import {
  EQUAL,
  KINDS,
  type Kind,
  PAIR_TIME,
  type State,
  stateSet,
  TRACKED_TIMES,
  trackedFragments,
  trackedGiven,
  trackedPairs,
} from './tracked-sets.ts';

/** How packets of guests with filters of libvirt's are told to be of a conversation, and are noted for that. */

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

/** How much time a conversation is given, and of which share: what is tried in turn. */
function timesOf(kind: Kind): readonly { readonly name: RationName; readonly given: number; readonly again: number }[] {
  const { long, brief, udp, rare } = TRACKED_TIMES;
  if (kind === 'tcp') {
    return [
      { name: 'tracked-long', ...long },
      { name: 'tracked-brief', ...brief },
    ];
  }
  if (kind === 'udp') return [{ name: 'tracked-udp', ...udp }];
  return kind === 'echo' ? [{ name: 'tracked-echo', ...brief }] : [{ name: 'tracked-rare', ...rare }];
}

const LONG = `${TRACKED_TIMES.long.given}s`;

/** The most that a conversation is given. */
function mostOf(kind: Kind): string {
  return `${Math.max(...timesOf(kind).map(({ given }) => given))}s`;
}

/** Notes the conversation of a packet that passes, and never stops it but for one that begins too many. */
export function renderNotes(direction: Direction): string[] {
  const port = PORT[direction];
  const [own, other]: [State, State] = direction === 'from-guest' ? ['out', 'in'] : ['in', 'out'];
  return FAMILIES.flatMap((family) => {
    const chainOf = (kind: Kind): string => `${direction}/note-${kind}-${family}`;
    const pair = pairKey(direction, family);
    const [longPair, briefPair] = [`${direction}/note-pair-long-${family}`, `${direction}/note-pair-${family}`];
    const somePairs = ration(port, 'tracked-pairs', false);
    const updatePair = `${somePairs} update @${trackedPairs(family)} { ${pair} }`;
    // Of TCP it may get long time later.
    const notePair = `${somePairs} ${note(trackedPairs(family), pair, PAIR_TIME, LONG)}`;
    const noting = KINDS.flatMap((kind) => {
      const key = keyOfKind(kind, direction, family);
      const [begun, theirs, answered] = [
        stateSet(own, kind, family),
        stateSet(other, kind, family),
        stateSet('answered', kind, family),
      ];
      // An answer, or a packet behind one: there is somebody on both sides.
      const goesOn = (which: string, set: string): string[] => [
        ...timesOf(kind).map(({ name, given, again }) => {
          const all = [
            ration(port, name, false),
            ...[set, answered].map((one) => note(one, key, `${given}s`, mostOf(kind))),
            `add @${trackedGiven(kind, family)} { ${key} timeout ${again}s }`,
          ];
          return `${key} @${which} ${all.join(' ')} goto ${name === 'tracked-long' ? longPair : briefPair}`;
        }),
        `${key} @${which} accept`,
      ];
      return chain(chainOf(kind), `Notes a conversation: ${kind}.`, [
        ...(kind === 'echo' ? [`${ICMP[family].text} type != { ${ECHOES[family].join(', ')} } accept`] : []),
        `${key} @${trackedGiven(kind, family)} accept`,
        ...goesOn(theirs, theirs),
        ...goesOn(answered, begun),
        `${key} @${begun} accept`,
        ...(kind === 'tcp' ? ['tcp flags & (fin | syn | rst | ack) != { syn, ack } accept'] : []),
        ...(kind === 'echo' ? [`${ICMP[family].text} type ${ECHOES[family][1]} accept`] : []),
        tooMany(direction, 'tracked-new'),
        // Of TCP one that has long time keeps it.
        kind === 'tcp' ? `${pair} != @${trackedPairs(family)} ${notePair}` : updatePair,
        note(begun, key, BEGINNING, mostOf(kind)),
        'accept',
      ]);
    });
    const icmp = PROTOCOLS[family === 'ip' ? 'icmp' : 'icmp6'].number;
    const cases = [
      ...WITH_PORTS.map((one) => `${PROTOCOLS[one].number} : goto ${chainOf(one)}`),
      `${icmp} : goto ${chainOf('echo')}`,
    ];
    const someFragments = ration(
      port,
      direction === 'from-guest' ? 'tracked-fragments-out' : 'tracked-fragments-in',
      false,
    );
    return [
      // Chains of their own: in one rule with the ports nft would list plain bits by name, and not take them back.
      ...chain(longPair, 'Of a conversation with long time: errors about it.', [
        note(trackedPairs(family), pair, LONG, LONG),
        'accept',
      ]),
      ...chain(briefPair, 'Of another one.', [notePair, 'accept']),
      ...noting,
      ...chain(noteChain(direction, family), 'Notes the conversation of what passes.', [
        `${FIRST[family]} ${someFragments} add @${trackedFragments(family)} { ${fragmentKey(direction, family)} }`,
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
      `${when}${key} @${stateSet(other, kind, family)} ${goto('reply')}`,
      ...(to.established === to.new
        ? []
        : [`${when}${key} @${stateSet('answered', kind, family)} ${goto('established')}`]),
    ];
  };
  return [
    // No other packet that has the number of one, which the sender chooses.
    `${later} ${fragmentKey(direction, family)} @${trackedFragments(family)} accept`,
    `${later} ${drop}`,
    ...WITH_PORTS.flatMap((one) => {
      const when = `meta l4proto ${PROTOCOLS[one].number} `;
      return [
        ...known(one, when),
        ...(one === 'tcp'
          ? [
              `${when}${keyOfKind(one, direction, family)} @${stateSet(own, one, family)} ${goto('new')}`,
              `${when}tcp flags & (fin | syn | rst | ack) { syn, ack } ${goto('new')}`,
              `${when}${goto('other')}`,
            ]
          : [`${when}${goto('new')}`]),
      ];
    }),
    `${text} type ${answers} ${echoKey(direction, family)} @${stateSet(other, 'echo', family)} ${goto('reply')}`,
    ...(to.established === to.new
      ? []
      : [
          `${text} type ${questions} ${echoKey(direction, family)} @${stateSet('answered', 'echo', family)} ${goto('established')}`,
        ]),
    `${text} type ${questions} ${goto('new')}`,
    ...(OTHER_QUESTIONS[family] === undefined ? [] : [`${text} type ${OTHER_QUESTIONS[family]} ${goto('new')}`]),
    `${text} type ${ERRORS[family]} ${quotedKey(direction, family)} @${trackedPairs(family)} ${goto('related')}`,
    `meta l4proto ${icmp} ${goto('other')}`,
    ...known('other', ''),
    goto('new'),
  ];
}
