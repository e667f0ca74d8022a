import type { AddressRange, Family } from '../net/address-range.ts';
import type {
  ChainProgram,
  ChainRule,
  FrameField,
  FrameTest,
  OwnName,
  PacketClass,
  RuleOrigin,
} from './chain-program.ts';
import type { Packet } from './judge.ts';
import type { RuleDirection } from './rule.ts';

/** What a packet is judged for. */
export interface JudgedGuest {
  readonly mac: bigint;
  readonly addresses: readonly AddressRange[];
}

/** What became of it, and by which rule; undefined: by none, it came to the end. */
export interface ChainVerdict {
  readonly verdict: 'allow' | 'drop' | 'reject';
  readonly by: RuleOrigin | undefined;
}

/** What chains ask: a whole frame, or a packet of which no more is told than who sends what to whom. */
export interface Asked {
  readonly direction: RuleDirection;
  /** Undefined where it has none: what asks for it does not match, whatever it asks. */
  value(field: FrameField): bigint | undefined;
  isOwn(field: FrameField, own: OwnName, value: bigint): boolean;
  /** Sender and target of ARP are one address; undefined for what is none. */
  isGratuitous(): boolean | undefined;
  /** @param kind RFC 9293 §3.2 */
  hasTcpOption(kind: number): boolean | undefined;
  /** Of a packet that nobody has said anything about; undefined for a later fragment, which has no ports. */
  classOf(family: Family): PacketClass | undefined;
}

/**
 * What a program says of the first packet of a conversation. Of its frame only what the packet tells is known: a field
 * of which nothing is known matches nothing.
 */
export function decideChains(program: ChainProgram, packet: Packet, guest: JudgedGuest): ChainVerdict {
  return walkChains(program, new AskedPacket(packet, guest));
}

/** What a program says where no conversation is known. */
export function walkChains(program: ChainProgram, asked: Asked): ChainVerdict {
  const start = program.start[asked.direction];
  if (start === undefined) return { verdict: 'allow', by: undefined };
  return new Walk(program, asked).run(start);
}

type Step = { readonly done: ChainVerdict } | 'back';

class Walk {
  readonly #program: ChainProgram;
  readonly #asked: Asked;
  /** The last rule that let it go on. */
  #by: RuleOrigin | undefined;

  constructor(program: ChainProgram, asked: Asked) {
    this.#program = program;
    this.#asked = asked;
  }

