import {
  chmodSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';

/** The host's file system, or a folder that is taken for it. */
export interface Disk {
  /** Bytes of a file; undefined if there is none. */
  read(path: string): Buffer | undefined;
  /** Where a link leads, as it says; undefined if it is none. */
  linkAt(path: string): string | undefined;
  /** Whether there is anything, be it a link to nothing. */
  isThere(path: string): boolean;
  /** Names of all files below a folder, relative to it; none if there is no folder. */
  below(path: string): string[];
  names(path: string): string[];
  /** Beside it, then renamed: who reads or runs it has the old one or the new one. */
  write(path: string, bytes: Uint8Array, mode: number): void;
  link(path: string, to: string): void;
  /** Takes a file or link away, and the folders above it that are empty then, up to one that an installation shares. */
  remove(path: string): void;
}

/** @param root `/`, or a folder that stands for it */
export function disk(root: string): Disk {
  const at = (path: string): string => join(root, path);
  const replace = (path: string, make: (draft: string) => void): void => {
    mkdirSync(dirname(at(path)), { recursive: true, mode: 0o755 });
    const draft = `${at(path)}.xen-vif-bridge-new`;
    rmSync(draft, { force: true });
    make(draft);
    renameSync(draft, at(path));
  };
  const isThere = (path: string): boolean => lstatSync(at(path), { throwIfNoEntry: false }) !== undefined;
  return {
    isThere,
    read: (path) => (lstatSync(at(path), { throwIfNoEntry: false })?.isFile() ? readFileSync(at(path)) : undefined),
    linkAt: (path) =>
      lstatSync(at(path), { throwIfNoEntry: false })?.isSymbolicLink() ? readlinkSync(at(path)) : undefined,
    names: (path) => (isThere(path) ? readdirSync(at(path)) : []),
    below(path) {
      if (!isThere(path)) return [];
      return readdirSync(at(path), { recursive: true, withFileTypes: true })
        .filter((entry) => !entry.isDirectory())
        .map((entry) => join(entry.parentPath, entry.name).slice(at(path).replace(/\/$/, '').length + 1))
        .sort();
    },
    write: (path, bytes, mode) =>
      replace(path, (draft) => {
        writeFileSync(draft, bytes);
        chmodSync(draft, mode);
      }),
    link: (path, to) => replace(path, (draft) => symlinkSync(to, draft)),
    remove(path) {
      rmSync(at(path), { force: true });
      for (let folder = dirname(path); folder.split('/').length > 2; folder = dirname(folder)) {
        if (!isThere(folder) || readdirSync(at(folder)).length > 0) return;
        rmdirSync(at(folder));
      }
    },
  };
}
