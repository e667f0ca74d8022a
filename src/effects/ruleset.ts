import { randomBytes } from 'node:crypto';
import type { PlannedPort } from '../backends/backend.ts';
import { Failure } from '../errors.ts';
import { buildPlan } from '../filter/plan.ts';
import type { Host } from '../host.ts';
import { parseInterfaceName } from '../net/interface-name.ts';
import { parseIdentity } from '../xen/vif-identity.ts';
import { type ToolResult, toolFailure } from './exec.ts';
import type { BaseRecord, VifRecord } from './state.ts';

const NFT = ['-f', '-'] as const;
const BASE_LOCK_MS = 12_000;

/**
 * Loads text that builds upon the base, in one transaction. If the base is not there (first run, `nft flush ruleset`, an
 * upgrade, a changed policy) it is made first, with all vifs that are known, and the text is loaded then.
 *
 * The text names the sentinel chain of the base, so it fails as a whole on any other table: no check before, no race
 * between check and use, no listing (measured: `nft list tables` takes 16 s with 4000 vifs and anonymous sets).
 *
 * @param leaving a device that a repair must not bring back
 */
export async function loadOnBase(host: Host, render: (sentinel: string) => string, leaving?: string): Promise<void> {
  const base = currentBase(host);
  if (base !== undefined) {
    const result = await host.run('nft', NFT, { input: render(base.sentinel) });
    if (result.status === 0) return;
    if (!baseIsMissing(result)) throw toolFailure('nft', NFT, result);
  }
  const lock = await host.takeLock('base', BASE_LOCK_MS);
  try {
    const now = currentBase(host);
    if (now !== undefined && now.sentinel !== base?.sentinel) {
      const result = await host.run('nft', NFT, { input: render(now.sentinel) });
      if (result.status === 0) return;
      if (!baseIsMissing(result)) throw toolFailure('nft', NFT, result);
    }
    const made = await makeBase(host, leaving);
    const result = await host.run('nft', NFT, { input: render(made.sentinel) });
    if (result.status !== 0) throw toolFailure('nft', NFT, result);
  } finally {
    await lock.release();
  }
}

/** The base as our state knows it, if it is of this boot and this version. */
export function currentBase(host: Host): BaseRecord | undefined {
  const base = host.state.readBase();
  if (base === undefined || base.bootId !== host.bootId()) return undefined;
  return base.sentinel.startsWith(sentinelPrefix(host)) ? base : undefined;
}

/**
 * Makes the base anew with every vif that is alive. The caller holds the lock `base`.
 *
 * Ports that carry a running guest when the very first base is made are exempt: installing this program must not cut
 * off guests that stock started. Later repairs keep only those exemptions.
 */
async function makeBase(host: Host, leaving: string | undefined): Promise<BaseRecord> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await makeBaseOnce(host, leaving);
    } catch (error) {
      // A device that went away between our look and nft's makes the load fail; the next look does not see it.
      if (attempt === 3 || !(error instanceof Failure) || error.code !== 'tool') throw error;
    }
  }
}

async function makeBaseOnce(host: Host, leaving: string | undefined): Promise<BaseRecord> {
  const earlier = host.state.readBase();
  const records = liveRecords(host).filter((record) => record.device !== leaving);
  const managed = new Set(records.map((record) => record.ifindex));
  const known = earlier?.bootId === host.bootId() ? earlier.exempt : runningPorts(host);
  const exempt = known.filter(
    (port) => !managed.has(port.ifindex) && host.readDevice(port.name)?.ifindex === port.ifindex,
  );
  const sentinel = `${sentinelPrefix(host)}${randomBytes(4).toString('hex')}`;
  const base: BaseRecord = { schema: 1, bootId: host.bootId(), sentinel, exempt };
  await loadWhole(host, base, records, true);
  host.state.writeBase(base);
  await dropVanished(host, sentinel, records);
  host.log.say(
    'info',
    `${earlier === undefined ? 'made' : 'repaired'} the base of the filter with ${records.length} vifs`,
  );
  for (const port of exempt) {
    host.log.say(
      'warning',
      `${port.name} was running before and stays unfiltered until: vif-bridge reapply ${port.name}`,
    );
  }
  return base;
}

/** A vif that left between our look at the records and the load has just been brought back: take it out again. */
async function dropVanished(host: Host, sentinel: string, records: readonly VifRecord[]): Promise<void> {
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
export async function reloadAll(host: Host): Promise<void> {
  const base = currentBase(host);
  if (base !== undefined) {
    const records = liveRecords(host);
    try {
      await loadWhole(host, base, records, false);
      return;
    } catch (error) {
      if (!(error instanceof Failure) || !/No such file or directory/.test(error.message)) throw error;
    }
  }
  await makeBase(host, undefined);
}

async function loadWhole(host: Host, base: BaseRecord, records: readonly VifRecord[], fresh: boolean): Promise<void> {
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
  const result = await host.run('nft', NFT, { input: text, timeoutMs: 15_000 });
  if (result.status !== 0) throw toolFailure('nft', NFT, result);
}

/** The plan of a vif as it was configured last; undefined (and logged) if its record makes no sense. */
export function recordedPort(host: Host, record: VifRecord): PlannedPort | undefined {
  try {
    const device = parseInterfaceName(record.device, 'state');
    const vif = parseIdentity(
      { device, type: record.type, domid: undefined, devid: undefined },
      record.values,
      'state',
    );
    const plan = buildPlan(vif, host.policy.no_ip, record.subnetBroadcasts);
    const port = { device: record.device, name: record.name, ifindex: record.ifindex, ingress: record.ingress };
    return { port, plan, loaded: [], hadIngress: false };
  } catch (error) {
    host.log.say('err', `${record.device} stays closed: its state is not usable (${String(error)})`);
    return undefined;
  }
}

/** Records of this boot whose device still exists. */
export function liveRecords(host: Host): VifRecord[] {
  return host.state
    .allVifs()
    .filter((record) => record.bootId === host.bootId() && host.readDevice(record.name)?.ifindex === record.ifindex);
}

function runningPorts(host: Host): { name: string; ifindex: number }[] {
  return host
    .deviceNames()
    .filter((name) => name.startsWith('vif'))
    .flatMap((name) => host.readDevice(name) ?? [])
    .filter((device) => device.master !== undefined && device.up)
    .map(({ name, ifindex }) => ({ name, ifindex }));
}

function sentinelPrefix(host: Host): string {
  return `base/${host.backend.baseDigest(host.policy.unmanaged)}-`;
}

function baseIsMissing(result: ToolResult): boolean {
  return /No such file or directory/.test(result.stderr);
}
