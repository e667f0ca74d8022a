import { LISTING_BYTES } from '../effects/exec.ts';
import type { Lock } from '../effects/lock.ts';
import { errorOf } from '../effects/netlink.ts';
import { asFailure, failureLine, oneLine } from '../errors.ts';
import type { Host } from '../host.ts';
import { forwardRequest } from '../port/forward-request.ts';
import {
  type AcceptedPort,
  acceptsText,
  type ForwardChain,
  HOST_FILTERS,
  type HostFilter,
  LIST_FORWARD,
  RESTORE,
  readForward,
  rulesFor,
  withoutAccepts,
  withoutRouted,
} from '../port/host-accept.ts';
import { ENOENT } from '../port/nftables-request.ts';
import type { VifRecord } from '../state/records.ts';

type LookHost = Pick<Host, 'run' | 'netlink' | 'netTable' | 'log' | 'policy' | 'callsHostFilter'>;
type AcceptHost = LookHost & Pick<Host, 'state' | 'takeLock' | 'locks'>;

const TOOL_MS = 5_000;
/** Xen's own scripts take it too (vif-common.sh: handle_iptable); iptables has another one of its own. */
const XEN_LOCK = '/var/run/xen-hotplug/iptables';
const XEN_LOCK_MS = 3_000;

/**
 * Lets packets of vifs pass the host's own FORWARD chain: bridged ones as stock does, where they come there at all;
 * routed ones where Docker drops them, and else if the policy says so: who has a firewall of his own for what he routes
 * keeps it. What is there already stays as it is. Nothing here closes a guest: what cannot be done is a warning.
 *
 * The caller has locked all of them: who puts rules for a vif that leaves meanwhile leaves them behind.
 *
 * @param devices that are in service; each has a record
 */
export async function acceptAtHost(host: AcceptHost, devices: readonly string[]): Promise<void> {
  const records = devices.flatMap((device) => host.state.readVif(device) ?? []);
  if (host.policy.host_accept === 'no') {
    for (const record of records) await forgetEarlier(host, record);
    return;
  }
  for (const [filter, chain] of await forwardChains(host, records)) {
    const missing = records.filter((record) => isMissing(host, record, filter, chain));
    if (missing.length > 0) await put(host, filter, missing, chain);
    const left = records.filter((record) => isLeftToHost(host, record, filter, chain));
    if (left.length > 0) {
      const who = left.map(({ name }) => name).join(' ');
      host.log.say('info', `${who}: ${filter} drops what its chain FORWARD does not let pass; its own rules decide`);
    }
  }
}

/** Takes the same out again. */
export async function forgetAtHost(host: AcceptHost, record: VifRecord): Promise<void> {
  const { accepts = [] } = record;
  if (accepts.length === 0) return;
  await withXenLock(host, async () => {
    for (const filter of accepts) await takeOut(host, filter, record, undefined);
  });
}

/** @param chain as it is listed; undefined: that is not known */
async function takeOut(
  host: LookHost,
  filter: HostFilter,
  { name, routed }: VifRecord,
  chain: ForwardChain | undefined,
): Promise<void> {
  if (routed === undefined) {
    for (const rule of withoutAccepts(name)) await ran(host, filter, rule);
    return;
  }
  const now = chain ?? (await listed(host, filter));
  const text = now === undefined ? '' : withoutRouted(name, now);
  if (text !== '') await ran(host, `${filter}-restore`, RESTORE, text);
}

/**
 * Who is silent by the host's own rules: the programs in whose FORWARD chain packets of a vif are dropped, because
 * somebody has taken out what let them pass, or has begun to drop since.
 *
 * @param all that it will be asked about
 */
export async function silencedAtHost(
  host: LookHost,
  all: readonly VifRecord[],
): Promise<(record: VifRecord) => readonly HostFilter[]> {
  if (host.policy.host_accept === 'no') return () => [];
  const chains = await forwardChains(host, all);
  return (record) =>
    chains.flatMap(([filter, chain]) =>
      chain !== undefined && isMissing(host, record, filter, chain) ? [filter] : [],
    );
}

/** Where routed vifs pass by the host's own rules alone, which drop what they do not name. */
export async function leftToHost(host: LookHost, all: readonly VifRecord[]): Promise<readonly HostFilter[]> {
  return (await forwardChains(host, all)).flatMap(([filter, chain]) =>
    all.some((record) => isLeftToHost(host, record, filter, chain)) ? [filter] : [],
  );
}

/** The policy has changed since. */
async function forgetEarlier(host: AcceptHost, record: VifRecord): Promise<void> {
  if (record.accepts === undefined) return;
  await forgetAtHost(host, record);
  const { accepts: _, ...rest } = record;
  host.state.writeVif(rest);
}

/** The chains that packets of these come to, as they are now; undefined: of one that nobody can list. */
async function forwardChains(
  host: LookHost,
  records: readonly VifRecord[],
): Promise<[HostFilter, ForwardChain | undefined][]> {
  const asked = HOST_FILTERS.filter(
    (filter) =>
      records.some((one) => isRouted(one, filter)) ||
      (records.some(({ routed }) => routed === undefined) && (isAlways(host) || host.callsHostFilter(filter))),
  );
  return Promise.all(
    asked.map(async (filter): Promise<[HostFilter, ForwardChain | undefined]> => [filter, await listed(host, filter)]),
  );
}

