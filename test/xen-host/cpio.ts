import { gzipSync } from 'node:zlib';

/** A file of an initrd; `mode` has the file type in its upper bits as in stat(2), e.g. 0o100755. */
export interface CpioEntry {
  readonly name: string;
  readonly mode: number;
  readonly data: Buffer;
  readonly device?: readonly [major: number, minor: number];
}

export const directory = (name: string): CpioEntry => ({ name, mode: 0o040755, data: Buffer.alloc(0) });
export const program = (name: string, data: Buffer): CpioEntry => ({ name, mode: 0o100755, data });
export const text = (name: string, content: string): CpioEntry => ({
  name,
  mode: 0o100644,
  data: Buffer.from(content),
});
export const character = (name: string, major: number, minor: number): CpioEntry => ({
  name,
  mode: 0o020600,
  data: Buffer.alloc(0),
  device: [major, minor],
});

const padding = (length: number): Buffer => Buffer.alloc((4 - (length % 4)) % 4);

function entry(inode: number, { name, mode, data, device = [0, 0] }: CpioEntry): Buffer[] {
  const fields = [inode, mode, 0, 0, 1, 0, data.length, 0, 0, ...device, name.length + 1, 0];
  const header = `070701${fields.map((field) => field.toString(16).padStart(8, '0')).join('')}${name}\0`;
  return [Buffer.from(header), padding(header.length), data, padding(data.length)];
}

/** A gzipped initrd in the kernel's "newc" format (Documentation/driver-api/early-userspace/buffer-format.rst). */
export function initrd(entries: readonly CpioEntry[]): Buffer {
  const trailer: CpioEntry = { name: 'TRAILER!!!', mode: 0, data: Buffer.alloc(0) };
  return gzipSync(Buffer.concat([...entries, trailer].flatMap((e, index) => entry(index + 1, e))), { level: 1 });
}
