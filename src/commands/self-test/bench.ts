import { setTimeout as sleep } from 'node:timers/promises';
import { toolFailure } from '../../effects/exec.ts';
import type { Files } from '../../effects/look-file.ts';
import { Failure } from '../../errors.ts';
import type { Host } from '../../host.ts';
import { STATIONS, type Station } from './corpus.ts';

/** The device at which each station sends and hears. Guests' ends are no vif*, so that nobody filters them. */
export const ENDS: Readonly<Record<Exclude<Station, 'H'>, string>> = { A: 'guest-a', V: 'guest-v', G: 'gateway' };
/** Their ports, with domain ids that no guest has (the highest is 32751): no [vif ...] of a policy means them. */
export const VIFS = { A: 'vif32766.0', V: 'vif32767.0' } as const;
const UPLINK = 'uplink';

/** Settings of the host's bridge that change what becomes of frames. */
export interface BridgeLike {
  readonly name: string;
  /** Words for `ip link ... type bridge`. */
  readonly settings: readonly string[];
}

const SETTINGS = ['stp_state', 'vlan_filtering', 'group_fwd_mask', 'mcast_snooping', 'nf_call_iptables'] as const;

/**
 * A bridge of the host, to make one like it.
 *
 * @param wanted undefined: the first one, or one as Xen calls it where there is none
 * @throws Failure `missing` for one that is not there
 */
export function bridgeLike(host: Host, { read }: Files, wanted: string | undefined): BridgeLike {
  const devices = host.deviceNames().flatMap((name) => host.readDevice(name) ?? []);
  const bridges = devices.filter(({ isBridge }) => isBridge).sort((a, b) => a.ifindex - b.ifindex);
  const found = wanted === undefined ? bridges[0] : bridges.find(({ name }) => name === wanted);
  if (found === undefined) {
    if (wanted === undefined) return { name: 'xenbr0', settings: [] };
    throw new Failure('missing', `there is no bridge ${wanted}`, {
      at: '--bridge',
      hint: bridges.length === 0 ? 'this host has none' : `this host has ${bridges.map(({ name }) => name).join(' ')}`,
    });
  }
  const settings = SETTINGS.flatMap((key) => {
    // 0 is what a new one has, but for snooping.
    const file = key === 'mcast_snooping' ? 'multicast_snooping' : key;
    const value = read(`/sys/class/net/${found.name}/bridge/${file}`)?.trim();
    return value === undefined || (value === '0' && key !== 'mcast_snooping') || value === '0x0' ? [] : [key, value];
  });
  return { name: found.name, settings };
}

/** Builds the bridge, its uplink and the ends of two guests, in the network that this process is in. */
export async function buildBench(host: Host, like: BridgeLike): Promise<void> {
  const { name } = like;
  const quiet = (device: string): string[] => [
    `link set dev ${device} addrgenmode none`,
    `link set dev ${device} arp off`,
  ];
  await batch(host, [
    `link add dev ${name} address ${STATIONS.H.mac} type bridge forward_delay 0 ${like.settings.join(' ')}`.trimEnd(),
    `link set dev ${name} addrgenmode none`,
    `link add dev ${UPLINK} address 02:00:00:00:00:b1 type veth peer name ${ENDS.G} address ${STATIONS.G.mac}`,
    ...[UPLINK, ENDS.G].flatMap(quiet),
    `link set dev ${UPLINK} master ${name}`,
    ...[UPLINK, ENDS.G, name].map((device) => `link set dev ${device} up`),
    `address add 10.0.0.1/24 dev ${name}`,
    ...(['A', 'V'] as const).flatMap((who) => [
      `link add dev ${VIFS[who]} address fe:ff:ff:ff:ff:ff type veth peer name ${ENDS[who]}`,
      ...[VIFS[who], ENDS[who]].flatMap(quiet),
      `link set dev ${ENDS[who]} up`,
    ]),
  ]);
}

async function batch(host: Host, lines: readonly string[]): Promise<void> {
  const result = await host.run('ip', ['-batch', '-'], { input: `${lines.join('\n')}\n` });
  if (result.status !== 0) throw toolFailure('ip', ['-batch', '-'], result);
}

const FORWARDING = '3';
const PATIENCE_MS = 10_000;

/** Waits until all ports forward; a bridge with STP takes its time, of which there is none here: its delay is 0. */
export async function allForward({ read }: Files): Promise<void> {
  const ports = [UPLINK, VIFS.A, VIFS.V];
  for (let waited = 0; waited < PATIENCE_MS; waited += 20) {
    if (ports.every((port) => read(`/sys/class/net/${port}/brport/state`)?.trim() === FORWARDING)) return;
    await sleep(20);
  }
  throw new Failure('timeout', `the ports of the private bridge do not forward after ${PATIENCE_MS / 1000} s`);
}
