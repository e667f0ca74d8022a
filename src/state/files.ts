import {
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmdirSync,
  rmSync,
  type Stats,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { Failure } from '../errors.ts';

/**
 * The files of the state directory. Whatever somebody put in the place of one (a FIFO, a link, a directory, the half of
 * a file) is no reason to wait, to follow or to fail: it cannot be read, and what is written next takes its place.
 */

/** A vif has some kB; a base with 4000 exempt ports 250. What is larger is none of ours. */
const MOST_BYTES = 4 * 2 ** 20;

/** A FIFO would wait for its other end, a link lead to whatever somebody wanted. */
const CAREFULLY = constants.O_NOFOLLOW | constants.O_NONBLOCK;

/**
 * The text of a file; undefined if there is none.
 *
 * @throws Failure `input` if there is something else in its place, or it cannot be read
 */
export function readText(file: string): string | undefined {
  const fd = opened(file);
  if (fd === undefined) return undefined;
  try {
    const what = fstatSync(fd);
    if (!what.isFile()) throw unreadable(file, 'it is no file');
    if (what.size > MOST_BYTES) throw unreadable(file, `it has ${what.size} bytes`);
    return readFileSync(fd, 'utf8');
  } catch (error) {
    throw error instanceof Failure ? error : unreadable(file, codeOf(error));
  } finally {
    closeSync(fd);
  }
}

function opened(file: string): number | undefined {
  try {
    return openSync(file, constants.O_RDONLY | CAREFULLY);
  } catch (error) {
    if (isAbsent(error)) return undefined;
    // Who is not root is told so.
    if (['EACCES', 'EPERM'].includes(codeOf(error))) throw error;
    throw unreadable(file, codeOf(error) === 'ELOOP' ? 'it is a link' : codeOf(error));
  }
}

function unreadable(file: string, why: string): Failure {
  return new Failure('input', `cannot be read: ${why}`, { at: file });
}

function codeOf(error: unknown): string {
  return (error as NodeJS.ErrnoException).code ?? String(error);
}

function isAbsent(error: unknown): boolean {
  return ['ENOENT', 'ENOTDIR'].includes(codeOf(error));
}

/**
 * The names in a folder, in the order of their letters: file systems have each their own, tmpfs the newest first. None
 * if there is no such folder: a link to one is none of ours.
 */
export function list(folder: string): string[] {
  try {
    return isFolder(folder) ? readdirSync(folder).sort() : [];
  } catch (error) {
    if (isAbsent(error)) return [];
    throw error;
  }
}

export function isFolder(path: string): boolean {
  return lookAt(path)?.isDirectory() === true;
}

export function isFile(path: string): boolean {
  return lookAt(path)?.isFile() === true;
}

export function isAnything(path: string): boolean {
  return lookAt(path) !== undefined;
}

function lookAt(path: string): Stats | undefined {
  try {
    return lstatSync(path, { throwIfNoEntry: false });
  } catch (error) {
    if (isAbsent(error)) return undefined;
    throw error;
  }
}

/** Where files of one state directory are written. */
export interface Place {
  /** The state directory: what lies below it is ours. */
  readonly directory: string;
  /** For text that is not yet complete. */
  readonly drafts: string;
  /** For what stood in the way. */
  readonly aside: string;
}

export function placeOf(directory: string): Place {
  return { directory, drafts: join(directory, 'draft'), aside: join(directory, 'aside') };
}

/**
 * Writes elsewhere and renames: a reader sees the old or the new text, never half of one.
 *
 * @throws what the system says where it cannot be written
 */
export function writeText(place: Place, file: string, text: string): void {
  const draft = join(place.drafts, `${basename(file)}.${process.pid}`);
  for (let attempt = 1; ; attempt += 1) {
    try {
      for (const folder of [place.drafts, dirname(file)]) if (!isFolder(folder)) makeFolder(place, folder);
      const fd = openSync(draft, constants.O_WRONLY | constants.O_CREAT | constants.O_TRUNC | CAREFULLY, 0o600);
      try {
        writeFileSync(fd, text);
      } finally {
        closeSync(fd);
      }
      renameSync(draft, file);
      return;
    } catch (error) {
      // A parallel run has just removed the folder, which was empty; or something is in the way.
      if (attempt === 5 || !IN_THE_WAY.includes(codeOf(error))) throw error;
      for (const path of [draft, file]) clear(place, path, (what) => what.isFile());
    }
  }
}

/** Makes a link, or another one of it; one that leads there already is not made again. */
export function writeLink(place: Place, path: string, to: string): void {
  if (lookAt(path)?.isSymbolicLink() === true && readlinkSync(path) === to) return;
  for (const folder of [place.drafts, dirname(path)]) makeFolder(place, folder);
  const draft = join(place.drafts, `${basename(path)}.${process.pid}`);
  rmSync(draft, { force: true });
  symlinkSync(to, draft);
  clear(place, path, (what) => what.isSymbolicLink());
  renameSync(draft, path);
}

const IN_THE_WAY = ['ENOENT', 'ENOTDIR', 'EISDIR', 'EEXIST', 'ENOTEMPTY', 'ELOOP', 'ENXIO'];

/** A folder of the state directory; that itself may be a link, if an admin wants it so. */
export function makeFolder(place: Place, folder: string): void {
  if (folder === place.directory) return void mkdirSync(folder, { recursive: true, mode: 0o700 });
  makeFolder(place, dirname(folder));
  clear(place, folder, (what) => what.isDirectory());
  mkdirSync(folder, { recursive: true, mode: 0o700 });
}

/** Takes a file away, whatever is in its place. */
export function remove(place: Place, path: string): void {
  clear(place, path, (what) => what.isFile());
  rmSync(path, { force: true });
}

/** Takes away what is not what it must be, but destroys nothing that somebody may have put there. */
function clear(place: Place, path: string, isRight: (what: Stats) => boolean): void {
  const what = lookAt(path);
  if (what === undefined || isRight(what)) return;
  if (!what.isDirectory() && !what.isFile()) {
    rmSync(path, { force: true });
    return;
  }
  mkdirSync(place.aside, { recursive: true, mode: 0o700 });
  renameSync(path, join(place.aside, `${basename(path)}.${process.pid}.${Math.trunc(what.mtimeMs)}`));
}

/** Removes a folder in which nothing is any more. */
export function removeEmpty(folder: string): void {
  try {
    rmdirSync(folder);
  } catch (error) {
    if (!['ENOENT', 'ENOTDIR', 'ENOTEMPTY', 'EEXIST'].includes(codeOf(error))) throw error;
  }
}

/** Removes files that were written longer ago. */
export function removeOld(place: Place, folder: string, milliseconds: number): void {
  for (const name of list(folder)) {
    const file = join(folder, name);
    if (Date.now() - (lookAt(file)?.mtimeMs ?? Date.now()) > milliseconds) remove(place, file);
  }
}
