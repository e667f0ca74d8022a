import type { Direction } from '../../filter/reasons.ts';
import { macText } from '../../net/mac-address.ts';
import {
  type ChainOutcome,
  type ChainProgram,
  chainDigest,
  countKey,
  type FrameField,
  type FrameTest,
  type OwnName,
  rejects,
} from '../../rules/chain-program.ts';
import { RULE_DIRECTIONS, type RuleDirection } from '../../rules/rule.ts';
import { TABLE } from './base-text.ts';
import type { Ip } from './flow-keys.ts';
import { LEARNING, PORT, SETS } from './own.ts';
import { otherChain, programChain, programChains } from './program-names.ts';
import { rejectRules, unlessAnswer } from './rejections.ts';
import { dropChain } from './stages.ts';
import { classRules, differentAddresses, equalAddresses, noteChain } from './tracking.ts';

const SIDE: Readonly<Record<RuleDirection, Direction>> = { in: 'to-guest', out: 'from-guest' };
const version = (family: 4 | 6): Ip => (family === 4 ? 'ip' : 'ip6');

/** Makes the chains of a program. */
export function chainProgramText(program: ChainProgram): string[] {
  const digest = chainDigest(program);
  const names = programChains(digest);
  const name = (at: number): string => otherChain(digest, at);
  // The last of them.
  const rejecting = name(program.chains.length);
  const rules = (chain: string, list: readonly string[]): string[] =>
    list.map((rule) => `add rule ${TABLE} ${chain} ${rule}`);
  return [
    `# nwfilter ${program.name}`,
    ...names.flatMap((one) => [`add chain ${TABLE} ${one}`, `flush chain ${TABLE} ${one}`]),
    ...program.chains.flatMap((chain, at) => {
      const side = SIDE[chain.direction];
      return [
        `# ${chain.about}`,
        ...rules(
          name(at),
          chain.rules.flatMap(({ when, so, origin }, number) => {
            const before = so === 'drop' ? unlessAnswer(side) : [];
            const outcomes = outcomeTexts(so, side, name, rejecting).map((one) =>
              origin === undefined ? one : `${counted(one)} comment "${countKey(at, number)}"`,
            );
            return alternatives(when, side).flatMap((text) => [...before, ...outcomes].map((one) => `${text}${one}`));
          }),
        ),
      ];
    }),
    ...(rejects(program) ? rules(rejecting, rejectRules()) : []),
    ...RULE_DIRECTIONS.flatMap((direction) => {
      const start = program.start[direction];
      const begin = start === undefined ? 'accept' : `goto ${name(start)}`;
      return rules(programChain(digest, direction), [begin]);
    }),
  ];
}

/** The counter stands right before the verdict, behind all conditions. */
function counted(outcome: string): string {
  return outcome.replace(/(?=(?:accept|return|reject|goto \S+|jump \S+)$)/, 'counter ');
}

/** @param rejecting the chain that answers */
function outcomeTexts(so: ChainOutcome, side: Direction, name: (at: number) => string, rejecting: string): string[] {
  if (so === 'pass') return ['accept'];
  if (so === 'return') return ['return'];
  const drop = `goto ${dropChain(side, 'rule')}`;
  if (so === 'drop') return [drop];
  if (so === 'reject') return [`goto ${rejecting}`];
  if ('jump' in so) return [`jump ${name(so.jump)}`];
  if ('goto' in so) return [`goto ${name(so.goto)}`];
  if ('note' in so) return [`goto ${noteChain(side, version(so.note))}`];
  const { classes, family } = so;
  const targets = {
    new: name(classes.new),
    established: name(classes.established),
    reply: name(classes.reply),
    related: name(classes.related),
    other: name(classes.other),
  };
  return classRules(side, version(family), targets, drop);
}

/** What stands before a verdict, and ends in a blank: one of them must hold. */
function alternatives(when: readonly FrameTest[], side: Direction): string[] {
  return when.reduce<string[]>(
    (begun, test) => begun.flatMap((text) => testTexts(test, side).map((one) => `${text}${one} `)),
    [''],
  );
}

