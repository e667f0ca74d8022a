import { isNotInstalled, LISTING_BYTES, toolFailure } from '../../effects/exec.ts';
import { Failure } from '../../errors.ts';
import { digestsOfTerms } from '../../filter/own-terms.ts';
import type { Host } from '../../host.ts';
import { once } from '../../once.ts';
import { guestGroup } from '../../port/guest-group.ts';
import { RULE_DIRECTIONS } from '../../rules/rule.ts';
import type { VifRecord } from '../../state/records.ts';
import type { ComparedRules, FilterPort, KernelRules, RuleDrift, WishedRules } from '../backend.ts';
import { allDamaged, baseOfThisBoot, currentBase, passBase, RULES_GONE } from '../base.ts';
import { FILLED_SETS } from './base-text.ts';
import { behindOf } from './behind.ts';
import { nearElements } from './claims.ts';
import { conversations } from './conversations.ts';
import {
  countElements,
  type ElementCounts,
  fillsOf,
  LIST_DROPS,
  LIST_INGRESS,
  LIST_TABLE,
  type Listing,
  parseDrops,
  parseIngressChains,
  parseIngressDrops,
  parseUnmanagedDrops,
  parseVerdicts,
  readListing,
  ruleShapes,
  setsOf,
  wholeListing,
} from './counters.ts';
import { dropsAtDevice } from './device-chain.ts';
import { CLAIMED_TABLE } from './device-tables.ts';
import { hasDeviceChains } from './device-text.ts';
import { isAsPlanned, ruleDrift } from './drift.ts';
import { listedHash } from './index-hash.ts';
import { keepLearned, parseLearned } from './learned.ts';
import { listed } from './listed.ts';
import { keyOf, PORTS_SET, type ProgramMap, programMapName, sizesOf } from './own.ts';
import { programChain } from './program-names.ts';
import { programs } from './programs.ts';
import { type RawTable, rawTable } from './raw-listing.ts';
import type { Nft } from './transaction.ts';

/** A host may be very busy: of 1000 routed vifs it is 0.2 s of work, and once was not done in 8 s. */
const ALL = { mostBytes: LISTING_BYTES, timeoutMs: 30_000 };

/** What the kernel counted, and whose rules are not as they were loaded, by one listing of each table. */
export async function look(nft: Nft, recordsOf: () => readonly VifRecord[]): Promise<KernelRules> {
  const claims = nft.place === 'device' ? claimedSets(nft.host) : undefined;
  const seen = lookingAt(nft, recordsOf);
  const quick = await quickTable(nft, seen, { all: false, filled: true, whole: false });
  return lookAt(nft, { ...seen, listing: quick === undefined ? seen.list() : Promise.resolve(quick.listing) }, claims);
}

/**
 * The same, and what differs from the plans, by the same listing: of many vifs it is megabytes. A table that is not
 * there, or cannot be listed, is no drift of one element.
 */
export async function compare(
  nft: Nft,
  recordsOf: () => readonly VifRecord[],
  wished: Promise<WishedRules>,
): Promise<ComparedRules> {
  wished.catch(() => undefined);
  const seen = lookingAt(nft, recordsOf);
  const plans = await wished;
  const isKnown = plans.planned.length === seen.records().length;
  const quick = isKnown ? await quickTable(nft, seen, { all: plans.all, filled: false, whole: true }) : undefined;
  if (quick !== undefined && isAsPlanned(nft, quick, plans.planned)) {
    return { rules: await lookAt(nft, { ...seen, listing: Promise.resolve(quick.listing) }, undefined), drift: [] };
  }
  const listing = seen.list();
  // Whose name is not there is told as drift.
  const rules = await lookAt(nft, { ...seen, listing }, undefined);
  const table = await listing;
  if (!Array.isArray(table)) return { rules, drift: [] };
  const unclaimed = nft.place === 'device' ? await unclaimedPorts(nft, plans) : [];
  return { rules, drift: [...ruleDrift(nft, table, plans), ...unclaimed] };
}

/** Routed vifs whose addresses anybody may come with from elsewhere. */
async function unclaimedPorts({ host }: Nft, { planned }: WishedRules): Promise<RuleDrift[]> {
  const claims = await claimedSets(host);
  if (claims === undefined) return [];
  const missing = ({ device }: FilterPort, set: string, text: string): RuleDrift => ({
    ...{ device, place: `${CLAIMED_TABLE} ${set}`, change: 'missing', what: text, text, recorded: true },
  });
  return planned.flatMap(({ port }) => [
    ...(claims.get('ports')?.has(port.name) === true ? [] : [missing(port, 'ports', port.name)]),
    ...unclaimed(port, claims).map(({ set, text }) => missing(port, set, text)),
  ]);
}

