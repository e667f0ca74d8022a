/**
 * Random lists of rules, and for each of their lines packets that match it, and that miss it by one in one field. All
 * values are few and close to each other, so that lines overlap and their order counts.
 */
import fc from 'fast-check';
import type { Family } from '../../src/net/address-range.ts';
import type { Packet } from '../../src/rules/judge.ts';
import type { RuleProgram } from '../../src/rules/program.ts';
import { protocolOf } from '../../src/rules/protocols.ts';
import { type NumberRange, RULE_DIRECTIONS, type Rule } from '../../src/rules/rule.ts';

/** The other stations: so many addresses from here. */
const FAR = { 4: '203.0.113.', 6: '2001:db8::' } as const;
const BASE: Readonly<Record<Family, bigint>> = { 4: 0xcb007100n, 6: 0x20010db8n << 96n };

const WITH_PORTS = ['tcp', 'udp', 'sctp'] as const;
const low = fc.integer({ min: 0x10, max: 0x17 });
const address = fc.oneof(
  low.map((at) => `${FAR[4]}${at}`),
  fc.tuple(low, low).map(([a, b]) => `${FAR[4]}${Math.min(a, b)}-${FAR[4]}${Math.max(a, b)}`),
  fc.constantFrom('203.0.113.16/30', '203.0.113.0/24', '2001:db8::10/125'),
  low.map((at) => `${FAR[6]}${at.toString(16)}`),
);
const who = fc.uniqueArray(address, { minLength: 1, maxLength: 3 }).map((list) => list.join(','));
const port = fc.integer({ min: 1000, max: 1006 });
const ports = fc.oneof(
  port.map(String),
  fc.tuple(port, port).map(([a, b]) => `${Math.min(a, b)}-${Math.max(a, b)}`),
  fc.constantFrom('1000,1003', '999,1001-1002,1005'),
);
const portProtocols = fc.uniqueArray(fc.constantFrom(...WITH_PORTS), { minLength: 1, maxLength: 2 });

/** The middle of a line: protocols and what belongs to them. */
const transport = fc.oneof(
  fc.constant(''),
  portProtocols.map((list) => list.join(',')),
  fc.tuple(portProtocols, ports).map(([list, range]) => `${list.join(',')} ${range}`),
  fc.tuple(portProtocols, ports, ports).map(([list, to, from]) => `${list.join(',')} ${to} SPORT ${from}`),
  fc.constantFrom('icmp 8', 'icmp 13,8', 'icmp6 128', 'icmp,icmp6', 'gre', 'esp', 'gre,esp', 'icmp', '6'),
);

const line = fc
  .record({
    direction: fc.constantFrom('in', 'out'),
    verdict: fc.constantFrom('allow', 'allow', 'drop'),
    transport,
    far: fc.option(who, { nil: undefined }),
    stateless: fc.boolean(),
  })
  .map(({ direction, verdict, transport: what, far, stateless }) => {
    const [protocols = '', sport] = what.split(' SPORT ');
    return [
      direction,
      verdict,
      protocols,
      far === undefined ? '' : `${direction === 'in' ? 'from' : 'to'} ${far}`,
      sport === undefined ? '' : `sport ${sport}`,
      stateless && verdict === 'allow' ? 'stateless' : '',
    ]
      .filter((word) => word !== '')
      .join(' ');
  })
  // A line without conditions ends its direction, and one of two families is a mistake.
  .filter((text) => text.split(' ').filter((word) => word !== 'stateless').length > 2)
  .filter((text) => !(/ icmp /.test(`${text} `) && /2001/.test(text) && !/203/.test(text)))
  .filter((text) => !(/ icmp6 /.test(`${text} `) && /203/.test(text) && !/2001/.test(text)))
  .filter((text) => !(/icmp,icmp6/.test(text) && /203|2001/.test(text)));

