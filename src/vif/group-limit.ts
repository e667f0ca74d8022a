import { type BatchLine, failuresOf } from '../effects/batch.ts';
import { asFailure, failureLine } from '../errors.ts';
import type { Host } from '../host.ts';
import { groupLimitRequest } from '../port/group-limit-request.ts';
import { groupLimitLines } from '../port/port-setup.ts';
import type { WishedPort } from '../port/wished-port.ts';

type LimitHost = Pick<Host, 'run' | 'rtnetlink' | 'limitsGroups' | 'state' | 'log'>;

/** A port, and its interface index. */
export interface LimitedPort {
  readonly setup: Pick<WishedPort, 'name' | 'maxGroups'>;
  readonly ifindex: number;
}

/** What the state remembers until the next boot. */
const MISSING = 'no-group-limit';
const BATCH_MS = 6_000;

/**
 * Limits the multicast groups that each port may have. A port goes into service without it, too: what it would keep is
 * the bridge's snooping, and kernels before 6.3 have no such limit. That is said once.
 *
 * @param isNew only what is new: where the limit could not be had in this boot it is not tried again for it
 */
export async function limitGroups(host: LimitHost, ports: readonly LimitedPort[], isNew: boolean): Promise<void> {
  const wanting = ports.filter(({ setup }) => setup.maxGroups !== undefined);
  if (wanting.length === 0) return;
  if (!host.limitsGroups()) return missing(host, 'the kernel is older than 6.3');
  const left: BatchLine[] = [];
  for (const { setup, ifindex } of wanting) {
    const done = await host.rtnetlink?.(groupLimitRequest(ifindex, setup.maxGroups ?? 0));
    if (done !== true) left.push(...groupLimitLines(setup));
  }
  if (left.length === 0 || (isNew && host.state.isNoted(MISSING))) return;
  try {
    for (const [number, said] of await failuresOf(host.run, 'bridge', left, BATCH_MS)) {
      host.log.say('warning', `${left[number - 1]?.optional} (bridge ${left[number - 1]?.text}: ${said})`);
    }
  } catch (error) {
    // A word that it does not know ends it (iproute2, bridge/link.c: brlink_modify).
    const said = failureLine(asFailure(error)).replace(/: Usage:.*$/, '');
    missing(host, `bridge of iproute2 6.3 or later is needed (${said})`);
  }
}

function missing(host: LimitHost, why: string): void {
  if (host.state.isNoted(MISSING)) return;
  host.log.say('warning', `a guest can fill the bridge with multicast groups, which switches its snooping off: ${why}`);
  host.state.note(MISSING);
}
