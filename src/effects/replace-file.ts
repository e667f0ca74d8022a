import { closeSync, fchmodSync, fsyncSync, openSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { Failure } from '../errors.ts';

/**
 * Puts a text in the place of a file, for others to read (mode 0644): a reader meets the old or the new one, never half
 * of one. The draft beside it has a name that nobody reads (`.x.prom.1234.draft` of `x.prom`), and goes in any case.
 *
 * @throws Failure `tool` with the name of the file
 */
export function replaceFile(file: string, text: string): void {
  const draft = join(dirname(file), `.${basename(file)}.${process.pid}.draft`);
  try {
    // A link that somebody has put there is not followed.
    rmSync(draft, { force: true });
    const fd = openSync(draft, 'wx', 0o644);
    try {
      // Whatever umask this run has.
      fchmodSync(fd, 0o644);
      writeFileSync(fd, text);
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
    renameSync(draft, file);
  } catch (error) {
    try {
      rmSync(draft, { force: true });
    } catch {
      // What made the writing fail is told.
    }
    throw new Failure('tool', `cannot write: ${(error as Error).message}`, {
      at: file,
      hint: 'name a file in a folder that is there and that this user may write to',
    });
  }
}

/** Takes a file away; one that is not there is no error. @throws Failure `tool` */
export function removeFile(file: string): void {
  try {
    rmSync(file, { force: true });
  } catch (error) {
    throw new Failure('tool', `cannot be removed: ${(error as Error).message}`, { at: file });
  }
}
