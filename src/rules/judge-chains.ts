import type { AddressRange } from '../net/address-range.ts';
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

/**
 * What a program says of the first packet of a conversation. Of its frame only what the packet tells is known: a field
 * of which nothing is known matches nothing.
 */
export function decideChains(program: ChainProgram, packet: Packet, guest: JudgedGuest): ChainVerdict {
  const start = program.start[packet.direction];
  if (start === undefined) return { verdict: 'allow', by: undefined };
  return new Walk(program, packet, guest).run(start);
}

type Step = { readonly done: ChainVerdict } | 'back';

class Walk {
  readonly #program: ChainProgram;
  readonly #packet: Packet;
  readonly #guest: JudgedGuest;
  readonly #values: ReadonlyMap<FrameField, bigint>;
  /** The last rule that let it go on. */
  #by: RuleOrigin | undefined;

  constructor(program: ChainProgram, packet: Packet, guest: JudgedGuest) {
    this.#program = program;
    this.#packet = packet;
    this.#guest = guest;
    this.#values = valuesOf(packet, guest.mac);
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
    if ('classes' in so) return this.#chain(so.classes[classOf(this.#packet)]);
    const step = this.#chain(so.jump);
    return step === 'back' ? undefined : step;
  }

  #holds(test: FrameTest): boolean {
    if ('anyOf' in test) return test.anyOf.some((all) => all.every((one) => this.#holds(one)));
    // A first packet has none, and no packet of IP is ARP.
    if ('tcpOption' in test) return test.not && this.#packet.protocol === 6;
    if ('gratuitous' in test) return false;
    const value = this.#values.get(test.field);
    if (value === undefined) return false;
    if ('own' in test) return this.#isOwn(test.field, test.own, value) !== test.not;
    if ('masked' in test) {
      const [mask, wanted] = test.masked;
      return ((value & BigInt(mask)) === BigInt(wanted)) !== test.not;
    }
    const [first, last] = test.within;
    return (value >= first && value <= last) !== test.not;
  }

  #isOwn(field: FrameField, own: OwnName, value: bigint): boolean {
    if (own === 'mac') return value === this.#guest.mac;
    if (this.#packet.direction === 'out' && field.endsWith('saddr') && value === 0n) return true;
    const family = own === 'ip' ? 4 : 6;
    return this.#guest.addresses.some((one) => one.family === family && value >= one.first && value <= one.last);
  }
}

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

/** Of ICMP only questions begin something. */
function classOf({ protocol, type }: Packet): PacketClass {
  if (protocol === 1) return type === undefined || [8, 13, 15, 17].includes(type) ? 'new' : 'other';
  if (protocol === 58) return type === undefined || type === 128 ? 'new' : 'other';
  return 'new';
}
