import { join } from 'node:path';
import type { StockScripts } from '../lab/stock.ts';
import { type BenchHost, type Command, type HostKind, openBenchHost } from './host.ts';
import { type Launchers, mustBeTold } from './hotplug.ts';
import { type End, FORGED, lastCpu, sendFrame, udpFrame } from './packets.ts';
import { stock } from './peers.ts';
import { nearGuest, PEER, type RoutedGuest, routedGuest, routedKeys, UPLINK } from './routed-guests.ts';
import type { Ledger } from './series.ts';
import type { Lap } from './stopwatch.ts';
import { STOCK_ROUTE } from './targets.ts';

export interface RoutedPlan {
  readonly launchers: Launchers;
  /** Routed vifs in service, without the measured one. */
  readonly levels: readonly number[];
  readonly rounds: number;
  readonly milliseconds: number;
}

const UPLINK_MAC = '02:00:00:00:fa:01';
const VIF_MAC = 'fe:ff:ff:ff:ff:ff';
/** Behind the uplink; its IP stack is no part of the way. */
const STATION: End = { mac: '02:00:00:00:fa:fd', ipv4: '10.250.0.2' };
const STOCK_DOMID = 30_100;
const STAYS = routedGuest(30_200);
const MEASURED = routedGuest(30_000);

const ROUTED: HostKind = {
  fill: 'fill-routed.ts',
  keys: (count) =>
    Object.assign({}, ...Array.from({ length: count }, (_, at) => routedKeys(routedGuest(at + 1)))) as Record<
      string,
      string
    >,
  async prepare(ns) {
    const { mac, ipv4 } = STATION;
    await ns.check(['sh', '-e'], {
      input: `echo 1 >/proc/sys/net/ipv4/ip_forward
        ip link add ${UPLINK} address ${UPLINK_MAC} type veth peer name ${PEER}
        ip link set ${PEER} addrgenmode none arp off up
        ip link set ${UPLINK} addrgenmode none up
        ip address add 10.250.0.1/24 dev ${UPLINK}
        ip neigh replace ${ipv4} lladdr ${mac} nud permanent dev ${UPLINK}\n`,
    });
  },
};

/**
 * Routed vifs: `online` and `offline` of one more beside stock's vif-route, and a frame from and to a guest beside the
 * same way as stock leaves it, where nothing filters; at each level, in turns.
 */
export async function measureRouted(plan: RoutedPlan, ledger: Ledger): Promise<void> {
  const peer = await stock();
  const hosts: BenchHost[] = [];
  try {
    for (const level of plan.levels) hosts.push(await openBenchHost(level, '', ROUTED));
    await starts(plan, peer, hosts, ledger);
    await frames(plan, peer, hosts, ledger);
  } finally {
    for (const host of hosts) await host.remove();
    peer.remove();
  }
}

async function starts(
  { launchers, rounds }: RoutedPlan,
  peer: StockScripts,
  hosts: readonly BenchHost[],
  ledger: Ledger,
): Promise<void> {
  const ours = Object.entries(launchers).map(([form, script], at) => ({ form, script: routeScript(script), at }));
  for (const host of hosts) {
    await addGuest(host, STAYS);
    // The last vif takes with it what all share.
    await timed(host, ours[0]?.script ?? '', 'online', STAYS);
    for (const { at } of ours) {
      await addGuest(host, routedGuest(30_010 + at));
      await addGuest(host, nearGuest(30_020 + at));
    }
    await addGuest(host, routedGuest(STOCK_DOMID));
  }
  for (let round = -1; round < rounds; round += 1) {
    for (const host of hosts) {
      const both = async (subject: string, script: string, one: RoutedGuest): Promise<void> => {
        for (const command of ['online', 'offline'] as const) {
          const lap = await timed(host, script, command, one);
          if (round <= 0 && command === 'online') await mustBeTold(host, [one]);
          const key = { figure: `routed, ${command}`, subject, vifs: host.vifs, unit: 'ms' } as const;
          // The first round fills caches and makes what is made once.
          if (round >= 0) ledger.add(key, lap.wall, lap.cpu);
        }
      };
      for (const { form, script, at } of ours) {
        await both(form, script, routedGuest(30_010 + at));
        await both(`${form}, announced`, script, nearGuest(30_020 + at));
      }
      await both(STOCK_ROUTE, join(peer.dir, 'vif-route'), routedGuest(STOCK_DOMID));
    }
  }
}

async function frames(
  { launchers, rounds, milliseconds }: RoutedPlan,
  peer: StockScripts,
  filled: readonly BenchHost[],
  ledger: Ledger,
): Promise<void> {
  const [script = ''] = Object.values(launchers);
  const plain = await openBenchHost(0, '', ROUTED);
  const paths = [
    { host: plain, script: join(peer.dir, 'vif-route'), subject: 'no filter', vifs: 0 },
    ...filled.map((host) => ({ host, script: routeScript(script), subject: 'xen-vif-bridge', vifs: host.vifs })),
  ];
  try {
    for (const { host, script: own } of paths) {
      await addGuest(host, MEASURED);
      await timed(host, own, 'online', MEASURED);
      // Stock asks who has an address, and here nobody answers.
      const { ipv4, mac, vif } = MEASURED;
      await host.ns.check(['ip', 'neigh', 'replace', ipv4, 'lladdr', mac, 'nud', 'permanent', 'dev', vif]);
    }
    const cpu = lastCpu();
    for (let round = -1; round < rounds; round += 1) {
      for (const { host, subject, vifs } of paths) {
        for (const way of ['in', 'out'] as const) {
          const cost = await send(host, cpu, way, milliseconds, false);
          if (round >= 0) ledger.add({ figure: `routed, frame ${way}`, subject, vifs, unit: 'ns' }, cost);
        }
        if (round < 0 && subject !== 'no filter') await send(host, cpu, 'in', 1, true);
      }
    }
  } finally {
    await plain.remove();
  }
}

async function send(
  host: BenchHost,
  cpu: number,
  way: 'in' | 'out',
  milliseconds: number,
  forged: boolean,
): Promise<number> {
  const guest = MEASURED.vif.replace('vif', 'guest');
  const own: End = { mac: MEASURED.mac, ipv4: forged ? FORGED : MEASURED.ipv4 };
  const [from, to, hex] =
    way === 'in'
      ? [guest, PEER, udpFrame(own, { ...STATION, mac: VIF_MAC })]
      : [PEER, guest, udpFrame(STATION, { ...own, mac: UPLINK_MAC })];
  return sendFrame(host, { cpu, from, to, hex, milliseconds, forged });
}

function routeScript(launcher: string): string {
  return join(launcher, '..', 'vif-route');
}

async function addGuest(host: BenchHost, one: RoutedGuest): Promise<void> {
  await host.bench.addVif(one.vif);
  await host.store.load(routedKeys(one));
}

async function timed(host: BenchHost, script: string, command: Command, one: RoutedGuest): Promise<Lap> {
  const { argv, env } = host.hotplug(script, command, one);
  return host.stopwatch.time({ argv, env: { ...env, netdev: UPLINK } });
}
