import type { Direction } from '../../filter/reasons.ts';
import { PROTOCOLS } from '../../rules/protocols.ts';
import { chain, echoKey, FIRST, flowKey, fragmentKey, ICMP, type Ip, note, pairKey, WITH_PORTS } from './flow-keys.ts';
import { echoSet, FLOODED, flowSet, fragmentSet, pairSet } from './flow-sets.ts';
import { BEGINNING, mostOf } from './flow-times.ts';
import { PORT } from './own.ts';
import { type RationName, ration } from './rations.ts';
import { dropChain } from './stages.ts';

/**
 * Where rules go on to, what a conversation begins with. A guest may begin so many in a second, and others with it as
 * many: who is flooded from outside opens what it likes.
 *
 * A flood of SYN does not keep others out of a server either: what comes beyond the limit passes and is not noted; the
 * port is noted as flooded, and while it is, the guest's SYN and ACK pass as all that it sends in conversations of
 * which nobody knows (answersToUnknown). The ACK of a client that is there then asks for its place again, and so does
 * each packet behind it. Of UDP and all else nothing tells an answer from a beginning: that is dropped.
 */

/**
 * The kernel follows chains 16 deep (NFT_JUMP_STACK_SIZE), and the stages take up to 13 of them: a program is one, and
 * what it goes to leads to no other (test/backends/nft-text.test.ts).
 *
 * - `open`: allowed, and what belongs to it passes too.
 * - `pass`: allowed for itself alone.
 * - `free`: nobody was asked, because there are no rules for what the guest sends; nothing is dropped here.
 * - `answer`: what may be an answer in a conversation that nobody knows; what begins one comes back.
 */
export type FlowChain = 'open' | 'pass' | 'free' | 'answer';

export function flowChain(direction: Direction, chain: FlowChain, family: Ip): string {
  return `${direction}/rules-${chain}-${family}`;
}

/** The first fragment lets the others pass. */
export function noteFragment(direction: Direction, family: Ip): string {
  const some = ration(PORT[direction], direction === 'from-guest' ? 'fragments-out' : 'fragments-in', false);
  return `${some} add @${fragmentSet(family)} { ${fragmentKey(direction, family)} }`;
}

/** More than may begin in this direction. @param kind what notes it: rules, or filters of libvirt's */
function beyond(direction: Direction, kind: 'new' | 'tracked-new'): string {
  return ration(PORT[direction], `${kind}-${direction === 'from-guest' ? 'out' : 'in'}`, true);
}

/**
 * What a guest begins beyond its share is dropped, and so is what others begin with it beyond that. Who is only
 * observed loses nothing, but fills no table for others either: there it passes, and nobody knows of it.
 */
export function tooMany(direction: Direction, kind: 'new' | 'tracked-new'): string {
  return `${beyond(direction, kind)} goto ${dropChain(direction, 'rule-flood')}`;
}

const TCP = `meta l4proto ${PROTOCOLS.tcp.number}`;
const NO_TCP = `meta l4proto != ${PROTOCOLS.tcp.number}`;

export function renderOpenings(direction: Direction, family: Ip): string[] {
  const fragments = `${FIRST[family]} ${noteFragment(direction, family)}`;
  const opened = [fragments, ...noteConversation(direction, family)];
  return [
    ...chain(flowChain(direction, 'open', family), 'Allowed: what belongs to it passes too, in both directions.', [
      ...(direction === 'from-guest' ? answersFirst() : floodFirst()),
      ...begins(direction).map((when) => `${when} ${tooMany(direction, 'new')}`),
      ...opened,
    ]),
    ...chain(flowChain(direction, 'pass', family), 'Allowed for itself alone.', [fragments, 'accept']),
    ...(direction === 'from-guest' ? [...renderFree(opened, family), ...renderAnswers(family)] : []),
  ];
}

function renderFree(opened: readonly string[], family: Ip): string[] {
  return chain(flowChain('from-guest', 'free', family), 'Nobody was asked: what belongs to it passes too.', [
    ...answersFirst(),
    ...begins('from-guest').map((when) => `${when} ${beyond('from-guest', 'new')} accept`),
    ...opened,
  ]);
}

/** Each is asked in one of them: a limit counts each time that it is. */
function begins(direction: Direction): string[] {
  return direction === 'from-guest' ? ['tcp flags & ack == 0', NO_TCP] : [NO_TCP];
}

/** What is no first segment of TCP answers to what others have begun, and is allowed. */
function answersFirst(): string[] {
  return [`tcp flags & ack != 0 ${ration(PORT['from-guest'], 'new-in', true)} accept`];
}

function floodFirst(): string[] {
  return [`${TCP} ${beyond('to-guest', 'new')} update @${FLOODED} { ${PORT['to-guest']} } accept`];
}

/** Notes what a packet begins, and lets it pass. */
function noteConversation(direction: Direction, family: Ip): string[] {
  const { text, echo } = ICMP[family];
  const key = flowKey(direction, family);
  return [
    notePair(direction, family, direction === 'from-guest' ? 'pairs-out' : 'pairs-in'),
    ...WITH_PORTS.map(
      (protocol) =>
        `meta l4proto ${PROTOCOLS[protocol].number} ${note(flowSet(family, protocol), key, BEGINNING, mostOf(protocol))} accept`,
    ),
    // There was no room for it.
    ...(direction === 'to-guest' ? [`${TCP} update @${FLOODED} { ${PORT[direction]} } accept`] : []),
    `${text} type ${echo[0]} update @${echoSet(family)} { ${echoKey(direction, family)} }`,
    'accept',
  ];
}

/** Of errors about it, and of what has no ports. A rule of its own, or nft would list the bits of the key by names. */
function notePair(direction: Direction, family: Ip, name: RationName): string {
  return `${ration(PORT[direction], name, false)} update @${pairSet(family)} { ${pairKey(direction, family)} }`;
}

/** It counts as what others have begun, and is never refused. */
function renderAnswers(family: Ip): string[] {
  const direction = 'from-guest';
  return chain(flowChain(direction, 'answer', family), 'Of a conversation that others have begun; or it comes back.', [
    'tcp flags & (syn | ack) == syn return',
    `tcp flags & syn != 0 ${PORT[direction]} @${FLOODED} accept`,
    'tcp flags & syn != 0 return',
    `${ration(PORT[direction], 'new-in', true)} accept`,
    `${FIRST[family]} ${noteFragment(direction, family)}`,
    notePair(direction, family, 'pairs-in'),
    note(flowSet(family, 'tcp'), flowKey(direction, family), BEGINNING, mostOf('tcp')),
    'accept',
  ]);
}