function isAlways({ policy }: Pick<Host, 'policy'>): boolean {
  return policy.host_accept === 'yes';
}

/** Whether this host routes packets of that version for it. */
function isRouted({ routed }: VifRecord, filter: HostFilter): boolean {
  return routed?.routes.some((route) => route.includes(':') === (filter === 'ip6tables')) === true;
}

/** It is to pass there, and does not. */
function isMissing(host: LookHost, record: VifRecord, filter: HostFilter, chain: ForwardChain | undefined): boolean {
  const { name, routed } = record;
  if (routed === undefined) {
    return (
      (isAlways(host) || (host.callsHostFilter(filter) && chain?.drops === true)) && chain?.passing.has(name) !== true
    );
  }
  if (!isRouted(record, filter) || (!isAlways(host) && chain?.dockers !== true)) return false;
  return chain?.routed.get(name)?.reached !== rulesFor(portOf(host, record));
}

/** A routed vif of which the rules of the host itself decide. */
function isLeftToHost(
  { policy: { host_accept: accepts } }: LookHost,
  record: VifRecord,
  filter: HostFilter,
  chain: ForwardChain | undefined,
): boolean {
  const left = accepts === 'no' || (accepts === 'auto' && chain?.dockers === false);
  return isRouted(record, filter) && left && chain?.drops === true;
}

/** Where nobody has asked for it, a guest is let to its network alone, not to what is behind other devices. */
function portOf(host: Pick<Host, 'policy'>, { name, bridge, routed }: VifRecord): AcceptedPort {
  return routed === undefined ? { name } : { name, routed: { uplink: isAlways(host) ? undefined : bridge } };
}

async function listed(host: LookHost, filter: HostFilter): Promise<ForwardChain | undefined> {
  if (await isAbsent(host, filter)) return readForward('');
  const said = await ran(host, filter, LIST_FORWARD);
  if (said.well) return readForward(said.text);
  host.log.say('debug', `what ${filter} does with packets of vifs is not known: ${said.text}`);
  return undefined;
}

/** Nobody has made a FORWARD chain, of either kind of iptables: asked of the kernel, as far as that can be. */
async function isAbsent({ netlink, netTable }: LookHost, filter: HostFilter): Promise<boolean> {
  if (/^filter$/m.test(netTable(LEGACY_TABLES[filter]))) return false;
  const answer = await netlink?.('netfilter', forwardRequest(filter));
  return answer !== undefined && errorOf(answer) === ENOENT;
}

/** The tables of iptables-legacy that are there (net/ipv4/netfilter/ip_tables.c). */
const LEGACY_TABLES = { iptables: 'ip_tables_names', ip6tables: 'ip6_tables_names' } as const;

async function put(
  host: AcceptHost,
  filter: HostFilter,
  missing: readonly VifRecord[],
  chain: ForwardChain | undefined,
): Promise<void> {
  // Before the rules: what a killed run leaves is known.
  for (const { device } of missing) {
    const record = host.state.readVif(device);
    if (record === undefined || record.accepts?.includes(filter)) continue;
    host.state.writeVif({ ...record, accepts: [...(record.accepts ?? []), filter] });
  }
  const said = await withXenLock(host, async () => {
    // Where nobody comes to them, or some of several.
    for (const record of missing.filter(({ name }) => chain?.named.has(name) || chain?.routed.has(name)))
      await takeOut(host, filter, record, chain);
    const ports = missing.map((record) => portOf(host, record));
    return ran(host, `${filter}-restore`, RESTORE, acceptsText(ports, chain));
  });
  const who = missing.map(({ name }) => name).join(' ');
  if (said.well) host.log.say('info', `${who}: packets pass the FORWARD chain of ${filter}`);
  else host.log.say('warning', `${who}: ${filter} does not let packets pass: ${said.text}`);
}

/** What a program said: its output if it went well, else why not. */
interface Said {
  readonly well: boolean;
  readonly text: string;
}

async function ran(host: LookHost, tool: string, args: readonly string[], input?: string): Promise<Said> {
  const how = { timeoutMs: TOOL_MS, mostBytes: LISTING_BYTES };
  try {
    const { status, stdout, stderr } = await host.run(tool, args, input === undefined ? how : { ...how, input });
    return status === 0 ? { well: true, text: stdout } : { well: false, text: oneLine(stderr, 120) };
  } catch (error) {
    return { well: false, text: failureLine(asFailure(error)) };
  }
}

async function withXenLock<T>(host: AcceptHost, work: () => Promise<T>): Promise<T> {
  let lock: Lock | undefined;
  try {
    if (host.locks.seenByOthers) lock = await host.takeLock(XEN_LOCK, XEN_LOCK_MS);
  } catch (error) {
    // iptables itself waits for whoever changes the rules.
    host.log.say('debug', `without ${XEN_LOCK}: ${failureLine(asFailure(error))}`);
  }
  try {
    return await work();
  } finally {
    await lock?.release();
  }
}
