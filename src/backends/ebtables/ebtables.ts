import { runBatch } from '../../effects/batch.ts';
import { toolFailure } from '../../effects/exec.ts';
import type { Lock } from '../../effects/lock.ts';
import { type Failures, together } from '../../effects/together.ts';
import { asFailure, Failure, failureLine } from '../../errors.ts';
import type { Host } from '../../host.ts';
import { bridgeLinkLocalLines } from '../../port/port-setup.ts';
import { liveRecords } from '../../state/present-devices.ts';
import type { EbtTools, VifRecord } from '../../state/records.ts';
import type { DropCount, EbtBackend, LeavingPort, PlannedPort } from '../backend.ts';
import { backendOf, baseOfThisBoot, currentBase, newBase, recordedPort, reportBase } from '../base.ts';
import { removeNft } from '../nftables/nftables.ts';
import type { KernelDrops } from '../ruleset.ts';
import { chainDrops, countJumps, type EbtListing, linkLocalDrops, parseListing, vifChains } from './listing.ts';
import { ebtPorts } from './ports.ts';
import type { EbtChain } from './stages.ts';
import { EBT_HOOKS, type EbtHook, type EbtLoad, type EbtPort, renderLoad } from './text.ts';

/** A host whose rules are in ebtables. */
export type EbtHost = Host & { readonly backend: EbtBackend };

/** For all uses of ebtables together: 50 vifs at once take turns, 0.1 s each. */
const LOCK_MS = 20_000;
/**
 * What `ebtables --concurrent` of the legacy variant locks, by flock(2) (2.0.11, libebtc.c: lock_file). Programs that use
 * it, like libvirt, then do not change the tables between our look and our change.
 */
export const FOREIGN_LOCK = '/var/lib/ebtables/lock';
const FOREIGN_LOCK_MS = 6_000;
const LOAD_MS = 12_000;
/** A load that fails because somebody else changed the tables meanwhile is tried again. */
const ATTEMPTS = 4;
const PAUSE_MS = 40;
/** So many vifs' chains are loaded at once when everything is made anew. */
const PORTION = 25;

/** Loads a vif's chains, and makes or repairs the part that all share if need be. */
export async function loadPortEbt(host: EbtHost, planned: PlannedPort): Promise<void> {
  await withEbtablesLocks(host, () => change(host, { add: planned }));
}

/** Loads the chains of many vifs: all is made anew, which takes fewer programs than a change for each. */
export function loadPortsEbt(host: EbtHost, planned: readonly PlannedPort[]): Promise<Failures> {
  const all = planned.map((one) => ({ device: one.port.device, one }));
  return together(all, (some) => {
    const add = some.map(({ one }) => one);
    const first = add[0];
    if (add.length === 1 && first !== undefined) return loadPortEbt(host, first);
    return withEbtablesLocks(host, () => retried(host, () => rebuild(host, add)));
  });
}

export async function removePortEbt(host: EbtHost, leaving: LeavingPort): Promise<void> {
  await withEbtablesLocks(host, () => change(host, { leave: leaving.device }));
}

/** Makes everything anew from the records. The caller holds the lock `base`. */
export async function reloadAllEbt(host: EbtHost): Promise<void> {
  const foreign = await foreignLock(host);
  try {
    await retried(host, () => rebuild(host, []));
  } finally {
    await foreign?.release();
  }
}

/**
 * Without nft there is no chain at the device itself. The bridge is told to learn nothing from link-local frames; the
 * frames themselves are dropped by filter INPUT, but for those of STP if it is on.
 */
export async function loadIngressEbt(host: EbtHost, bridge: string): Promise<void> {
  for (const lost of await runBatch(host.run, 'ip', bridgeLinkLocalLines(bridge))) host.log.say('warning', lost);
}

/** What the rules have counted, by two listings; which rule counts for what follows from the plan. */
export async function readDropsEbt(host: EbtHost, records: readonly VifRecord[]): Promise<KernelDrops> {
  if (currentBase(host) === undefined) return { present: false, drops: [] };
  const { tools } = host.backend;
  const nat = await listing(host, tools, 'nat');
  if (countJumps(nat, EBT_HOOKS.in) === 0 || countJumps(nat, EBT_HOOKS.out) === 0) return { present: false, drops: [] };
  const filter = await listing(host, tools, 'filter');
  const ports = new Map(
    ebtPorts(host.state)
      .all()
      .map((port) => [port.device, port]),
  );
  const drops = records.flatMap((record): DropCount[] => {
    const planned = recordedPort(host, record);
    const port = ports.get(record.device);
    if (planned === undefined || port === undefined) return [];
    const chains = host.backend.chainsOf(planned.plan, host.policy);
    return [
      ...chainDrops(nat, chains['from-guest'].chains, 'from-guest'),
      ...chainDrops(nat, chains['to-guest'].chains, 'to-guest'),
      ...linkLocalDrops(filter, port),
    ].map((drop) => ({ ...drop, ifindex: record.ifindex }));
  });
  return { present: true, drops };
}

