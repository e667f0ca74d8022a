/** Floods of each kind that has a limit, from the guest A. */
import assert from 'node:assert/strict';
import { LIMIT_KINDS, type LimitKind } from '../../src/filter/frame-limits.ts';
import type { Wire } from '../lab/wire.ts';
import type { Dom0 } from './dom0.ts';
import {
  A,
  ALL,
  arp,
  dhcp,
  frame,
  G,
  groupMac,
  icmp6,
  igmp,
  ip4,
  ip6,
  lla,
  mld2Body,
  mldOptions,
  ndBody,
  ROUTER_ALERT,
  solicited,
  TYPE,
  udp,
  V,
} from './frames.ts';

const LIMITED = { rate: 1, burst: 5 };
/** So many at once. */
const FLOOD = 15;

/** What may have passed of one limit since then, however long a busy machine has taken over it. */
export function mostSince(began: number, burst = LIMITED.burst): number {
  return burst + 1 + LIMITED.rate * Math.ceil((Date.now() - began) / 1000);
}

/** A limit of one kind. */
export const limitLine = (kind: LimitKind): string => `limit_${kind} = ${LIMITED.rate}/s burst ${LIMITED.burst}\n`;
/** Of all kinds the same. */
export const LIMIT_POLICY = LIMIT_KINDS.map(limitLine).join('');

const solicitation = { src: A.ip6, dst: solicited(G.ip6), hops: 255, next: 58 };
const report = { src: A.local, dst: 'ff02::16', hops: 1, next: 0 };

/** One of each, of which many are sent. */
export const FLOODS: Readonly<Record<LimitKind, string>> = {
  arp: frame(ALL, A.mac, TYPE.arp, arp({ tpa: G.ip })),
  broadcast: frame(ALL, A.mac, TYPE.ip, ip4({ dst: '255.255.255.255' }, udp(9, 9))),
  multicast: frame(groupMac('239.1.1.1'), A.mac, TYPE.ip, ip4({ dst: '239.1.1.1' }, udp(9, 9))),
  dhcp: frame(G.mac, A.mac, TYPE.ip, ip4({ dst: G.ip }, udp(68, 67, dhcp({ message: 3, ciaddr: A.ip })))),
  nd: frame(
    groupMac(solicitation.dst),
    A.mac,
    TYPE.ip6,
    ip6(solicitation, icmp6(solicitation, 135, 0, ndBody(G.ip6, lla(1, A.mac)))),
  ),
  igmp: frame(
    groupMac('239.1.1.2'),
    A.mac,
    TYPE.ip,
    ip4({ dst: '239.1.1.2', protocol: 2, ttl: 1, options: ROUTER_ALERT }, igmp(0x16, '239.1.1.2')),
  ),
};

/** Counted as IGMP. */
export const MLD_REPORT = frame(
  groupMac(report.dst),
  A.mac,
  TYPE.ip6,
  ip6(report, mldOptions(icmp6(report, 143, 0, mld2Body('ff02::db8')))),
);

/** The same question of the guest beside it. */
export const NEIGHBOUR = frame(ALL, V.mac, TYPE.arp, arp({ sha: V.mac, spa: V.ip, tpa: G.ip }));
/** What has no limit. */
export const ORDINARY = frame(G.mac, A.mac, TYPE.ip, ip4({ dst: G.ip }, udp(9, 9)));

/** Sends one frame again and again, and counts what arrives at the gateway. */
export async function flood(wire: Wire, from: string, hex: string, times = FLOOD): Promise<number> {
  await wire.collect(0);
  for (let sent = 0; sent < times; sent += 1) await wire.send(from, hex);
  return (await wire.collect()).filter((seen) => seen.iface === 'gw0' && seen.hex === hex).length;
}

/** What was counted for the limit of a kind. */
export async function overLimit(dom0: Dom0, kind: LimitKind): Promise<number> {
  const port = (await dom0.status()).find(({ name }) => name === 'vif1.0');
  const drop = port?.drops.find(({ reason, direction }) => reason === `limit-${kind}` && direction === 'from-guest');
  return drop?.packets ?? 0;
}

/** A flood is cut off where it should be, and counted for what it is. */
export async function assertCut(dom0: Dom0, wire: Wire, kind: LimitKind): Promise<void> {
  const before = await overLimit(dom0, kind);
  const began = Date.now();
  const passed = await flood(wire, 'guest1.0', FLOODS[kind]);
  assert.ok(passed >= LIMITED.burst && passed <= mostSince(began), `${passed} passed`);
  assert.equal((await overLimit(dom0, kind)) - before, FLOOD - passed);
}

/** Nobody who did not flood is touched, and nothing else of who did. */
export async function assertUntouched(wire: Wire): Promise<void> {
  assert.equal(await flood(wire, 'guest2.0', NEIGHBOUR, 5), 5, 'the guest beside it');
  assert.equal(await flood(wire, 'guest1.0', ORDINARY, 100), 100, 'ordinary traffic');
}
