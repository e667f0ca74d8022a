import { closeSync, constants, fstatSync, openSync, readdirSync, readFileSync } from 'node:fs';

/** Files of the host that others have written, for a look: what is not there, or no file, has no text. */
export interface Files {
  /** The text of a file, a link to one, or of /proc and /sys; undefined if there is none. */
  readonly read: (path: string) => string | undefined;
  /** The names in a folder, sorted; none if there is none. */
  readonly list: (folder: string) => readonly string[];
}

/** No configuration is larger, and a look must not take long. */
const MOST_BYTES = 1 << 20;

export const hostFiles: Files = {
  read(path) {
    try {
      // A FIFO would wait for its other end.
      const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
      try {
        const what = fstatSync(fd);
        return what.isFile() && what.size <= MOST_BYTES ? readFileSync(fd, 'utf8') : undefined;
      } finally {
        closeSync(fd);
      }
    } catch (error) {
      return absent(error, undefined);
    }
  },
  list(folder) {
    try {
      return readdirSync(folder).sort();
    } catch (error) {
      return absent(error, []);
    }
  },
};

/** @throws what the system says, but for what is not there */
function absent<T>(error: unknown, instead: T): T {
  const code = (error as NodeJS.ErrnoException).code ?? '';
  if (['ENOENT', 'ENOTDIR', 'ENODEV', 'EINVAL', 'ENXIO', 'ELOOP', 'EISDIR'].includes(code)) return instead;
  throw error;
}
