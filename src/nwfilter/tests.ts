import { Failure } from '../errors.ts';
import { parseAddressRange } from '../net/address-range.ts';
import type { FrameField, FrameTest } from '../rules/chain-program.ts';
import type { FilterRule } from './document.ts';
import type { Resolved, RuleInstance } from './instance.ts';
import { filterProtocol } from './protocols.ts';
import { maskOf } from './value.ts';

/** What a rule asks of a frame, as ebtables and iptables would be told by libvirt (nwfilter_ebiptables_driver.c). */
export interface RuleTests {
  /** Only frames of this type are asked. */
  readonly etherType?: number | undefined;
  readonly tests: readonly FrameTest[];
}

const ETHER_TYPES = { arp: 0x0806, rarp: 0x8035, ip: 0x0800, ipv6: 0x86dd, vlan: 0x8100 } as const;

/** @param reverse source and destination are exchanged: the entry for the other direction */
export function layer2Tests(instance: RuleInstance, reverse: boolean): RuleTests {
  const asks = new Asks(instance, reverse);
  switch (instance.rule.protocol) {
    case undefined:
      return { tests: [] };
    case 'mac':
      return { tests: [...asks.macs(), ...asks.number('protocolid', 'ether type')] };
    case 'arp':
    case 'rarp':
      return {
        etherType: ETHER_TYPES[instance.rule.protocol],
        tests: [
          ...asks.macs(),
          ...asks.number('hwtype', 'arp htype'),
          ...asks.number('opcode', 'arp operation'),
          ...asks.number('protocoltype', 'arp ptype'),
          // ebtables compares addresses only in ARP for IPv4, and for Ethernet (net/bridge/netfilter/ebt_arp.c).
          ...(asks.some('arpsrcipaddr', 'arpdstipaddr') || asks.gratuitous().length > 0
            ? [is('arp ptype', 0x0800n)]
            : []),
          ...asks.address('arpsrcipaddr', 'arpsrcipmask', 'arp saddr ip', 'arp daddr ip'),
          ...asks.address('arpdstipaddr', 'arpdstipmask', 'arp daddr ip', 'arp saddr ip'),
          ...(asks.some('arpsrcmacaddr', 'arpdstmacaddr') ? [is('arp htype', 1n)] : []),
          ...asks.address('arpsrcmacaddr', '', 'arp saddr ether', 'arp daddr ether'),
          ...asks.address('arpdstmacaddr', '', 'arp daddr ether', 'arp saddr ether'),
          ...asks.gratuitous(),
        ],
      };
    case 'ip':
      return {
        etherType: ETHER_TYPES.ip,
        tests: [
          ...asks.macs(),
          ...asks.address('srcipaddr', 'srcipmask', 'ip saddr', 'ip daddr'),
          ...asks.address('dstipaddr', 'dstipmask', 'ip daddr', 'ip saddr'),
          ...asks.number('protocol', 'ip protocol'),
          ...asks.ports(),
          // ebtables has no dscp: libvirt compares the whole octet.
          ...asks.number('dscp', 'ip tos'),
        ],
      };
    case 'ipv6':
      return {
        etherType: ETHER_TYPES.ipv6,
        tests: [
          ...asks.macs(),
          ...asks.address('srcipaddr', 'srcipmask', 'ip6 saddr', 'ip6 daddr'),
          ...asks.address('dstipaddr', 'dstipmask', 'ip6 daddr', 'ip6 saddr'),
          ...asks.number('protocol', 'l4proto'),
          ...asks.ports(),
          ...asks.icmp6(),
        ],
      };
    default:
      // vlan, stp: no such frame comes so far.
      return { etherType: ETHER_TYPES.vlan, tests: [] };
  }
}

/** @returns undefined where libvirt makes no entry: of a mirrored rule nothing would be left */
export function layer4Tests(instance: RuleInstance, reverse: boolean): readonly FrameTest[] | undefined {
  const asks = new Asks(instance, reverse);
  const { protocol } = instance.rule;
  if (protocol === undefined) return [];
  const { family, number } = filterProtocol(protocol);
  const ip = family === 6 ? 'ip6' : 'ip';
  const sourceMac = reverse ? [] : asks.address('srcmacaddr', '', 'ether saddr', 'ether saddr');
  const tests = [
    ...sourceMac,
    ...asks.addressOrRange('src', `${ip} saddr`, `${ip} daddr`),
    ...asks.addressOrRange('dst', `${ip} daddr`, `${ip} saddr`),
    ...asks.number('dscp', `${ip} dscp`),
    ...asks.tcp(),
    ...asks.ports(),
    ...asks.icmp(),
  ];
  if (tests.length === 0 && instance.asks.has('srcmacaddr')) return undefined;
  return [...(number === undefined ? [] : [is('l4proto', BigInt(number))]), ...tests];
}

function is(field: FrameField, value: bigint, not = false): FrameTest {
  return { field, within: [value, value], not };
}

const WIDTH: Readonly<Partial<Record<FrameField, number>>> = { 'ether saddr': 48, 'ether daddr': 48 };
const bitsOf = (field: FrameField): number =>
  WIDTH[field] ?? (field.endsWith(' ether') ? 48 : field.startsWith('ip6 ') ? 128 : 32);

class Asks {
  readonly #asks: ReadonlyMap<string, Resolved>;
  readonly #rule: FilterRule;
  readonly #reverse: boolean;

  constructor({ asks, rule }: RuleInstance, reverse: boolean) {
    this.#asks = asks;
    this.#rule = rule;
    this.#reverse = reverse;
  }

