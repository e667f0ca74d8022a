import { chain, flowKey, type Ip, TIMED } from './flow-keys.ts';
import { PORT } from './own.ts';

/**
 * How long conversations are kept, so that no guest can fill a table for another: nft cannot count what a port has in
 * a set, but time can be rationed. A conversation is given time when a packet comes to the guest; it is noted that it
 * has some (`given`), so that it asks again seldom, whatever it carries. What a guest can have in a table is then at
 * most what it may be given in the time that one lives (Little's law):
 *
 * - TCP is given an hour and a half. A guest has 8192 of these, and two more each second: 18 992 in a table of 262 144,
 *   and 17 000 that begin. Beyond, a conversation has two and a half minutes, in a table of its own, where only guests
 *   meet that have more than these; and it never loses what it was given before.
 * - UDP is given two and a half minutes, 500 times in a second: 77 000 of 262 144.
 *
 * So nothing is refused, and what is used goes on. Who has more than its share forgets what is silent for two minutes,
 * and its rules are asked again.
 */

/** Of a conversation that begins; an answer gives it more. */
export const BEGINNING = '30s';

/** What a guest may be given. The codes tell its limits apart in one set. */
interface Ration {
  readonly code: number;
  readonly rate: number;
  readonly burst: number;
}
export const RATIONS = {
  long: { code: 1, rate: 2, burst: 8192 },
  brief: { code: 2, rate: 500, burst: 2000 },
  udp: { code: 3, rate: 500, burst: 2000 },
  'fragments-out': { code: 4, rate: 2000, burst: 4000 },
  'fragments-in': { code: 5, rate: 2000, burst: 4000 },
} as const satisfies Readonly<Record<string, Ration>>;
export type RationName = keyof typeof RATIONS;

/**
 * Seconds: what is given, and after how many it may ask again, so that at least the difference is left of it. RFC 4787
 * §4.3: two minutes for UDP; RFC 5382 §5 has two hours for TCP, conntrack of containers and clouds 5 to 60 minutes.
 */
export const TIMES = { long: { given: 5400, again: 1800 }, brief: { given: 150, again: 30 } } as const;

const RATIONS_SET = 'flows-rations';
/** A conversation that was given time lately. */
const GIVEN = 131_072;
/** Those of TCP with brief time. */
const BRIEF = 131_072;

export const givenSet = (family: Ip, protocol: 'tcp' | 'udp'): string => `flows-given-${protocol}-${family}`;
export const briefSet = (family: Ip): string => `flows-brief-${family}`;
const timesChain = (family: Ip, protocol: 'tcp' | 'udp'): string => `to-guest/rules-time-${protocol}-${family}`;
const briefChain = (family: Ip): string => `to-guest/rules-time-brief-${family}`;

/** Those that hold conversations, or what is known of some: with how many each can hold. */
export function timeSets(family: Ip): { readonly name: string; readonly size: number; readonly more?: true }[] {
  return [
    { name: briefSet(family), size: BRIEF },
    { name: givenSet(family, 'tcp'), size: GIVEN, more: true },
    { name: givenSet(family, 'udp'), size: GIVEN, more: true },
  ];
}

export function declareTimes(family: Ip): string[] {
  const address = family === 'ip' ? 'ipv4_addr' : 'ipv6_addr';
  const type = `type devgroup . ${address} . ${address} . inet_service . inet_service`;
  return timeSets(family).map(({ name, size }) => `set ${name} { ${type}; ${TIMED(size, `${TIMES.brief.again}s`)}; }`);
}

/** An element ends when its limit is full again, and not before: a new one is full at once. */
export function declareRations(): string {
  return `set ${RATIONS_SET} { type devgroup . mark; ${TIMED(131_072, '2h')}; }`;
}

/** "It has had more of it than it may"; or, turned round, "there is some left". */
export function ration(port: string, name: RationName, over: boolean): string {
  const { code, rate, burst } = RATIONS[name];
  const limit = `limit rate ${over ? 'over ' : ''}${rate}/second burst ${burst} packets`;
  return `update @${RATIONS_SET} { ${port} . 0x${code.toString(16).padStart(8, '0')} ${limit} }`;
}

/** A packet that comes to the guest, of a conversation in one of these sets. */
export function giveTime(family: Ip, protocol: 'tcp' | 'udp', sets: readonly string[]): string[] {
  const key = flowKey('to-guest', family);
  return [
    `${key} @${givenSet(family, protocol)} accept`,
    ...sets.map((set) => `${key} @${set} goto ${timesChain(family, protocol)}`),
  ];
}

/** What becomes of such a packet: it passes in any case. */
export function renderTimes(family: Ip, flows: Readonly<Record<'tcp' | 'udp', string>>): string[] {
  const port = PORT['to-guest'];
  const key = flowKey('to-guest', family);
  const give = (set: string, protocol: 'tcp' | 'udp', { given, again }: { given: number; again: number }): string =>
    `update @${set} { ${key} timeout ${given}s } add @${givenSet(family, protocol)} { ${key} timeout ${again}s } accept`;
  return [
    ...chain(briefChain(family), 'Of who has more conversations than its share: brief time.', [
      `${ration(port, 'brief', true)} accept`,
      give(briefSet(family), 'tcp', TIMES.brief),
      'accept',
    ]),
    ...chain(timesChain(family, 'tcp'), 'There is somebody: it is given time, of which each guest has its share.', [
      `${ration(port, 'long', true)} goto ${briefChain(family)}`,
      give(flows.tcp, 'tcp', TIMES.long),
      'accept',
    ]),
    ...chain(timesChain(family, 'udp'), 'The same of UDP.', [
      `${ration(port, 'udp', true)} accept`,
      give(flows.udp, 'udp', TIMES.brief),
      'accept',
    ]),
  ];
}
