import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Bench, buildBench } from '../lab/bench.ts';
import { createNamespace, type Namespace } from '../lab/namespace.ts';
import { PLAIN_ENV } from '../lab/subprocess.ts';
import { type FillOrder, fillers } from './fill.ts';
import { type Guest, guestKeys } from './guests.ts';
import { type Job, openStopwatch, type Stopwatch } from './stopwatch.ts';
import { type Store, startStore } from './store.ts';

export type Command = 'online' | 'offline';

/** Whom a hotplug event is about. */
export type Subject = Pick<Guest, 'domid' | 'devid' | 'vif'>;

/** A private Xen host of the benchmark, with vifs in service from the start. */
export interface BenchHost {
  readonly ns: Namespace;
  readonly bench: Bench;
  readonly store: Store;
  readonly stopwatch: Stopwatch;
  /** How many vifs were in service at the start. */
  readonly vifs: number;
  /** Makes device and xenstore keys of one more guest. */
  addGuest(one: Guest): Promise<void>;
  /** The script run of a hotplug event, with the environment that libxl gives. */
  hotplug(script: string, command: Command, one: Subject): Job;
  /** A command of the admin. */
  admin(script: string, args: readonly string[]): Job;
  remove(): Promise<void>;
}

/** What vifs of a host are. */
export interface HostKind {
  /** The program that makes those that are in service from the start: it reads a FillOrder. */
  readonly fill: string;
  /** The xenstore keys of so many. */
  keys(count: number): Record<string, string>;
  /** What the host has besides. */
  prepare?(ns: Namespace): Promise<void>;
}

const BRIDGED: HostKind = {
  fill: 'fill.ts',
  keys: (count) => Object.assign({}, ...fillers(count).map(guestKeys)) as Record<string, string>,
};

/**
 * @param vifs how many vifs of ours are in service
 * @param policy text of the policy file; without, there is none
 */
export async function openBenchHost(vifs: number, policy = '', kind: HostKind = BRIDGED): Promise<BenchHost> {
  const ns = await createNamespace(`host with ${vifs} vifs`);
  const bench = await buildBench(ns);
  const store = await startStore();
  // The state belongs on tmpfs. The stopwatch has a /dev of its own, so it cannot be /dev/shm.
  const state = mkdtempSync('/run/xvb-bench-');
  const folder = mkdtempSync(join(tmpdir(), 'xvb-bench-'));
  const config = join(folder, 'vif-bridge.ini');
  writeFileSync(config, policy);
  await kind.prepare?.(ns);
  const guests = vifs > 0 ? await createNamespace(`guests of ${vifs} vifs`) : undefined;
  if (guests !== undefined) {
    // The guests' ends are not this host's work either: no addresses, so nothing that the kernel does for them.
    await guests.check(['sysctl', '-q', '-w', 'net.ipv6.conf.default.disable_ipv6=1']);
    const order: FillOrder = { state, config, count: vifs, guests: guests.name };
    const script = fileURLToPath(new URL(kind.fill, import.meta.url));
    await ns.check([process.execPath, '--import', import.meta.resolve('tsx'), script], {
      input: JSON.stringify(order),
      timeoutMs: 600_000,
    });
    const up = fillers(vifs).map(({ vif }) => `link set ${vif.replace('vif', 'guest')} up\n`);
    await guests.check(['ip', '-batch', '-'], { input: up.join(''), timeoutMs: 600_000 });
    await store.load(kind.keys(vifs));
  }
  const stopwatch = await openStopwatch(ns, join(folder, 'output'));
  const own = { ...PLAIN_ENV, XENSTORED_PATH: store.socket, VIF_BRIDGE_STATE_DIR: state, VIF_BRIDGE_CONFIG: config };
  return {
    ns,
    bench,
    store,
    stopwatch,
    vifs,
    async addGuest(one) {
      await bench.addVif(one.vif);
      await store.load(guestKeys(one));
    },
    hotplug: (script, command, one) => ({
      argv: [script, command, 'type_if=vif'],
      env: {
        ...own,
        script,
        XENBUS_TYPE: 'vif',
        XENBUS_PATH: `backend/vif/${one.domid}/${one.devid}`,
        XENBUS_BASE_PATH: 'backend',
        netdev: '',
        vif: one.vif,
      },
    }),
    admin: (script, args) => ({ argv: [script, ...args], env: own }),
    async remove() {
      await stopwatch.stop();
      await store.stop();
      await ns.remove();
      await guests?.remove();
      for (const path of [state, folder]) rmSync(path, { recursive: true, force: true });
    },
  };
}