/** What is near its addresses, and the table does not know of. */
function unclaimed({ routed = [] }: Pick<FilterPort, 'routed'>, claims: Claims): { set: string; text: string }[] {
  return [...nearElements(routed)].flatMap(([set, elements]) =>
    elements
      .filter((text) => claims.get(set)?.has(text.startsWith('0x') ? Number(text) : text) !== true)
      .map((text) => ({ set, text })),
  );
}

/** What the sets hold by which frames from elsewhere are asked. */
type Claims = ReadonlyMap<string, ReadonlySet<unknown>>;

const LIST_CLAIMED = ['-j', 'list', 'table', ...CLAIMED_TABLE.split(' ')] as const;

/** As they were loaded; undefined of a table that is not there, which is told of all. */
async function claimedSets({ run }: Host): Promise<Claims | undefined> {
  const { status, stdout } = await run('nft', LIST_CLAIMED, ALL);
  if (status !== 0) return undefined;
  return new Map([...setsOf(readListing(stdout))].map(([name, elements]) => [name, new Set(elements)]));
}

/** What runs while the records are read. */
interface Looking {
  readonly records: () => readonly VifRecord[];
  readonly changing: ReturnType<typeof changedRules>;
  readonly list: () => ReturnType<typeof listTable>;
}

function lookingAt(nft: Nft, recordsOf: () => readonly VifRecord[]): Looking {
  const changing = changedRules(nft);
  const list = once(() => listTable(nft));
  const early = isQuick(nft) ? undefined : list();
  for (const one of [changing, early]) one?.catch(() => undefined);
  return { records: once(recordsOf), changing, list };
}

/** With Node there is no way to the kernel; ports that are on no bridge have chains of their own to be listed. */
function isQuick({ host, place }: Nft): boolean {
  return host.netlink !== undefined && place === 'bridge';
}

/**
 * The sets without nft, which takes as long as there are vifs. Only where what all share is as it was listed when it
 * was loaded: of anything else nft is to tell, and of what the kernel does not say, or says in another way.
 */
async function quickTable(
  nft: Nft,
  { records, changing }: Looking,
  { all, ...how }: { readonly all: boolean; readonly filled: boolean; readonly whole: boolean },
): Promise<RawTable | undefined> {
  const { netlink } = nft.host;
  if (netlink === undefined || !isQuick(nft)) return undefined;
  const ports = all ? undefined : records().map(({ ifindex }) => ifindex);
  const table = await rawTable(netlink, { ...how, ports });
  const changed = await changing;
  return changed === 'base' || changed === 'unknown' ? undefined : table;
}

async function lookAt(
  nft: Nft,
  { records: recordsOf, changing, listing }: Looking & { readonly listing: ReturnType<typeof listTable> },
  claiming: ReturnType<typeof claimedSets> | undefined,
): Promise<KernelRules> {
  const { host } = nft;
  const listings = Promise.all([listing, changing.then((all) => (all === 'unknown' ? NONE : all)), claiming]);
  listings.catch(() => undefined);
  const records = recordsOf();
  const ingress = records.some((record) => record.ingress) ? host.run('nft', LIST_INGRESS, ALL) : undefined;
  const [[table, changed, claimed], devices] = await Promise.all([listings, ingress]);
  if (table === undefined) return { damages: allDamaged(records, RULES_GONE), sharedDamage: RULES_GONE, drops: [] };
  if (table === 'unreadable') {
    return {
      damages: allDamaged(records, UNREADABLE),
      sharedDamage: UNREADABLE,
      drops: parseDrops(setsOf(await listDrops(nft))),
    };
  }
  const sets = setsOf(table);
  const learned = parseLearned(sets, Date.parse(host.now()));
  if (learned.length > 0 || host.state.readLearned().length > 0) keepLearned(host, learned);
  const fills = fillsOf(sets, FILLED_SETS);
  const byDevice = new Map(records.map((record) => [record.device, record.ifindex]));
  const ingressRules = devices?.status === 0 ? readListing(devices.stdout) : [];
  const counts = countElements(sets);
  const chains = parseIngressChains(ingressRules);
  const deviceRules = nft.place === 'device' ? ruleShapes(table) : undefined;
  const ledElsewhere = misled(table);
  const damageOf = (record: VifRecord): string | undefined => {
    if (changed === 'base') return BASE_CHANGED;
    if (
      deviceRules !== undefined &&
      !hasDeviceChains(deviceRules, record.device, behindOf(record.loaded.at(-1) ?? {}))
    ) {
      return 'its chains at the device are not as they were loaded';
    }
    if (claimed !== undefined && claimed.get('ports')?.has(record.name) !== true) return RENAMED;
    if (claimed !== undefined && unclaimed({ routed: record.routed?.routes }, claimed).length > 0) return UNCLAIMED;
    const lost = lostElements(record, counts);
    if (lost !== undefined) return `the set ${lost} has lost what is its own`;
    const [only, ...others] = record.loaded;
    const { program, filter } = others.length === 0 && only !== undefined ? only : {};
    const other = digestsOfTerms({ program, filter }).find((digest) => changed.has(digest));
    if (other !== undefined) {
      return `its rules are not as they were loaded: somebody has changed a chain rules/${other}/...`;
    }
    if (ledElsewhere('filtered', record, filter)) return 'somebody has led it to another filter than its own';
    if (ledElsewhere('ruled', record, program)) return 'somebody has led it to other rules than its own';
    return record.ingress && dropsAtDevice(host.readDevice(record.bridge)) && !chains.has(record.device)
      ? 'its chain at the device is gone'
      : undefined;
  };
  return {
    damages: new Map(
      records.flatMap((record): [string, string][] => {
        const damage = damageOf(record);
        return damage === undefined ? [] : [[record.device, damage]];
      }),
    ),
    ...(changed === 'base' ? { sharedDamage: BASE_CHANGED } : {}),
    learned,
    fills,
    conversations: conversations(sets, fills),
    drops: [
      ...parseDrops(sets),
      ...parseUnmanagedDrops(sets, (name) => host.readDevice(name)?.ifindex),
      ...parseIngressDrops(ingressRules, (device) => byDevice.get(device)),
    ],
  };
}

