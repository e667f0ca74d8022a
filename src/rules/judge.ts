import type { AddressRange, Family } from '../net/address-range.ts';
import type { RuleProgram } from './program.ts';
import { protocolOf } from './protocols.ts';
import type { NumberRange, Rule, RuleDirection } from './rule.ts';

/** The first packet of a conversation, as far as rules look at it. */
export interface Packet {
  readonly direction: RuleDirection;
  readonly family: Family;
  readonly protocol: number;
  readonly source: bigint;
  readonly destination: bigint;
  readonly sport?: number | undefined;
  readonly dport?: number | undefined;
  /** Of ICMP and ICMPv6. */
  readonly type?: number | undefined;
}

/** The rule that decides about it; undefined where no rule is asked, which lets it pass. */
export function decide(program: RuleProgram, packet: Packet): Rule | undefined {
  if (isNeverJudged(packet)) return undefined;
  return program[packet.direction].find((rule) => matches(rule, packet));
}

/**
 * After a migration nobody knows of conversations that were begun from outside, and the guest goes on in them. What it
 * sends from a port that is open for others, and that begins nothing (no SYN), is such a one (as
 * nf_conntrack_tcp_loose): the rules that let that pass, made of those for what comes in.
 */
export function answersToUnknown(rules: readonly Rule[]): Rule[] {
  return rules.filter((rule) => opensTcp(rule) && hasPorts(rule)).map(answersOf);
}

/** The same of those that open every port: only while more comes from outside than can be noted. */
export function answersWhileFlooded(rules: readonly Rule[]): Rule[] {
  return rules.filter((rule) => opensTcp(rule) && !hasPorts(rule)).map(answersOf);
}

function opensTcp(rule: Rule): boolean {
  const { verdict, stateless, protocols } = rule;
  return verdict === 'allow' && !stateless && (protocols.length === 0 || protocols.includes(TCP));
}

function hasPorts({ protocols, ports }: Rule): boolean {
  return protocols.includes(TCP) && ports.length > 0;
}

function answersOf(rule: Rule): Rule {
  return {
    ...rule,
    direction: 'out',
    protocols: [TCP],
    ports: rule.sports,
    sports: rule.ports,
    from: rule.to,
    to: rule.from,
  };
}

/** The rule that lets a segment of TCP pass which begins nothing, whatever the others say. */
export function answers(program: RuleProgram, packet: Packet): Rule | undefined {
  if (packet.direction !== 'out' || program.out.length === 0) return undefined;
  return answersToUnknown(program.in).find((rule) => matches(rule, packet));
}

/** Types of ICMPv6 without which IPv6 does not work: MLD (RFC 2710, RFC 3810) and neighbour discovery (RFC 4861). */
export const VITAL_ICMP6 = [130, 131, 132, 133, 134, 135, 136, 143] as const;
export const IGMP = 2;
const TCP = 6;
/** Client and server of DHCP and DHCPv6, as the client sends. */
export const DHCP_PORTS = [
  { family: 4, client: 68, server: 67 },
  { family: 6, client: 546, server: 547 },
] as const;

/**
 * What no rule stops: without it a guest has no network, and who stopped it would not know why. That it is what it says
 * is the business of the filter's stages.
 */
export function isNeverJudged({ direction, family, protocol, type, sport, dport }: Packet): boolean {
  if (protocol === IGMP) return true;
  if (protocol === 58 && VITAL_ICMP6.some((one) => one === type)) return true;
  return DHCP_PORTS.some((one) => {
    const [from, to] = direction === 'out' ? [one.client, one.server] : [one.server, one.client];
    return one.family === family && protocol === 17 && sport === from && dport === to;
  });
}

function matches(rule: Rule, packet: Packet): boolean {
  const { family, protocol } = packet;
  return (
    (rule.family === undefined || rule.family === family) &&
    (rule.protocols.length === 0 ||
      (rule.protocols.includes(protocol) && (protocolOf(protocol).family ?? family) === family)) &&
    inSome(rule.ports, packet.dport) &&
    inSome(rule.sports, packet.sport) &&
    (rule.types.length === 0 || (packet.type !== undefined && rule.types.includes(packet.type))) &&
    holds(rule.from, family, packet.source) &&
    holds(rule.to, family, packet.destination)
  );
}

function inSome(ranges: readonly NumberRange[], number: number | undefined): boolean {
  return (
    ranges.length === 0 || (number !== undefined && ranges.some(([first, last]) => number >= first && number <= last))
  );
}

function holds(ranges: readonly AddressRange[], family: Family, address: bigint): boolean {
  return (
    ranges.length === 0 ||
    ranges.some((range) => range.family === family && address >= range.first && address <= range.last)
  );
}
