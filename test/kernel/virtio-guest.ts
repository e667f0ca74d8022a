/**
 * A guest with a virtio card says in the virtio_net_hdr of a frame where the kernel is to write a checksum. The kernel
 * does so when the frame leaves: what the filter has read must be what leaves.
 */
import assert from 'node:assert/strict';
import type test from 'node:test';
import { type DeviceModel, openDeviceModel, type VnetHeader } from '../lab/tap.ts';
import { type Dom0, type Dom0Options, type Guest, openDom0 } from './dom0.ts';
import {
  A,
  ALL,
  arp,
  bytesOf,
  checksum,
  dhcp,
  frame,
  G,
  groupMac,
  icmp6,
  ip4,
  ip6,
  lla,
  ndBody,
  OVERRIDE,
  raBody,
  SOLICITED,
  TYPE,
  udp,
  udp6,
  V,
} from './frames.ts';
import { GUEST_A } from './verdict.ts';

export const TAP = 'vif1.0-emu';
/** The rest of the network, behind a tap that leaves nothing unfinished: what comes out of it was on the wire. */
export const LAN = 'lan0';
export const HVM: Guest = { ...GUEST_A, type: 'vif_ioemu' };

/** A frame that is the guest's own until the kernel writes 16 bits into it. */
export interface Attack {
  readonly name: string;
  /** The reason under which the frame that leaves is to be dropped. */
  readonly reason: string;
  readonly sent: string;
  readonly header: VnetHeader;
  /** What the attacker wants to be on the wire. */
  readonly forged: string;
}

/** The least that the kernel takes (linux/virtio_net.h: no checksum in the first 20 bytes). */
const START = 20;

/**
 * @param forged the frame that is to leave
 * @param own the same but for one word: what the filter is to see
 * @param start where the checksum begins
 */
function attack(name: string, reason: string, forged: string, own: string, start = START): Attack {
  const [wanted, shown] = [bytesOf(forged), bytesOf(own)];
  const at = wanted.findIndex((byte, index) => byte !== shown[index]) & ~1;
  assert.equal(wanted.subarray(at + 2).compare(shown, at + 2), 0, `${name}: one word`);
  // The last word of the frame, behind the packet, makes the checksum what it is to be.
  const sum = checksum(Buffer.concat([shown.subarray(start), wanted.subarray(at, at + 2)]));
  const pad = sum.toString(16).padStart(4, '0');
  return { name, reason, sent: own + pad, forged: forged + pad, header: { start, offset: at - start } };
}

const toAll6 = { src: A.local, dst: 'ff02::1', next: 58, hops: 255 };
const ra = frame(groupMac('ff02::1'), A.mac, TYPE.ip6, ip6(toAll6, icmp6(toAll6, 134, 0, raBody(A.mac))));
const nd = { src: A.ip6, dst: V.ip6, next: 58, hops: 255 };
const advertise = (target: string, mac = A.mac): string =>
  frame(G.mac, A.mac, TYPE.ip6, ip6(nd, icmp6(nd, 136, 0, ndBody(target, lla(2, mac), SOLICITED | OVERRIDE))));
/** The same frame with another word at `at`. */
const patched = (hex: string, at: number, word: string): string => hex.slice(0, at * 2) + word + hex.slice(at * 2 + 4);
const ICMP6_TYPE = 54;
const IP4_SOURCE = 28;
const IP4_PROTOCOL = 22;
const UDP_PORT = 36;
const IP6_SOURCE = 36;
const ND_TARGET = 76;
const ND_MAC = 84;
const CHADDR = 74;
const low = (hex: string, at: number): string => hex.slice(at * 2, at * 2 + 4);

const claim = (spa: string): string => frame(G.mac, A.mac, TYPE.arp, arp({ op: 2, spa, tpa: V.ip }));
const stolen4 = frame(G.mac, A.mac, TYPE.ip, ip4({ src: V.ip }, udp(9, 9, '7878')));
const hello = frame(G.mac, A.mac, TYPE.ip, ip4({ protocol: 89 }, `0201002c002c0000${'00'.repeat(36)}`));
const offer = frame(ALL, A.mac, TYPE.ip, ip4({ dst: '255.255.255.255' }, udp(1067, 68, dhcp({ op: 2, message: 2 }))));
const stolen6Ends = { src: V.ip6, dst: G.ip6 };
const stolen6 = frame(G.mac, A.mac, TYPE.ip6, ip6(stolen6Ends, udp6(stolen6Ends, 9, 9, '7878')));
const discover = frame(
  ALL,
  A.mac,
  TYPE.ip,
  ip4({ src: '0.0.0.0', dst: '255.255.255.255' }, udp(68, 67, dhcp({ chaddr: V.mac }))),
);

