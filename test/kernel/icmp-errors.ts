/**
 * ICMP errors quote the packet they are about (RFC 792, RFC 4443 §3): a guest may only speak of what was sent to it.
 */
import {
  A,
  ALL,
  type Content,
  fragment6,
  frame,
  G,
  groupMac,
  type Ip4,
  type Ip6,
  icmp,
  icmp6,
  ip4,
  ip6,
  options,
  routing6,
  TYPE,
  tcp,
  udp,
  udp6,
  V,
} from './frames.ts';
import type { TestFrame } from './verdict.ts';

interface Quote {
  /** Who the error is sent to, and whose packet it quotes: the victim's. */
  readonly outer?: Ip4 & Ip6;
  readonly type?: number;
  readonly code?: number;
  readonly mac?: string;
  /** How much of the quote is sent. */
  readonly cut?: number;
}

/** An error of the guest, with a quote. */
export function error4(quoted: Buffer, { outer, type = 3, code = 3, mac = V.mac, cut }: Quote = {}): string {
  const body = Buffer.concat([Buffer.alloc(4), quoted.subarray(0, cut ?? quoted.length)]);
  return frame(mac, A.mac, TYPE.ip, ip4({ dst: V.ip, protocol: 1, ...outer }, icmp(type, code, body)));
}

export function error6(quoted: Buffer, { outer, type = 1, code = 4, mac = V.mac, cut }: Quote = {}): string {
  const body = Buffer.concat([Buffer.from('00000500', 'hex'), quoted.subarray(0, cut ?? quoted.length)]);
  const ends = { dst: V.ip6, next: 58, ...outer };
  return frame(mac, A.mac, TYPE.ip6, ip6(ends, icmp6(ends, type, code, body)));
}

/** The victim's packet to somebody. */
const from4 = (h: Ip4, payload: Content = udp(53, 9)): Buffer => ip4({ src: V.ip, ...h }, payload);
const from6 = (h: Ip6, payload: Content = udp6({}, 53, 9)): Buffer => ip6({ src: V.ip6, ...h }, payload);

const tooBig = { type: 3, code: 4 } as const;
const tooBig6 = { type: 2, code: 0 } as const;
const toG = from4({ dst: G.ip });
const toG6 = from6({ dst: G.ip6 });

const unread = (name: string, hex: string): TestFrame => ({
  name,
  sender: 'A',
  direction: 'from-guest',
  expect: 'drop',
  reason: 'icmp-quote',
  hex,
});

