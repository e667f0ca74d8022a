import type { Host } from '../host.ts';
import { isGuestPort } from '../net/vif-name.ts';
import { indexOfGroup } from '../port/guest-group.ts';

/**
 * The names of bridge ports that are nobody's guest: the uplinks, the oldest first. A name that nft would take for a
 * pattern is left out.
 *
 * @param ours what is left out too
 * @param bridges only ports of these; unless told, of any
 */
export function neighbours(
  host: Pick<Host, 'deviceNames' | 'readDevice'>,
  ours: readonly { readonly name: string }[],
  bridges?: ReadonlySet<string>,
): string[] {
  const names = new Set(ours.map(({ name }) => name));
  const wanted = (master: string): boolean => bridges?.has(master) ?? host.readDevice(master)?.isBridge === true;
  return host
    .deviceNames()
    .filter((name) => /^[\w.-]+$/.test(name) && !isGuestPort(name) && !names.has(name))
    .flatMap((name) => host.readDevice(name) ?? [])
    .filter(({ master, group = 0 }) => master !== undefined && wanted(master) && indexOfGroup(group) === undefined)
    .sort((a, b) => a.ifindex - b.ifindex)
    .map(({ name }) => name);
}
