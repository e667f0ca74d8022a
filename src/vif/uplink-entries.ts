import { saidByBatch } from '../effects/batch.ts';
import { asFailure, failureLine } from '../errors.ts';
import type { Host } from '../host.ts';
import { parsePrefix } from '../net/ip-prefix.ts';
import { readSetEntries, type SetEntry, setEntriesOf } from '../port/seen-uplink.ts';
import { isSet, neighbourRequest } from '../port/uplink-request.ts';
import type { RoutedState, VifRecord } from '../state/records.ts';
import { announcementOf } from './announce.ts';
import type { PreparedRoute } from './routed-plan.ts';

type EntryHost = Pick<Host, 'run' | 'netlink' | 'state' | 'log'>;

const LOOK_MS = 6_000;

/**
 * What somebody else has set at the uplink of addresses that this vif is about to be answered for: it is not ours, and
 * stays when the vif goes. One look for what is new; nothing where the uplink is asked for no address of it.
 *
 * @param before what an earlier run left
 * @param told what it has told neighbours there
 */
export async function withForeignEntries(
  host: EntryHost,
  prepared: PreparedRoute,
  before: VifRecord | undefined,
  told: RoutedState | undefined,
): Promise<PreparedRoute> {
  const { route } = prepared;
  const known = new Set([...(before?.routed?.proxies ?? []), ...proxiesOfOthers(host, route)]);
  const announced = new Set(announcementOf(prepared, told)?.addresses);
  const asked = route.proxies.filter((address) => !known.has(address) || announced.has(address));
  if (asked.length === 0 || route.uplinkIndex === undefined) return prepared;
  try {
    const found =
      (await setByKernel(host, asked, route.uplinkIndex)) ?? (await setByProgram(host, asked, route.uplink));
    const of = (kind: SetEntry['kind']): string[] =>
      found.filter((one) => one.kind === kind).map(({ address }) => address);
    const foreignProxies = of('proxy').filter((address) => !known.has(address));
    return { ...prepared, route: { ...route, foreignProxies, foreignNeighbours: of('entry') } };
  } catch (error) {
    host.log.say('debug', `what is set at ${route.uplink} is not known: ${failureLine(asFailure(error))}`);
    return prepared;
  }
}

/** Other ports of ours, there or gone, have these: theirs are ours, too. */
function proxiesOfOthers(
  { state }: Pick<EntryHost, 'state'>,
  { device, uplinkIndex, proxies }: PreparedRoute['route'],
): string[] {
  if (proxies.length === 0) return [];
  const owners = new Set(state.addresses(proxies).map(({ owner }) => owner));
  owners.delete(device);
  return [...owners]
    .flatMap((owner) => state.readVif(owner)?.routed ?? [])
    .flatMap((routed) => (routed.uplinkIndex === uplinkIndex ? routed.proxies : []));
}

/** Undefined where it cannot be asked. */
async function setByKernel(
  { netlink }: EntryHost,
  addresses: readonly string[],
  ifindex: number,
): Promise<SetEntry[] | undefined> {
  if (netlink === undefined) return undefined;
  const found: SetEntry[] = [];
  for (const address of addresses) {
    const prefix = parsePrefix(address);
    if (prefix === undefined) continue;
    for (const kind of ['proxy', 'entry'] as const) {
      const answer = await netlink('route', neighbourRequest(prefix, ifindex, kind));
      if (answer === undefined) return undefined;
      if (isSet(answer)) found.push({ address, kind });
    }
  }
  return found;
}

async function setByProgram({ run }: EntryHost, addresses: readonly string[], uplink: string): Promise<SetEntry[]> {
  return readSetEntries(await saidByBatch(run, 'ip', setEntriesOf(uplink, addresses), LOOK_MS));
}
