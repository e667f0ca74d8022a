import { isNotInstalled, LISTING_BYTES, toolFailure } from '../../effects/exec.ts';
import { type Failures, together } from '../../effects/together.ts';
import { digestsOfTerms, type LoadedTerms } from '../../filter/own-terms.ts';
import type { Host } from '../../host.ts';
import { MOST_MACS } from '../../net/mac-list.ts';
import { once } from '../../once.ts';
import { guestGroup } from '../../port/guest-group.ts';
import { chainDigest } from '../../rules/chain-program.ts';
import { programDigest } from '../../rules/program.ts';
import { RULE_DIRECTIONS } from '../../rules/rule.ts';
import type { LearnedAddress } from '../../state/learned.ts';
import type { VifRecord } from '../../state/records.ts';
import type { Backend, Former, LeavingPort, PlannedPort, RuleCount, RuleText } from '../backend.ts';
import { currentBase, ifLastGone, isLastGone, leftBase, sentinelPrefix } from '../base.ts';
import { learnNoLinkLocal } from '../link-local.ts';
import { baseDigest, INGRESS_TABLE, TABLE } from './base-text.ts';
import { chainProgramText } from './chain-program.ts';
import { parseRuleCounts, readListing } from './counters.ts';
import { dropsAtDevice, withItsChain } from './device-chain.ts';
import { inDeviceTables, withDeviceTables } from './device-tables.ts';
import { takeOut } from './drift.ts';
import { includedRules } from './included.ts';
import { forgetLearned, keepLearned, saveLearned } from './learned.ts';
import { compare, look } from './look.ts';
import { programChain, programChains } from './program-names.ts';
import { digestsOf, formerDigests, programs } from './programs.ts';
import { programText } from './rule-program.ts';
import { baseText, deviceBaseDigest, ingressText, leaveText, portText, portTexts } from './text.ts';
import { distrustBase, loadOnBase, makeBase, NFT, type Nft, removeSentinel, repairBase } from './transaction.ts';

/** The bridge family of nftables: one table for all vifs, one transaction for each change. */
export function nftables(host: Host, former: Former): Backend {
  return inTables({
    host,
    holder: { name: 'nftables', digest: () => baseDigest(host.policy) },
    former,
    place: 'bridge',
  });
}

/** The same rules for ports that are on no bridge, in tables of their own, which are there as long as there is one. */
export function routedNftables(given: Host): Backend {
  const host = withDeviceTables(given);
  return inTables({
    host,
    holder: { name: 'nftables', digest: once(() => deviceBaseDigest(host.policy)) },
    former: () => undefined,
    place: 'device',
  });
}

function inTables(nft: Nft): Backend {
  const { host, place } = nft;
  return {
    name: 'nftables',
    dropsAtDevice,
    learns: true,
    seesBehindTags: true,
    routes: true,
    mostMacs: MOST_MACS + 1,
    // Meanwhile no run of Xen's can begin its work on any vif: it must take much less than such a run may wait.
    atOnce: 1000,
    load: (planned) => load(nft, planned),
    async remove(leaving) {
      includedRules(host, place).remove(leaving.device);
      const own = await learnedBy(host, leaving.loaded);
      const learned = own.length === 0 ? '' : `${forgetLearned(own)}\n`;
      await loadOnBase(
        nft,
        (sentinel, anew) => `${leaveText(anew ? withoutRules(leaving) : leaving, sentinel)}${learned}`,
        { leaving: leaving.device },
      );
      forgetSaved(host, own);
      await collect(nft, leaving.loaded.flatMap(digestsOfTerms));
    },
    dropLinkLocal: ({ device, name, bridge }) =>
      dropsAtDevice(host.readDevice(bridge))
        ? loadOnBase(nft, () => ingressText(device, name))
        : learnNoLinkLocal(host, bridge),
    repair: () => repairBase(nft),
    distrust: () => distrustBase(nft),
    leave: () => removeTables(nft),
    leaveAfterLast: () => leaveAfterLast(nft),
    ahead: () => host.ahead('nft', NFT),
    base: () => currentBase(host, nft.holder),
    look: (recordsOf) => look(nft, recordsOf),
    ruleCounts: (record) => ruleCounts(host, record),
    countsTogether: true,
    compare: (recordsOf, wished) => compare(nft, recordsOf, wished),
    takeOut: (foreign) => takeOut(nft, foreign),
    limits: () => [],
    loadText: (planned, upon) => loadText(nft, planned, upon),
    removalText: (leaving) => ({ title: TITLE, text: printed(nft, leaveText(leaving, knownSentinel(nft))), notes: [] }),
  };
}

