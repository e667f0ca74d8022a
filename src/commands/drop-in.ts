import { chmodSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { hostFiles } from '../effects/look-file.ts';
import { removeFile, replaceFile } from '../effects/replace-file.ts';
import { Failure } from '../errors.ts';
import { type MacAddress, macText } from '../net/mac-address.ts';

/** What a command has written for an admin: each kind has a file for each NIC. */
export type DropInKind = 'unlock' | 'address';

/** Files of the policy that commands write and take away again, one for each kind and MAC. */
export interface DropIns {
  fileOf(kind: DropInKind, mac: MacAddress): string;
  /** Undefined if there is none. */
  read(kind: DropInKind, mac: MacAddress): string | undefined;
  /** @param lines below the head of the section */
  write(kind: DropInKind, mac: MacAddress, lines: readonly string[]): void;
  remove(kind: DropInKind, mac: MacAddress): void;
  /**
   * Takes the files of `unlock` away whose time is over.
   *
   * @param isStillOpen of a MAC: nobody has re-applied it, and its file says since when that is due
   */
  removeEnded(now: string, isStillOpen: (mac: string) => boolean): void;
}

const ENDING = '.ini';

/**
 * In the folder beside the policy file, by names that come last: of two sections that are equally strong the later one
 * wins.
 *
 * @param policyFile `/etc/xen/vif-bridge.ini`
 * @throws Failure `input` for a policy file that has no such folder
 */
export function dropIns(policyFile: string): DropIns {
  if (!policyFile.endsWith(ENDING)) {
    throw new Failure('input', 'this policy file has no folder beside it', {
      at: policyFile,
      hint: `name it x${ENDING}, and its folder is x.d`,
    });
  }
  const folder = `${policyFile.slice(0, -ENDING.length)}.d`;
  const fileOf = (kind: DropInKind, mac: MacAddress): string =>
    join(folder, `zz-${kind}-${mac.replaceAll(':', '')}${ENDING}`);
  return {
    fileOf,
    read: (kind, mac) => hostFiles.read(fileOf(kind, mac)),
    write(kind, mac, lines) {
      // Whatever umask this run has: who may read the policy may read it still.
      if (mkdirSync(folder, { recursive: true }) !== undefined) chmodSync(folder, 0o755);
      const head = `# Written by vif-bridge ${kind}, which takes it away again.`;
      replaceFile(fileOf(kind, mac), [head, `[mac ${mac}]`, ...lines, ''].join('\n'));
    },
    remove: (kind, mac) => removeFile(fileOf(kind, mac)),
    removeEnded(now, isStillOpen) {
      for (const name of hostFiles.list(folder)) {
        const [, digits] = /^zz-unlock-([0-9a-f]{12})\.ini$/.exec(name) ?? [];
        if (digits === undefined || isStillOpen(macText(Number.parseInt(digits, 16)))) continue;
        const [, until] = /^until = (\S+)$/m.exec(hostFiles.read(join(folder, name)) ?? '') ?? [];
        if (until !== undefined && Date.parse(until) <= Date.parse(now)) removeFile(join(folder, name));
      }
    },
  };
}
