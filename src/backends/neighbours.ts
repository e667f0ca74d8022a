import type { Host } from '../host.ts';
import { isGuestPort } from '../net/vif-name.ts';
import { indexOfGroup } from '../port/guest-group.ts';

/**
 * The names of bridge ports that are nobody's guest: the uplinks, the oldest first. A name that nft would take for a
 * pattern is left out.
 *
 * @param ours what is left out too
 * @param bridges ports of these come first
 */
export function neighbours(
  host: Pick<Host, 'deviceNames' | 'readDevice'>,
  ours: readonly { readonly name: string }[],
  bridges: ReadonlySet<string> = new Set(),
): string[] {
  const names = new Set(ours.map(({ name }) => name));
  const place = (master: string | undefined): number => (master !== undefined && bridges.has(master) ? 0 : 1);
  return host
    .deviceNames()
    .filter((name) => /^[\w.-]+$/.test(name) && !isGuestPort(name) && !names.has(name))
    .flatMap((name) => host.readDevice(name) ?? [])
    .filter(({ master, group }) => master !== undefined && indexOfGroup(group) === undefined)
    .filter(({ master = '' }) => host.readDevice(master)?.isBridge === true)
    .sort((a, b) => place(a.master) - place(b.master) || a.ifindex - b.ifindex)
    .map(({ name }) => name);
}
