import { readGuestName, readGuestNames } from '../effects/guest-names.ts';
import { isSilent, readDirectoriesBelow, readDirectory, type XenstoreKeys } from '../effects/xenstore.ts';
import { asFailure, failureLine } from '../errors.ts';
import type { Host } from '../host.ts';
import { asksForGuests } from '../policy/resolve-policy.ts';
import { parseXenbusPath } from '../xen/hotplug-event.ts';

type SourceHost = Pick<Host, 'run' | 'policy' | 'log'>;

/** Reads the keys of a backend directory; undefined if it is not there, or nobody can say. */
type ReadKeys = (path: string) => Promise<XenstoreKeys | undefined>;

/** What xenstore says of vifs and their guests. */
export interface Source {
  readonly keys: ReadKeys;
  /** The name of a guest; undefined where the policy does not ask for it. */
  readonly guest: (domid: number) => Promise<string | undefined>;
  /** Whether it was asked and did not answer: what it would say is not known. */
  readonly isSilent: () => boolean;
}

/** One process for each vif, and one for its guest's name. */
export function sourceOfOne(host: SourceHost): Source {
  let silent = false;
  return {
    async keys(path) {
      if (silent) return undefined;
      try {
        return await readDirectory(host.run, path);
      } catch (error) {
        silent = isSilent(error);
        if (!silent) throw error;
        sayUnreachable(host, error);
        return undefined;
      }
    },
    guest: async (domid) => (asksForGuests(host.policy) ? readGuestName(host.run, domid) : undefined),
    isSilent: () => silent,
  };
}

/**
 * A few processes for all vifs, as long as all their directories lie in one place, as they do.
 *
 * @param paths their backend directories
 */
export async function sourceOfAll(host: SourceHost, paths: readonly string[]): Promise<Source> {
  const one = sourceOfOne(host);
  const parentOf = (path: string): string => path.replace(/\/\d+\/\d+$/, '');
  const listings = new Map<string, (path: string) => XenstoreKeys | undefined>();
  for (const parent of new Set(paths.map(parentOf))) {
    try {
      listings.set(parent, await readDirectoriesBelow(host.run, parent));
    } catch (error) {
      if (!isSilent(error)) continue;
      sayUnreachable(host, error);
      return { keys: async () => undefined, guest: async () => undefined, isSilent: () => true };
    }
  }
  const names = await namesOf(host, paths);
  return {
    async keys(path) {
      const listing = listings.get(parentOf(path));
      if (listing === undefined) return one.keys(path);
      try {
        return listing(path);
      } catch {
        // It was being made or removed while all were read.
        return one.keys(path);
      }
    },
    guest: async (domid) => names?.get(domid) ?? one.guest(domid),
    isSilent: one.isSilent,
  };
}

/** The names of all guests; undefined where nobody asks for them, or xenstore does not answer. */
async function namesOf(host: SourceHost, paths: readonly string[]): Promise<Map<number, string> | undefined> {
  if (!asksForGuests(host.policy)) return undefined;
  try {
    return await readGuestNames(
      host.run,
      paths.map((path) => parseXenbusPath(path).domid),
    );
  } catch {
    return undefined;
  }
}

function sayUnreachable(host: SourceHost, error: unknown): void {
  host.log.say('warning', `xenstore does not answer, using the saved state (${failureLine(asFailure(error))})`);
}
