import { chain, flowKey, type Ip, pairKey, TIMED, typeOf, WITH_PORTS, type WithPorts } from './flow-keys.ts';
import { PORT } from './own.ts';
import { type RationName, ration } from './rations.ts';

/**
 * How long conversations are kept, so that no guest can fill a table for another: nft cannot count what a port has in
 * a set, but time can be rationed. A conversation is given time when a packet comes to the guest; it is noted that it
 * has some (`given`), so that it asks again seldom, whatever it carries. What a guest can have in a table is then at
 * most what it may be given in the time that one lives (Little's law):
 *
 * - TCP is given an hour and a half. A guest has 8192 of these, and two more each second: 18 992 in a table of 393 216,
 *   and twice 17 000 that begin, by itself and by others. Beyond, a conversation has two and a half minutes, in a table
 *   of its own, where only guests meet that have more than these; and it never loses what it was given before.
 * - UDP is given two and a half minutes, 500 times in a second: 77 000 of 262 144, and twice 17 000 that begin.
 * - SCTP, DCCP and UDP-Lite are given five minutes, 20 times in a second: 6400 of 65 536, and twice 17 000 that begin.
 *
 * So nothing is refused, and what is used goes on. Who has more than its share forgets what is silent for two minutes,
 * and its rules are asked again.
 */

/** Of a conversation that begins; an answer gives it more. */
export const BEGINNING = '30s';

/**
 * Seconds: what is given, and after how many it may ask again, so that at least the difference is left of it. RFC 4787
 * §4.3: two minutes for UDP; RFC 5382 §5 has two hours for TCP, conntrack of containers and clouds 5 to 60 minutes.
 */
export const TIMES = {
  long: { given: 5400, again: 1800 },
  brief: { given: 150, again: 30 },
  rare: { given: 300, again: 120 },
} as const;
type Time = (typeof TIMES)[keyof typeof TIMES];

/** The most that a conversation is given. */
export function mostOf(protocol: WithPorts): string {
  const { given } = protocol === 'tcp' ? TIMES.long : protocol === 'udp' ? TIMES.brief : TIMES.rare;
  return `${given}s`;
}

/** Conversations that were given time lately. */
const GIVEN = { tcp: 131_072, udp: 131_072, sctp: 6_144, dccp: 6_144, udplite: 6_144 } as const;
/** Those of TCP with brief time. */
const BRIEF = 131_072;
/** Pairs of ends that have a conversation of TCP with long time: errors about it belong to it as long as it lives. */
const LONG_PAIRS = 98_304;
/** What has no ports and was given time lately. */
const GIVEN_OTHER = 6_144;

export const givenSet = (family: Ip, protocol: WithPorts): string => `flows-given-${protocol}-${family}`;
export const briefSet = (family: Ip): string => `flows-brief-${family}`;
export const longPairSet = (family: Ip): string => `flows-long-pair-${family}`;
const givenOtherSet = (family: Ip): string => `flows-given-other-${family}`;
const timesChain = (family: Ip, protocol: WithPorts): string => `to-guest/rules-time-${protocol}-${family}`;
const briefChain = (family: Ip): string => `to-guest/rules-time-brief-${family}`;

interface TimeSet {
  readonly name: string;
  readonly size: number;
  readonly more?: true;
}

/** Those that hold conversations, or what is known of some: with how many each can hold. */
export function timeSets(family: Ip): TimeSet[] {
  return [
    ...withPorts(family),
    { name: longPairSet(family), size: LONG_PAIRS, more: true },
    { name: givenOtherSet(family), size: GIVEN_OTHER, more: true },
  ];
}

function withPorts(family: Ip): TimeSet[] {
  return [
    { name: briefSet(family), size: BRIEF },
    ...WITH_PORTS.map((one) => ({ name: givenSet(family, one), size: GIVEN[one], more: true as const })),
  ];
}

export function declareTimes(family: Ip): string[] {
  const time = `${TIMES.brief.again}s`;
  return [
    ...withPorts(family).map(({ name, size }) => `set ${name} { ${typeOf('ports', family)}; ${TIMED(size, time)}; }`),
    `set ${givenOtherSet(family)} { ${typeOf('other', family)}; ${TIMED(GIVEN_OTHER, time)}; }`,
    `set ${longPairSet(family)} { ${typeOf('other', family)}; ${TIMED(LONG_PAIRS, `${TIMES.long.given}s`)}; }`,
  ];
}

/** A packet that comes to the guest, of a conversation in one of these sets. */
export function giveTime(family: Ip, protocol: WithPorts, sets: readonly string[]): string[] {
  const key = flowKey('to-guest', family);
  return [
    `${key} @${givenSet(family, protocol)} accept`,
    ...sets.map((set) => `${key} @${set} goto ${timesChain(family, protocol)}`),
  ];
}

/** The same of what has no ports: the pair of its ends is all that is known. */
export function giveOtherTime(family: Ip, pairs: string): string[] {
  const pair = pairKey('to-guest', family);
  const some = ration(PORT['to-guest'], 'other', false);
  return [
    `${pair} @${givenOtherSet(family)} accept`,
    `${pair} @${pairs} ${some} update @${pairs} { ${pair} } add @${givenOtherSet(family)} { ${pair} } accept`,
  ];
}

/**
 * What becomes of such a packet: it passes in any case. A SYN that comes again is no answer: there may be nobody.
 *
 * @param setOf the conversations of a protocol
 * @param pairs of ends, for errors
 */
export function renderTimes(family: Ip, setOf: (protocol: WithPorts) => string, pairs: string): string[] {
  const port = PORT['to-guest'];
  const key = flowKey('to-guest', family);
  const give = (set: string, protocol: WithPorts, { given, again }: Time): string =>
    `update @${set} { ${key} timeout ${given}s } add @${givenSet(family, protocol)} { ${key} timeout ${again}s } accept`;
  const pair = pairKey('to-guest', family);
  const usedPair = `${ration(port, 'pairs-used', false)} update @${pairs} { ${pair} }`;
  const timed = (protocol: WithPorts, name: RationName, time: Time, beyond: string): string[] =>
    chain(timesChain(family, protocol), 'There is somebody: it is given time, of which each guest has its share.', [
      ...(protocol === 'tcp' ? ['tcp flags & (syn | ack) == syn accept'] : []),
      `${ration(port, name, true)} ${beyond}`,
      protocol === 'tcp' ? `update @${longPairSet(family)} { ${pair} }` : usedPair,
      give(setOf(protocol), protocol, time),
      'accept',
    ]);
  return [
    ...chain(briefChain(family), 'Of who has more conversations than its share: brief time.', [
      `${ration(port, 'brief', true)} accept`,
      usedPair,
      give(briefSet(family), 'tcp', TIMES.brief),
      'accept',
    ]),
    ...WITH_PORTS.flatMap((protocol) => {
      if (protocol === 'tcp') return timed(protocol, 'long', TIMES.long, `goto ${briefChain(family)}`);
      return protocol === 'udp'
        ? timed(protocol, 'udp', TIMES.brief, 'accept')
        : timed(protocol, 'rare', TIMES.rare, 'accept');
    }),
  ];
}
