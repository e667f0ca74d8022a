/** Captures as tcpdump and wireshark write them, in both byte orders. */

export interface PcapOptions {
  readonly little?: boolean;
  readonly nanoseconds?: boolean;
  /** LINKTYPE_ETHERNET unless told. */
  readonly link?: number;
  /** The most that is kept of a frame. */
  readonly most?: number;
}

/** A classic capture of frames in hex. */
export function pcap(frames: readonly string[], options: PcapOptions = {}): Buffer {
  const { little = true, nanoseconds = false, link = 1, most = 262_144 } = options;
  const head = words([nanoseconds ? 0xa1b23c4d : 0xa1b2c3d4, 0, 0, 0, most, link], little);
  shorts(head, 4, [2, 4], little);
  return Buffer.concat([
    head,
    ...frames.flatMap((hex, at) => {
      const bytes = Buffer.from(hex, 'hex');
      const kept = bytes.subarray(0, most);
      return [words([1_700_000_000 + at, 0, kept.length, bytes.length], little), kept];
    }),
  ]);
}

/** The same as pcapng; `simple` blocks have no time, and a comment stands beside them. */
export function pcapng(frames: readonly string[], options: PcapOptions & { readonly simple?: boolean } = {}): Buffer {
  const { little = true, link = 1, most = 0, simple = false } = options;
  const section = words([0x1a2b3c4d, 0, 0xffffffff, 0xffffffff], little);
  shorts(section, 4, [1, 0], little);
  const port = words([0, most], little);
  shorts(port, 0, [link, 0], little);
  return Buffer.concat([
    block(0x0a0d0d0a, section, little),
    block(1, port, little),
    // A block that has no frame: interface statistics.
    block(5, words([0, 0, 0], little), little),
    ...frames.map((hex) => {
      const bytes = Buffer.from(hex, 'hex');
      const kept = most === 0 ? bytes : bytes.subarray(0, most);
      return simple
        ? block(3, Buffer.concat([words([bytes.length], little), kept]), little)
        : block(6, Buffer.concat([words([0, 0, 0, kept.length, bytes.length], little), kept]), little);
    }),
  ]);
}

function block(type: number, body: Buffer, little: boolean): Buffer {
  const padded = Buffer.concat([body, Buffer.alloc((4 - (body.length % 4)) % 4)]);
  const length = padded.length + 12;
  return Buffer.concat([words([type, length], little), padded, words([length], little)]);
}

function words(values: readonly number[], little: boolean): Buffer {
  const bytes = Buffer.alloc(values.length * 4);
  values.forEach((value, at) => {
    if (little) bytes.writeUInt32LE(value >>> 0, at * 4);
    else bytes.writeUInt32BE(value >>> 0, at * 4);
  });
  return bytes;
}

function shorts(bytes: Buffer, from: number, values: readonly number[], little: boolean): void {
  values.forEach((value, at) => {
    if (little) bytes.writeUInt16LE(value, from + at * 2);
    else bytes.writeUInt16BE(value, from + at * 2);
  });
}
