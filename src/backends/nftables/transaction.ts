import { toolFailure } from '../../effects/exec.ts';
import { kernelHas } from '../../effects/kernel-release.ts';
import { holding } from '../../effects/lock.ts';
import { Failure } from '../../errors.ts';
import type { Host } from '../../host.ts';
import { liveRecords } from '../../state/present-devices.ts';
import type { BaseRecord, VifRecord } from '../../state/records.ts';
import type { Former } from '../backend.ts';
import {
  baseOfThisBoot,
  closedAnew,
  currentBase,
  type Holder,
  isHeld,
  isLastGone,
  leaveFormer,
  leavingPort,
  lockBase,
  newBase,
  recordedPort,
  reportBase,
  sentinelPrefix,
} from '../base.ts';
import { neighbours } from '../neighbours.ts';
import { INGRESS_TABLE, type PortPlace, TABLE } from './base-text.ts';
import { withItsChain } from './device-chain.ts';
import { includedRules } from './included.ts';
import { learnedLines, saveLearned } from './learned.ts';
import { listed } from './listed.ts';
import { digestsOf, programs } from './programs.ts';
import { closedProgram } from './rule-program.ts';
import { baseText, closedText, leaveText, portTexts } from './text.ts';

/** What changes of the table need to know. */
export interface Nft {
  readonly host: Host;
  readonly holder: Holder;
  readonly former: Former;
  /** Where the ports are whose rules it has. */
  readonly place: PortPlace;
}

/** How nft is called for every change. */
export const NFT = ['-f', '-'] as const;

/** For one load, and for each vif in it; a hundred times what it takes. */
const NFT_MS = 8_000;
const NFT_VIF_MS = 50;

/**
 * Text that builds upon the base.
 *
 * @param anew the base has just been made, with all that is known and nothing else: nothing is left of earlier runs
 */
type Render = (sentinel: string, anew: boolean) => string;

/**
 * Loads text that builds upon the base, in one transaction. If the base is not there (first run, `nft flush ruleset`,
 * an upgrade, a changed policy), or is not what the state says, it is made first, with all vifs that are known, and the
 * text is loaded then.
 *
 * The text names the sentinel chain of the base, so it fails as a whole on any other table: no check before, no race
 * between check and use, no listing (measured: `nft list tables` takes 16 s with 4000 vifs and anonymous sets).
 *
 * @param options.leaving a device that a repair must not bring back
 * @param options.vifs how many it is about
 */
export async function loadOnBase(
  nft: Nft,
  render: Render,
  { leaving, vifs = 0 }: { leaving?: string; vifs?: number } = {},
): Promise<void> {
  const { host, holder } = nft;
  const timeoutMs = NFT_MS + NFT_VIF_MS * vifs;
  const base = currentBase(host, holder);
  if (base !== undefined) {
    const result = await host.run('nft', NFT, { input: render(base.sentinel, false), timeoutMs });
    if (result.status === 0) return;
    if (!isOtherwise(result.stderr, nft)) throw toolFailure('nft', NFT, result);
  }
  await holding(await lockBase(host), async () => {
    const now = currentBase(host, holder);
    if (now !== undefined && now.sentinel !== base?.sentinel) {
      const result = await host.run('nft', NFT, { input: render(now.sentinel, false), timeoutMs });
      if (result.status === 0) return;
      if (!isOtherwise(result.stderr, nft)) throw toolFailure('nft', NFT, result);
    }
    const made = await makeBase(nft, leaving);
    const result = await host.run('nft', NFT, { input: render(made.sentinel, true), timeoutMs });
    if (result.status !== 0) throw toolFailure('nft', NFT, result);
  });
}

/** Makes the base anew with every vif that is alive. The caller holds the lock `base`. */
export async function makeBase(nft: Nft, leaving: string | undefined): Promise<BaseRecord> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await makeBaseOnce(nft, leaving);
    } catch (error) {
      // A device that went away between our look and nft's makes the load fail; the next look does not see it.
      if (attempt === 3 || !(error instanceof Failure) || error.code !== 'tool') throw error;
    }
  }
}

async function makeBaseOnce(nft: Nft, leaving: string | undefined): Promise<BaseRecord> {
  const { host, holder, former, place } = nft;
  const earlier = host.state.readBase();
  const records = liveRecords(host).filter((record) => record.device !== leaving);
  await mustStayOpen(host, records);
  const base = await newBase(host, holder, records);
  const digests = await loadWhole(host, base, records, true, place);
  await leaveFormer(host, former(), holder);
  await remember(nft, base, digests);
  await dropVanished(host, base.sentinel, records);
  reportBase(host, holder, base, earlier, records.length);
  return base;
}

/**
 * Where the rules are gone nobody is filtered, and who cannot be made anew is better closed.
 *
 * @throws Failure `input` while they are there
 */
async function mustStayOpen(host: Host, records: readonly VifRecord[]): Promise<void> {
  const wrong = closedAnew(host, records);
  const base = baseOfThisBoot(host);
  if (wrong === undefined || !isHeld(base)) return;
  const { status } = await host.run('nft', ['list', 'chain', ...TABLE.split(' '), base.sentinel]);
  if (status === 0) throw wrong;
}

/** So that nothing can be built upon the base any more; it may be gone already. */
export async function removeSentinel(host: Host, sentinel: string): Promise<void> {
  const chain = `chain ${TABLE} ${sentinel}`;
  const input = `add table ${TABLE}\nadd ${chain}\ndelete ${chain}\n`;
  const result = await host.run('nft', NFT, { input });
  if (result.status !== 0) throw toolFailure('nft', NFT, result);
}

