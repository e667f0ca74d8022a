import type { Form } from '../lab/program.ts';
import type { StockScripts } from '../lab/stock.ts';
import { fillers } from './fill.ts';
import { type Guest, guest } from './guests.ts';
import { type BenchHost, openBenchHost, type Subject } from './host.ts';
import { classic, classicRules, stock } from './peers.ts';
import type { Ledger } from './series.ts';
import type { Lap } from './stopwatch.ts';

/** The launcher of each form that is measured. */
export type Launchers = Readonly<Partial<Record<Form, string>>>;

export interface HotplugPlan {
  readonly launchers: Launchers;
  /** Numbers of vifs that are there already. */
  readonly levels: readonly number[];
  readonly rounds: number;
  /** The peer with ebtables is slow: it takes part in every n-th round. */
  readonly everyClassic: number;
}

/**
 * One more vif: `online`, `reapply` and `offline`, by each form and by the peers, at each level, in turns. One round is
 * one run of everything, so that what else the machine does hits all alike.
 */
export async function measureHotplug(plan: HotplugPlan, ledger: Ledger): Promise<void> {
  const peer = await stock();
  const slow = await classic();
  const hosts: BenchHost[] = [];
  const ebtables: BenchHost[] = [];
  try {
    for (const level of plan.levels) {
      const host = await openBenchHost(level);
      hosts.push(host);
      await stay(host, Object.values(plan.launchers)[0] ?? '');
      ebtables.push(await openClassicHost(level));
    }
    const ours = Object.entries(plan.launchers);
    for (let round = -1; round < plan.rounds; round += 1) {
      for (const [index, host] of hosts.entries()) {
        const vifs = host.vifs;
        const note = (figure: string, subject: string, lap: Lap): void => {
          // The first round fills caches and makes what is made once.
          if (round >= 0) ledger.add({ figure, subject, vifs, unit: 'ms' }, lap.wall, lap.cpu);
        };
        for (const [number, [form, script]] of ours.entries()) {
          const one = await measured(host, 30_000 + number);
          note('online', form, await host.stopwatch.time(host.hotplug(script, 'online', one)));
          if (round <= 0) await mustBeConnected(host, [one]);
          note('reapply', form, await host.stopwatch.time(host.admin(script, ['reapply', one.vif])));
          note('offline', form, await host.stopwatch.time(host.hotplug(script, 'offline', one)));
        }
        const theirs = async (scripts: StockScripts, name: string, on: BenchHost): Promise<void> => {
          const one = await measured(on, 30_100);
          note('online', name, await on.stopwatch.time(on.hotplug(scripts.vifBridge, 'online', one)));
          if (round <= 0) await mustBeConnected(on, [one]);
          note('offline', name, await on.stopwatch.time(on.hotplug(scripts.vifBridge, 'offline', one)));
        };
        await theirs(peer, 'stock', host);
        const other = ebtables[index];
        if (other !== undefined && round >= 0 && round % plan.everyClassic === 0)
          await theirs(slow, 'stock + ebtables', other);
      }
    }
  } finally {
    for (const host of [...hosts, ...ebtables]) await host.remove();
    for (const scripts of [peer, slow]) scripts.remove();
  }
}

const added = new WeakMap<BenchHost, Set<string>>();

/** The guest that is measured; its device is made once and is back where it was after `offline`. */
async function measured(host: BenchHost, domid: number): Promise<Guest> {
  const one = guest(domid);
  const known = added.get(host) ?? new Set();
  added.set(host, known);
  if (!known.has(one.vif)) await host.addGuest(one);
  known.add(one.vif);
  return one;
}

/** The last vif takes with it what all share: one that stays, so that nobody who is measured has to make it anew. */
async function stay(host: BenchHost, script: string): Promise<void> {
  const one = await measured(host, 30_200);
  await host.stopwatch.time(host.hotplug(script, 'online', one));
  await mustBeConnected(host, [one]);
}

/** A host without our rules, with the classic ones for as many vifs. */
async function openClassicHost(vifs: number): Promise<BenchHost> {
  const host = await openBenchHost(0);
  if (vifs > 0) {
    const input = classicRules(fillers(vifs));
    await host.ns.check(['ebtables-nft-restore'], { input, timeoutMs: 600_000 });
  }
  return { ...host, vifs };
}

/** @throws Error unless the run told Xen that each vif is connected, and each is in its bridge */
export async function mustBeConnected(host: BenchHost, guests: readonly Guest[]): Promise<void> {
  await mustBeTold(host, guests);
  const links = await host.ns.check(['ip', '-o', 'link', 'show', 'master', 'br0']);
  const outside = guests.filter(({ vif }) => !links.includes(` ${vif}@`)).map(({ vif }) => vif);
  if (outside.length > 0) throw new Error(`in no bridge: ${outside.join(' ')}`);
}

/** @throws Error unless the run told Xen that each vif is connected */
export async function mustBeTold(host: BenchHost, guests: readonly Subject[]): Promise<void> {
  const paths = guests.map(({ domid, devid }) => `/local/domain/0/backend/vif/${domid}/${devid}/hotplug-status`);
  const values = await host.store.read(paths);
  const missing = guests.filter((_, index) => values[index] !== 'connected').map(({ vif }) => vif);
  if (missing.length > 0) throw new Error(`not connected: ${missing.join(' ')}`);
  for (const path of paths) await host.store.load({ [path]: '' });
}

/** `reapply --all`, `status`, `metrics` and `verify` with many vifs. */
export async function measureWhole(
  plan: { launchers: Launchers; levels: readonly number[]; rounds: number; statusRounds: number },
  ledger: Ledger,
): Promise<void> {
  for (const vifs of plan.levels) {
    const host = await openBenchHost(vifs);
    try {
      for (let round = 0; round < plan.statusRounds; round += 1) {
        for (const [form, script] of Object.entries(plan.launchers)) {
          for (const [figure, args] of [
            ['status', ['status', '--json']],
            ['status VIF', ['status', 'vif1.0', '--json']],
            ['metrics', ['metrics']],
          ] as const) {
            const lap = await host.stopwatch.time(host.admin(script, args));
            ledger.add({ figure, subject: form, vifs, unit: 'ms' }, lap.wall, lap.cpu);
          }
        }
      }
      for (let round = 0; round < plan.rounds; round += 1) {
        for (const [form, script] of Object.entries(plan.launchers)) {
          const lap = await host.stopwatch.time(host.admin(script, ['reapply', '--all']));
          ledger.add({ figure: 'reapply --all', subject: form, vifs, unit: 'ms' }, lap.wall, lap.cpu);
        }
      }
      // Xen has been told of all: else nothing is well.
      await host.store.load(
        Object.fromEntries(
          fillers(vifs).map(({ domid, devid }) => [`backend/vif/${domid}/${devid}/hotplug-status`, 'connected']),
        ),
      );
      for (let round = 0; round < plan.rounds; round += 1) {
        for (const [form, script] of Object.entries(plan.launchers)) {
          for (const [figure, args] of [
            ['verify', []],
            ['verify VIF', ['vif1.0']],
          ] as const) {
            const lap = await host.stopwatch.time(host.admin(script, ['verify', ...args]));
            ledger.add({ figure, subject: form, vifs, unit: 'ms' }, lap.wall, lap.cpu);
          }
        }
      }
    } finally {
      await host.remove();
    }
  }
}