/** What ports have learned that were loaded as such that learn; all of it is saved by the way. */
async function learnedBy(host: Host, loaded: readonly LoadedTerms[]): Promise<readonly LearnedAddress[]> {
  const indices = new Set(loaded.filter(({ flags }) => flags.includes('learns')).map(({ ifindex }) => ifindex));
  if (indices.size === 0) return [];
  const learned = (await saveLearned(host)) ?? host.state.readLearned();
  return learned.filter(({ ifindex }) => indices.has(ifindex));
}

function forgetSaved(host: Host, gone: readonly LearnedAddress[]): void {
  if (gone.length === 0) return;
  const indices = new Set(gone.map(({ ifindex }) => ifindex));
  keepLearned(
    host,
    host.state.readLearned().filter(({ ifindex }) => !indices.has(ifindex)),
  );
}

async function ruleCounts(host: Host, { loaded }: VifRecord): ReturnType<Backend['ruleCounts']> {
  const { program, filter } = loaded.at(-1) ?? {};
  // A filter has many chains; elements are left out of what is listed for it.
  const asked = [
    ...(program === undefined
      ? []
      : RULE_DIRECTIONS.map((direction) => ({
          digest: program,
          list: ['list', 'chain', ...TABLE.split(' '), programChain(program, direction)],
        }))),
    ...(filter === undefined ? [] : [{ digest: filter, list: ['-t', 'list', 'ruleset', 'bridge'] }]),
  ];
  const counts: [string, RuleCount][] = [];
  for (const { digest, list } of asked) {
    const { status, stdout } = await host.run('nft', ['-j', ...list], { mostBytes: LISTING_BYTES });
    if (status !== 0) return undefined;
    counts.push(...parseRuleCounts(readListing(stdout), programChains(digest)));
  }
  return asked.length === 0 ? undefined : new Map(counts);
}

/** The rules of all of them in one transaction; only if one of them is refused in several. */
async function load(nft: Nft, planned: readonly PlannedPort[]): Promise<Failures> {
  // Whoever learned, and shall not any more.
  const former = planned.flatMap(({ plan, loaded }) => (plan.terms.flags.includes('learns') ? [] : loaded));
  const ended = await learnedBy(nft.host, former);
  if (!former.some(({ flags }) => flags.includes('learns'))) await saveLearned(nft.host);
  const all = planned.map((one) => ({ device: one.port.device, one: withItsChain(nft.host, one) }));
  const kept = programs(nft.host);
  await kept.mayReject(planned, nft.place);
  const failures = await together(all, (some) =>
    loadOnBase(
      nft,
      // The first one names the sentinel for all.
      (sentinel, anew) => {
        const ports = some.map(({ one }) => (anew ? { ...one, loaded: [] } : one));
        const texts = portTexts(ports, sentinel, anew ? new Set() : kept.known(sentinel, digestsOf(ports)));
        return texts.join('') + (ended.length === 0 || anew ? '' : `${forgetLearned(ended)}\n`);
      },
      { vifs: some.length },
    ),
  );
  forgetSaved(nft.host, ended);
  const loaded = all.filter(({ device }) => !failures.has(device)).map(({ one }) => one);
  await settle(nft, loaded);
  const files = includedRules(nft.host, nft.place);
  for (const { device, one } of all) if (!failures.has(device)) files.port(one);
  return failures;
}

/** A base that was made anew has nothing of it, and perhaps not the rules that it had. */
function withoutRules(leaving: LeavingPort): LeavingPort {
  return { ...leaving, loaded: leaving.loaded.map(({ program: _, filter: __, ...terms }) => terms) };
}

