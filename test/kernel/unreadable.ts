/** What cannot be read, or is shorter than it says: it matches no step that would let it pass, in either direction. */
import {
  A,
  ALL,
  arp,
  fragment6,
  frame,
  G,
  groupMac,
  type Ip4,
  type Ip6,
  icmp6,
  ip4,
  ip6,
  lla,
  ndBody,
  solicited,
  TYPE,
  tcp,
  udp,
  V,
} from './frames.ts';
import type { TestFrame } from './verdict.ts';

const attack = (reason: string, name: string, hex: string): TestFrame => ({
  name,
  sender: 'A',
  direction: 'from-guest',
  expect: 'drop',
  reason,
  hex,
});
const unheard = (reason: string, name: string, hex: string): TestFrame => ({
  name,
  sender: 'G',
  direction: 'to-guest',
  expect: 'drop',
  reason,
  hex,
});

const TCP = tcp(40000, 443);
const tcp4 = (h: Ip4 = {}): Buffer => ip4({ protocol: 6, ...h }, TCP);
const tcp6 = (h: Ip6 = {}): Buffer => ip6({ next: 6, ...h }, TCP);
const v4 = (packet: Buffer, dst = G.mac): string => frame(dst, A.mac, TYPE.ip, packet);
const v6 = (packet: Buffer, dst = G.mac): string => frame(dst, A.mac, TYPE.ip6, packet);

export const UNREADABLE: readonly TestFrame[] = [
  ...[6, 17, 47, 50, 132].flatMap((protocol) =>
    [0, 1, 9, 10, 15, 16, 17, 19].map((length) =>
      attack('ip-form', `protocol ${protocol}, cut after ${length} bytes`, v4(tcp4({ protocol }).subarray(0, length))),
    ),
  ),
  ...[6, 17, 50, 58].flatMap((next) =>
    [7, 8, 23, 24, 25, 39].map((length) =>
      attack(
        next === 58 ? 'icmp6-type' : 'ip6-form',
        `next header ${next}, cut after ${length} bytes`,
        v6(tcp6({ next }).subarray(0, length)),
      ),
    ),
  ),
  attack('ip6-ext', 'IPv6 with nothing in it', v6(Buffer.alloc(0))),
  attack('ip6-ext', 'IPv6, cut before its next header', v6(tcp6().subarray(0, 6))),
  ...[0, 19, 41, 1000, 65535].map((totalLength) =>
    attack('ip-form', `TCP that says it has ${totalLength} bytes`, v4(tcp4({ totalLength }))),
  ),
  attack('ip-form', 'a first fragment beyond the frame', v4(tcp4({ more: true, totalLength: 1000 }))),
  attack('ip-form', 'a later fragment beyond the frame', v4(tcp4({ offset: 100, totalLength: 1000 }))),
  attack('ip-form', 'ESP beyond the frame', v4(tcp4({ protocol: 50, totalLength: 41 }))),
  ...[21, 1000, 65535].map((length) =>
    attack('ip6-form', `TCP over IPv6 that says it has ${length} bytes`, v6(tcp6({ length }))),
  ),
  attack('ip6-form', 'ESP over IPv6 beyond the frame', v6(tcp6({ next: 50, length: 21 }))),
  attack(
    'ip6-form',
    'a fragment over IPv6 beyond the frame',
    v6(ip6({ next: 44, length: 1000 }, fragment6(6, TCP, 0, true))),
  ),
  ...[18, 20, 24, 25, 26, 27].flatMap((length) => [
    attack(
      'arp-form',
      `an ARP request, cut after ${length} bytes`,
      frame(ALL, A.mac, TYPE.arp, arp({}).subarray(0, length)),
    ),
    attack(
      'arp-form',
      `an ARP reply, cut after ${length} bytes`,
      frame(V.mac, A.mac, TYPE.arp, arp({ op: 2, tha: V.mac }).subarray(0, length)),
    ),
  ]),
  ...['127.0.0.1', '127.255.255.254', '0.0.0.0', '0.1.2.3'].flatMap((dst) => [
    attack('ip-form', `UDP to ${dst}`, v4(ip4({ dst }, udp(9, 9)))),
    attack('ip-form', `TCP to ${dst}`, v4(tcp4({ dst }))),
    attack('ip-form', `a fragment to ${dst}`, v4(tcp4({ dst, offset: 9 }))),
  ]),
  attack('ip6-form', 'TCP to ::1', v6(tcp6({ dst: '::1' }))),
];

const to4 = (dst: string, h: Ip4, payload: Buffer = TCP, length = 2000): string =>
  frame(dst, G.mac, TYPE.ip, ip4({ src: G.ip, dst: A.ip, protocol: 6, ...h }, payload).subarray(0, length));
