import { type Failures, together } from '../../effects/together.ts';
import { asFailure, failureLine } from '../../errors.ts';
import type { Host } from '../../host.ts';
import { once } from '../../once.ts';
import { liveRecords } from '../../state/present-devices.ts';
import type { BaseRecord, EbtTools } from '../../state/records.ts';
import type { Backend, Former, LeavingPort, PlannedPort, RuleText } from '../backend.ts';
import { currentBase, ifLastGone, leaveFormer, leftBase, mustKnowPolicy, newBase, reportBase } from '../base.ts';
import { learnNoLinkLocal } from '../link-local.ts';
import { neighbours } from '../neighbours.ts';
import { limitsOfPlan, rulesDigest } from './chains.ts';
import { compiled, exemptNames, ofRecord, toLoad } from './ebt-port.ts';
import { countJumps, isAsLoaded, vifChains } from './listing.ts';
import { look, ruleCounts } from './look.ts';
import { type EbtPorts, ebtPorts } from './ports.ts';
import type { EbtChain } from './stages.ts';
import { type Ebt, isRefusal, listing, restore, retried, withForeignLock, withTables } from './tables.ts';
import { type EbtHook, type EbtPort, MOVED_CHAIN, renderChains, renderLoad } from './text.ts';

/** A rule for each of them, and for each pair of them where two fields must be own (RARP). */
const MOST_EBTABLES_MACS = 17;

/** So many vifs' chains are loaded at once when everything is made anew. */
const PORTION = 25;

/** ebtables, legacy or nft variant: chains of its own for each vif, one exchange of each table for a change. */
export function ebtables(host: Host, tools: EbtTools, former: Former): Backend {
  const ebt: Ebt = {
    host,
    tools,
    holder: { name: 'ebtables', tools, digest: once(() => rulesDigest(host.policy)) },
    former,
  };
  return {
    name: 'ebtables',
    dropsAtDevice: () => false,
    mostMacs: MOST_EBTABLES_MACS,
    // A load of many makes everything anew, however many they are.
    atOnce: Number.POSITIVE_INFINITY,
    load: (planned) => load(ebt, planned),
    learns: false,
    // `-p 802_1Q` is all that it knows of such a frame (net/bridge/netfilter/ebtables.c: ebt_basic_match).
    seesBehindTags: false,
    routes: false,
    remove: (leaving) => withTables(host, () => change(ebt, { leave: leaving.device })),
    dropLinkLocal: ({ bridge }) => learnNoLinkLocal(host, bridge),
    // A load of many vifs makes everything anew.
    repair: async () => {},
    distrust: () => ebtPorts(host.state).begin(),
    leave: () => removeAll(host, tools),
    leaveAfterLast: () => leaveAfterLast(ebt),
    ahead: () => {},
    base: () => currentBase(host, ebt.holder),
    // Nothing of it is loaded by a run of Xen's.
    compare: async (recordsOf, wished) => (await import('./compare.ts')).compare(ebt, recordsOf, wished),
    // Every load makes anew what it touches.
    takeOut: async () => {},
    look: (recordsOf) => look(ebt, recordsOf()),
    ruleCounts: (record) => ruleCounts(ebt, record),
    countsTogether: false,
    limits: (plan) => limitsOfPlan(plan, host.policy),
    loadText: (planned, upon) => loadText(ebt, planned, upon),
    removalText: (leaving) => removalText(ebt, leaving),
  };
}

/** One is changed; of many all is made anew, which takes fewer programs than a change for each. */
function load(ebt: Ebt, planned: readonly PlannedPort[]): Promise<Failures> {
  const all = planned.map((one) => ({ device: one.port.device, one }));
  return together(all, (some) => {
    const add = some.map(({ one }) => one);
    const first = add[0];
    return withTables(ebt.host, () =>
      add.length === 1 && first !== undefined
        ? change(ebt, { add: first })
        : retried(ebt.host, () => rebuild(ebt, add)),
    );
  });
}

/** The rules are in another backend by now. The caller holds the lock `base`. */
async function removeAll(host: Host, tools: EbtTools): Promise<void> {
  const ports = ebtPorts(host.state);
  await withForeignLock(host, async () => {
    await retried(host, async () => {
      const nat = await listing(host, tools, 'nat');
      const filter = await listing(host, tools, 'filter');
      if (![...nat.keys(), ...filter.keys()].some((chain) => chain.startsWith('xen-vif/'))) return;
      const input = renderLoad(
        {
          ports: [],
          exempt: [],
          policy: { unmanaged: 'closed' },
          neighbours: [],
          chains: [],
          stale: [...vifChains(nat), ...(nat.has(MOVED_CHAIN) ? [MOVED_CHAIN] : [])],
          jumps: (hook) => countJumps(hook.table === 'nat' ? nat : filter, hook),
          leave: true,
        },
        tools.variant,
      );
      await restore(host, tools, input);
    });
    ports.clear();
    ports.settled();
  });
}

/** A run that comes meanwhile has written its record, or waits for the lock and finds no base. */
async function leaveAfterLast({ host, tools, holder }: Ebt): Promise<void> {
  await ifLastGone(host, holder, async (base) => {
    await removeAll(host, tools);
    host.state.writeBase(leftBase(base));
  });
}

interface Change {
  readonly add?: PlannedPort;
  /** The device that leaves; a rebuild must not bring it back. */
  readonly leave?: string;
}

