/** Toward a guest: somebody else uses its address, or claims it. */
import {
  A,
  ALL,
  arp,
  fragment6,
  frame,
  G,
  groupMac,
  H,
  type Ip4,
  type Ip6,
  icmp,
  icmp6,
  ip4,
  ip6,
  lla,
  ndBody,
  OVERRIDE,
  options,
  SOLICITED,
  solicited,
  TYPE,
  tcp,
  udp,
  udp6,
} from './frames.ts';
import type { TestFrame, Who } from './verdict.ts';

const unheard = (reason: string, name: string, hex: string, sender: Who = 'G'): TestFrame => ({
  name,
  sender,
  direction: 'to-guest',
  expect: 'drop',
  reason,
  hex,
});
const own = (name: string, hex: string, sender?: Who): TestFrame => unheard('own-address', name, hex, sender);

const v4 = (dst: string, h: Ip4, payload: Buffer = udp(9, 9), mac = G.mac): string =>
  frame(dst, mac, TYPE.ip, ip4({ src: A.ip, dst: A.ip, ...h }, payload));
const v6 = (dst: string, h: Ip6, payload?: Buffer, mac = G.mac): string => {
  const ends = { src: A.ip6, dst: A.ip6, ...h };
  return frame(dst, mac, TYPE.ip6, ip6(ends, payload ?? udp6(ends, 9, 9)));
};
const claims = (dst: string, a: Parameters<typeof arp>[0], from = G): string =>
  frame(dst, from.mac, TYPE.arp, arp({ sha: from.mac, spa: A.ip, tpa: A.ip, ...a }));
const advertises = (target: string, h: Ip6, flags: number, wrap = false): string => {
  const ends = { src: G.ip6, dst: A.ip6, hops: 255, ...h };
  const message = icmp6(ends, 136, 0, ndBody(target, lla(2, G.mac), flags));
  const packet = wrap ? ip6({ ...ends, next: 60 }, options(58, message)) : ip6({ ...ends, next: 58 }, message);
  return frame(ends.dst.startsWith('ff') ? groupMac(ends.dst) : A.mac, G.mac, TYPE.ip6, packet);
};

export const OWN_ADDRESS_OF_OTHERS: readonly TestFrame[] = [
  own('UDP from its address', v4(A.mac, {})),
  own('UDP from its address by dom0', v4(A.mac, {}, undefined, H.mac), 'H'),
  own('TCP from its address', v4(A.mac, { protocol: 6 }, tcp(1, 2))),
  own('a ping from its address', v4(A.mac, { protocol: 1 }, icmp(8))),
  own('a later fragment from its address', v4(A.mac, { offset: 9 }, Buffer.alloc(40))),
  own('GRE from its address', v4(A.mac, { protocol: 47 }, Buffer.alloc(24))),
  own('a broadcast from its address', v4(ALL, { dst: '255.255.255.255' })),
  own('a broadcast to its subnet from its address', v4(ALL, { dst: '10.0.0.255' })),
  own('multicast from its address', v4(groupMac('224.0.0.251'), { dst: '224.0.0.251' })),
  own('UDP from its IPv6 address', v6(A.mac, {})),
  own('TCP from its IPv6 address', v6(A.mac, { next: 6 }, tcp(1, 2))),
  own('UDP from its link-local address', v6(A.mac, { src: A.local, dst: A.local })),
  own('a fragment from its IPv6 address', v6(A.mac, { next: 44 }, fragment6(17, Buffer.alloc(40), 72))),
  own('multicast from its IPv6 address', v6(groupMac('ff02::fb'), { dst: 'ff02::fb' })),
  own(
    'a solicitation from its link-local address',
    v6(groupMac(solicited(A.ip6)), { src: A.local, dst: solicited(A.ip6) }),
  ),

  own('a gratuitous ARP reply for its address', claims(ALL, { op: 2, tha: ALL })),
  own('a gratuitous ARP request for its address', claims(ALL, {})),
  own('an ARP question of another with its address', claims(ALL, { tpa: G.ip })),
  own('a unicast ARP reply for its address', claims(A.mac, { op: 2, tha: A.mac })),
  own('a unicast ARP request for its address', claims(A.mac, {})),
  own('a unicast ARP request to 0.0.0.0 for its address', claims(A.mac, { tpa: '0.0.0.0' })),
  own('ARP for its address by dom0', claims(ALL, { op: 2 }, H), 'H'),

  unheard('nd-target', 'an advertisement of its address', advertises(A.ip6, {}, OVERRIDE)),
  unheard('nd-target', 'a solicited advertisement of its address', advertises(A.ip6, {}, SOLICITED | OVERRIDE)),
  unheard(
    'nd-target',
    'an advertisement of its link-local address',
    advertises(A.local, { src: G.local, dst: A.local }, 0),
  ),
  unheard(
    'nd-target',
    'an advertisement of its address to its group',
    advertises(A.ip6, { dst: solicited(A.ip6) }, OVERRIDE),
  ),
  unheard('nd-target', 'an advertisement of its address to routers', advertises(A.ip6, { dst: 'ff02::2' }, OVERRIDE)),
  unheard('nd-target', 'an advertisement of its address behind options', advertises(A.ip6, {}, OVERRIDE, true)),
  own('an advertisement from its address to itself', advertises(A.ip6, { src: A.ip6 }, OVERRIDE)),
];

const heard = (name: string, hex: string): TestFrame => ({
  name,
  sender: 'G',
  direction: 'to-guest',
  expect: 'pass',
  hex,
});

/** Somebody else has its address, and it asked. */
export const ANSWERS_TO_PROBES: readonly TestFrame[] = [
  heard('the answer to its own ARP probe, to all', claims(ALL, { op: 2, tha: A.mac, tpa: '0.0.0.0' })),
  heard('the answer to its duplicate address detection', advertises(A.ip6, { src: A.ip6, dst: 'ff02::1' }, OVERRIDE)),
  heard('the same for its link-local address', advertises(A.local, { src: A.local, dst: 'ff02::1' }, OVERRIDE)),
];