const to6 = (dst: string, h: Ip6, payload: Buffer = TCP, length = 2000): string =>
  frame(dst, G.mac, TYPE.ip6, ip6({ src: G.ip6, dst: A.ip6, next: 6, ...h }, payload).subarray(0, length));
const GROUP = groupMac('224.0.0.251');
const GROUP6 = groupMac('ff02::fb');
const request = arp({ sha: G.mac, spa: G.ip, tpa: A.ip });
const solicitation = (length?: number): string => {
  const ends = { src: G.ip6, dst: solicited(A.ip6), next: 58, hops: 255 };
  const packet = ip6(
    length === undefined ? ends : { ...ends, length },
    icmp6(ends, 135, 0, ndBody(A.ip6, lla(1, G.mac))),
  );
  return frame(groupMac(ends.dst), G.mac, TYPE.ip6, packet);
};

export const UNREADABLE_TOWARD_GUEST: readonly TestFrame[] = [
  ...[0, 10, 16, 19].map((length) =>
    unheard('ip-form', `IPv4, cut after ${length} bytes`, to4(A.mac, {}, TCP, length)),
  ),
  ...[19, 41, 1000].map((totalLength) =>
    unheard('ip-form', `TCP that says it has ${totalLength} bytes`, to4(A.mac, { totalLength })),
  ),
  unheard('ip-form', 'UDP without a port', to4(A.mac, { protocol: 17 }, Buffer.alloc(2))),
  unheard('ip-form', 'a group frame beyond the frame', to4(GROUP, { dst: '224.0.0.251', totalLength: 1000 })),
  unheard(
    'ip-form',
    'UDP to a group without a port',
    to4(GROUP, { dst: '224.0.0.251', protocol: 17 }, Buffer.alloc(2)),
  ),
  unheard('ip-form', 'a broadcast without a port', to4(ALL, { dst: '255.255.255.255', protocol: 17 }, Buffer.alloc(3))),
  unheard('l2l3-mismatch', 'an empty frame of IPv4 to a group', to4(GROUP, {}, TCP, 0)),
  unheard('l2l3-mismatch', 'a frame of IPv4 to a group, cut before its destination', to4(GROUP, {}, TCP, 16)),
  ...[0, 7, 24, 39].map((length) => unheard('ip6-dst', `IPv6, cut after ${length} bytes`, to6(A.mac, {}, TCP, length))),
  ...[21, 1000].map((length) =>
    unheard('ip6-form', `TCP over IPv6 that says it has ${length} bytes`, to6(A.mac, { length })),
  ),
  ...[0, 1, 6, 24, 39].map((length) =>
    unheard(
      'ip6-form',
      `a group frame of IPv6, cut after ${length} bytes`,
      to6(GROUP6, { dst: 'ff02::fb' }, TCP, length),
    ),
  ),
  unheard('ip6-form', 'a group frame of IPv6 beyond the frame', to6(GROUP6, { dst: 'ff02::fb', length: 1000 })),
  unheard('ip6-form', 'a solicitation beyond the frame', solicitation(1000)),
  ...[18, 20, 24, 27].map((length) =>
    unheard(
      'arp-foreign',
      `ARP to all, cut after ${length} bytes`,
      frame(ALL, G.mac, TYPE.arp, request.subarray(0, length)),
    ),
  ),
  ...[18, 24, 27].map((length) =>
    unheard(
      'arp-foreign',
      `ARP to it, cut after ${length} bytes`,
      frame(A.mac, G.mac, TYPE.arp, request.subarray(0, length)),
    ),
  ),
];

const heard = (name: string, hex: string): TestFrame => ({
  name,
  sender: 'G',
  direction: 'to-guest',
  expect: 'pass',
  hex,
});

/** What is hard to read, and right. */
export const READABLE_TOWARD_GUEST: readonly TestFrame[] = [
  heard(
    'a later fragment of UDP to a group',
    to4(GROUP, { dst: '224.0.0.251', protocol: 17, offset: 9 }, Buffer.alloc(1)),
  ),
  heard('a later fragment of UDP with one byte', to4(A.mac, { protocol: 17, offset: 9 }, Buffer.alloc(1))),
  heard('IPv4 without a payload', to4(A.mac, { protocol: 253 }, Buffer.alloc(0))),
  heard('a later fragment of destination options', to6(A.mac, { next: 44 }, fragment6(60, TCP, 72))),
  heard('a later fragment of AH', to6(A.mac, { next: 44 }, fragment6(51, TCP, 72))),
  heard('a later fragment to a group', to6(GROUP6, { dst: 'ff02::fb', next: 44 }, fragment6(17, TCP, 72))),
  heard('no next header', to6(A.mac, { next: 59 }, Buffer.alloc(0))),
  heard('a solicitation', solicitation()),
];
