import { type Family, judgedPorts } from '../../filter/ordinary.ts';
import type { Direction } from '../../filter/reasons.ts';
import { type Field, type Match, type NumberField, PERMITTED, type Stage } from '../../filter/stage.ts';
import { STAGES } from '../../filter/stages.ts';
import {
  BROADCAST_BITS,
  ETHERTYPE,
  IPV4_PLAIN,
  IPV6_GROUPS,
  IPV6_VERSION,
  PROTOCOL,
  UDP_LENGTHS,
  WHOLE_PACKET,
} from '../../filter/wire.ts';
import { DOM0_SIDE_MAC } from '../../net/mac-address.ts';
import { nftInWord, nftLeading, nftQuick } from './fields.ts';
import { enterGates } from './gates.ts';
import { learnedAddress, ownAddress, ownMac } from './own.ts';
import { type OtherChain, renderMatch, renderOutcome, stageChain } from './stages.ts';

/**
 * A short way for ordinary traffic: TCP and UDP from and to one station, with the own addresses. It only ever accepts,
 * and only what the stages would accept too; all else, and everything it is not sure of, goes on to them. So it has no
 * say in what is dropped, or why. (test/kernel/quick.test.ts sends every frame of the corpus with and without it.)
 *
 * Measured, against an unfiltered bridge: 1.35 from a guest and 1.37 to it, by way of the stages 1.67 and 1.60. What
 * makes it short: ether type and form in one look, comparisons that the kernel has a fast form of (nft_payload_fast,
 * nft_bitwise_fast, nft_cmp_fast: aligned, at most 4 bytes), one look for MAC and address together. That also says
 * that a frame to a guest is for one station; of one from a guest the kernel has said so (`pkttype`, eth_type_trans).
 *
 * What it takes is PERMITTED, as in the stages. What it must leave to them is in src/filter/ordinary.ts: the ports are
 * read from the stages, and a test without a kernel walks every way on which they could have judged what is accepted
 * here.
 *
 * @param stages those of this direction
 * @param some.learning some vif learns addresses
 * @param some.gated some vif may only speak with its gateways
 * @param some.routed ports are on no bridge: what is for one station is for this host
 */
