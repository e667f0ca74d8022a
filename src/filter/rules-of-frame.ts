import { answers, decide, type Packet } from '../rules/judge.ts';
import type { RuleProgram } from '../rules/program.ts';
import type { Rule } from '../rules/rule.ts';
import type { Frame } from './frame.ts';
import { readBits, readField } from './frame-fields.ts';
import type { Direction } from './reasons.ts';
import { ETHERTYPE, PROTOCOL } from './wire.ts';

/** The SYN of TCP: RFC 9293 §3.1, the second bit of byte 13. */
const SYN = { offset: 13 * 8 + 6, bits: 1 } as const;

/**
 * The rule of a guest that decides about a frame that is its own, as if it was the first of its conversation; undefined
 * where none is asked, which lets it pass.
 */
export function ruleOf(program: RuleProgram, direction: Direction, frame: Frame): Rule | undefined {
  const packet = packetOf(direction, frame);
  if (packet === undefined) return undefined;
  const begins = packet.protocol !== PROTOCOL.tcp || readBits(frame, 'upper', SYN.offset, SYN.bits) !== 0n;
  return (begins ? undefined : answers(program, packet)) ?? decide(program, packet);
}

/** Undefined for what is neither IPv4 nor IPv6: no rule speaks of it. */
export function packetOf(direction: Direction, frame: Frame): Packet | undefined {
  const family = frame.etherType === ETHERTYPE.ip ? 'ip' : frame.etherType === ETHERTYPE.ip6 ? 'ip6' : undefined;
  if (family === undefined) return undefined;
  const source = readField(frame, `${family} saddr`);
  const destination = readField(frame, `${family} daddr`);
  if (source === undefined || destination === undefined) return undefined;
  const number = (bits: bigint | undefined): number | undefined => (bits === undefined ? undefined : Number(bits));
  return {
    direction: direction === 'from-guest' ? 'out' : 'in',
    family: family === 'ip' ? 4 : 6,
    // -1: the kernel knows none, so no rule that names one matches.
    protocol: frame.upper?.protocol ?? -1,
    source,
    destination,
    sport: number(readBits(frame, 'upper', 0, 16)),
    dport: number(readBits(frame, 'upper', 16, 16)),
    type: number(readField(frame, family === 'ip' ? 'icmp type' : 'icmpv6 type')),
  };
}