  run(start: number): ChainVerdict {
    const end = this.#chain(start);
    return end === 'back' ? { verdict: 'allow', by: this.#by } : end.done;
  }

  #chain(number: number): Step {
    for (const rule of this.#program.chains[number]?.rules ?? []) {
      if (!rule.when.every((test) => this.#holds(test))) continue;
      const step = this.#outcome(rule);
      if (step !== undefined) return step;
    }
    return 'back';
  }

  #outcome({ so, origin }: ChainRule): Step | undefined {
    if (origin !== undefined) this.#by = origin;
    if (so === 'pass') return { done: { verdict: 'allow', by: this.#by } };
    if (so === 'drop' || so === 'reject') return { done: { verdict: so, by: this.#by } };
    if (so === 'return') return 'back';
    if ('note' in so) return { done: { verdict: 'allow', by: this.#by } };
    if ('goto' in so) return this.#chain(so.goto);
    if ('classes' in so) {
      const known = this.#asked.classOf(so.family);
      return known === undefined ? { done: { verdict: 'drop', by: undefined } } : this.#chain(so.classes[known]);
    }
    const step = this.#chain(so.jump);
    return step === 'back' ? undefined : step;
  }

  #holds(test: FrameTest): boolean {
    if ('anyOf' in test) return test.anyOf.some((all) => all.every((one) => this.#holds(one)));
    if ('tcpOption' in test) return this.#asked.hasTcpOption(test.tcpOption) === !test.not;
    if ('gratuitous' in test) return this.#asked.isGratuitous() === !test.not;
    const value = this.#asked.value(test.field);
    if (value === undefined) return false;
    if ('own' in test) return this.#asked.isOwn(test.field, test.own, value) !== test.not;
    if ('masked' in test) {
      const [mask, wanted] = test.masked;
      return ((value & BigInt(mask)) === BigInt(wanted)) !== test.not;
    }
    const [first, last] = test.within;
    return (value >= first && value <= last) !== test.not;
  }
}

/** The sender of what comes from the guest may also be none (0.0.0.0, ::): see OwnName. */
export function isUnnamedSender(direction: RuleDirection, field: FrameField, value: bigint): boolean {
  return direction === 'out' && field.includes('saddr') && value === 0n;
}

class AskedPacket implements Asked {
  readonly #packet: Packet;
  readonly #guest: JudgedGuest;
  readonly #values: ReadonlyMap<FrameField, bigint>;

  constructor(packet: Packet, guest: JudgedGuest) {
    this.#packet = packet;
    this.#guest = guest;
    this.#values = valuesOf(packet, guest.mac);
  }

  get direction(): RuleDirection {
    return this.#packet.direction;
  }

  value(field: FrameField): bigint | undefined {
    return this.#values.get(field);
  }

  isOwn(field: FrameField, own: OwnName, value: bigint): boolean {
    if (own === 'mac') return value === this.#guest.mac;
    if (isUnnamedSender(this.direction, field, value)) return true;
    const family = own === 'ip' ? 4 : 6;
    return this.#guest.addresses.some((one) => one.family === family && value >= one.first && value <= one.last);
  }

  /** No packet of IP is ARP. */
  isGratuitous(): undefined {
    return undefined;
  }

  /** A first packet has none that rules ask for. */
  hasTcpOption(): boolean | undefined {
    return this.#packet.protocol === 6 ? false : undefined;
  }

  /** Of ICMP only questions begin something. */
  classOf(): PacketClass {
    const { protocol, type } = this.#packet;
    if (protocol === 1) return type === undefined || QUESTIONS.icmp.includes(type) ? 'new' : 'other';
    if (protocol === 58) return type === undefined || QUESTIONS.icmp6.includes(type) ? 'new' : 'other';
    return 'new';
  }
}

/** Types of ICMP that begin a conversation (RFC 792, RFC 950, RFC 4443 §4.1). */
export const QUESTIONS: Readonly<Record<'icmp' | 'icmp6', readonly number[]>> = {
  icmp: [8, 13, 15, 17],
  icmp6: [128],
};

const SYN = 2n;

function valuesOf(packet: Packet, mac: bigint): ReadonlyMap<FrameField, bigint> {
  const { direction, family, protocol, source, destination, sport, dport, type } = packet;
  const ip = family === 4 ? 'ip' : 'ip6';
  const known: [FrameField, bigint | undefined][] = [
    [direction === 'out' ? 'ether saddr' : 'ether daddr', mac],
    ['ether type', family === 4 ? 0x0800n : 0x86ddn],
    [`${ip} saddr`, source],
    [`${ip} daddr`, destination],
    [`${ip} dscp`, 0n],
    ...(family === 4
      ? ([
          ['ip tos', 0n],
          ['ip protocol', BigInt(protocol)],
        ] as const)
      : []
    ).map(([field, value]): [FrameField, bigint] => [field, value]),
    ['l4proto', BigInt(protocol)],
    ['sport', sport === undefined ? undefined : BigInt(sport)],
    ['dport', dport === undefined ? undefined : BigInt(dport)],
    ['icmp type', type === undefined ? undefined : BigInt(type)],
    ['icmp code', type === undefined ? undefined : 0n],
    ['tcp flags', protocol === 6 ? SYN : undefined],
  ];
  return new Map(known.flatMap(([field, value]) => (value === undefined ? [] : [[field, value]])));
}