async function change(ebt: Ebt, what: Change): Promise<void> {
  const { host } = ebt;
  // It is in the chains of the ports.
  mustKnowPolicy(host);
  const ports = ebtPorts(host.state);
  const base = currentBase(host, ebt.holder);
  if (base !== undefined && !ports.unsure()) {
    try {
      await loadChange(ebt, ports, what, base.exempt);
      return;
    } catch (error) {
      if (!isRefusal(error)) throw error;
      host.log.say('debug', `ebtables is not as we left it, all is loaded anew: ${failureLine(asFailure(error))}`);
    }
  }
  await retried(host, () => rebuild(ebt, what.add === undefined ? [] : [what.add], what.leave));
}

/** One vif's chains, and the shared chains with the vifs that are loaded, in one run of ebtables-restore. */
async function loadChange(ebt: Ebt, ports: EbtPorts, what: Change, exempt: BaseRecord['exempt']): Promise<void> {
  const { host, tools } = ebt;
  const all = ports.all();
  const device = what.leave ?? what.add?.port.device;
  const before = all.find((port) => port.device === device);
  const added = what.add === undefined ? undefined : toLoad(what.add, compiled(ebt, what.add));
  const chains = added?.chains ?? [];
  const present = [...all.filter((port) => port.device !== device), ...(added === undefined ? [] : [added.port])];
  const names = new Set(chains.map((chain) => chain.name));
  ports.begin();
  await restore(
    host,
    tools,
    renderLoad(
      {
        ports: present,
        exempt: exemptNames(ebt, exempt, present),
        policy: host.policy,
        neighbours: neighbours(host, present),
        chains,
        stale: (before?.chains ?? []).filter((name) => !names.has(name)),
        jumps: () => 1,
      },
      tools.variant,
    ),
  );
  if (device !== undefined) ports.remove(device);
  if (added !== undefined) ports.write(added.port);
  ports.settled();
}

/** Everything from the records, whatever the tables hold of ours now: jumps that were doubled, chains left behind. */
async function rebuild(ebt: Ebt, add: readonly PlannedPort[], leave?: string): Promise<void> {
  const { host, tools, holder } = ebt;
  const ports = ebtPorts(host.state);
  const earlier = host.state.readBase();
  const nat = await listing(host, tools, 'nat');
  const filter = await listing(host, tools, 'filter');
  const records = liveRecords(host).filter((record) => record.device !== leave);
  const base = await newBase(host, holder, records);
  const added = new Set(add.map((one) => one.port.device));
  const others = records.filter((record) => !added.has(record.device));
  const before = new Map(ports.all().map((port) => [port.device, port]));
  const whole = (port: EbtPort | undefined): EbtPort | undefined =>
    port?.counts !== undefined && isAsLoaded(nat, port) ? port : undefined;
  const withChains = [
    ...others.map((record) => ofRecord(ebt, record, whole(before.get(record.device)))),
    ...add.map((one) => toLoad(one, compiled(ebt, one))),
  ];
  const present = withChains.map(({ port }) => port);
  const names = new Set(present.flatMap((port) => port.chains));
  ports.begin();
  for (let from = 0; from < withChains.length; from += PORTION) {
    const portion = withChains.slice(from, from + PORTION).flatMap(({ chains }) => chains);
    await restore(host, tools, renderChains(portion, tools.variant));
  }
  await restore(
    host,
    tools,
    renderLoad(
      {
        ports: present,
        exempt: exemptNames(ebt, base.exempt, present),
        policy: host.policy,
        neighbours: neighbours(host, present),
        chains: [],
        stale: vifChains(nat).filter((name) => !names.has(name)),
        jumps: (hook: EbtHook) => countJumps(hook.table === 'nat' ? nat : filter, hook),
      },
      tools.variant,
    ),
  );
  const bridges = records.filter((record) => record.ingress).map((record) => record.bridge);
  for (const bridge of new Set(bridges)) await learnNoLinkLocal(host, bridge);
  await leaveFormer(host, ebt.former(), holder);
  ports.clear();
  for (const port of present) ports.write(port);
  host.state.writeBase(base);
  ports.settled();
  reportBase(host, holder, base, earlier, present.length);
}

function loadText(ebt: Ebt, planned: PlannedPort, upon: 'nothing' | 'base'): RuleText {
  const { port: added, chains } = toLoad(planned, compiled(ebt, planned));
  const ports = upon === 'base' ? ebtPorts(ebt.host.state).all() : [];
  const { device } = planned.port;
  const names = new Set(chains.map(({ name }) => name));
  const before = ports.find((port) => port.device === device)?.chains ?? [];
  const others = ports.filter((port) => port.device !== device);
  const limits = limitsOfPlan(planned.plan, ebt.host.policy).map((limit) => `# ${limit.text}\n`);
  return textOf(ebt, [...others, added], {
    chains,
    stale: before.filter((name) => !names.has(name)),
    limits,
  });
}

function removalText(ebt: Ebt, leaving: LeavingPort): RuleText {
  const ports = ebtPorts(ebt.host.state).all();
  const others = ports.filter((port) => port.device !== leaving.device);
  const stale = ports.find((port) => port.device === leaving.device)?.chains ?? [];
  return textOf(ebt, others, { chains: [], stale, limits: [] });
}

function textOf(
  { host, tools, holder }: Ebt,
  ports: readonly EbtPort[],
  {
    chains,
    stale,
    limits,
  }: { readonly chains: readonly EbtChain[]; readonly stale: readonly string[]; readonly limits: readonly string[] },
): RuleText {
  const jumps = currentBase(host, holder) === undefined ? 0 : 1;
  const load = renderLoad(
    {
      ports,
      exempt: [],
      policy: host.policy,
      neighbours: jumps === 0 ? [] : neighbours(host, ports),
      chains,
      stale,
      jumps: () => jumps,
    },
    tools.variant,
  );
  return { title: `${tools.restore} --noflush`, text: limits.join('') + load, notes: [] };
}