  #number(name: string): number | undefined {
    const value = this.#asks.get(name)?.value;
    return value?.kind === 'number' ? value.value : undefined;
  }

  some(...names: readonly string[]): boolean {
    return names.some((name) => this.#asks.has(name));
  }

  #not(name: string): boolean {
    return this.#asks.get(name)?.negated ?? false;
  }

  number(name: string, field: FrameField): FrameTest[] {
    const value = this.#number(name);
    return value === undefined ? [] : [is(field, BigInt(value), this.#not(name))];
  }

  macs(): FrameTest[] {
    return [
      ...this.address('srcmacaddr', 'srcmacmask', 'ether saddr', 'ether daddr'),
      ...this.address('dstmacaddr', 'dstmacmask', 'ether daddr', 'ether saddr'),
    ];
  }

  /** An address with its mask. @param mirrored the field in the entry for the other direction */
  address(name: string, maskName: string, field: FrameField, mirrored: FrameField): FrameTest[] {
    const asked = this.#asks.get(name);
    if (asked === undefined) return [];
    const at = this.#reverse ? mirrored : field;
    const not = asked.negated;
    const { value } = asked;
    if (value.kind === 'own') return [{ field: at, own: value.own, not }];
    if (value.kind === 'block') {
      const range = parseAddressRange(value.text);
      return range === undefined ? [] : [{ field: at, within: [range.first, range.last], not }];
    }
    if (value.kind !== 'address' && value.kind !== 'mac') return [];
    const bits = bitsOf(at);
    const mask = this.#mask(maskName, bits);
    const first = value.value & mask;
    return [{ field: at, within: [first, first | (maskOf(bits, bits) ^ mask)], not }];
  }

  #mask(name: string, bits: number): bigint {
    const value = this.#asks.get(name)?.value;
    if (value?.kind === 'length') return maskOf(value.value, bits);
    return value?.kind === 'mac' ? value.value : maskOf(bits, bits);
  }

  addressOrRange(side: 'src' | 'dst', field: FrameField, mirrored: FrameField): FrameTest[] {
    if (this.#asks.has(`${side}ipaddr`)) return this.address(`${side}ipaddr`, `${side}ipmask`, field, mirrored);
    const from = this.#asks.get(`${side}ipfrom`);
    const to = this.#asks.get(`${side}ipto`)?.value ?? from?.value;
    if (from?.value.kind !== 'address' || to?.kind !== 'address') return [];
    this.#inOrder(`${side}ipto`, from.value.value, to.value);
    return [{ field: this.#reverse ? mirrored : field, within: [from.value.value, to.value], not: from.negated }];
  }

  ports(): FrameTest[] {
    const [source, destination] = this.#reverse ? (['dport', 'sport'] as const) : (['sport', 'dport'] as const);
    return [...this.#range('srcport', source), ...this.#range('dstport', destination)];
  }

  #range(name: string, field: FrameField): FrameTest[] {
    const first = this.#number(`${name}start`);
    if (first === undefined) return [];
    const last = this.#number(`${name}end`) ?? first;
    this.#inOrder(`${name}end`, BigInt(first), BigInt(last));
    return [{ field, within: [BigInt(first), BigInt(last)], not: this.#not(`${name}start`) }];
  }

  #inOrder(name: string, first: bigint, last: bigint): void {
    if (first <= last) return;
    throw new Failure('input', `${name} is below the beginning of its range`, {
      at: `${this.#rule.at.file}:${this.#rule.at.line}`,
      hint: 'exchange the two',
    });
  }

  gratuitous(): FrameTest[] {
    const asked = this.#asks.get('gratuitous');
    if (asked?.value.kind !== 'boolean' || !asked.value.value) return [];
    return [{ gratuitous: true, not: asked.negated }];
  }

  tcp(): FrameTest[] {
    const flags = this.#asks.get('flags');
    const option = this.#number('option');
    return [
      ...(flags?.value.kind === 'tcp-flags'
        ? [{ field: 'tcp flags' as const, masked: [flags.value.mask, flags.value.flags] as const, not: flags.negated }]
        : []),
      ...(option === undefined ? [] : [{ tcpOption: option, not: this.#not('option') }]),
    ];
  }

  /** Type and code are one question. */
  icmp(): FrameTest[] {
    const type = this.#number('type');
    const code = this.#number('code');
    if (type === undefined) return [];
    return typeAndCode([type, type], code === undefined ? undefined : [code, code], this.#not('type'));
  }

  icmp6(): FrameTest[] {
    const names = ['type', 'typeend', 'code', 'codeend'];
    if (!names.some((name) => this.#asks.has(name))) return [];
    const ends = (start: string, end: string): [number, number] => {
      const first = this.#number(start);
      return [first ?? 0, this.#number(end) ?? first ?? 255];
    };
    const [types, codes] = [ends('type', 'typeend'), ends('code', 'codeend')];
    this.#inOrder('typeend', BigInt(types[0]), BigInt(types[1]));
    this.#inOrder('codeend', BigInt(codes[0]), BigInt(codes[1]));
    return [is('l4proto', 58n), ...typeAndCode(types, codes, this.#not('type'))];
  }
}

type Ends = readonly [first: number, last: number];

function typeAndCode(type: Ends, code: Ends | undefined, not: boolean): FrameTest[] {
  const test = (field: FrameField, [first, last]: Ends, negated: boolean): FrameTest => ({
    field,
    within: [BigInt(first), BigInt(last)],
    not: negated,
  });
  const all = code === undefined || (code[0] === 0 && code[1] === 255);
  if (all) return [test('icmp type', type, not)];
  if (!not) return [test('icmp type', type, false), test('icmp code', code, false)];
  return [
    { anyOf: [[test('icmp type', type, true)], [test('icmp type', type, false), test('icmp code', code, true)]] },
  ];
}