function testTexts(test: FrameTest, side: Direction): string[] {
  if ('anyOf' in test) return test.anyOf.flatMap((all) => alternatives(all, side).map((text) => text.trim()));
  if ('gratuitous' in test) return test.not ? differentAddresses() : [equalAddresses()];
  if ('tcpOption' in test) return [`tcp option ${test.tcpOption} ${test.not ? 'missing' : 'exists'}`];
  if ('own' in test) return ownTexts(test.field, test.own, test.not, side);
  if ('masked' in test) {
    const [mask, value] = test.masked;
    return [`tcp flags & 0x${mask.toString(16)} ${test.not ? '!=' : '=='} 0x${value.toString(16)}`];
  }
  const { text, bits, shift = 0, mask } = PLACES[test.field];
  const value = (one: bigint): string => written(test.field, one << BigInt(shift), bits);
  const [first, last] = test.within;
  const all = (1n << BigInt(bits - shift)) - 1n;
  // The whole of a field is no question: but that it is there.
  const sign = test.not ? '!= ' : '';
  if (first === last)
    return [
      mask === undefined
        ? `${text} ${sign}${value(first)}`
        : `${text} & ${mask} ${test.not ? '!=' : '=='} ${value(first)}`,
    ];
  if (first === 0n && last >= all) return test.not ? [`${text} < ${value(0n)}`] : [`${text} >= ${value(0n)}`];
  return [`${text} ${sign}${value(first)}-${value(last)}`];
}

interface Place {
  readonly text: string;
  readonly bits: number;
  readonly shift?: number;
  readonly mask?: string;
}

/**
 * Where the fields are. Plain bits for all behind the Ethernet header: by their names nft would ask for the protocol
 * too, and lists own addresses, which are bits, in a way that it does not read again.
 */
export const PLACES: Readonly<Record<FrameField, Place>> = {
  'ether saddr': { text: 'ether saddr', bits: 48 },
  'ether daddr': { text: 'ether daddr', bits: 48 },
  'ether type': { text: 'ether type', bits: 16 },
  'arp htype': { text: '@nh,0,16', bits: 16 },
  'arp ptype': { text: '@nh,16,16', bits: 16 },
  'arp operation': { text: '@nh,48,16', bits: 16 },
  'arp saddr ether': { text: '@nh,64,48', bits: 48 },
  'arp saddr ip': { text: '@nh,112,32', bits: 32 },
  'arp daddr ether': { text: '@nh,144,48', bits: 48 },
  'arp daddr ip': { text: '@nh,192,32', bits: 32 },
  'ip tos': { text: '@nh,8,8', bits: 8 },
  'ip dscp': { text: '@nh,8,8', bits: 8, shift: 2, mask: '0xfc' },
  'ip protocol': { text: '@nh,72,8', bits: 8 },
  'ip saddr': { text: '@nh,96,32', bits: 32 },
  'ip daddr': { text: '@nh,128,32', bits: 32 },
  'ip6 dscp': { text: '@nh,0,16', bits: 16, shift: 6, mask: '0x0fc0' },
  'ip6 saddr': { text: '@nh,64,128', bits: 128 },
  'ip6 daddr': { text: '@nh,192,128', bits: 128 },
  l4proto: { text: 'meta l4proto', bits: 8 },
  sport: { text: '@th,0,16', bits: 16 },
  dport: { text: '@th,16,16', bits: 16 },
  'icmp type': { text: '@th,0,8', bits: 8 },
  'icmp code': { text: '@th,8,8', bits: 8 },
  'tcp flags': { text: '@th,104,8', bits: 8 },
};

function written(field: FrameField, value: bigint, bits: number): string {
  if (field === 'l4proto') return String(value);
  if (field === 'ether saddr' || field === 'ether daddr') return macText(value);
  return `0x${value.toString(16).padStart(bits / 4, '0')}`;
}

const NONE: Readonly<Record<Exclude<OwnName, 'mac'>, string>> = { ip: '0x00000000', ip6: `0x${'0'.repeat(32)}` };

/** Its own, in sets of all guests: single ones, blocks, and what it has learned. */
function ownTexts(field: FrameField, own: OwnName, not: boolean, side: Direction): string[] {
  const key = `${PORT[side]} . ${PLACES[field].text} ${not ? '!= ' : ''}`;
  if (own === 'mac') {
    const set = field.startsWith('ether ') ? SETS.mac.name : SETS.macRaw.name;
    return [`${key}@${set}`];
  }
  const sets =
    own === 'ip' ? [SETS.ipRaw.name, SETS.ipBlock.name, LEARNING.learned] : [SETS.ip6Raw.name, SETS.ip6Block.name];
  const texts = sets.map((set) => `${key}@${set}`);
  // What it sends while it has no address: the filter lets only probes, DHCP, IGMP and neighbour discovery through.
  const none =
    side === 'from-guest' && field.includes('saddr') ? [`${PLACES[field].text} ${not ? '!= ' : ''}${NONE[own]}`] : [];
  return not ? [[...texts, ...none].join(' ')] : [...texts, ...none];
}
