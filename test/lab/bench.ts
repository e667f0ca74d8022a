import { setTimeout as sleep } from 'node:timers/promises';
import type { Namespace } from './namespace.ts';

/** One line of the bridge's forwarding database. */
export interface FdbEntry {
  readonly mac: string;
  readonly dev: string;
  readonly flags: readonly string[];
  /** `permanent` for the MAC of a port, `static` for one set by hand, absent for a learned one. */
  readonly state?: string;
  readonly vlan?: number;
}

export interface BenchOptions {
  readonly bridge?: string;
  /** The bridge port behind which the rest of the network is. */
  readonly uplink?: string;
  /** The other end of that port: what is sent here comes from the gateway. */
  readonly gateway?: string;
  /** Of the bridge and its uplink, both ends; 1500 unless told. */
  readonly mtu?: number;
}

export interface VifOptions {
  /**
   * true: the vif gets an IPv6 link-local address when it is set up, like a real one. false (default): it keeps
   * IPv6 switched on but makes no address, so that it says nothing of its own into a test.
   */
  readonly linkLocal?: boolean;
  /** Of the guest's end; 9000 unless told, so that the vif's own MTU is the one that counts. */
  readonly guestMtu?: number;
}

/** A dom0 network in a namespace: one bridge, one uplink, and vifs whose guests are the other ends of veth pairs. */
export interface Bench {
  readonly ns: Namespace;
  readonly bridge: string;
  readonly uplink: string;
  readonly gateway: string;
  /**
   * Plays netback's side of a new vif: makes `vif1.0`, down and on no bridge, and `guest1.0`, up.
   *
   * @param name `vif<domid>.<devid>`, or `vif<domid>.<devid>-emu` for a tap
   * @returns name of the guest's end, `guest` in place of `vif`
   */
  addVif(name: string, options?: VifOptions): Promise<string>;
  /** Deletes the pair of a vif, also after it was renamed. Calling it twice is fine. */
  removeVif(name: string): Promise<void>;
}

export const DOM0_MAC = '02:00:00:00:00:b0';
export const DOM0_IPV4 = '10.0.0.1';
export const DOM0_IPV6 = 'fd00::1';

// netback gives every vif this address: the highest unicast one, so that the bridge never takes it for its own.
const VIF_MAC = 'fe:ff:ff:ff:ff:ff';

/** Builds the bridge, with dom0's addresses 10.0.0.1/24 and fd00::1/64 on it, and its uplink. */
export async function buildBench(ns: Namespace, options: BenchOptions = {}): Promise<Bench> {
  const { bridge = 'br0', uplink = 'up0', gateway = 'gw0', mtu = 1500 } = options;
  await shell(ns, [
    // Nobody asks, reports twice or configures itself: what is on the wire then comes from the test.
    ...[
      'ipv6/conf/default/accept_dad 0',
      'ipv6/conf/default/dad_transmits 0',
      'ipv6/conf/default/accept_ra 0',
      'ipv6/conf/default/router_solicitations 0',
      // The bridge has to report its groups, and twice. With MLDv1 that is over in milliseconds and can be seen to be.
      'ipv6/conf/default/force_mld_version 1',
      'ipv6/conf/default/mldv1_unsolicited_report_interval 1',
      'bridge/bridge-nf-call-iptables 0',
      'bridge/bridge-nf-call-ip6tables 0',
      'bridge/bridge-nf-call-arptables 0',
    ].map(setIfThere),
    `ip link add ${bridge} address ${DOM0_MAC} mtu ${mtu} type bridge stp_state 0 forward_delay 0 mcast_snooping 0`,
    `ip link add ${uplink} mtu ${mtu} address 02:00:00:00:00:b1 type veth peer name ${gateway} mtu ${mtu} address 02:00:00:00:00:fe`,
    ...silence(uplink),
    ...silence(gateway),
    `ip link set ${uplink} master ${bridge}`,
    `ip link set ${uplink} up`,
    `ip link set ${gateway} up`,
    `ip link set ${bridge} up`,
    `ip address add ${DOM0_IPV4}/24 dev ${bridge}`,
    `ip address add ${DOM0_IPV6}/64 dev ${bridge} nodad`,
  ]);
  await waitForForwarding(ns, uplink);
  await waitForReports(ns, bridge);

  const guests = new Map<string, string>();
  return {
    ns,
    bridge,
    uplink,
    gateway,
    async addVif(name, vif = {}) {
      const guest = name.replace(/^vif/, 'guest');
      const mac = peerMac(name);
      await shell(ns, [
        `ip link add ${name} address ${VIF_MAC} type veth peer name ${guest} mtu ${vif.guestMtu ?? 9000} address ${mac}`,
        ...(vif.linkLocal ? [] : [`ip link set ${name} addrgenmode none`]),
        ...silence(guest),
        `ip link set ${guest} up`,
      ]);
      guests.set(name, guest);
      return guest;
    },
    async removeVif(name) {
      const guest = guests.get(name);
      if (guest === undefined) return;
      guests.delete(name);
      // By the guest's end: nobody renames that one.
      await ns.run(['ip', 'link', 'delete', guest]);
    },
  };
}

