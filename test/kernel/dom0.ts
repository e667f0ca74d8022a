import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  LIST_DROPS,
  LIST_INGRESS,
  type Listing,
  parseDrops,
  parseIngressDrops,
  readListing,
  setsOf,
} from '../../src/backends/nftables/counters.ts';
import { guestGroup } from '../../src/port/guest-group.ts';
import { type Bench, type BenchOptions, buildBench, waitForForwarding } from '../lab/bench.ts';
import { checkJson, jsonOutput } from '../lab/json-output.ts';
import { createNamespace, type Namespace, namespaceObstacle } from '../lab/namespace.ts';
import { formObstacle, launcher, program } from '../lab/program.ts';
import { PLAIN_ENV, type RunOptions, type RunResult } from '../lab/subprocess.ts';
import { backendPath, frontendPath, type VifConfig, vifBackend } from '../lab/vif-backend.ts';
import { openWire, type Wire } from '../lab/wire.ts';
import { startXenstored, type Xenstored } from '../lab/xenstored.ts';

/** What Xen runs, in the form that is tested ($VIF_BRIDGE_FORM). */
export const LAUNCHER = formObstacle() === undefined ? launcher() : '';
/** The program behind it, for runs with a PATH of their own: the launcher puts the system's folders first. */
export const PROGRAM = program();

export type Command = 'online' | 'offline' | 'add' | 'remove';

/** The part of node:test's context that is used here. */
export interface Scope {
  readonly name: string;
  after(cleanUp: () => unknown): void;
}

/** A vif's configuration without what the bench knows: the script and the bridge. */
export type Guest = Omit<VifConfig, 'script'>;

export interface HotplugOptions {
  /** Added to, or taken (undefined) from, the environment that libxl gives. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Instead of `<command> type_if=<vif or tap>`. */
  readonly args?: readonly string[];
  /** Instead of the launcher. */
  readonly program?: readonly string[];
  readonly cwd?: string;
  readonly timeoutMs?: number;
}

/** A port as `status --json` prints it. */
export interface Port {
  readonly name: string;
  readonly device: string;
  readonly state: 'managed' | 'exempt' | 'unmanaged' | 'damaged';
  readonly bridge?: string;
  readonly up: boolean;
  readonly mac?: string;
  readonly addresses: readonly string[];
  readonly mode?: string;
  readonly observed: boolean;
  readonly unfiltered?: string;
  readonly overdue?: string;
  readonly allow: readonly string[];
  readonly until?: string;
  readonly open: readonly string[];
  readonly rules: readonly string[];
  readonly notes: readonly { readonly loud: boolean; readonly text: string }[];
  readonly conversations?: {
    readonly own: number;
    readonly limit: { readonly rate: number; readonly burst: number };
    readonly sets: readonly { readonly set: string; readonly elements: number; readonly size: number }[];
  };
  readonly drops: readonly {
    readonly direction: 'from-guest' | 'to-guest';
    readonly reason: string;
    readonly packets: number;
  }[];
}

/** A private Xen host: bridge and uplink, xenstored, state directory. Everything ends with the test it was made for. */
export interface Dom0 {
  readonly ns: Namespace;
  readonly bench: Bench;
  readonly store: Xenstored;
  /** VIF_BRIDGE_STATE_DIR. */
  readonly state: string;
  /** An empty folder for the test. */
  readonly folder: string;
  /** Writes the xenstore keys of a vif as libxl does. */
  configure(guest: Guest): void;
  /** Runs the script as libxl does: nothing but libxl's own variables in the environment. */
  hotplug(command: Command, id: { domid: number; devid?: number }, options?: HotplugOptions): Promise<RunResult>;
  /** Device, keys, `online` (and tap and `add` for an HVM guest), and waits until the ports forward. Has to work. */
  start(guest: Guest, options?: HotplugOptions): Promise<void>;
  /** A command of the admin, by the launcher unless told: `reapply --all`. */
  admin(args: readonly string[], options?: RunOptions & Pick<HotplugOptions, 'program'>): Promise<RunResult>;
  status(): Promise<Port[]>;
  /** What `status` says was dropped, with a tenth of its cost: what reads it after every few frames needs no more. */
  drops(): Promise<Pick<Port, 'device' | 'drops'>[]>;
  /** A backend key of a vif, by its ids. */
  key(domid: number, key: string): string | undefined;
  /** A key of the frontend directory. */
  frontendKey(domid: number, key: string): string | undefined;
  /** `ip -j link show` of a device; undefined if there is none. */
  link(name: string): Promise<Link | undefined>;
  openWire(interfaces: readonly string[]): Promise<Wire>;
  /** The text of all rules, with the names of ports in place of their interface groups (src/port/guest-group.ts). */
  ruleset(): Promise<string>;
}

