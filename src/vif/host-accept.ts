import type { Lock } from '../effects/lock.ts';
import { asFailure, failureLine, oneLine } from '../errors.ts';
import type { Host } from '../host.ts';
import { forwardDrops, HOST_FILTERS, type HostFilter, hostAccepts, LIST_FORWARD } from '../port/host-accept.ts';
import type { VifRecord } from '../state/records.ts';

type AcceptHost = Pick<Host, 'run' | 'log' | 'policy' | 'state' | 'takeLock' | 'locks' | 'callsHostFilter'>;

const TOOL_MS = 5_000;
/** Xen's own scripts take it too (vif-common.sh: handle_iptable); iptables has another one of its own. */
const XEN_LOCK = '/var/run/xen-hotplug/iptables';
const XEN_LOCK_MS = 3_000;

/**
 * Lets bridged packets of a port pass the host's own FORWARD chain, as stock does, where bridged packets come there at
 * all. Nothing here closes a guest: what cannot be done is a warning.
 */
export async function acceptAtHost(host: AcceptHost, device: string, port: string): Promise<void> {
  if (host.policy.host_accept === 'no') return;
  const filters: HostFilter[] = [];
  for (const filter of HOST_FILTERS) if (await isWanted(host, filter)) filters.push(filter);
  if (filters.length === 0) return;
  const record = host.state.readVif(device);
  // Before the rules: what a killed run leaves is known.
  if (record !== undefined) host.state.writeVif({ ...record, accepts: filters });
  host.log.say('info', `${port}: its packets pass the FORWARD chain of ${filters.join(' and ')}`);
  await withXenLock(host, async () => {
    for (const filter of filters) {
      for (const [at, rule] of hostAccepts('-I', port).entries()) {
        const there = await tried(host, filter, hostAccepts('-C', port)[at] ?? []);
        if (there === true) continue;
        const put = await tried(host, filter, rule);
        if (put !== true) host.log.say('warning', `${port}: ${filter} does not let its packets pass: ${put}`);
      }
    }
  });
}

/** Takes the same out again. */
export async function forgetAtHost(host: AcceptHost, { accepts = [], name }: VifRecord): Promise<void> {
  if (accepts.length === 0) return;
  await withXenLock(host, async () => {
    for (const filter of accepts) for (const rule of hostAccepts('-D', name)) await tried(host, filter, rule);
  });
}

async function isWanted(host: AcceptHost, filter: HostFilter): Promise<boolean> {
  if (host.policy.host_accept === 'yes') return true;
  if (!host.callsHostFilter(filter)) return false;
  try {
    const { status, stdout } = await host.run(filter, LIST_FORWARD, { timeoutMs: TOOL_MS });
    return status === 0 && forwardDrops(stdout);
  } catch (error) {
    host.log.say('debug', `what ${filter} does with bridged packets is not known: ${failureLine(asFailure(error))}`);
    return false;
  }
}

/** True if it went well; else why not. */
async function tried(host: AcceptHost, filter: HostFilter, args: readonly string[]): Promise<true | string> {
  try {
    const { status, stderr } = await host.run(filter, args, { timeoutMs: TOOL_MS });
    return status === 0 || oneLine(stderr, 120);
  } catch (error) {
    return failureLine(asFailure(error));
  }
}

async function withXenLock(host: AcceptHost, work: () => Promise<void>): Promise<void> {
  let lock: Lock | undefined;
  try {
    if (host.locks.seenByOthers) lock = await host.takeLock(XEN_LOCK, XEN_LOCK_MS);
  } catch (error) {
    // iptables itself waits for whoever changes the rules.
    host.log.say('debug', `without ${XEN_LOCK}: ${failureLine(asFailure(error))}`);
  }
  try {
    await work();
  } finally {
    await lock?.release();
  }
}