export const ATTACKS: readonly Attack[] = [
  attack('an ARP reply for itself takes over the gateway', 'arp-spa', claim(G.ip), claim(A.ip)),
  attack('an echo request becomes a router advertisement', 'ra', ra, patched(ra, ICMP6_TYPE, '8000')),
  attack('the IPv4 source', 'ip-src', stolen4, patched(stolen4, IP4_SOURCE, '000b')),
  attack('the IPv4 protocol', 'routing', hello, patched(hello, IP4_PROTOCOL, '4011')),
  attack('the UDP port of DHCP clients', 'dhcp-server', offer, patched(offer, UDP_PORT, '0045')),
  attack(
    'the target of a neighbour advertisement',
    'nd-target',
    advertise(V.ip6),
    patched(advertise(V.ip6), ND_TARGET, low(advertise(A.ip6), ND_TARGET)),
  ),
  attack('the IPv6 source', 'ip6-src', stolen6, patched(stolen6, IP6_SOURCE, '0011')),
  attack(
    "the owner's MAC in a neighbour advertisement",
    'nd-lla',
    advertise(A.ip6, V.mac),
    patched(advertise(A.ip6, V.mac), ND_MAC, '0001'),
  ),
  attack("the client's MAC in DHCP", 'dhcp-chaddr', discover, patched(discover, CHADDR, '0001')),
];

export interface Stage {
  readonly dom0: Dom0;
  readonly model: DeviceModel;
  /** Who received on the wire what was sent into the tap. */
  arrives(frame: string, header?: VnetHeader): Promise<string[]>;
}

/** A host with an HVM guest whose device model has its tap open, and a network that has spoken. */
export async function stage(t: test.TestContext, guest: Guest = HVM, options: Dom0Options = {}): Promise<Stage> {
  const dom0 = await openDom0(t, options);
  const model = await openDeviceModel(dom0.ns);
  t.after(() => model.exit());
  await model.open(LAN, 'plain');
  await dom0.ns.check(['ip', 'link', 'set', LAN, 'addrgenmode', 'none', 'mtu', String(options.mtu ?? 1500)]);
  await dom0.ns.check(['ip', 'link', 'set', LAN, 'up', 'master', 'br0']);
  await model.open(TAP, 'vnet');
  dom0.configure(guest);
  await dom0.bench.addVif('vif1.0');
  const online = await dom0.hotplug('online', { domid: 1 });
  assert.equal(online.status, 0, online.stderr);
  return {
    dom0,
    model,
    async arrives(hex, header) {
      await model.collect();
      await model.send(TAP, hex, header);
      return (await model.collect()).filter(({ iface }) => iface === LAN).map((seen) => seen.hex);
    },
  };
}

export async function added(t: test.TestContext, guest?: Guest, options?: Dom0Options): Promise<Stage> {
  const made = await stage(t, guest, options);
  const add = await made.dom0.hotplug('add', { domid: 1 });
  assert.equal(add.status, 0, `${add.stderr} ${made.dom0.key(1, 'hotplug-error')}`);
  await made.model.send(LAN, frame(ALL, G.mac, TYPE.arp, arp({ sha: G.mac, spa: G.ip, tpa: G.ip })));
  await made.model.collect();
  return made;
}

/** The devices that belong to the tap. */
export async function aroundTap({ ns }: Dom0): Promise<string[]> {
  return (await ns.check(['ls', '/sys/class/net'])).split(/\s+/).filter((name) => /-emu|raw|sum/.test(name));
}

/** One of the attacks fails, and the guest's own frame arrives. */
export async function changesNothing(arrives: Stage['arrives']): Promise<void> {
  const [{ sent, header } = assert.fail()] = ATTACKS;
  assert.deepEqual(await arrives(sent), [sent]);
  assert.deepEqual(await arrives(sent, header), []);
}
