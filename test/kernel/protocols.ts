/** Protocols that nobody judges, and control protocols by a side door: what hides among the ordinary ones. */
import { A, ALL, fragment6, frame, G, groupMac, ip4, ip6, TYPE, udp, udp6, V } from './frames.ts';
import type { TestFrame } from './verdict.ts';

const sent = (expect: 'pass' | 'drop', reason: string | undefined, name: string, hex: string): TestFrame => ({
  name,
  sender: 'A',
  direction: 'from-guest',
  expect,
  reason,
  hex,
});
const attack = (reason: string, name: string, hex: string): TestFrame => sent('drop', reason, name, hex);
const ordinary = (name: string, hex: string): TestFrame => sent('pass', undefined, name, hex);

const v4 = (packet: Buffer, dst = G.mac): string => frame(dst, A.mac, TYPE.ip, packet);
const v6 = (packet: Buffer, dst = G.mac): string => frame(dst, A.mac, TYPE.ip6, packet);
const bytes = Buffer.alloc(40);
const udp4To = (sport: number, dport: number, dst = V.ip, mac = V.mac): string =>
  v4(ip4({ dst }, udp(sport, dport, bytes)), mac);
const udp6To = (sport: number, dport: number, dst = V.ip6, mac = V.mac, src = A.ip6): string =>
  v6(ip6({ src, dst }, udp6({ src, dst }, sport, dport, bytes)), mac);
const SUBNET = '10.0.0.255';

/** HSRP, HSRPv6, GLBP; LDP, OLSR, Babel. */
const CONTROL = [
  [1985, 'fhrp'],
  [2029, 'fhrp'],
  [3222, 'fhrp'],
  [646, 'routing'],
  [698, 'routing'],
  [6696, 'routing'],
] as const;

export const SIDE_DOORS: readonly TestFrame[] = [
  ...[0, 5, 43, 44, 46, 55, 58, 60, 98, 108, 131, 133, 135, 140, 142, 143, 144, 145, 253, 254, 255].flatMap(
    (protocol) => [
      attack('ip-protocol', `IPv4 protocol ${protocol}`, v4(ip4({ protocol }, bytes))),
      attack('ip-protocol', `a later fragment of IPv4 protocol ${protocol}`, v4(ip4({ protocol, offset: 9 }, bytes))),
      attack(
        'ip-protocol',
        `IPv4 protocol ${protocol} to all`,
        v4(ip4({ protocol, dst: '255.255.255.255' }, bytes), ALL),
      ),
    ],
  ),
  ...[3, 85, 138].flatMap((protocol) => [
    attack('routing', `IPv4 protocol ${protocol}`, v4(ip4({ protocol }, bytes))),
    attack('routing', `a fragment of IPv4 protocol ${protocol}`, v4(ip4({ protocol, offset: 9 }, bytes))),
    attack('routing', `IPv6 protocol ${protocol}`, v6(ip6({ next: protocol }, bytes))),
  ]),
  ...[1, 2, 5, 55, 98, 131, 143, 145, 254, 255].flatMap((next) => [
    attack('ip6-ext', `IPv6 protocol ${next}`, v6(ip6({ next }, bytes))),
    attack('ip6-ext', `a later fragment of IPv6 protocol ${next}`, v6(ip6({ next: 44 }, fragment6(next, bytes, 72)))),
  ]),
  ...CONTROL.flatMap(([port, reason]) => [
    attack(reason, `port ${port} to the subnet`, udp4To(40000, port, SUBNET, ALL)),
    attack(reason, `port ${port} to the subnet from itself`, udp4To(port, port, SUBNET, ALL)),
    attack(reason, `port ${port} to one station from itself`, udp4To(port, port)),
    attack(reason, `port ${port} to the Internet from itself`, udp4To(port, port, '192.0.2.1', G.mac)),
    attack(
      reason,
      `the first fragment to port ${port} from itself`,
      v4(ip4({ dst: V.ip, more: true }, udp(port, port, bytes)), V.mac),
    ),
    attack(reason, `port ${port} over IPv6 to one station from itself`, udp6To(port, port)),
    attack(
      reason,
      `port ${port} over IPv6 to a link-local address from itself`,
      udp6To(port, port, V.local, V.mac, A.local),
    ),
    attack(reason, `port ${port} over IPv6 to a group`, udp6To(40000, port, 'ff02::1', groupMac('ff02::1'))),
  ]),
  attack('routing', 'LDP from the port of OLSR', udp4To(698, 646)),
  ...[269, 654].flatMap((port) => [
    attack('routing', `port ${port} to a group`, udp4To(port, port, '224.0.0.109', groupMac('224.0.0.109'))),
    attack('routing', `port ${port} to the subnet`, udp4To(port, port, SUBNET, ALL)),
    attack('routing', `port ${port} to one station`, udp4To(40000, port)),
    attack(
      'routing',
      `port ${port} over IPv6 to a group`,
      udp6To(port, port, 'ff02::6d', groupMac('ff02::6d'), A.local),
    ),
    attack('routing', `port ${port} over IPv6 to one station`, udp6To(40000, port)),
  ]),
];

/** What looks like it. */
export const NO_SIDE_DOORS: readonly TestFrame[] = [
  ...[6, 33, 47, 50, 51, 132, 136].flatMap((protocol) => [
    ordinary(`IPv4 protocol ${protocol}`, v4(ip4({ protocol }, bytes))),
    ordinary(`a first fragment of IPv4 protocol ${protocol}`, v4(ip4({ protocol, more: true }, bytes))),
    ordinary(`a later fragment of IPv4 protocol ${protocol}`, v4(ip4({ protocol, offset: 9 }, bytes))),
  ]),
  ...[6, 33, 47, 50, 132, 136].flatMap((next) => [
    ordinary(`IPv6 protocol ${next}`, v6(ip6({ next }, bytes))),
    ordinary(`a later fragment of IPv6 protocol ${next}`, v6(ip6({ next: 44 }, fragment6(next, bytes, 72)))),
  ]),
  ...CONTROL.flatMap(([port]) => [
    ordinary(`an answer to a client on port ${port}`, udp4To(53, port)),
    ordinary(`a question from port ${port}`, udp4To(port, 53)),
    ordinary(`an answer over IPv6 to a client on port ${port}`, udp6To(443, port)),
    ordinary(`a question over IPv6 from port ${port}`, udp6To(port, 443)),
  ]),
  ordinary('BGP', v4(ip4({ protocol: 6 }, Buffer.from(`a00000b3${'00'.repeat(16)}`, 'hex')))),
];