/** Tells ports that the maps do not lead to what was loaded of them. */
function misled(table: Listing): (map: ProgramMap, record: VifRecord, digest: string | undefined) => boolean {
  const verdicts = new Map(
    (['ruled', 'filtered'] as const).flatMap((map) =>
      RULE_DIRECTIONS.map((direction) => {
        const name = programMapName(map, direction);
        return [name, parseVerdicts(table, name)] as const;
      }),
    ),
  );
  return (map, { ifindex }, digest) =>
    digest !== undefined &&
    RULE_DIRECTIONS.some(
      (direction) =>
        verdicts.get(programMapName(map, direction))?.get(keyOf(ifindex)) !== programChain(digest, direction),
    );
}

const RENAMED = 'somebody has renamed it: its rules are those of its former name';
const UNCLAIMED = `others may come with its addresses: ${CLAIMED_TABLE} has lost them`;
const BASE_CHANGED = 'what all vifs share is not as it was loaded';
const UNREADABLE =
  'this nft cannot list the rules: another version of it has loaded them, or another program owns them (flags owner)';

/** Of a table that cannot be listed, the counters. */
async function listDrops({ host }: Nft): Promise<Listing> {
  const result = await host.run('nft', LIST_DROPS, ALL);
  return result.status === 0 ? (wholeListing(result.stdout) ?? []) : [];
}

/**
 * Undefined if there is no table. nft 1.0.6 dies of one that 1.1.3 or 1.1.7 has loaded, and prints half of one that
 * another process owns (measured).
 */
async function listTable({ host, holder }: Nft): Promise<Listing | 'unreadable' | undefined> {
  const result = await host.run('nft', LIST_TABLE, ALL).catch((error: unknown) => {
    // Before the first run on a host that only has ebtables.
    if (currentBase(host, holder) === undefined && isNotInstalled(error)) return undefined;
    if (error instanceof Failure && /: SIG(?:SEGV|ABRT|BUS)$/.test(error.message)) return 'unreadable';
    throw error;
  });
  if (result === 'unreadable') return result;
  if (result === undefined || /No such file or directory/.test(result.stderr)) return undefined;
  if (result.status !== 0) throw toolFailure('nft', LIST_TABLE, result);
  return wholeListing(result.stdout) ?? 'unreadable';
}

/**
 * `base` if what all share is not what was listed when it was loaded; else the programs of rules that are not.
 * `unknown` where it was not listed then, or cannot be now.
 */
async function changedRules({ host, holder, place }: Nft): Promise<'base' | 'unknown' | ReadonlySet<string>> {
  const differing = async (): ReturnType<typeof changedRules> => {
    const base = baseOfThisBoot(host);
    if (base?.listing === undefined || (base.backend ?? holder.name) !== holder.name) return 'unknown';
    const now = await listed(host, place).catch(() => undefined);
    if (now === undefined) return 'unknown';
    return now.base === base.listing ? programs(host).changed(base.sentinel, now) : 'base';
  };
  const first = await differing();
  if (first === 'unknown' || (first !== 'base' && first.size === 0)) return first;
  // A run may just be making them anew.
  await passBase(host);
  return differing();
}

const NONE: ReadonlySet<string> = new Set();

/** The first set that has less of a vif than was loaded; a vif that a run is at work on is not looked at. */
function lostElements({ loaded }: VifRecord, counts: ElementCounts): string | undefined {
  const [terms, ...more] = loaded;
  if (terms === undefined || more.length > 0) return undefined;
  const port = guestGroup(terms.ifindex);
  for (const [set, size] of sizesOf(terms)) {
    const key = set === PORTS_SET ? listedHash(terms.ifindex) : port;
    if (counts.get(set)?.get(key) !== size) return set;
  }
  return undefined;
}
