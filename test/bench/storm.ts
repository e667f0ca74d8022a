import { readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Guest, guest } from './guests.ts';
import { type BenchHost, openBenchHost } from './host.ts';
import { type Launchers, mustBeConnected } from './hotplug.ts';
import { stock } from './peers.ts';
import type { Ledger } from './series.ts';
import type { Job } from './stopwatch.ts';

export interface StormPlan {
  readonly launchers: Launchers;
  readonly guests: number;
  readonly vifsPerGuest: number;
  readonly rounds: number;
}

/**
 * A host that starts: `online` of all vifs of all guests at once, against one after the other; and once more at once to
 * add up the memory, which the timed rounds are not disturbed by.
 */
export async function measureStorm(plan: StormPlan, ledger: Ledger): Promise<void> {
  const peer = await stock();
  const host = await openBenchHost(0);
  try {
    const guests = Array.from({ length: plan.guests * plan.vifsPerGuest }, (_, index) =>
      guest(1 + Math.floor(index / plan.vifsPerGuest), index % plan.vifsPerGuest),
    );
    for (const one of guests) await host.addGuest(one);
    const vifs = guests.length;
    for (let round = 0; round <= plan.rounds; round += 1) {
      for (const [subject, script] of [...Object.entries(plan.launchers), ['stock', peer.vifBridge] as const]) {
        const runs = guests.map((one) => host.hotplug(script, 'online', one));
        const leave = guests.map((one) => host.hotplug(script, 'offline', one));
        if (round === plan.rounds) {
          const memory = watchMemory(host.ns.name);
          await connect(host, guests, runs);
          ledger.add({ figure: 'memory at once', subject, vifs, unit: 'MiB' }, await memory.peak());
        } else {
          const atOnce = await connect(host, guests, runs);
          ledger.add({ figure: 'online at once', subject, vifs, unit: 'ms' }, atOnce.wall);
          ledger.add(
            { figure: 'slowest at once', subject, vifs, unit: 'ms' },
            Math.max(...atOnce.laps.map((lap) => lap.wall)),
          );
          await mustBeConnected(host, guests);
          await host.stopwatch.timeAll(leave);
          let total = 0;
          for (const run of runs) total += (await host.stopwatch.time(run)).wall;
          ledger.add({ figure: 'online one by one', subject, vifs, unit: 'ms' }, total);
        }
        await mustBeConnected(host, guests);
        await host.stopwatch.timeAll(leave);
      }
    }
  } finally {
    await host.remove();
    peer.remove();
  }
}

/** Runs all at once. @throws Error with what Xen was told of those that failed */
async function connect(host: BenchHost, guests: readonly Guest[], runs: readonly Job[]) {
  try {
    return await host.stopwatch.timeAll(runs);
  } catch (error) {
    const paths = guests.map(({ domid, devid }) => `/local/domain/0/backend/vif/${domid}/${devid}/hotplug-error`);
    const told = (await host.store.read(paths)).flatMap((text, index) =>
      text === null ? [] : [`${guests[index]?.vif}: ${text}`],
    );
    throw new Error(`${told.length} of ${guests.length} could not be connected:\n${told.join('\n')}`, { cause: error });
  }
}

/** Adds up the memory (PSS: shared pages in equal parts) of all processes in a namespace, again and again. */
function watchMemory(namespace: string): { peak(): Promise<number> } {
  const own = namespaceOf(`/run/netns/${namespace}`);
  // What runs there always is not counted.
  const before = new Set(processesIn(own));
  let ended = false;
  let peak = 0;
  const watching = (async () => {
    while (!ended) {
      const sum = processesIn(own)
        .filter((pid) => !before.has(pid))
        .reduce((total, pid) => total + pss(pid), 0);
      peak = Math.max(peak, sum);
      await sleep(10);
    }
  })();
  return {
    async peak() {
      ended = true;
      await watching;
      return peak / 1024;
    },
  };
}

function processesIn(namespace: string | undefined): string[] {
  return readdirSync('/proc').filter((pid) => /^\d+$/.test(pid) && namespaceOf(`/proc/${pid}/ns/net`) === namespace);
}

/** The inode that names a network namespace. */
function namespaceOf(path: string): string | undefined {
  try {
    return path.startsWith('/proc/') ? readlinkSync(path).replace(/\D/g, '') : String(statSync(path).ino);
  } catch {
    // The process has ended.
    return undefined;
  }
}

/** KiB; 0 for a process that has ended. */
function pss(pid: string): number {
  try {
    return Number(/^Pss:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'))?.[1] ?? 0);
  } catch {
    return 0;
  }
}