/** A vif that left between our look at the records and the load has just been brought back: take it out again. */
async function dropVanished(host: Host, sentinel: string, records: readonly VifRecord[]): Promise<void> {
  for (const record of records.filter((one) => host.state.readVif(one.device) === undefined)) {
    const leave = leaveText(leavingPort(host, record), sentinel);
    const result = await host.run('nft', NFT, { input: leave });
    if (result.status !== 0) throw toolFailure('nft', NFT, result);
  }
}

/** Fills the table anew from the records, without a gap if the table is ours. The caller holds the lock `base`. */
async function reload(nft: Nft): Promise<void> {
  const { host, holder } = nft;
  const base = currentBase(host, holder);
  if (base !== undefined) {
    const records = liveRecords(host);
    try {
      await remember(nft, base, await loadWhole(host, base, records, false, nft.place));
      await dropVanished(host, base.sentinel, records);
      return;
    } catch (error) {
      if (!(error instanceof Failure) || !isOtherwise(error.stderr, nft)) throw error;
    }
  }
  await makeBase(nft, undefined);
}

/**
 * Repairs what all vifs share, if it is not as it was loaded. The caller holds the lock `base`, and loads every vif
 * afterwards, which puts back all that is a vif's own.
 *
 * Loading the shared rules again is not quite free of loss: it replaces sets without a name, and a frame that is just
 * then on its way through a rule of before finds the one of that rule empty (measured: one of 4 million frames, at 200
 * loads). So nothing is loaded that is there already. To see that costs one listing without the elements of sets, the
 * same at any number of vifs.
 */
export async function repairBase(nft: Nft): Promise<void> {
  const { host, holder } = nft;
  const base = currentBase(host, holder);
  // Nobody is there: the first load makes it.
  if (base === undefined && isLastGone(host)) return;
  const now = base?.listing === undefined ? undefined : await listed(host, nft.place);
  if (base !== undefined && now !== undefined && now.base === base.listing) {
    if (programs(host).changed(base.sentinel, now).size === 0) return;
  }
  await reload(nft);
}

/** No table has this sentinel, so the next transaction fails and makes the base anew. */
export function distrustBase({ host, holder }: Nft): void {
  const base = currentBase(host, holder);
  if (base === undefined) return;
  const { listing: _, ...rest } = base;
  host.state.writeBase({ ...rest, sentinel: `${sentinelPrefix(holder)}distrusted` });
}

/** Remembers a base, and the programs in it, with what nft lists of them now, as they have just been loaded. */
async function remember({ host, place }: Nft, base: BaseRecord, digests: readonly string[]): Promise<void> {
  const now = await listed(host, place);
  const { listing: _, ...rest } = base;
  programs(host).note(base.sentinel, digests, now);
  host.state.writeBase(now === undefined ? rest : { ...rest, listing: now.base });
}

/** @returns the programs of rules that are in it */
async function loadWhole(
  host: Host,
  base: BaseRecord,
  records: readonly VifRecord[],
  fresh: boolean,
  place: PortPlace,
): Promise<string[]> {
  const ports = records
    .flatMap((record) => recordedPort(host, record) ?? [])
    .map((planned) => withItsChain(host, planned));
  const options = {
    sentinel: base.sentinel,
    policy: host.policy,
    exempt: base.exempt.map((port) => port.ifindex),
    follows: !kernelHas(6, 16),
    // The third one to be asked for would cost as much as it is to save.
    neighbours: neighbours(host, records, new Set(records.map(({ bridge }) => bridge))).slice(0, 2),
  };
  // Of a table that is there still; of one that is gone, what was saved.
  await saveLearned(host);
  // Of whom nothing is known but the device: what has a chain and no elements may do nothing.
  const closed = records
    .filter(({ device }) => place === 'device' && !ports.some(({ port }) => port.device === device))
    .map(({ device, name, routed }) => ({ device, name, routed: routed?.routes }));
  const known = programs(host);
  const unused = fresh ? [] : known.others(base.sentinel, digestsOf(ports));
  const text = [
    baseText({ ...options, fresh, place }),
    ...unused.map(closedProgram),
    ...portTexts(ports),
    ...closed.map(closedText),
    ...learnedLines(host, ports),
    '',
  ].join('\n');
  const result = await host.run('nft', NFT, { input: text, timeoutMs: NFT_MS + NFT_VIF_MS * ports.length });
  if (result.status !== 0) throw toolFailure('nft', NFT, result);
  known.unnote(base.sentinel, unused);
  includedRules(host, place).whole(baseText({ ...options, fresh: true, place }), ports, closed);
  return digestsOf(ports);
}

/**
 * True if our table is not what the state says. nft prints the command that failed: one on our table means that table
 * or sentinel are gone, or that a block of addresses is there which overlaps one of those that may be (a killed run,
 * somebody's own hand); an ingress chain (`netdev xen-vif`) only fails for a device that went away. Of ports that are
 * on no bridge that one is a table that all of them share.
 */
function isOtherwise(stderr: string, { place }: Pick<Nft, 'place'>): boolean {
  const tables = place === 'device' ? [TABLE, INGRESS_TABLE] : [TABLE];
  return /No such file or directory|File exists/.test(stderr) && tables.some((table) => stderr.includes(table));
}
