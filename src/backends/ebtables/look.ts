import { Failure } from '../../errors.ts';
import { isUnbound, type VifRecord } from '../../state/records.ts';
import type { Backend, DropCount, KernelRules } from '../backend.ts';
import { allDamaged, baseOfThisBoot, portOfRecord, RULES_GONE, recordedPort } from '../base.ts';
import { chainsIn, compiledIfPossible } from './ebt-port.ts';
import { chainDrops, countJumps, type EbtListing, isAsLoaded, isWhole, lineCounts, linkLocalDrops } from './listing.ts';
import { ebtPorts } from './ports.ts';
import { type Ebt, type ListedTables, listedTables, listing } from './tables.ts';
import { EBT_HOOKS, type EbtPort, portJumps } from './text.ts';

/** What `status` says of one whose chains are not whole, or not reached. */
export const CHAINS_CHANGED = 'its chains are not as they were loaded';

/**
 * What the rules have counted, and whose are gone, by two listings. All of it as it was loaded: what a changed policy
 * says is not taken in before a run makes rules of it, and nothing of that is damage.
 */
export async function look(
  ebt: Ebt,
  records: readonly VifRecord[],
  tables: () => Promise<ListedTables> = () => listedTables(ebt),
): Promise<KernelRules> {
  const { host } = ebt;
  const gone: KernelRules = { damages: allDamaged(records, RULES_GONE), sharedDamage: RULES_GONE, drops: [] };
  if (baseOfThisBoot(host)?.backend !== 'ebtables') return gone;
  const listed = await tables();
  const [nat, filter] = [listed.nat.chains, listed.filter.chains];
  const hooks = Object.values(EBT_HOOKS);
  if (hooks.some((hook) => countJumps(hook.table === 'nat' ? nat : filter, hook) === 0)) return gone;
  const ports = new Map(
    ebtPorts(host.state)
      .all()
      .map((port) => [port.device, port]),
  );
  const damages = new Map<string, string>();
  const drops = records.flatMap((record): DropCount[] => {
    const port = ports.get(record.device);
    if (port === undefined) {
      damages.set(record.device, 'it has no rules');
      return [];
    }
    if (port.closed === true) damages.set(record.device, whyClosed(ebt, record));
    if (!isAsLoaded(nat, port) || !isReached(nat, port)) damages.set(record.device, CHAINS_CHANGED);
    return [...chainDrops(nat, port), ...linkLocalDrops(filter, port)].map((drop) => ({
      ...drop,
      ifindex: record.ifindex,
    }));
  });
  return { damages, drops };
}

/** As the policy is now: it may be right by now. */
function whyClosed(ebt: Ebt, record: VifRecord): string {
  const planned = portOfRecord(ebt.host, record);
  const chains = planned instanceof Failure ? planned : compiledIfPossible(ebt, planned);
  return chains instanceof Failure ? `${chains.message} (${chains.at})` : 'its rules could not be followed';
}

/**
 * As it was loaded: what has opened a vif for a time and has ended since is due, which is said elsewhere; its chains
 * are what they were.
 */
function loadedPort(host: Ebt['host'], record: VifRecord): ReturnType<typeof recordedPort> {
  return recordedPort(isUnbound(record) ? { ...host, now: () => BEFORE_ANY_END } : host, record);
}

const BEFORE_ANY_END = '1970-01-01T00:00:00Z';

/** What the rules of a vif have counted; undefined where its chains are not those of the policy. */
export async function ruleCounts(ebt: Ebt, record: VifRecord): ReturnType<Backend['ruleCounts']> {
  const { host, tools } = ebt;
  const planned = loadedPort(host, record);
  const own = planned && compiledIfPossible(ebt, planned);
  if (own === undefined || own instanceof Failure) return undefined;
  const chains = chainsIn(own);
  const nat = await listing(host, tools, 'nat');
  return isWhole(nat, chains) ? lineCounts(nat, chains) : undefined;
}

/** True if frames of the port come to its chains. */
function isReached(nat: EbtListing, port: EbtPort): boolean {
  return portJumps(port).every(({ chain, text }) => nat.get(chain)?.some((rule) => rule.text === text));
}
