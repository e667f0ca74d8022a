import { existsSync, readFileSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { kernelHas } from '../../effects/kernel-release.ts';
import { asFailure, failureLine } from '../../errors.ts';
import type { Host } from '../../host.ts';
import { list, type Place, placeOf, remove, removeEmpty, writeLink, writeText } from '../../state/files.ts';
import type { PlannedPort } from '../backend.ts';
import type { PortPlace } from './base-text.ts';
import { inDeviceTables } from './device-tables.ts';
import type { DevicePort } from './device-text.ts';
import { closedText, portText } from './text.ts';

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
  /** The base, and all that are to be beside it, also those that may do nothing. */
  whole(base: string, ports: readonly PlannedPort[], closed: readonly ClosedPort[]): void;
  /** One that has been loaded. */
  port(planned: PlannedPort): void;
  /** What ports have learned, as it was seen last. */
  learned(text: string): void;
  /** One that is about to leave. */
  remove(device: string): void;
  clear(): void;
}

/** @param where the ports are that the rules are about: of those of devices each file names one */
export function includedRules({ state, log }: Pick<Host, 'state' | 'log'>, where: PortPlace = 'bridge'): IncludedRules {
  const place = placeOf(state.directory);
  const folder = join(state.directory, 'nftables');
  const base = join(folder, '0', where === 'device' ? 'routed.nft' : 'base.nft');
  const ports = where === 'device' ? deviceFiles(place, folder) : portFiles(place, join(folder, '1'));
  const learned = join(folder, '2', 'learned.nft');
  /** A host without them is as safe as one that does not include them. */
  const attempt = (work: () => void): void => {
    try {
      work();
    } catch (error) {
      log.say('warning', `rules to include are not up to date: ${failureLine(asFailure(error))}`);
    }
  };
  return {
    whole: (text, all, closed) =>
      attempt(() => {
        writeChanged(place, base, where === 'device' ? inDeviceTables(text) : text);
        for (const planned of all) ports.write(planned.port, portFile(planned));
        for (const port of closed) ports.write(port, closedText(port));
        ports.keepOnly(new Set([...all.map(({ port }) => port.device), ...closed.map(({ device }) => device)]));
      }),
    learned: (text) =>
      attempt(() => {
        if (text !== '') writeChanged(place, learned, text);
        else if (existsSync(learned)) remove(place, learned);
      }),
    port: (planned) => attempt(() => ports.write(planned.port, portFile(planned))),
    remove: (device) => attempt(() => ports.remove(device)),
    clear: () =>
      attempt(() => {
        ports.keepOnly(new Set());
        if (where === 'bridge') remove(place, learned);
        remove(place, base);
      }),
  };
}

type ClosedPort = DevicePort;

interface PortFiles {
  write(port: ClosedPort, text: string): void;
  remove(device: string): void;
  keepOnly(devices: ReadonlySet<string>): void;
}

function portFiles(place: Place, folder: string): PortFiles {
  const fileOf = (device: string): string => join(folder, `${device}.nft`);
  return {
    write: ({ device }, text) => writeChanged(place, fileOf(device), text),
    remove: (device) => remove(place, fileOf(device)),
    keepOnly(devices) {
      for (const name of list(folder)) if (!devices.has(basename(name, '.nft'))) remove(place, join(folder, name));
    },
  };
}

/** Enough to lead from any device in /sys to the root; at the root, one more leads nowhere else. */
const UP = '../'.repeat(16);

/**
 * Chains at a device that is not there would make the whole file fail (before 6.16), and the host would be left without
 * its own rules. So each file is in a folder that is there only as long as its device is: a link that leads through the
 * device in /sys. nft passes over a link that leads nowhere, as it looks for files by a pattern (glob(3)).
 */
function deviceFiles(place: Place, folder: string): PortFiles {
  const files = join(folder, 'device');
  const folderOf = (device: string): string => join(files, device);
  const linkOf = (device: string): string => join(folder, `device-${device}`);
  const removeOne = (device: string): void => {
    remove(place, linkOf(device));
    remove(place, join(folderOf(device), 'rules.nft'));
    removeEmpty(folderOf(device));
  };
  return {
    write({ device, name }, text) {
      writeChanged(place, join(folderOf(device), 'rules.nft'), inDeviceTables(text));
      writeLink(place, linkOf(device), `/sys/class/net/${name}/${UP}${resolve(folderOf(device)).slice(1)}`);
    },
    remove: removeOne,
    keepOnly(devices) {
      for (const device of list(files)) if (!devices.has(device)) removeOne(device);
    },
  };
}

function writeChanged(place: Place, file: string, text: string): void {
  if (!says(file, text)) writeText(place, file, text);
}

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