/** The forwarding database of a bridge as `bridge fdb show` prints it. */
export async function fdb(ns: Namespace, bridge: string): Promise<FdbEntry[]> {
  const rows: unknown = JSON.parse((await ns.check(['bridge', '-j', 'fdb', 'show', 'br', bridge])) || '[]');
  if (!Array.isArray(rows)) throw new Error('bridge -j fdb show printed no list');
  return rows.map((row: { mac: string; ifname: string; flags?: string[]; state?: string; vlan?: number }) => ({
    mac: row.mac,
    dev: row.ifname,
    flags: row.flags ?? [],
    // iproute2 prints an empty state for a learned entry.
    ...(row.state ? { state: row.state } : {}),
    ...(row.vlan === undefined ? {} : { vlan: row.vlan }),
  }));
}

/**
 * Waits until a bridge port forwards. The kernel gets there a moment after `ip link set ... up` has returned; on a host
 * where thousands of links have just come up much later, as it works off 100 of them a second (net/core/link_watch.c,
 * MAX_DO_DEV_PER_LOOP), in all namespaces together.
 *
 * @throws Error after 150 s, with the state the port has
 */
export async function waitForForwarding(ns: Namespace, port: string): Promise<void> {
  let state = '';
  for (const deadline = Date.now() + 150_000; Date.now() < deadline; await sleep(5)) {
    const rows: unknown = JSON.parse((await ns.check(['bridge', '-j', 'link', 'show', 'dev', port])) || '[]');
    const row: { state?: string } | undefined = Array.isArray(rows) ? rows[0] : undefined;
    state = row?.state ?? 'no bridge port';
    if (state === 'forwarding') return;
  }
  throw new Error(`${port} does not forward: ${state}`);
}

// Both groups of the bridge's addresses joined, and no report of them to come: bit 0 of the flags in /proc/net/igmp6
// says that a timer runs (linux/net/ipv6/mcast.c:igmp6_mc_seq_show, MAF_TIMER_RUNNING).
async function waitForReports(ns: Namespace, bridge: string): Promise<void> {
  for (const deadline = Date.now() + 10_000; Date.now() < deadline; await sleep(5)) {
    const groups = (await ns.check(['cat', '/proc/net/igmp6']))
      .split('\n')
      .map((line) => line.trim().split(/\s+/))
      .filter(([, dev, group]) => dev === bridge && group?.startsWith('ff0200000000000000000001ff'));
    if (groups.length >= 2 && groups.every(([, , , , flags = '1']) => !(Number.parseInt(flags, 16) & 1))) return;
  }
  throw new Error(`${bridge} does not stop to report its multicast groups`);
}

// An interface on which the kernel says nothing: no IPv6, no ARP. Before it is set up, or the first words are out.
function silence(dev: string): string[] {
  return [setIfThere(`ipv6/conf/${dev}/disable_ipv6 1`), `ip link set ${dev} addrgenmode none arp off`];
}

function setIfThere(setting: string): string {
  const [path, value] = setting.split(' ');
  return `if [ -e /proc/sys/net/${path} ]; then echo ${value} >/proc/sys/net/${path}; fi`;
}

function peerMac(vif: string): string {
  const [domid = 0, devid = 0] = (/(\d+)\.(\d+)/.exec(vif) ?? []).slice(1).map(Number);
  const kind = vif.endsWith('-emu') ? 2 : 1;
  return [2, 0x67, kind, domid >> 8, domid & 255, devid & 255]
    .map((byte) => byte.toString(16).padStart(2, '0'))
    .join(':');
}

async function shell(ns: Namespace, lines: readonly string[]): Promise<void> {
  await ns.check(['sh', '-e'], { input: `${lines.join('\n')}\n` });
}
