import { parseAddressRange } from '../net/address-range.ts';
import { tracks } from '../rules/chain-program.ts';
import { decide, type Packet } from '../rules/judge.ts';
import { decideChains, type JudgedGuest } from '../rules/judge-chains.ts';
import { bitsOf } from './field-values.ts';
import type { Frame } from './frame.ts';
import { readBits } from './frame-fields.ts';
import type { JudgedPort } from './frame-verdict.ts';
import type { Direction } from './reasons.ts';
import { packetOf } from './rules-of-frame.ts';
import { PROTOCOL } from './wire.ts';

/**
 * Whether a frame that rules or filter drop as the first of its conversation may be none: the kernel lets it pass as an
 * answer to what others were allowed to begin, and who sees frames of one direction cannot tell.
 */
export function mayBeAnswer(port: JudgedPort, direction: Direction, frame: Frame): boolean {
  const packet = packetOf(direction, frame);
  if (packet === undefined) return false;
  const opposite = oppositeOf(packet, frame);
  if (opposite === 'anything') return true;
  if (opposite === undefined) return false;
  const { program, filter } = port;
  const begun = program === undefined ? undefined : decide(program, opposite);
  if (begun?.verdict === 'allow' && !begun.stateless) return true;
  return filter !== undefined && tracks(filter) && decideChains(filter, opposite, guestOf(port)).verdict === 'allow';
}

/** The answer to each question of ICMP and ICMPv6 that has one (RFC 792, RFC 950, RFC 4443 §4.2). */
const QUESTION_OF: Readonly<Record<number, Readonly<Record<number, number>>>> = {
  [PROTOCOL.icmp]: { 0: 8, 14: 13, 16: 15, 18: 17 },
  [PROTOCOL.icmpv6]: { 129: 128 },
};
const SYN_ALONE = 0x02n;

/** The packet that it would answer; `anything` for a part of a packet, or an error about one; undefined: it begins. */
function oppositeOf(packet: Packet, frame: Frame): Packet | 'anything' | undefined {
  const { protocol, source, destination, sport, dport, type } = packet;
  if ((frame.upper?.fragmentOffset ?? 0) !== 0) return 'anything';
  const turned: Packet = {
    ...packet,
    direction: packet.direction === 'out' ? 'in' : 'out',
    source: destination,
    destination: source,
    sport: dport,
    dport: sport,
  };
  const questions = QUESTION_OF[protocol];
  if (questions !== undefined && type !== undefined) {
    const question = questions[type];
    if (question !== undefined) return { ...turned, type: question };
    return Object.values(questions).includes(type) ? undefined : 'anything';
  }
  const flags = protocol === PROTOCOL.tcp ? readBits(frame, 'upper', 104, 8) : undefined;
  return flags !== undefined && (flags & 0x17n) === SYN_ALONE ? undefined : turned;
}

function guestOf({ terms: { values }, learned }: JudgedPort): JudgedGuest {
  const all = [...(values.ip ?? []), ...(values.ip6 ?? []), ...learned];
  return { mac: bitsOf(values.mac[0] ?? '0'), addresses: all.flatMap((one) => parseAddressRange(one) ?? []) };
}