/** Takes all that is ours out of ebtables; the rules are in another backend by now. The caller holds the lock `base`. */
export async function removeEbtables(host: Host, tools: EbtTools): Promise<void> {
  const ports = ebtPorts(host.state);
  const foreign = await foreignLock(host);
  try {
    await retried(host, async () => {
      const nat = await listing(host, tools, 'nat');
      const filter = await listing(host, tools, 'filter');
      if (![...nat.keys(), ...filter.keys()].some((chain) => chain.startsWith('xen-vif/'))) return;
      const load: EbtLoad = {
        ports: [],
        exempt: [],
        unmanaged: 'closed',
        chains: [],
        stale: vifChains(nat),
        jumps: (hook) => countJumps(hook.table === 'nat' ? nat : filter, hook),
        leave: true,
      };
      await restore(host, tools, renderLoad(load, tools.variant));
    });
    for (const port of ports.all()) ports.remove(port.device);
    ports.settled();
  } finally {
    await foreign?.release();
  }
}

interface Change {
  readonly add?: PlannedPort;
  /** The device that leaves; a rebuild must not bring it back. */
  readonly leave?: string;
}

async function change(host: EbtHost, what: Change): Promise<void> {
  const ports = ebtPorts(host.state);
  const base = currentBase(host);
  if (base !== undefined && !ports.unsure()) {
    try {
      await loadChange(host, what, base.exempt);
      return;
    } catch (error) {
      if (!isRefusal(error)) throw error;
      host.log.say('debug', `ebtables is not as we left it, all is loaded anew: ${failureLine(asFailure(error))}`);
    }
  }
  await retried(host, () => rebuild(host, what.add === undefined ? [] : [what.add], what.leave));
}

/** One vif's chains, and the shared chains with the vifs that are loaded, in one run of ebtables-restore. */
async function loadChange(host: EbtHost, what: Change, exempt: readonly { name: string }[]): Promise<void> {
  const ports = ebtPorts(host.state);
  const all = ports.all();
  const device = what.leave ?? what.add?.port.device;
  const before = all.find((port) => port.device === device);
  const chains = what.add === undefined ? [] : chainsOf(host, what.add);
  const added = what.add === undefined ? [] : [portOf(what.add, chains)];
  const present = [...all.filter((port) => port.device !== device), ...added];
  const names = new Set(chains.map((chain) => chain.name));
  ports.begin();
  await restore(
    host,
    host.backend.tools,
    host.backend.renderLoad({
      ports: present,
      exempt: exemptNames(exempt, present),
      unmanaged: host.policy.unmanaged,
      chains,
      stale: (before?.chains ?? []).filter((name) => !names.has(name)),
      jumps: () => 1,
    }),
  );
  if (device !== undefined) ports.remove(device);
  for (const port of added) ports.write(port);
  ports.settled();
}

/** Everything from the records, whatever the tables hold of ours now: jumps that were doubled, chains left behind. */
async function rebuild(host: EbtHost, add: readonly PlannedPort[], leave?: string): Promise<void> {
  const ports = ebtPorts(host.state);
  const earlier = host.state.readBase();
  const { tools } = host.backend;
  const nat = await listing(host, tools, 'nat');
  const filter = await listing(host, tools, 'filter');
  const records = liveRecords(host).filter((record) => record.device !== leave);
  const base = newBase(host, records);
  const added = new Set(add.map((one) => one.port.device));
  const others = records.filter((record) => !added.has(record.device));
  const planned = [...others.flatMap((record) => recordedPort(host, record) ?? []), ...add];
  const withChains = planned.map((one) => ({ one, chains: chainsOf(host, one) }));
  const present = withChains.map(({ one, chains }) => portOf(one, chains));
  const names = new Set(present.flatMap((port) => port.chains));
  ports.begin();
  for (let from = 0; from < withChains.length; from += PORTION) {
    const portion = withChains.slice(from, from + PORTION).flatMap(({ chains }) => chains);
    await restore(host, tools, host.backend.renderChains(portion));
  }
  await restore(
    host,
    tools,
    host.backend.renderLoad({
      ports: present,
      exempt: exemptNames(base.exempt, present),
      unmanaged: host.policy.unmanaged,
      chains: [],
      stale: vifChains(nat).filter((name) => !names.has(name)),
      jumps: (hook: EbtHook) => countJumps(hook.table === 'nat' ? nat : filter, hook),
    }),
  );
  const bridges = records.filter((record) => record.ingress).map((record) => record.bridge);
  for (const bridge of new Set(bridges)) await loadIngressEbt(host, bridge);
  await leaveNft(host);
  for (const port of ports.all()) ports.remove(port.device);
  for (const port of present) ports.write(port);
  host.state.writeBase(base);
  ports.settled();
  reportBase(host, base, earlier, present.length);
}

