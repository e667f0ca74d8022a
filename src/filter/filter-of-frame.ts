import type { Family } from '../net/address-range.ts';
import type { ChainProgram, FrameField, OwnName, PacketClass } from '../rules/chain-program.ts';
import { type Asked, type ChainVerdict, isUnnamedSender, QUESTIONS, walkChains } from '../rules/judge-chains.ts';
import type { RuleDirection } from '../rules/rule.ts';
import { isAmong } from './field-values.ts';
import { byte, type Frame } from './frame.ts';
import { readBits } from './frame-fields.ts';
import type { Direction } from './reasons.ts';
import type { Walker } from './walk.ts';
import { PROTOCOL } from './wire.ts';

/** What a guest's filter of libvirt's makes of a frame that has passed all else, as the first of its conversation. */
export function verdictOfFilter(
  program: ChainProgram,
  direction: Direction,
  walker: Walker,
  frame: Frame,
): ChainVerdict {
  return walkChains(program, new AskedFrame(direction === 'from-guest' ? 'out' : 'in', walker, frame));
}

type Bits = readonly [base: Parameters<typeof readBits>[1], offset: number, bits: number];

/** Where the fields are, as backends ask the kernel for them: a test compares the two. */
export const FILTER_FIELDS: Readonly<Record<Exclude<FrameField, 'l4proto'>, Bits>> = {
  'ether daddr': ['frame', 0, 48],
  'ether saddr': ['frame', 48, 48],
  'ether type': ['frame', 96, 16],
  // RFC 826.
  'arp htype': ['packet', 0, 16],
  'arp ptype': ['packet', 16, 16],
  'arp operation': ['packet', 48, 16],
  'arp saddr ether': ['packet', 64, 48],
  'arp saddr ip': ['packet', 112, 32],
  'arp daddr ether': ['packet', 144, 48],
  'arp daddr ip': ['packet', 192, 32],
  // RFC 791, RFC 2474.
  'ip tos': ['packet', 8, 8],
  'ip dscp': ['packet', 8, 6],
  'ip protocol': ['packet', 72, 8],
  'ip saddr': ['packet', 96, 32],
  'ip daddr': ['packet', 128, 32],
  // RFC 8200.
  'ip6 dscp': ['packet', 4, 6],
  'ip6 saddr': ['packet', 64, 128],
  'ip6 daddr': ['packet', 192, 128],
  sport: ['upper', 0, 16],
  dport: ['upper', 16, 16],
  'icmp type': ['upper', 0, 8],
  'icmp code': ['upper', 8, 8],
  'tcp flags': ['upper', 104, 8],
};

class AskedFrame implements Asked {
  readonly direction: RuleDirection;
  readonly #walker: Walker;
  readonly #frame: Frame;

  constructor(direction: RuleDirection, walker: Walker, frame: Frame) {
    this.direction = direction;
    this.#walker = walker;
    this.#frame = frame;
  }

  value(field: FrameField): bigint | undefined {
    const { upper } = this.#frame;
    if (field === 'l4proto') return upper === undefined ? undefined : BigInt(upper.protocol);
    return readBits(this.#frame, ...FILTER_FIELDS[field]);
  }

  isOwn(field: FrameField, own: OwnName, value: bigint): boolean {
    const { terms, learned } = this.#walker;
    if (own !== 'mac' && isUnnamedSender(this.direction, field, value)) return true;
    const all = own === 'ip' ? [...(terms.values.ip ?? []), ...learned] : (terms.values[own] ?? []);
    return isAmong(all, value, own === 'mac' ? 48 : own === 'ip' ? 32 : 128);
  }

  isGratuitous(): boolean | undefined {
    const sender = this.value('arp saddr ip');
    const target = this.value('arp daddr ip');
    return sender === undefined || target === undefined ? undefined : sender === target;
  }

  /** net/netfilter/nft_exthdr.c, nft_exthdr_tcp_eval: where the header is not whole, there is none. */
  hasTcpOption(kind: number): boolean {
    const { bytes, upper } = this.#frame;
    if (upper?.protocol !== PROTOCOL.tcp || upper.fragmentOffset !== 0) return false;
    const header = bytes.subarray(upper.offset);
    const length = (byte(header, 12) >> 4) * 4;
    if (header.length < 20 || header.length < length) return false;
    let at = 20;
    while (at < length - 1) {
      const size = byte(header, at) <= NO_OPERATION ? 1 : byte(header, at + 1) || 1;
      if (byte(header, at) === kind) return at + size <= length;
      at += size;
    }
    return false;
  }

  /** As the kernel's rules tell packets from each other while their sets are empty (nftables/tracking.ts). */
  classOf(family: Family): PacketClass | undefined {
    const { upper } = this.#frame;
    if (upper === undefined) return 'new';
    if (upper.fragmentOffset !== 0) return undefined;
    const { icmp, icmpv6, tcp } = PROTOCOL;
    if (upper.protocol === tcp) return isBeginning(this.value('tcp flags')) ? 'new' : 'other';
    if (upper.protocol !== (family === 4 ? icmp : icmpv6)) return 'new';
    const type = this.value('icmp type');
    const questions = family === 4 ? QUESTIONS.icmp : QUESTIONS.icmp6;
    return type !== undefined && questions.includes(Number(type)) ? 'new' : 'other';
  }
}

/** RFC 9293 §3.2: the option without a length. */
const NO_OPERATION = 1;

/** Of FIN, SYN, RST and ACK it has SYN or ACK alone: what began before anybody looked goes on. */
function isBeginning(flags: bigint | undefined): boolean {
  if (flags === undefined) return false;
  const some = flags & 0x17n;
  return some === 0x02n || some === 0x10n;
}
