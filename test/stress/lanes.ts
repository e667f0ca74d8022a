import { DOM0_SIDE_MAC } from '../../src/net/mac-address.ts';
import { frame, ip6, TYPE, udp6 } from '../kernel/frames.ts';
import { type Bench, DOM0_MAC } from '../lab/bench.ts';
import { datagram, EVERYBODY, type GuestVif } from './guest-vif.ts';
import type { Form } from './rounds.ts';

/** A frame, where it is sent, and every place where it arrives if it is let through, as it looks there. */
export interface Lane {
  readonly from: string;
  readonly frame: string;
  readonly to: readonly { readonly place: string; readonly frame: string }[];
}

/** Frames of a hostile guest, and of everybody. */
export interface Lanes {
  /** Every place that is listened at. */
  places(bench: Bench, hostile: GuestVif, victim: GuestVif): string[];
  /** What nobody may hear. */
  forged(bench: Bench, hostile: GuestVif, victim: GuestVif): Lane[];
  /** Of one guest to the gateway, and of the gateway to it. */
  own(bench: Bench, vif: GuestVif, other: GuestVif): Lane[];
}

export function lanesOf(form: Form): Lanes {
  return form === 'route' ? ROUTED : BRIDGED;
}

export function guestEnd(vif: GuestVif): string {
  return vif.device.replace('vif', 'guest');
}

const GATEWAY = { mac: '02:00:00:00:00:fe', ipv4: '10.0.0.254', ipv6: 'fd00::fe' };

function flooded(from: string, bytes: Buffer, places: readonly string[]): Lane {
  const hex = bytes.toString('hex');
  return { from, frame: hex, to: places.map((place) => ({ place, frame: hex })) };
}

/** Broadcasts: they reach every port, whatever the bridge has learned. */
const BRIDGED: Lanes = {
  places: ({ gateway, bridge }, hostile, victim) => [gateway, bridge, guestEnd(hostile), guestEnd(victim)],
  forged({ gateway, bridge }, hostile, victim) {
    const places = [gateway, bridge, guestEnd(victim)];
    return [
      flooded(guestEnd(hostile), datagram({ mac: hostile.mac, ipv4: victim.ipv4 }, 1, EVERYBODY), places),
      flooded(guestEnd(hostile), datagram({ mac: victim.mac, ipv4: victim.ipv4 }, 2, EVERYBODY), places),
    ];
  },
  own: ({ gateway, bridge }, vif, other) => [
    flooded(guestEnd(vif), datagram(vif, 3, EVERYBODY), [gateway, bridge, guestEnd(other)]),
    flooded(gateway, datagram(GATEWAY, 4, vif), [guestEnd(vif)]),
  ],
};

interface End {
  readonly mac: string;
  readonly ipv6: string;
}

/** One that this host forwards: it comes out with the MAC of the link that it leaves by, and one hop less. */
function forwarded(
  from: { iface: string; mac: string },
  tag: number,
  ends: { readonly src: string; readonly dst: string },
  by: { readonly into: string; readonly place: string; readonly mac: string; readonly to: string },
): Lane {
  const packet = (hops: number): Buffer => ip6({ ...ends, hops }, udp6(ends, 7000 + tag, 7000));
  return {
    from: from.iface,
    frame: frame(by.into, from.mac, TYPE.ip6, packet(64)),
    to: [{ place: by.place, frame: frame(by.to, by.mac, TYPE.ip6, packet(63)) }],
  };
}

/** IPv6: of IPv4 the kernel itself looks whether a source comes from where it is routed to. */
const ROUTED: Lanes = {
  places: ({ gateway }, hostile, victim) => [gateway, guestEnd(hostile), guestEnd(victim)],
  forged({ gateway }, hostile, victim) {
    const outward = (mac: string, src: string, tag: number): Lane =>
      forwarded({ iface: guestEnd(hostile), mac }, tag, { src, dst: GATEWAY.ipv6 }, up(gateway));
    return [
      outward(hostile.mac, victim.ipv6, 1),
      outward(victim.mac, victim.ipv6, 2),
      outward(hostile.mac, 'fd00::aaaa', 3),
      forwarded(
        { iface: guestEnd(hostile), mac: hostile.mac },
        4,
        { src: GATEWAY.ipv6, dst: victim.ipv6 },
        down(victim, guestEnd(victim)),
      ),
    ];
  },
  own: ({ gateway }, vif) => [
    forwarded({ iface: guestEnd(vif), mac: vif.mac }, 5, { src: vif.ipv6, dst: GATEWAY.ipv6 }, up(gateway)),
    forwarded(
      { iface: gateway, mac: GATEWAY.mac },
      6,
      { src: GATEWAY.ipv6, dst: vif.ipv6 },
      { ...down(vif, guestEnd(vif)), into: DOM0_MAC },
    ),
  ],
};

function up(place: string): { into: string; place: string; mac: string; to: string } {
  return { into: DOM0_SIDE_MAC, place, mac: DOM0_MAC, to: GATEWAY.mac };
}

function down({ mac }: End, place: string): { into: string; place: string; mac: string; to: string } {
  return { into: DOM0_SIDE_MAC, place, mac: DOM0_SIDE_MAC, to: mac };
}

/** What a host that routes has besides: it forwards, and knows its gateway. */
export const ROUTING = [
  'echo 1 >/proc/sys/net/ipv4/ip_forward',
  'echo 1 >/proc/sys/net/ipv6/conf/all/forwarding',
  `ip neigh replace ${GATEWAY.ipv4} lladdr ${GATEWAY.mac} dev br0 nud permanent`,
  `ip -6 neigh replace ${GATEWAY.ipv6} lladdr ${GATEWAY.mac} dev br0 nud permanent`,
];