/** Lines of a `[rules NAME]` section. */
export const ruleLines: fc.Arbitrary<string[]> = fc
  .tuple(
    fc.array(line, { minLength: 2, maxLength: 8 }),
    fc.constantFrom(['in drop', 'out drop'], ['in drop', 'out allow'], ['in allow', 'out drop'], ['out drop']),
  )
  .map(([lines, ends]) => [
    ...lines.filter((text) => ends.some((end) => end.split(' ')[0] === text.split(' ')[0])),
    ...ends,
  ]);

/** The same lines in the other order; the last of each direction stays the last. */
export function otherOrder(lines: readonly string[]): string[] {
  const ends = lines.filter((text) => text.split(' ').length === 2);
  return [...lines.filter((text) => text.split(' ').length > 2).reverse(), ...ends];
}

/** The guest's own addresses, as numbers. */
export type Own = Readonly<Record<Family, bigint>>;

/** Packets that match a line, or miss it by one, in both directions and families. */
export function packetsAbout(program: RuleProgram, own: Own): Packet[] {
  const all = RULE_DIRECTIONS.flatMap((direction) =>
    program[direction].flatMap((rule) => ([4, 6] as const).flatMap((family) => aboutRule(rule, family, own))),
  );
  return [...new Map(all.map((one) => [packetText(one), one])).values()];
}

/** As a text that is its own. */
export function packetText(packet: Packet): string {
  const { direction, family, protocol, source, destination, sport = '', dport = '', type = '' } = packet;
  return [direction, family, protocol, source, destination, sport, dport, type].join(' ');
}

const KNOWN = [1, 6, 17, 47, 50, 58, 132];

function aboutRule(rule: Rule, family: Family, own: Own): Packet[] {
  const far = (rule.direction === 'in' ? rule.from : rule.to).find((range) => range.family === family);
  const addresses = around(far && [far.first, far.last], BASE[family] + 0x14n);
  const numbers = rule.protocols.length === 0 ? KNOWN : [...rule.protocols, 17];
  return numbers.flatMap((protocol) => {
    const base = { direction: rule.direction, family, protocol, far: addresses[0] ?? 0n };
    const has = protocolOf(protocol).ports;
    const dports = has ? portsAround(rule.ports[0], 1003) : [undefined];
    const sports = has ? portsAround(rule.sports[0], 40_000) : [undefined];
    const types = protocol === 1 || protocol === 58 ? typesAround(rule.types[0], protocol) : [undefined];
    const [dport, sport, type] = [dports[0], sports[0], types[0]];
    const turned = rule.direction === 'in' ? 'out' : 'in';
    return [
      { ...base, dport, sport, type },
      { ...base, dport, sport, type, direction: turned } as const,
      { ...base, dport: sport, sport: dport, type, direction: turned } as const,
      ...addresses.map((one) => ({ ...base, far: one, dport, sport, type })),
      ...dports.map((one) => ({ ...base, dport: one, sport, type })),
      ...sports.map((one) => ({ ...base, dport, sport: one, type })),
      ...types.map((one) => ({ ...base, dport, sport, type: one })),
    ].map(({ far: other, ...packet }): Packet => {
      const [source, destination] = packet.direction === 'in' ? [other, own[family]] : [own[family], other];
      return { ...packet, source, destination };
    });
  });
}

/** The first of a range, what is beside it at both ends, and the last; or one value where none is asked for. */
function around(range: readonly [bigint, bigint] | undefined, otherwise: bigint): bigint[] {
  if (range === undefined) return [otherwise];
  const [first, last] = range;
  return [first, first - 1n, last, last + 1n];
}

function portsAround(range: NumberRange | undefined, otherwise: number): number[] {
  return around(range && [BigInt(range[0]), BigInt(range[1])], BigInt(otherwise)).map(Number);
}

/** Types that quote no packet, and that no rule is kept from. */
function typesAround(type: number | undefined, protocol: number): number[] {
  const all = protocol === 1 ? [8, 13, 15] : [128, 139];
  return type === undefined ? all : [type, ...all];
}
