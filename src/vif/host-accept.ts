import { LISTING_BYTES } from '../effects/exec.ts';
import type { Lock } from '../effects/lock.ts';
import { asFailure, failureLine, oneLine } from '../errors.ts';
import type { Host } from '../host.ts';
import {
  acceptsText,
  type ForwardChain,
  HOST_FILTERS,
  type HostFilter,
  LIST_FORWARD,
  RESTORE,
  readForward,
  withoutAccepts,
} from '../port/host-accept.ts';
import type { VifRecord } from '../state/records.ts';

type LookHost = Pick<Host, 'run' | 'log' | 'policy' | 'callsHostFilter'>;
type AcceptHost = LookHost & Pick<Host, 'state' | 'takeLock' | 'locks'>;

const TOOL_MS = 5_000;
/** Xen's own scripts take it too (vif-common.sh: handle_iptable); iptables has another one of its own. */
const XEN_LOCK = '/var/run/xen-hotplug/iptables';
const XEN_LOCK_MS = 3_000;

/**
 * Lets bridged packets of vifs pass the host's own FORWARD chain, as stock does, where bridged packets come there at
 * all. What is there already stays as it is. Nothing here closes a guest: what cannot be done is a warning.
 *
 * The caller has locked all of them: who puts rules for a vif that leaves meanwhile leaves them behind.
 *
 * @param devices that are on a bridge; each has a record
 */
export async function acceptAtHost(host: AcceptHost, devices: readonly string[]): Promise<void> {
  const records = devices.flatMap((device) => host.state.readVif(device) ?? []);
  if (host.policy.host_accept === 'no') {
    for (const record of records) await forgetEarlier(host, record);
    return;
  }
  for (const [filter, chain] of await forwardChains(host)) {
    const missing = records.filter(({ name }) => chain?.passing.has(name) !== true);
    if (missing.length > 0) await put(host, filter, missing, chain);
  }
}

/** Takes the same out again. */
export async function forgetAtHost(host: AcceptHost, { accepts = [], name }: VifRecord): Promise<void> {
  if (accepts.length === 0) return;
  await withXenLock(host, async () => {
    for (const filter of accepts) for (const rule of withoutAccepts(name)) await ran(host, filter, rule);
  });
}

/**
 * Who is silent by the host's own rules: the programs in whose FORWARD chain packets of a port are dropped, by its
 * name, because somebody has taken out what let them pass, or has begun to drop since.
 */
export async function silencedAtHost(host: LookHost): Promise<(port: string) => readonly HostFilter[]> {
  if (host.policy.host_accept === 'no') return () => [];
  const chains = await forwardChains(host);
  return (port) =>
    chains.flatMap(([filter, chain]) => (chain === undefined || chain.passing.has(port) ? [] : [filter]));
}

/** The policy has changed since. */
async function forgetEarlier(host: AcceptHost, record: VifRecord): Promise<void> {
  if (record.accepts === undefined) return;
  await forgetAtHost(host, record);
  const { accepts: _, ...rest } = record;
  host.state.writeVif(rest);
}

/** The chains that are to let packets of vifs pass, as they are now; undefined: of one that nobody can list. */
async function forwardChains(host: LookHost): Promise<[HostFilter, ForwardChain | undefined][]> {
  const always = host.policy.host_accept === 'yes';
  const asked = HOST_FILTERS.filter((filter) => always || host.callsHostFilter(filter));
  const chains = await Promise.all(
    asked.map(async (filter): Promise<[HostFilter, ForwardChain | undefined]> => [filter, await listed(host, filter)]),
  );
  return chains.filter(([, chain]) => always || chain?.drops === true);
}

async function listed(host: LookHost, filter: HostFilter): Promise<ForwardChain | undefined> {
  const said = await ran(host, filter, LIST_FORWARD);
  if (said.well) return readForward(said.text);
  host.log.say('debug', `what ${filter} does with bridged packets is not known: ${said.text}`);
  return undefined;
}

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
  const names = missing.map(({ name }) => name);
  const said = await withXenLock(host, async () => {
    // Where nobody comes to them, or one of two.
    for (const name of names.filter((name) => chain?.named.has(name)))
      for (const rule of withoutAccepts(name)) await ran(host, filter, rule);
    return ran(host, `${filter}-restore`, RESTORE, acceptsText(names));
  });
  const who = names.join(' ');
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