export interface Dom0Options extends BenchOptions {
  /** Whose backends they are; 0 unless told. */
  readonly domid?: number;
  /** Text of the policy file. */
  readonly policy?: string;
}

export interface Link {
  readonly ifname: string;
  readonly ifindex: number;
  readonly mtu: number;
  readonly master?: string;
  readonly address: string;
  readonly flags: readonly string[];
}

/** Why these tests cannot run here, for `skip`; printed once. False when they can. */
export function obstacle(): string | false {
  const why =
    namespaceObstacle() ??
    ['nft', 'ip', 'bridge', 'flock', 'xenstore-ls']
      .filter((tool) => !['/usr/sbin', '/usr/bin', '/sbin', '/bin'].some((folder) => existsSync(join(folder, tool))))
      .map((tool) => `needs ${tool}`)[0] ??
    formObstacle();
  if (why !== undefined) console.log(`skipped: ${why}`);
  return why ?? false;
}

/** Builds such a host. */
export async function openDom0(t: Scope, options: Dom0Options = {}): Promise<Dom0> {
  const ns = await createNamespace(t.name);
  t.after(() => ns.remove());
  const built = await buildBench(ns, options);
  const groups = new Map<string, Set<string>>();
  /** Remembers which device has which group of ours, or would get it; a device that goes later is still known then. */
  const noteDevices = async (): Promise<void> => {
    for (const { ifname, ifindex } of JSON.parse(await ns.check(['ip', '-j', 'link'])) as Link[]) {
      const group = String(guestGroup(ifindex));
      groups.set(group, (groups.get(group) ?? new Set()).add(ifname));
    }
  };
  const bench: Bench = {
    ...built,
    async addVif(...args) {
      const guest = await built.addVif(...args);
      await noteDevices();
      return guest;
    },
  };
  const store = await startXenstored({ domid: options.domid ?? 0 });
  t.after(() => store.stop());
  const folder = mkdtempSync(join(tmpdir(), 'xvb-kernel-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const state = join(folder, 'state');
  const config = join(folder, 'vif-bridge.ini');
  writeFileSync(config, options.policy ?? '');
  const own = { XENSTORED_PATH: store.socket, VIF_BRIDGE_STATE_DIR: state, VIF_BRIDGE_CONFIG: config };

  const configure = (guest: Guest): void =>
    store.load(vifBackend({ bridge: bench.bridge, backendDomid: store.domid, ...guest, script: LAUNCHER }));
  const hotplug: Dom0['hotplug'] = (command, { domid, devid = 0 }, more = {}) => {
    const tap = command === 'add' || command === 'remove';
    const emulated = tap || store.read(`${backendPath(domid, devid, store.domid)}/type`) === 'vif_ioemu';
    const env: Record<string, string | undefined> = {
      ...own,
      script: LAUNCHER,
      XENBUS_TYPE: 'vif',
      XENBUS_PATH: `backend/vif/${domid}/${devid}`,
      XENBUS_BASE_PATH: 'backend',
      netdev: '',
      vif: `vif${domid}.${devid}`,
      ...(emulated ? { INTERFACE: `vif${domid}.${devid}-emu` } : {}),
      ...more.env,
    };
    const argv = [...(more.program ?? [LAUNCHER]), ...(more.args ?? [command, `type_if=${tap ? 'tap' : 'vif'}`])];
    return ns.run(argv, {
      env: Object.fromEntries(
        Object.entries(env).flatMap(([key, value]) => (value === undefined ? [] : [[key, value]])),
      ),
      cwd: more.cwd ?? '/',
      timeoutMs: more.timeoutMs ?? 60_000,
    });
  };
  const dom0: Dom0 = {
    ns,
    bench,
    store,
    state,
    folder,
    configure,
    hotplug,
    async start(guest, options) {
      const { domid, devid = 0 } = guest;
      const runs: [Command, string][] = [['online', `vif${domid}.${devid}`]];
      if (guest.type === 'vif_ioemu') runs.push(['add', `vif${domid}.${devid}-emu`]);
      configure(guest);
      for (const [, device] of runs) await bench.addVif(device);
      for (const [command, device] of runs) {
        const result = await hotplug(command, { domid, devid }, options);
        if (result.status !== 0) {
          const said = store.read(`${backendPath(domid, devid, store.domid)}/hotplug-error`);
          throw new Error(`${command} of ${device} ended with ${result.status}: ${said} ${result.stderr}`);
        }
        const suffix = command === 'add' ? '-emu' : '';
        await waitForForwarding(ns, guest.vifname === undefined ? device : `${guest.vifname}${suffix}`);
      }
    },
    async admin(args, { program: file = [LAUNCHER], ...more } = {}) {
      const result = await ns.run([...file, ...args], {
        timeoutMs: 60_000,
        ...more,
        env: { ...PLAIN_ENV, ...own, ...more.env },
      });
      const output = jsonOutput(args);
      if (output !== undefined && result.stdout !== '') checkJson(output, result.stdout);
      return result;
    },
    async status() {
      const result = await dom0.admin(['status', '--json'], { timeoutMs: 30_000 });
      const ports = JSON.parse(result.stdout) as Port[];
      const damaged = ports.some((port) => port.state === 'damaged');
      if (result.status !== (damaged ? 1 : 0)) throw new Error(`status ended with ${result.status}: ${result.stderr}`);
      return ports;
    },
    drops: async () => (await droppedByNft(ns)) ?? (await dom0.status()),
    key: (domid, key) => store.read(`${backendPath(domid, 0, store.domid)}/${key}`),
    frontendKey: (domid, key) => store.read(`${frontendPath(domid)}/${key}`),
    async link(name) {
      const shown = await ns.run(['ip', '-j', 'link', 'show', 'dev', name]);
      return shown.status === 0 ? (JSON.parse(shown.stdout) as Link[])[0] : undefined;
    },
    async openWire(interfaces) {
      const wire = await openWire(ns, interfaces);
      t.after(() => wire.exit());
      return wire;
    },
    async ruleset() {
      await noteDevices();
      const text = await ns.check(['nft', 'list', 'ruleset']);
      return text.replace(/\b\d{10}\b/g, (number) => [...(groups.get(number) ?? [number])].join('/'));
    },
  };
  return dom0;
}

/** Undefined where others than the tables of bridged vifs count: ebtables, routed vifs. */
async function droppedByNft(ns: Namespace): Promise<Pick<Port, 'device' | 'drops'>[] | undefined> {
  const list = async (argv: readonly string[]): Promise<Listing> => {
    const { status, stdout } = await ns.run(['nft', ...argv]);
    return status === 0 ? readListing(stdout) : [];
  };
  const [tables, links, drops, ingress] = await Promise.all([
    // Of tables that a later nft has loaded, nft 1.0.6 dies of every listing that fetches sets, also that of tables.
    ns.check(['nft', 'list', 'chains']),
    ns.check(['ip', '-j', 'link']),
    list(LIST_DROPS),
    list(LIST_INGRESS),
  ]);
  if (!/^table bridge xen-vif \{$/m.test(tables) || /xen-vif-route/.test(tables)) return undefined;
  const indexes = new Map((JSON.parse(links) as Link[]).map(({ ifname, ifindex }) => [ifname, ifindex]));
  const counts = [...parseDrops(setsOf(drops)), ...parseIngressDrops(ingress, (name) => indexes.get(name))];
  return [...indexes].map(([device, index]) => ({ device, drops: counts.filter(({ ifindex }) => ifindex === index) }));
}