/** The rules were in nftables until now. */
async function leaveNft(host: EbtHost): Promise<void> {
  const earlier = baseOfThisBoot(host);
  if (earlier === undefined || backendOf(earlier) === 'ebtables') return;
  await removeNft(host);
  host.log.say('info', 'took the rules out of nftables; they are in ebtables now');
}

function chainsOf(host: EbtHost, planned: PlannedPort): EbtChain[] {
  const chains = host.backend.chainsOf(planned.plan, host.policy);
  return [...chains['from-guest'].chains, ...chains['to-guest'].chains];
}

function portOf({ port, plan }: PlannedPort, chains: readonly EbtChain[]): EbtPort {
  return {
    device: port.device,
    name: port.name,
    open: plan.terms.flags.includes('open'),
    chains: chains.map((chain) => chain.name),
  };
}

/** A port that has chains is not exempt any more, whatever the base's record still says. */
function exemptNames(exempt: readonly { name: string }[], ports: readonly EbtPort[]): string[] {
  const taken = new Set(ports.map((port) => port.name));
  return exempt.map((port) => port.name).filter((name) => !taken.has(name));
}

async function listing(host: Host, tools: EbtTools, table: EbtHook['table']): Promise<EbtListing> {
  const args = ['-t', table, '-L', '--Lc'];
  const result = await host.run(tools.list, args, { timeoutMs: LOAD_MS });
  if (result.status !== 0) throw toolFailure(tools.list, args, result);
  return parseListing(result.stdout);
}

async function restore(host: Host, tools: EbtTools, input: string): Promise<void> {
  const args = ['--noflush'];
  const result = await host.run(tools.restore, args, { input, timeoutMs: LOAD_MS });
  if (result.status !== 0) throw toolFailure(tools.restore, args, result);
}

/** Somebody who takes no lock may change the tables at any time: look and load again, but not for ever. */
async function retried(host: Host, attempt: () => Promise<void>): Promise<void> {
  for (let count = 1; ; count += 1) {
    try {
      await attempt();
      return;
    } catch (error) {
      if (count === ATTEMPTS || !isRefusal(error)) throw error;
      await host.sleep(PAUSE_MS * count);
    }
  }
}

/**
 * A program ended with an error, or crashed (ebtables-nft 1.8.9 aborts when it is to take a jump out of a table that was
 * flushed meanwhile); not: it is missing, or did not end in time.
 */
function isRefusal(error: unknown): boolean {
  return error instanceof Failure && error.code === 'tool' && !/is not installed/.test(error.message);
}

async function withEbtablesLocks(host: EbtHost, work: () => Promise<void>): Promise<void> {
  const lock = await host.takeLock('base', LOCK_MS);
  try {
    const foreign = await foreignLock(host);
    try {
      await work();
    } finally {
      await foreign?.release();
    }
  } finally {
    await lock.release();
  }
}

/** Undefined, and logged, where the file cannot be: a read-only /var. Then only our own runs keep out of each other's way. */
async function foreignLock(host: Host): Promise<Lock | undefined> {
  if (host.policy.lock !== 'flock') return undefined;
  try {
    return await host.takeLock(FOREIGN_LOCK, FOREIGN_LOCK_MS);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? '';
    if (!['EROFS', 'EACCES', 'EPERM', 'ENOTDIR', 'ENOENT'].includes(code)) throw error;
    host.log.say('warning', `${FOREIGN_LOCK} cannot be locked (${code}): programs that lock it may interfere`);
    return undefined;
  }
}
