import { existsSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { kernelHas } from '../../effects/kernel-release.ts';
import { asFailure, failureLine } from '../../errors.ts';
import type { Host } from '../../host.ts';
import { list, placeOf, remove, writeText } from '../../state/files.ts';
import type { PlannedPort } from '../backend.ts';
import type { PortPlace } from './base-text.ts';
import { portText } from './text.ts';

/**
 * Our rules as files, for those of the host to include: `nft -f /etc/nftables.conf` (start and reload of
 * nftables.service) then flushes and makes both in one transaction, and no frame passes in between. Only what the
 * kernel has taken already is in them, so ours cannot make the host's own fail.
 *
 *     include "/run/xen-vif-bridge/nftables/*\/*.nft"
 *
 * nft reads them in the order of their paths: the base is in folder 0, each vif in folder 1, what they learned in
 * folder 2, and no vif is there without the base. It costs a file for each change; one that says the same already is
 * not written again.
 */
export interface IncludedRules {
  /** The base, and all that are to be beside it. */
  whole(base: string, ports: readonly PlannedPort[]): void;
  /** One that has been loaded. */
  port(planned: PlannedPort): void;
  /** What ports have learned, as it was seen last. */
  learned(text: string): void;
  /** One that is about to leave. */
  remove(device: string): void;
  clear(): void;
}

/**
 * @param where chains at devices would make the whole file fail where one of them is not there (before 6.16), so there
 *   is none for those
 */
export function includedRules({ state, log }: Pick<Host, 'state' | 'log'>, where: PortPlace = 'bridge'): IncludedRules {
  if (where === 'device') return NOTHING_INCLUDED;
  const place = placeOf(state.directory);
  const folder = join(state.directory, 'nftables');
  const base = join(folder, '0', 'base.nft');
  const ports = join(folder, '1');
  const learned = join(folder, '2', 'learned.nft');
  const fileOf = (device: string): string => join(ports, `${device}.nft`);
  const write = (file: string, text: string): void => {
    if (!says(file, text)) writeText(place, file, text);
  };
  const port = (planned: PlannedPort): void => write(fileOf(planned.port.device), portFile(planned));
  /** A host without them is as safe as one that does not include them. */
  const attempt = (work: () => void): void => {
    try {
      work();
    } catch (error) {
      log.say('warning', `rules to include are not up to date: ${failureLine(asFailure(error))}`);
    }
  };
  const keepOnly = (kept: ReadonlySet<string>): void => {
    for (const name of list(ports)) if (!kept.has(name)) remove(place, join(ports, name));
  };
  return {
    whole: (text, all) =>
      attempt(() => {
        write(base, text);
        for (const planned of all) port(planned);
        keepOnly(new Set(all.map((planned) => basename(fileOf(planned.port.device)))));
      }),
    learned: (text) =>
      attempt(() => {
        if (text !== '') write(learned, text);
        else if (existsSync(learned)) remove(place, learned);
      }),
    port: (planned) => attempt(() => port(planned)),
    remove: (device) => attempt(() => remove(place, fileOf(device))),
    clear: () =>
      attempt(() => {
        keepOnly(new Set());
        remove(place, learned);
        remove(place, base);
      }),
  };
}

const nothing = (): void => undefined;
const NOTHING_INCLUDED: IncludedRules = {
  whole: nothing,
  port: nothing,
  learned: nothing,
  remove: nothing,
  clear: nothing,
};

function says(file: string, text: string): boolean {
  try {
    return readFileSync(file, 'utf8') === text;
  } catch {
    return false;
  }
}

/** A chain at a device that is gone would make the whole file fail where the kernel is older than 6.16. */
function portFile(planned: PlannedPort): string {
  const ingress = planned.port.ingress && kernelHas(6, 16);
  return portText({ ...planned, port: { ...planned.port, ingress }, loaded: [], hadIngress: false }, undefined);
}