export function renderQuick(
  direction: Direction,
  stages: readonly Stage[] = STAGES[direction],
  { learning = false, gated = false, routed = false } = {},
): string[] {
  const chain = (name: OtherChain): string => stageChain(direction, name);
  // Back to the first chain, and from there to the stages: the kernel counts how deep chains lead to each other, and
  // what stands behind a jump is no deeper (NFT_JUMP_STACK_SIZE).
  const leave = 'return';
  const permitted = renderOutcome(direction, PERMITTED);
  const said = (match: Match): string => renderMatch(direction, match).join(' ');
  const fromGuest = direction === 'from-guest';
  // What this host sends there has the address of its side, which no guest has (net/mac-address.ts: parseMac).
  const itself = routed ? `ether saddr != ${DOM0_SIDE_MAC}` : ownMac(direction, 'ether saddr');
  const notItself = fromGuest ? [] : ['    # Its own frame coming back.', `    ${itself} ${leave}`];
  const fromItself = (match: Match): string[] => (fromGuest ? [] : [`    ${said(match)} ${leave}`]);
  // 3: neither a group nor the port's own address. What nft 1.1 lists of a mask with a gap is another comparison.
  const toStation = fromGuest ? `meta pkttype ${routed ? 'host' : 'other'} ` : '';
  // 224.0.0.0 and above begin with three bits of one.
  const many = (field: 'ip saddr' | 'ip daddr'): string => `    ${nftLeading(field, 8)} & 0xe0 == 0xe0 ${leave}`;
  const begins = (field: Field, bits: number, value: string): string =>
    `    ${nftLeading(field, bits)} ${value} ${leave}`;
  /** TCP, and UDP to ports that no stage judges. */
  const byProtocol = (family: Family): string[] => {
    // What is behind no header but IPv6's, of a packet that is whole; of UDP the look at its port says so.
    const tcp =
      family === 'ip'
        ? said({ field: 'ip protocol', is: PROTOCOL.tcp })
        : `${said({ field: 'ip6 nexthdr', is: PROTOCOL.tcp })} ${said({ field: 'ip6 upper-layer', is: PROTOCOL.tcp })}`;
    const protocol: NumberField = family === 'ip' ? 'ip protocol' : 'ip6 nexthdr';
    const udp = `${said({ field: protocol, is: PROTOCOL.udp })} ${ordinaryUdp(direction, family, stages)}`;
    const { single } = ownSide(direction, family);
    const more = chain(`quick-${family}-more`);
    return [
      `    ${tcp} ${single} ${permitted}`,
      `    ${udp} ${single} ${permitted}`,
      `    ${tcp} goto ${more}`,
      `    ${udp} goto ${more}`,
      `    ${leave}`,
    ];
  };
  /** Who may use any address, or has blocks of them: the MAC is asked for alone. */
  const more = (family: Family): string[] => {
    const { mac, any, block } = ownSide(direction, family);
    const learned = learnedAddress(direction, fromGuest ? 'ip saddr' : 'ip daddr');
    return [
      `    ${mac} ${any} ${permitted}`,
      `    ${mac} ${block} ${permitted}`,
      ...(learning && family === 'ip' ? [`    ${mac} ${learned} ${permitted}`] : []),
      `    ${leave}`,
    ];
  };
  return [
    '  # Who may use any address, or has blocks of them.',
    `  chain ${chain('quick-ip-more')} {`,
    "    # Nobody's, or to a group: never an assigned address, but any address.",
    ...(fromGuest
      ? [begins('ip saddr', 8, '0x00'), begins('ip saddr', 8, '0x7f'), many('ip saddr')]
      : [many('ip daddr')]),
    ...more('ip'),
    '  }',
    `  chain ${chain('quick-ip6-more')} {`,
    ...(fromGuest ? [`    ${said({ field: 'ip6 saddr', block: IPV6_GROUPS })} ${leave}`] : []),
    ...more('ip6'),
    '  }',
    '',
    '  # TCP and UDP over IPv4.',
    `  chain ${chain('quick-ip')} {`,
    ...notItself,
    ...fromItself({ field: 'ip saddr', own: 'sole' }),
    ...(fromGuest
      ? [
          "    # A fragment; to nobody's address, to a group (RFC 1112), or what may be the broadcast of a subnet.",
          `    ${nftInWord('ip frag-off', '!=', WHOLE_PACKET)} ${leave}`,
          begins('ip daddr', 8, `{ ${NO_STATION.join(', ')} }`),
          `    ${said({ field: 'ip daddr', masked: BROADCAST_BITS })} ${leave}`,
        ]
      : []),
    ...byProtocol('ip'),
    '  }',
    '',
    '  # TCP and UDP over IPv6, without extension headers.',
    `  chain ${chain('quick-ip6')} {`,
    ...notItself,
    ...fromItself({ field: 'ip6 saddr', own: 'sole6' }),
    "    # From or to nobody's address, or to a group.",
    ...(fromGuest ? [begins('ip6 saddr', 32, '0x00000000'), begins('ip6 daddr', 32, '0x00000000')] : []),
    `    ${said({ field: 'ip6 daddr', block: IPV6_GROUPS })} ${leave}`,
    ...byProtocol('ip6'),
    '  }',
    '',
    '  # Ordinary traffic is decided here, all else by the stages.',
    `  chain ${chain('quick')} {`,
    ...(gated ? ['    # Who may only speak with its gateways.', `    ${enterGates(direction)}`] : []),
    `    # ${fromGuest ? 'To one station; ' : ''}IPv4 with a header of 20 bytes; IPv6.`,
    `    ${FORM} ${PLAIN_IPV4} ${toStation}jump ${chain('quick-ip')}`,
    `    ${FORM} & 0xfffff0 == ${PLAIN_IPV6} ${toStation}jump ${chain('quick-ip6')}`,
    `    goto ${stageChain(direction, 'start')}`,
    '  }',
    '',
  ];
}

/** First bytes of addresses that are no station's: this network, loopback, groups, reserved. */
const NO_STATION = [0x00, 0x7f, ...Array.from({ length: 32 }, (_, at) => 0xe0 + at)].map(
  (byte) => `0x${byte.toString(16).padStart(2, '0')}`,
);

/** Ether type, and the first byte of the packet; of IPv6 only its version. */
const FORM = '@ll,96,24';
const PLAIN_IPV4 = form(ETHERTYPE.ip, IPV4_PLAIN);
const PLAIN_IPV6 = form(ETHERTYPE.ip6, IPV6_VERSION << 4);

function form(etherType: number, packet: number): string {
  return `0x${etherType.toString(16).padStart(4, '0')}${packet.toString(16).padStart(2, '0')}`;
}

/** UDP that no stage judges by its port; from a guest also with a length that can be. */
function ordinaryUdp(direction: Direction, family: Family, stages: readonly Stage[]): string {
  const ports = judgedPorts(direction, family, stages).map((port) => `0x${port.toString(16).padStart(4, '0')}`);
  const port = nftQuick('udp dport');
  // One lookup, however many there are; of two, comparisons cost 30 ns less (measured).
  const exempt = ports.length > 2 ? [`${port} != { ${ports.join(', ')} }`] : ports.map((one) => `${port} != ${one}`);
  return [...exempt, ...(direction === 'from-guest' ? [LONG_ENOUGH] : [])].join(' ');
}

/** RFC 768: at least the 8 bytes of the header, so one of the bits above those of 7 is set. */
const LONG_ENOUGH = `${nftQuick('udp length')} & 0x${(0x10000 - UDP_LENGTHS[0]).toString(16)} != 0x0000`;

/** The own MAC and addresses on the side of the guest. */
function ownSide(direction: Direction, family: Family): ReturnType<typeof ownAddress> & { readonly mac: string } {
  const side = direction === 'from-guest' ? 'saddr' : 'daddr';
  return { mac: ownMac(direction, `ether ${side}`), ...ownAddress(direction, `${family} ${side}`, family) };
}
