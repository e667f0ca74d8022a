import { createHash } from 'node:crypto';
import { toolFailure } from '../../effects/exec.ts';
import { holding } from '../../effects/lock.ts';
import { type Failures, together } from '../../effects/together.ts';
import { Failure } from '../../errors.ts';
import type { Host } from '../../host.ts';
import { liveRecords } from '../../state/present-devices.ts';
import type { BaseRecord, VifRecord } from '../../state/records.ts';
import type { LeavingPort, NftBackend, PlannedPort } from '../backend.ts';
import { backendOf, baseOfThisBoot, currentBase, newBase, recordedPort, reportBase } from '../base.ts';
import { removeEbtables } from '../ebtables/ebtables.ts';
import type { KernelDrops } from '../ruleset.ts';
import { INGRESS_TABLE, TABLE } from './base-text.ts';
import {
  LIST_DROPS,
  LIST_INGRESS,
  LIST_UNMANAGED_DROPS,
  parseDrops,
  parseIngressDrops,
  parseUnmanagedDrops,
} from './counters.ts';

/** A host whose rules are in nftables. */
export type NftHost = Host & { readonly backend: NftBackend };

const NFT = ['-f', '-'] as const;

/** Starts nft, for rules that will soon be loaded. */
export function nftAhead(host: Pick<Host, 'ahead'>): void {
  host.ahead('nft', NFT);
}

const BASE_LOCK_MS = 12_000;
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
 * Loads text that builds upon the base, in one transaction. If the base is not there (first run, `nft flush ruleset`, an
 * upgrade, a changed policy), or is not what the state says, it is made first, with all vifs that are known, and the text
 * is loaded then.
 *
 * The text names the sentinel chain of the base, so it fails as a whole on any other table: no check before, no race
 * between check and use, no listing (measured: `nft list tables` takes 16 s with 4000 vifs and anonymous sets).
 *
 * @param options.leaving a device that a repair must not bring back
 */
async function loadOnBase(
  host: NftHost,
  render: Render,
  { leaving, timeoutMs = NFT_MS }: { leaving?: string; timeoutMs?: number } = {},
): Promise<void> {
  const base = currentBase(host);
  if (base !== undefined) {
    const result = await host.run('nft', NFT, { input: render(base.sentinel, false), timeoutMs });
    if (result.status === 0) return;
    if (!isOtherwise(result.stderr)) throw toolFailure('nft', NFT, result);
  }
  await holding(await host.takeLock('base', BASE_LOCK_MS), async () => {
    const now = currentBase(host);
    if (now !== undefined && now.sentinel !== base?.sentinel) {
      const result = await host.run('nft', NFT, { input: render(now.sentinel, false), timeoutMs });
      if (result.status === 0) return;
      if (!isOtherwise(result.stderr)) throw toolFailure('nft', NFT, result);
    }
    const made = await makeBase(host, leaving);
    const result = await host.run('nft', NFT, { input: render(made.sentinel, true), timeoutMs });
    if (result.status !== 0) throw toolFailure('nft', NFT, result);
  });
}

/** Makes the base anew with every vif that is alive. The caller holds the lock `base`. */
async function makeBase(host: NftHost, leaving: string | undefined): Promise<BaseRecord> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await makeBaseOnce(host, leaving);
    } catch (error) {
      // A device that went away between our look and nft's makes the load fail; the next look does not see it.
      if (attempt === 3 || !(error instanceof Failure) || error.code !== 'tool') throw error;
    }
  }
}

async function makeBaseOnce(host: NftHost, leaving: string | undefined): Promise<BaseRecord> {
  const earlier = host.state.readBase();
  const records = liveRecords(host).filter((record) => record.device !== leaving);
  const base = newBase(host, records);
  await loadWhole(host, base, records, true);
  await leaveEbtables(host);
  await remember(host, base);
  await dropVanished(host, base.sentinel, records);
  reportBase(host, base, earlier, records.length);
  return base;
}

/** A vif that left between our look at the records and the load has just been brought back: take it out again. */
async function dropVanished(host: NftHost, sentinel: string, records: readonly VifRecord[]): Promise<void> {
  for (const record of records.filter((one) => host.state.readVif(one.device) === undefined)) {
    const leave = host.backend.renderLeave(
      { device: record.device, loaded: record.loaded, hadIngress: record.ingress },
      sentinel,
    );
    const result = await host.run('nft', NFT, { input: leave });
    if (result.status !== 0) throw toolFailure('nft', NFT, result);
  }
}