/** About packets that were not sent to it, or that cannot be read. */
export const FORGED_ERRORS: readonly TestFrame[] = [
  unread('fragmentation needed for a connection to the gateway', error4(from4({ dst: G.ip, protocol: 6 }), tooBig)),
  unread('fragmentation needed for a connection to the Internet', error4(from4({ dst: '8.8.8.8' }), tooBig)),
  unread('port unreachable for a packet to the gateway', error4(toG)),
  unread('host unreachable for a packet to the gateway', error4(toG, { code: 1 })),
  unread('time exceeded for a packet to the gateway', error4(toG, { type: 11, code: 0 })),
  unread('parameter problem of a packet to the gateway', error4(toG, { type: 12, code: 0 })),
  unread("port unreachable for the victim's packet to itself", error4(from4({ dst: V.ip }))),
  unread('port unreachable for a packet from the guest itself', error4(from4({ src: A.ip, dst: V.ip }))),
  unread('port unreachable for a packet to 0.0.0.0', error4(from4({ dst: '0.0.0.0' }))),
  unread('port unreachable for a packet to all', error4(from4({ dst: '255.255.255.255' }))),
  unread('port unreachable for a packet to its subnet', error4(from4({ dst: '10.0.0.255' }))),
  unread('port unreachable for a packet to a group', error4(from4({ dst: '224.0.0.251' }))),
  unread('port unreachable about nothing', error4(Buffer.alloc(0))),
  unread('port unreachable with zeros', error4(Buffer.alloc(28))),
  unread('a quote that ends before its destination', error4(from4({ dst: A.ip }), { cut: 16 })),
  unread('a quote that ends within its destination', error4(from4({ dst: A.ip }), { cut: 19 })),
  unread('a quote of IPv6', error4(from6({ dst: A.ip6 }))),
  unread('a quote with a source route', error4(from4({ dst: A.ip, options: '8307040a0000fe00' }))),
  unread('a quoted IPIP packet', error4(from4({ dst: A.ip, protocol: 4 }, toG))),
  unread('a quoted 6in4 packet', error4(from4({ dst: A.ip, protocol: 41 }, toG6))),
  unread('port unreachable to all', error4(from4({ dst: A.ip }), { mac: ALL, outer: { dst: '255.255.255.255' } })),
  unread('port unreachable to its subnet', error4(from4({ dst: A.ip }), { mac: ALL, outer: { dst: '10.0.0.255' } })),
  unread(
    'port unreachable to a group',
    error4(from4({ dst: A.ip }), { mac: groupMac('224.0.0.1'), outer: { dst: '224.0.0.1' } }),
  ),
  unread('the first fragment of an error', error4(from4({ dst: A.ip }), { outer: { more: true } })),

  unread('packet too big for a connection to the gateway', error6(from6({ dst: G.ip6, next: 6 }), tooBig6)),
  unread('packet too big for a connection to the Internet', error6(from6({ dst: '2001:db8::1' }), tooBig6)),
  unread('ICMPv6 port unreachable for a packet to the gateway', error6(toG6)),
  unread('ICMPv6 time exceeded for a packet to the gateway', error6(toG6, { type: 3, code: 0 })),
  unread('ICMPv6 parameter problem of a packet to the gateway', error6(toG6, { type: 4, code: 1 })),
  unread("ICMPv6 port unreachable for the victim's packet to itself", error6(from6({ dst: V.ip6 }))),
  unread("ICMPv6 port unreachable for a packet to another's link-local address", error6(from6({ dst: G.local }))),
  unread('ICMPv6 port unreachable for a packet to all nodes', error6(from6({ dst: 'ff02::1' }))),
  unread('ICMPv6 port unreachable about nothing', error6(Buffer.alloc(0))),
  unread('ICMPv6 port unreachable with zeros', error6(Buffer.alloc(60))),
  unread('an IPv6 quote that ends before its destination', error6(from6({ dst: A.ip6 }), { cut: 24 })),
  unread('an IPv6 quote that ends within its destination', error6(from6({ dst: A.ip6 }), { cut: 39 })),
  unread('an IPv6 quote of IPv4', error6(Buffer.concat([from4({ dst: A.ip }), Buffer.alloc(40)]))),
  unread(
    'a quote with a segment routing header to the gateway',
    error6(from6({ dst: A.ip6, next: 43 }, routing6(17, 4, G.ip6, udp(53, 9)))),
  ),
  unread(
    'a quoted fragment with a segment routing header',
    error6(from6({ dst: A.ip6, next: 44 }, fragment6(43, routing6(17, 4, G.ip6, udp(53, 9))))),
  ),
  unread(
    'a quote with destination options',
    error6(from6({ dst: A.ip6, next: 60 }, options(43, routing6(17, 4, G.ip6, udp(53, 9))))),
  ),
  unread('a quoted packet in a packet', error6(from6({ dst: A.ip6, next: 41 }, toG6))),
  unread(
    'ICMPv6 port unreachable to all nodes',
    error6(from6({ dst: A.ip6 }), { mac: groupMac('ff02::1'), outer: { dst: 'ff02::1' } }),
  ),
];

const own = (name: string, hex: string): TestFrame => ({
  name,
  sender: 'A',
  direction: 'from-guest',
  expect: 'pass',
  hex,
});
const mine = from4({ dst: A.ip });
const mine6 = from6({ dst: A.ip6 });

/** About packets that were sent to it. */
export const OWN_ERRORS: readonly TestFrame[] = [
  ...[0, 1, 2, 3, 9, 10, 13].map((code) => own(`unreachable with code ${code}`, error4(mine, { code }))),
  own('fragmentation needed', error4(from4({ dst: A.ip, protocol: 6 }, tcp(80, 40000)), tooBig)),
  own('time exceeded', error4(mine, { type: 11, code: 0 })),
  own('reassembly time exceeded', error4(from4({ dst: A.ip, more: true }), { type: 11, code: 1 })),
  own('parameter problem', error4(mine, { type: 12, code: 0 })),
  own('unreachable for a ping', error4(from4({ dst: A.ip, protocol: 1 }, icmp(8)))),
  own('unreachable with a header only', error4(mine, { cut: 20 })),
  own('unreachable with all of a large packet', error4(from4({ dst: A.ip }, udp(53, 9, Buffer.alloc(520))))),
  own(
    'unreachable to another network',
    error4(from4({ src: '8.8.8.8', dst: A.ip }), { mac: G.mac, outer: { dst: '8.8.8.8' } }),
  ),
  ...[0, 1, 3, 4, 5, 6].map((code) => own(`ICMPv6 unreachable with code ${code}`, error6(mine6, { code }))),
  own('packet too big', error6(from6({ dst: A.ip6, next: 6 }, tcp(80, 40000)), tooBig6)),
  own('ICMPv6 time exceeded', error6(mine6, { type: 3, code: 0 })),
  own(
    'ICMPv6 reassembly time exceeded',
    error6(from6({ dst: A.ip6, next: 44 }, fragment6(17, udp(53, 9), 0, true)), { type: 3, code: 1 }),
  ),
  own('ICMPv6 parameter problem', error6(mine6, { type: 4, code: 1 })),
  own(
    'ICMPv6 unreachable for its link-local address',
    error6(from6({ src: V.local, dst: A.local }), { outer: { src: A.local, dst: V.local } }),
  ),
  own('ICMPv6 unreachable with all of a large packet', error6(from6({ dst: A.ip6 }, udp(53, 9, Buffer.alloc(1100))))),
];
