import { failuresOf } from '../effects/batch.ts';
import { asFailure, Failure, failureLine, oneLine } from '../errors.ts';
import type { Host } from '../host.ts';
import { type Announcement, announcingLines, announcingTables, announcingTablesRemoval } from '../port/announcement.ts';
import type { RoutedState, VifRecord } from '../state/records.ts';
import type { PreparedRoute } from './routed-plan.ts';

type AnnouncingHost = Pick<Host, 'run' | 'log' | 'state'>;

/** Of each of its programs: a machine that takes longer has other troubles. */
const TOOL_MS = 2_000;

/**
 * Whom neighbours at the uplink are to be told of, if of anybody.
 *
 * @param told what an earlier run has told them
 */
export function announcementOf(
  { policy, route }: Pick<PreparedRoute, 'policy' | 'route'>,
  told: RoutedState | undefined,
): Announcement | undefined {
  const { device, uplink, proxies, foreignProxies, foreignNeighbours } = route;
  // One that was ended while it did has told nobody knows what.
  const before = told === undefined || told.announcing === true ? [] : [...told.proxies, ...foreignProxies];
  const addresses = proxies.filter((one) => !before.includes(one) && !foreignNeighbours.includes(one));
  return policy.announce === 'no' || addresses.length === 0 ? undefined : { device, uplink, addresses };
}

/**
 * Tells neighbours at the uplink where addresses of a routed vif are now. They find it by themselves when their entries
 * end: so nothing fails by it.
 *
 * The caller has locked the vif.
 *
 * @param told what an earlier run has told them
 */
export async function announce(
  host: AnnouncingHost,
  prepared: Pick<PreparedRoute, 'policy' | 'route'>,
  told: RoutedState | undefined,
): Promise<void> {
  const announcement = announcementOf(prepared, told);
  if (announcement === undefined) return;
  const { name, uplink, device } = prepared.route;
  try {
    // Before the tables: what a killed run leaves is known.
    mark(host, device, true);
    await nft(host, announcingTables(announcement));
    const failed = await failuresOf(host.run, 'ip', announcingLines(announcement), TOOL_MS);
    for (const said of failed.values()) throw new Failure('tool', said);
  } catch (error) {
    host.log.say(
      'info',
      `${name}: neighbours at ${uplink} are not told that it is here: ${failureLine(asFailure(error))}`,
    );
  }
  await forget(host, announcement);
}

/** What a killed run has left of it. */
export async function forgetAnnouncing(host: AnnouncingHost, { device, bridge, routed }: VifRecord): Promise<void> {
  if (routed?.announcing !== true) return;
  await forget(host, { device, uplink: bridge, addresses: routed.proxies });
}

async function forget(host: AnnouncingHost, announcement: Announcement): Promise<void> {
  try {
    await nft(host, announcingTablesRemoval(announcement));
    mark(host, announcement.device, false);
  } catch (error) {
    host.log.say('warning', `${announcement.device}: what announced it stays: ${failureLine(asFailure(error))}`);
  }
}

function mark({ state }: AnnouncingHost, device: string, announcing: boolean): void {
  const record = state.readVif(device);
  if (record?.routed === undefined) return;
  const { announcing: _, ...routed } = record.routed;
  state.writeVif({ ...record, routed: announcing ? { ...routed, announcing } : routed });
}

async function nft({ run }: AnnouncingHost, input: string): Promise<void> {
  const { status, stderr } = await run('nft', ['-f', '-'], { input, timeoutMs: TOOL_MS });
  if (status !== 0) throw new Failure('tool', `nft: ${oneLine(stderr, 160)}`);
}