/** Fills the table anew from the records, without a gap if the table is ours. The caller holds the lock `base`. */
export async function reloadAllNft(host: NftHost): Promise<void> {
  const base = currentBase(host);
  if (base !== undefined) {
    const records = liveRecords(host);
    try {
      await loadWhole(host, base, records, false);
      await remember(host, base);
      await dropVanished(host, base.sentinel, records);
      return;
    } catch (error) {
      if (!(error instanceof Failure) || !isOtherwise(error.message)) throw error;
    }
  }
  await makeBase(host, undefined);
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
export async function repairBaseNft(host: NftHost): Promise<void> {
  const base = currentBase(host);
  if (base?.listing !== undefined && base.listing === (await sharedRules(host))) return;
  await reloadAllNft(host);
}

/** Remembers a base with what nft lists of it now, as it has just been loaded. */
async function remember(host: NftHost, base: BaseRecord): Promise<void> {
  const listing = await sharedRules(host);
  const { listing: _, ...rest } = base;
  host.state.writeBase(listing === undefined ? rest : { ...rest, listing });
}

/** A host may be very busy; a thousand times what it takes. */
const LIST_MS = 30_000;
/** Without counters (-s) and elements (-t), which change all the time. */
const LIST_SHARED = ['-s', '-t', 'list', 'table', ...TABLE.split(' ')] as const;

/**
 * A digest of all chains, rules, sets and maps of the table, as nft prints them; undefined if there is no table, or it
 * cannot be listed. Only ever compared with another one of the same nft, so no difference between versions matters but
 * for one needless repair after an upgrade.
 */
async function sharedRules(host: NftHost): Promise<string | undefined> {
  const result = await host.run('nft', LIST_SHARED, { timeoutMs: LIST_MS });
  if (result.status !== 0) return undefined;
  return createHash('sha256').update(result.stdout).digest('hex').slice(0, 16);
}

async function loadWhole(
  host: NftHost,
  base: BaseRecord,
  records: readonly VifRecord[],
  fresh: boolean,
): Promise<void> {
  const ports = records.flatMap((record) => recordedPort(host, record) ?? []);
  const text = [
    host.backend.renderBase({
      sentinel: base.sentinel,
      unmanaged: host.policy.unmanaged,
      exempt: base.exempt.map((port) => port.ifindex),
      fresh,
    }),
    ...ports.map((planned) => host.backend.renderPort(planned, undefined)),
  ].join('\n');
  const result = await host.run('nft', NFT, { input: text, timeoutMs: NFT_MS + NFT_VIF_MS * ports.length });
  if (result.status !== 0) throw toolFailure('nft', NFT, result);
}

/**
 * True if our table is not what the state says. nft prints the command that failed: one on our table means that table or
 * sentinel are gone, or that a block of addresses is there which overlaps one of those that may be (a killed run, somebody's
 * own hand); an ingress chain (`netdev xen-vif`) only fails for a device that went away.
 */
function isOtherwise(stderr: string): boolean {
  return /No such file or directory|File exists/.test(stderr) && stderr.includes('bridge xen-vif');
}

/** Loads a vif's rules. */
export async function loadPortNft(host: NftHost, planned: PlannedPort): Promise<void> {
  await loadOnBase(host, (sentinel, anew) =>
    host.backend.renderPort(anew ? { ...planned, loaded: [] } : planned, sentinel),
  );
}

/** Loads the rules of many vifs in one transaction; only if one of them is refused in several. */
export function loadPortsNft(host: NftHost, planned: readonly PlannedPort[]): Promise<Failures> {
  const all = planned.map((one) => ({ device: one.port.device, one }));
  return together(all, async (some) => {
    // The first one names the sentinel for all.
    const render: Render = (sentinel, anew) =>
      some
        .map(({ one }, at) =>
          host.backend.renderPort(anew ? { ...one, loaded: [] } : one, at === 0 ? sentinel : undefined),
        )
        .join('');
    await loadOnBase(host, render, { timeoutMs: NFT_MS + NFT_VIF_MS * some.length });
  });
}

export async function removePortNft(host: NftHost, leaving: LeavingPort): Promise<void> {
  await loadOnBase(host, (sentinel) => host.backend.renderLeave(leaving, sentinel), { leaving: leaving.device });
}

/** Drops frames to link-local groups at the device itself. */
export async function loadIngressNft(host: NftHost, device: string, name: string): Promise<void> {
  await loadOnBase(host, () => host.backend.renderIngress(device, name));
}

/** What the kernel counted, by one listing of each set of counters. */
export async function readDropsNft(host: NftHost, records: readonly VifRecord[]): Promise<KernelDrops> {
  const unmanaged = host.run('nft', LIST_UNMANAGED_DROPS).catch(() => undefined);
  const result = await host.run('nft', LIST_DROPS).catch((error: unknown) => {
    // Before the first run on a host that only has ebtables.
    if (currentBase(host) === undefined && isMissing(error)) return undefined;
    throw error;
  });
  if (result === undefined) return { present: false, drops: [] };
  if (result.status !== 0) {
    if (/No such file or directory/.test(result.stderr)) return { present: false, drops: [] };
    throw toolFailure('nft', LIST_DROPS, result);
  }
  const others = await unmanaged;
  const drops = [
    ...parseDrops(result.stdout),
    ...(others?.status === 0 ? parseUnmanagedDrops(others.stdout, (name) => host.readDevice(name)?.ifindex) : []),
  ];
  if (!records.some((record) => record.ingress)) return { present: true, drops };
  const ingress = await host.run('nft', LIST_INGRESS);
  const byDevice = new Map(records.map((record) => [record.device, record.ifindex]));
  return {
    present: true,
    drops: [
      ...drops,
      ...(ingress.status === 0 ? parseIngressDrops(ingress.stdout, (device) => byDevice.get(device)) : []),
    ],
  };
}

/** Takes our tables out of nftables; the rules are in another backend by now. Where nft is gone there is no table. */
export async function removeNft(host: Host): Promise<void> {
  const tables = [TABLE, INGRESS_TABLE];
  const input = tables.map((table) => `add table ${table}\ndelete table ${table}\n`).join('');
  const result = await host.run('nft', NFT, { input }).catch((error: unknown) => {
    if (isMissing(error)) {
      host.log.say('warning', 'nft is not installed any more: rules of ours that it loaded stay until the next boot');
      return undefined;
    }
    throw error;
  });
  if (result !== undefined && result.status !== 0) throw toolFailure('nft', NFT, result);
}

/** The rules were in ebtables until now. */
async function leaveEbtables(host: NftHost): Promise<void> {
  const earlier = baseOfThisBoot(host);
  if (earlier === undefined || backendOf(earlier) !== 'ebtables' || earlier.tools === undefined) return;
  await removeEbtables(host, earlier.tools);
  host.log.say('info', 'took the rules out of ebtables; they are in nftables now');
}

function isMissing(error: unknown): boolean {
  return error instanceof Failure && /is not installed/.test(error.message);
}