/** What follows from rules that came, changed or went; nothing where nobody has any. */
async function settle(nft: Nft, ports: readonly PlannedPort[]): Promise<void> {
  const { host, holder } = nft;
  const now = digestsOf(ports);
  const former = formerDigests(ports);
  if (now.length + former.length === 0) return;
  const base = currentBase(host, holder);
  if (base !== undefined) programs(host).noteNew(base.sentinel, now, (digest) => programCommands(ports, digest));
  const indices = (kind: 'program' | 'filter'): number[] =>
    ports.flatMap(({ plan, loaded, port }) =>
      loaded.some((terms) => terms[kind] !== undefined && terms[kind] !== plan.terms[kind]) ? (port.ifindex ?? []) : [],
    );
  await programs(host).forget({ rules: indices('program'), filter: indices('filter') });
  await collect(nft, former);
}

/** What has loaded a program that some of them have. */
function programCommands(ports: readonly PlannedPort[], digest: string): string[] {
  const plan = ports.find((one) => digestsOfTerms(one.plan.terms).includes(digest))?.plan;
  const { program, filter } = plan ?? {};
  if (program !== undefined && programDigest(program) === digest) return programText(program);
  return filter !== undefined && chainDigest(filter) === digest ? chainProgramText(filter) : [];
}

async function collect({ host, holder }: Nft, digests: readonly string[]): Promise<void> {
  const base = currentBase(host, holder);
  if (base !== undefined && digests.length > 0) await programs(host).collect(base.sentinel, digests);
}

/**
 * The sentinel goes first: from then on no run can build upon the base, and waits for the lock. Who had built upon it
 * before has written its record before that, and is seen now.
 */
async function leaveAfterLast(nft: Nft): Promise<void> {
  const { host, holder } = nft;
  await ifLastGone(host, holder, async (base) => {
    host.state.writeBase(leftBase(base));
    await removeSentinel(host, base.sentinel);
    if (isLastGone(host)) await removeTables(nft);
    else await makeBase(nft, undefined);
  });
}

/** Where nft is gone there is no table. */
async function removeTables({ host, place }: Nft): Promise<void> {
  includedRules(host, place).clear();
  const tables = [TABLE, INGRESS_TABLE];
  const input = tables.map((table) => `add table ${table}\ndelete table ${table}\n`).join('');
  const result = await host.run('nft', NFT, { input }).catch((error: unknown) => {
    if (isNotInstalled(error)) {
      host.log.say('warning', 'nft is not installed any more: rules of ours that it loaded stay until the next boot');
      return undefined;
    }
    throw error;
  });
  if (result !== undefined && result.status !== 0) throw toolFailure('nft', NFT, result);
}

const TITLE = `nft ${NFT.join(' ')}`;

/** As the kernel is told it. */
function printed({ place }: Nft, text: string): string {
  return place === 'device' ? inDeviceTables(text) : text;
}

function loadText(nft: Nft, port: PlannedPort, upon: 'nothing' | 'base'): RuleText {
  const planned = withItsChain(nft.host, port);
  const { name, ifindex } = planned.port;
  const known = upon === 'base' ? currentBase(nft.host, nft.holder) : undefined;
  if (known !== undefined) return { title: TITLE, text: printed(nft, portText(planned, known.sentinel)), notes: [] };
  const base = baseText({
    sentinel: knownSentinel(nft),
    policy: nft.host.policy,
    exempt: [],
    fresh: true,
    place: nft.place,
  });
  const group = `${name} is not here: its group will be ${guestGroup(ifindex)} and its interface index`;
  return {
    title: TITLE,
    text: printed(nft, `${base}\n${portText(planned, undefined)}`),
    notes: ifindex === undefined ? [group] : [],
  };
}

/** The sentinel's second half is drawn by chance when the base is made. */
function knownSentinel({ host, holder }: Nft): string {
  return currentBase(host, holder)?.sentinel ?? `${sentinelPrefix(holder)}00000000`;
}
